//! Which actor the current thread runs just now, and what becomes of replies that it drops.
//!
//! A companion's poll enters the scope and leaves it, so that a ref can tell a handler's tell or call from any other:
//! deadlines for waits inside handlers, call chains and reply errors rest on this. A future that a handler hands to
//! tokio runs outside.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::cell::AnyCell;
use crate::exit::Exit;
use crate::failure::Failure;

type Orphan = Box<dyn FnOnce(Failure)>;

thread_local! {
    static CURRENT: RefCell<Option<Arc<dyn AnyCell>>> = const { RefCell::new(None) };
    static FAILING: RefCell<Option<Failure>> = const { RefCell::new(None) };
    static ORPHANS: RefCell<Vec<Orphan>> = const { RefCell::new(Vec::new()) };
    static ORPHANING: Cell<bool> = const { Cell::new(false) };
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
    static HAS_ORPHANS: Cell<bool> = const { Cell::new(false) };
}

/// Sets the current actor; gives back who was current before. The `Arc` travels in and out: no count is touched.
#[inline]
pub(crate) fn exchange(current: Option<Arc<dyn AnyCell>>) -> Option<Arc<dyn AnyCell>> {
    CURRENT.try_with(|place| place.replace(current)).unwrap_or(None)
}

/// The actor whose handler runs on this thread.
#[inline]
pub(crate) fn current() -> Option<Arc<dyn AnyCell>> {
    CURRENT.try_with(|place| place.borrow().clone()).unwrap_or(None)
}

/// Whether `cell` is the actor whose handler runs on this thread.
#[inline]
pub(crate) fn is_current(id: crate::ActorId) -> bool {
    CURRENT.try_with(|place| place.borrow().as_ref().is_some_and(|cell| cell.face().id == id)).unwrap_or(false)
}

/// This thread belongs to one actor alone: its handlers may block it.
pub(crate) fn allow_blocking() {
    let _ = MAY_BLOCK.try_with(|flag| flag.set(true));
}

/// Whether waiting by blocking the thread takes a worker from nobody.
#[inline]
pub(crate) fn may_block() -> bool {
    MAY_BLOCK.try_with(Cell::get).unwrap_or(false)
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
    let inside = CURRENT.try_with(|place| place.borrow().is_some()).unwrap_or(false)
        || ORPHANING.try_with(Cell::get).unwrap_or(false);
    (!inside).then(Failure::default)
}

/// While `f` runs, replies that are dropped wait for `settle`, as those of a handler do. `f` must not panic.
pub(crate) fn orphaning<R>(f: impl FnOnce() -> R) -> R {
    let before = ORPHANING.try_with(|flag| flag.replace(true)).unwrap_or(false);
    let result = f();
    let _ = ORPHANING.try_with(|flag| flag.set(before));
    result
}

/// A reply dropped by a handler that may be crashing: answered when that is known.
pub(crate) fn leave_orphan(orphan: Orphan) {
    let _ = HAS_ORPHANS.try_with(|flag| flag.set(true));
    let _ = ORPHANS.try_with(|place| place.borrow_mut().push(orphan));
}

/// Answers the replies that the handler dropped.
#[inline]
pub(crate) fn settle(why: impl FnOnce() -> Failure) {
    if HAS_ORPHANS.try_with(Cell::get).unwrap_or(false) {
        settle_all(&why());
    }
}

#[cold]
fn settle_all(why: &Failure) {
    let _ = HAS_ORPHANS.try_with(|flag| flag.set(false));
    let orphans = ORPHANS.try_with(RefCell::take).unwrap_or_default();
    for orphan in orphans {
        orphan(why.clone());
    }
}

/// The reason as a failure, for replies that end with an incarnation.
pub(crate) fn failing_with_exit<R>(exit: &Exit, f: impl FnOnce() -> R) -> R {
    failing(Failure::Exited(exit.clone()), f)
}
