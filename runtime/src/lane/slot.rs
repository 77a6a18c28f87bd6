//! The slot that carries one reply: written once by the callee, read once by the caller.
//!
//! ```text
//!   FREE ──pair──▶ EMPTY ──caller polls──▶ WAITING ──sweeper, too late──▶ LATE
//!                    │  finish                │ finish                      │ caller gives up
//!                    ▼                        ▼                             ▼
//!             READY / FAILED ◀────────────────┘               GONE / GONE_LATE (callee recycles)
//! ```
//!
//! **Promises**: a value that was sent is received or dropped, once; whoever of the two sides comes last recycles.
//! **Does not promise**: that an answer arrives in time; `sweep` is called by the node's sweeper.
//! **Cost**: no allocation when the value has at most 32 bytes.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::mem::{MaybeUninit, align_of, size_of};
use std::task::{Context, Waker};
use std::time::Duration;

use super::pool::{self, Handle};
use super::sync::{AtomicU8, AtomicU32, AtomicU64, Ordering, yield_now};

const FREE: u8 = 0;
const EMPTY: u8 = 1;
const WAITING: u8 = 2;
/// One side has the waker in its hands for a few instructions.
const LOCKED: u8 = 3;
const READY: u8 = 4;
const FAILED: u8 = 5;
const LATE: u8 = 6;
const GONE: u8 = 7;
const GONE_LATE: u8 = 8;

const WORDS: usize = 4;

#[cfg(not(proscenium_loom))]
struct Shared<T>(std::cell::UnsafeCell<T>);

#[cfg(not(proscenium_loom))]
impl<T> Shared<T> {
    fn new(value: T) -> Self {
        Shared(std::cell::UnsafeCell::new(value))
    }

    #[inline]
    fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

#[cfg(proscenium_loom)]
use loom::cell::UnsafeCell as Shared;

/// A place for one reply at a time.
#[repr(align(64))]
pub(crate) struct Slot {
    state: AtomicU8,
    generation: AtomicU32,
    /// Whose sweeper looks after the time-out; 0: nobody's.
    node: AtomicU32,
    limit_ms: AtomicU64,
    /// Stamped by the sweeper when it first sees the call, so that no clock is read on the way.
    deadline_ms: AtomicU64,
    waker: Shared<Option<Waker>>,
    value: Shared<[MaybeUninit<u64>; WORDS]>,
}

// JUSTIFICATION: two sides and a sweeper share the cells below; the state says whose they are.
// SAFETY:
// - `value` is written by the callee alone before `finish` (Release) and read by the caller alone after it saw READY or
//   FAILED (Acquire), or by the callee after `finish` said that the caller is gone;
// - `waker` is touched by who moved the state to LOCKED, or by the caller in EMPTY, which only the caller leaves for
//   WAITING and the callee leaves without touching it;
// - what is stored is `Send`: `Answer` and `Await` are made for `T: Send, F: Send` only.
unsafe impl Sync for Slot {}

fn fits<T>() -> bool {
    size_of::<T>() <= size_of::<[u64; WORDS]>() && align_of::<T>() <= align_of::<u64>()
}

impl Slot {
    pub(super) fn new() -> Self {
        Slot {
            state: AtomicU8::new(FREE),
            generation: AtomicU32::new(0),
            node: AtomicU32::new(0),
            limit_ms: AtomicU64::new(0),
            deadline_ms: AtomicU64::new(0),
            waker: Shared::new(None),
            value: Shared::new([MaybeUninit::uninit(); WORDS]),
        }
    }

    /// Call only as the side that owns the value (see the states).
    fn write<T>(&self, value: T) {
        self.value.with_mut(|at| {
            if fits::<T>() {
                // SAFETY: `fits` proved size and alignment; `value` is ours alone by the protocol of the states.
                unsafe { at.cast::<T>().write(value) }
            } else {
                // SAFETY: a thin pointer fits one aligned word; ours alone as above.
                unsafe { at.cast::<*mut T>().write(Box::into_raw(Box::new(value))) }
            }
        });
    }

    /// Call once, as the side that owns the value, with the type that was written.
    ///
    /// # Safety
    /// A `T` was written since the slot was taken, and was not read.
    unsafe fn read<T>(&self) -> T {
        self.value.with_mut(|at| {
            if fits::<T>() {
                // SAFETY: the caller's promise; `write::<T>` took the same branch.
                unsafe { at.cast::<T>().read() }
            } else {
                // SAFETY: the caller's promise; the pointer came from `Box::into_raw` in `write::<T>`.
                unsafe { *Box::from_raw(at.cast::<*mut T>().read()) }
            }
        })
    }

