//! Which actor the current thread runs just now, and what becomes of replies that it drops.
//!
//! A companion's poll enters the scope and leaves it, so that a ref can tell a handler's tell or call from any other:
//! deadlines for waits inside handlers, call chains and reply errors rest on this. A future that a handler hands to
//! tokio runs outside.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::sync::Arc;

use crate::cell::AnyCell;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::watch::{self, Beat};

type Orphan = Box<dyn FnOnce(Failure)>;

/// What a thread is at. It is empty whenever no actor is polled, so it is never dropped, and costs no look at whether it
/// has been.
struct Here {
    current: Cell<Option<Arc<dyn AnyCell>>>,
    /// Has the id of `current`.
    beat: Cell<Option<&'static Beat>>,
    may_block: Cell<bool>,
    orphaning: Cell<bool>,
    has_orphans: Cell<bool>,
}

thread_local! {
    static HERE: ManuallyDrop<Here> = const {
        ManuallyDrop::new(Here {
            current: Cell::new(None),
            beat: Cell::new(None),
            may_block: Cell::new(false),
            orphaning: Cell::new(false),
            has_orphans: Cell::new(false),
        })
    };
    static FAILING: RefCell<Option<Failure>> = const { RefCell::new(None) };
    static ORPHANS: RefCell<Vec<Orphan>> = const { RefCell::new(Vec::new()) };
}

impl Here {
    #[inline(always)]
    fn running(&self) -> u64 {
        self.beat.get().map_or(0, Beat::running)
    }

    #[cold]
    fn new_beat(&self) -> &'static Beat {
        let beat = watch::beat();
        self.beat.set(Some(beat));
        beat
    }
}

/// Who was current before.
pub(crate) struct Outer {
    cell: Option<Arc<dyn AnyCell>>,
    id: u64,
}

/// A poll of this actor begins here. The `Arc` travels in and out: no count is touched.
///
/// In small steps, because a larger `with` is not inlined.
#[inline(always)]
pub(crate) fn enter(me: Arc<dyn AnyCell>, id: u64) -> Outer {
    watch::rouse();
    let beat = match HERE.with(|here| here.beat.get()) {
        Some(beat) => beat,
        None => HERE.with(|here| here.new_beat()),
    };
    let id = beat.enter(id);
    Outer { cell: HERE.with(|here| here.current.replace(Some(me))), id }
}

/// It is over. Gives back what `enter` was given.
#[inline(always)]
pub(crate) fn leave(outer: Outer) -> Option<Arc<dyn AnyCell>> {
    if let Some(beat) = HERE.with(|here| here.beat.get()) {
        beat.leave(outer.id);
    }
    HERE.with(|here| here.current.replace(outer.cell))
}

/// The thread is ending, and its beat is another's.
pub(crate) fn forget_beat() {
    HERE.with(|here| here.beat.set(None));
}

/// The actor whose handler runs on this thread.
#[inline]
pub(crate) fn current() -> Option<Arc<dyn AnyCell>> {
    HERE.with(|here| {
        if here.running() == 0 {
            return None;
        }
        let current = here.current.take();
        here.current.set(current.clone());
        current
    })
}

/// Whether a handler runs on this thread.
#[inline(always)]
pub(crate) fn is_inside() -> bool {
    HERE.with(|here| here.running() != 0)
}

/// Whether this is the actor whose handler runs on this thread.
#[inline]
pub(crate) fn is_current(id: crate::ActorId) -> bool {
    HERE.with(|here| here.running() == id.to_bits())
}

/// This thread belongs to one actor alone: its handlers may block it.
pub(crate) fn allow_blocking() {
    HERE.with(|here| {
        here.may_block.set(true);
        here.new_beat().leave_unwatched();
    });
}

/// Whether waiting by blocking the thread takes a worker from nobody.
#[inline]
pub(crate) fn may_block() -> bool {
    HERE.with(|here| here.may_block.get())
}

/// While `f` runs, replies that are dropped without an answer end with `failure`.
pub(crate) fn failing<R>(failure: Failure, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<Failure>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let before = self.0.take();
            let _ = FAILING.try_with(|place| place.replace(before));
        }
    }
    let before = FAILING.try_with(|place| place.replace(Some(failure))).unwrap_or(None);
    let _restore = Restore(before);
    f()
}

/// What a dropped reply ends with, as things stand; `None`: that is known when the handler has ended.
pub(crate) fn failure_now() -> Option<Failure> {
    if let Some(failure) = FAILING.try_with(|place| place.borrow().clone()).unwrap_or(None) {
        return Some(failure);
    }
    let inside = HERE.with(|here| here.running() != 0 || here.orphaning.get());
    (!inside).then(Failure::default)
}

/// While `f` runs, replies that are dropped wait for `settle`, as those of a handler do. `f` must not panic.
pub(crate) fn orphaning<R>(f: impl FnOnce() -> R) -> R {
    let before = HERE.with(|here| here.orphaning.replace(true));
    let result = f();
    HERE.with(|here| here.orphaning.set(before));
    result
}

/// A reply dropped by a handler that may be crashing: answered when that is known.
pub(crate) fn leave_orphan(orphan: Orphan) {
    HERE.with(|here| here.has_orphans.set(true));
    let _ = ORPHANS.try_with(|place| place.borrow_mut().push(orphan));
}

/// Answers the replies that the handler dropped.
#[inline(always)]
pub(crate) fn settle(why: impl FnOnce() -> Failure) {
    if HERE.with(|here| here.has_orphans.get()) {
        settle_all(&why());
    }
}

#[cold]
fn settle_all(why: &Failure) {
    HERE.with(|here| here.has_orphans.set(false));
    let orphans = ORPHANS.try_with(RefCell::take).unwrap_or_default();
    for orphan in orphans {
        orphan(why.clone());
    }
}

/// The reason as a failure, for replies that end with an incarnation.
pub(crate) fn failing_with_exit<R>(exit: &Exit, f: impl FnOnce() -> R) -> R {
    failing(Failure::Exited(exit.clone()), f)
}