    fn take_waker(&self) -> Option<Waker> {
        // SAFETY: only called after a swap to LOCKED, which shuts everybody else out.
        self.waker.with_mut(|waker| unsafe { (*waker).take() })
    }

    fn lock_from(&self, state: u8) -> bool {
        self.state.compare_exchange(state, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    fn swap(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// The callee is done. False: nobody waits any more, and the slot is the callee's.
    fn finish(&self, end: u8) -> bool {
        loop {
            match self.state.load(Ordering::Acquire) {
                state @ (EMPTY | LATE) => {
                    if self.swap(state, end) {
                        return true;
                    }
                }
                WAITING => {
                    if self.lock_from(WAITING) {
                        let waker = self.take_waker();
                        // From this store on the slot may be reused: it is not touched any more.
                        self.state.store(end, Ordering::Release);
                        if let Some(waker) = waker {
                            waker.wake();
                        }
                        return true;
                    }
                }
                GONE | GONE_LATE => return false,
                _ => yield_now(),
            }
        }
    }

    /// The caller looks. `Ok` carries READY or FAILED; `Err(late)` means that it goes on waiting.
    fn poll(&self, cx: &Context<'_>) -> Result<u8, bool> {
        loop {
            match self.state.load(Ordering::Acquire) {
                state @ (READY | FAILED) => return Ok(state),
                LATE => return Err(true),
                EMPTY => {
                    // SAFETY: in EMPTY only the caller touches the waker, and this is the caller.
                    self.waker.with_mut(|waker| unsafe { *waker = Some(cx.waker().clone()) });
                    if self.swap(EMPTY, WAITING) {
                        return Err(false);
                    }
                    // Answered meanwhile: the cell is ours alone again.
                    // SAFETY: the callee left EMPTY without touching the waker, and is done.
                    self.waker.with_mut(|waker| unsafe { *waker = None });
                }
                WAITING => {
                    if self.lock_from(WAITING) {
                        // SAFETY: LOCKED shuts everybody else out.
                        self.waker.with_mut(|waker| unsafe {
                            match &mut *waker {
                                Some(old) => old.clone_from(cx.waker()),
                                none => *none = Some(cx.waker().clone()),
                            }
                        });
                        self.state.store(WAITING, Ordering::Release);
                        return Err(false);
                    }
                }
                _ => yield_now(),
            }
        }
    }

    /// The caller gives up. `Ok(())`: the callee will recycle; `Err(end)`: it was answered, the slot is ours.
    fn abandon(&self) -> Result<(), u8> {
        loop {
            match self.state.load(Ordering::Acquire) {
                state @ (READY | FAILED) => return Err(state),
                EMPTY => {
                    if self.swap(EMPTY, GONE) {
                        return Ok(());
                    }
                }
                LATE => {
                    if self.swap(LATE, GONE_LATE) {
                        return Ok(());
                    }
                }
                WAITING => {
                    if self.lock_from(WAITING) {
                        let waker = self.take_waker();
                        self.state.store(GONE, Ordering::Release);
                        drop(waker);
                        return Ok(());
                    }
                }
                _ => yield_now(),
            }
        }
    }

    /// Wakes a caller of `node` whose time is over. True while the slot is in use by that node.
    pub(crate) fn sweep(&self, node: u32, now_ms: u64) -> bool {
        let state = self.state.load(Ordering::SeqCst);
        if state == FREE || self.node.load(Ordering::Relaxed) != node {
            return false;
        }
        if state == WAITING && self.lock_from(WAITING) {
            let deadline = self.deadline_ms.load(Ordering::Relaxed);
            // The node is read again: the slot may have changed hands before it was locked.
            if self.node.load(Ordering::Relaxed) != node || (deadline != 0 && deadline > now_ms) {
                self.state.store(WAITING, Ordering::Release);
            } else if deadline == 0 {
                let deadline = now_ms.saturating_add(self.limit_ms.load(Ordering::Relaxed)).max(1);
                self.deadline_ms.store(deadline, Ordering::Relaxed);
                self.state.store(WAITING, Ordering::Release);
            } else {
                let waker = self.take_waker();
                self.state.store(LATE, Ordering::Release);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        }
        true
    }

    fn generation(&self) -> u32 {
        self.generation.load(Ordering::Relaxed)
    }

    fn recycle(&self) {
        self.generation.store(self.generation().wrapping_add(1), Ordering::Relaxed);
        self.state.store(FREE, Ordering::Release);
    }
}

/// Whether the caller's deadline has passed in this use of the slot: nobody waits for the answer.
pub(crate) fn is_late(slot: &Handle, generation: u32) -> bool {
    let state = slot.state.load(Ordering::Acquire);
    (state == LATE || state == GONE_LATE) && slot.generation() == generation
}

/// The callee's half: answers with a `T`, or says with an `F` why there is none; dropped, with the default `F`.
pub(crate) struct Answer<T, F: Default + Send> {
    slot: Option<Handle>,
    types: PhantomData<fn(T, F)>,
}

/// The caller's half: a future of the answer.
pub(crate) struct Await<T, F> {
    slot: Option<Handle>,
    types: PhantomData<fn() -> (T, F)>,
}

/// What a poll of `Await` shows.
pub(crate) enum Seen<T, F> {
    Answer(T),
    Failure(F),
    /// The time is over. The slot is given up.
    Late,
    Pending,
}

/// Takes a slot. The sweeper of `node` ends the wait after `limit_ms`.
pub(crate) fn pair<T: Send, F: Default + Send>(node: u32, limit_ms: u64) -> (Answer<T, F>, Await<T, F>) {
    let slot = pool::take();
    slot.node.store(node, Ordering::Relaxed);
    slot.limit_ms.store(limit_ms, Ordering::Relaxed);
    slot.deadline_ms.store(0, Ordering::Relaxed);
    // SeqCst: pairs with the sweeper, which looks for slots in use before it goes to sleep.
    slot.state.swap(EMPTY, Ordering::SeqCst);
    (Answer { slot: Some(slot.clone()), types: PhantomData }, Await { slot: Some(slot), types: PhantomData })
}

fn recycle(slot: Handle) {
    slot.recycle();
    pool::give(slot);
}

impl<T, F: Default + Send> Answer<T, F> {
    /// Names this use of the slot, without owning it.
    pub(crate) fn tag(&self) -> Option<(Handle, u32)> {
        self.slot.as_ref().map(|slot| (slot.clone(), slot.generation()))
    }

    pub(crate) fn is_waited_for(&self) -> bool {
        self.slot.as_ref().is_some_and(|slot| !matches!(slot.state.load(Ordering::Acquire), GONE | GONE_LATE))
    }

    fn end<V>(&mut self, value: V, end: u8) -> Result<(), V> {
        let Some(slot) = self.slot.take() else { return Err(value) };
        slot.write(value);
        if slot.finish(end) {
            return Ok(());
        }
        // SAFETY: a `V` was written just now, and `finish` said that the caller never reads it.
        let value = unsafe { slot.read::<V>() };
        recycle(slot);
        Err(value)
    }

    /// Hands the value back if nobody waits any more.
    #[inline]
    pub(crate) fn send(mut self, value: T) -> Result<(), T>
    where
        T: Send,
    {
        self.end(value, READY)
    }

    pub(crate) fn fail(mut self, failure: F) -> Result<(), F> {
        self.end(failure, FAILED)
    }
}

impl<T, F: Default + Send> Drop for Answer<T, F> {
    fn drop(&mut self) {
        drop(self.end(F::default(), FAILED));
    }
}

impl<T: Send, F: Send> Await<T, F> {
    /// Another limit than `pair` set, before the first poll.
    pub(crate) fn limit(&self, limit: Duration) {
        if let Some(slot) = &self.slot {
            slot.limit_ms.store(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Seen<T, F> {
        let Some(slot) = &self.slot else { return Seen::Pending };
        match slot.poll(cx) {
            Ok(end) => self.collect(end),
            Err(false) => Seen::Pending,
            Err(true) => self.give_up(),
        }
    }

    /// Ends the wait now; an answer that is there already is still taken.
    pub(crate) fn give_up(&mut self) -> Seen<T, F> {
        match self.slot.as_ref().map(|slot| slot.abandon()) {
            Some(Err(end)) => self.collect(end),
            Some(Ok(())) | None => {
                self.slot = None;
                Seen::Late
            }
        }
    }

    fn collect(&mut self, end: u8) -> Seen<T, F> {
        let Some(slot) = self.slot.take() else { return Seen::Pending };
        let seen = if end == READY {
            // SAFETY: READY says that a `T` was written, and taking the slot makes this the only read.
            Seen::Answer(unsafe { slot.read::<T>() })
        } else {
            // SAFETY: FAILED says that an `F` was written, and taking the slot makes this the only read.
            Seen::Failure(unsafe { slot.read::<F>() })
        };
        recycle(slot);
        seen
    }
}

impl<T, F> Drop for Await<T, F> {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        match slot.abandon() {
            Ok(()) => {}
            Err(end) => {
                // SAFETY: the end says which type was written; the slot was taken, so this is the only read.
                unsafe { if end == READY { drop(slot.read::<T>()) } else { drop(slot.read::<F>()) } }
                recycle(slot);
            }
        }
    }
}
