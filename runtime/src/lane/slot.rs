//! The slot that carries one reply: written once by the callee, read once by the caller.
//!
//! ```text
//!   FREE ──pair──▶ EMPTY ──caller polls──▶ WAITING ──sweeper, too late──▶ LATE
//!                    │  finish                │ finish                      │ caller gives up
//!                    ▼                        ▼                             ▼
//!             READY / FAILED ◀────────────────┘ EXPIRED       GONE / GONE_LATE (callee recycles)
//!
//!   EMPTY, WAITING ──callee given up──▶ FENCED ──caller looks──▶ GONE
//! ```
//!
//! **Promises**: a value that was sent is received or dropped, once; whoever of the two sides comes last recycles.
//! **Does not promise**: that an answer arrives in time; `sweep` is called by the node's sweeper. A call that was made in
//! the handler of another is late when that one is: see `deadline`.
//! **Cost**: no allocation when the value has at most 32 bytes.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit, align_of, size_of};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use tracing::Span;

use super::deadline;
use super::pool::{self, Handle};
use super::sync::{AtomicU8, AtomicU32, AtomicU64, Ordering, Shared, yield_now};

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
/// The callee was given up with the call in hand; it may answer all the same, but is not waited for.
const FENCED: u8 = 10;
/// Failed when it was late already: to the caller it is late, whoever comes first.
const EXPIRED: u8 = 9;

/// Set in the generation of a use that carries the span in which the call was made. It stands beside the count, in every
/// tag, so that a call without one is not asked for it.
const TRACED: u32 = 1 << COUNT_BITS;
const COUNT_BITS: u32 = 16;
/// A tag's part of a generation: the count and `TRACED`.
const GENERATION_BITS: u32 = COUNT_BITS + 1;

const WORDS: usize = 4;

/// A place for one reply at a time.
///
/// The callee touches the first cache line alone.
#[repr(C, align(64))]
pub(crate) struct Slot {
    state: AtomicU8,
    /// Its place in the pool.
    number: u32,
    /// Counts the uses, in 16 bits: enough to tell one from the next ones, for a tag lives as long as its message waits.
    generation: AtomicU32,
    /// Whose sweeper looks after the time-out; 0: nobody's.
    node: AtomicU32,
    waker: Shared<Option<Waker>>,
    value: Shared<[MaybeUninit<u64>; WORDS]>,
    /// The id of the actor whose handler waits; 0: somebody outside.
    caller: AtomicU64,
    limit_ms: AtomicU64,
    /// Stamped by the sweeper when it first sees the call, so that no clock is read on the way.
    deadline_ms: AtomicU64,
    /// The call in whose handler this one was made, as `Tag::to_bits`; 0: none, or it has been answered.
    outer: AtomicU64,
    /// Set by the sweeper with LATE: how long before its own limit the wait was ended.
    cut_ms: AtomicU64,
    /// Set in a use that is `TRACED`.
    span: Mutex<Option<Box<Span>>>,
}

/// The time of one use of a slot, as others may read it.
pub(super) struct Term {
    pub(super) node: u32,
    pub(super) limit_ms: u64,
    /// As the sweeper of `node` counts time; 0: it has not seen the call yet.
    pub(super) deadline_ms: u64,
    /// It is over, whatever the stamp says: a short limit has a timer of its own.
    pub(super) over: bool,
    pub(super) outer: u64,
}

#[cfg(not(proscenium_loom))]
const _: () = assert!(size_of::<Slot>() == 128 && std::mem::offset_of!(Slot, caller) == 64);

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
    pub(super) fn new(number: u32) -> Self {
        Slot {
            state: AtomicU8::new(FREE),
            number,
            generation: AtomicU32::new(0),
            node: AtomicU32::new(0),
            waker: Shared::new(None),
            value: Shared::new([MaybeUninit::uninit(); WORDS]),
            caller: AtomicU64::new(0),
            limit_ms: AtomicU64::new(0),
            deadline_ms: AtomicU64::new(0),
            outer: AtomicU64::new(0),
            cut_ms: AtomicU64::new(0),
            span: Mutex::new(None),
        }
    }

    /// Call only as the side that owns the value (see the states).
    #[inline]
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

    #[inline]
    fn take_waker(&self) -> Option<Waker> {
        // SAFETY: only called after a swap to LOCKED, which shuts everybody else out.
        self.waker.with_mut(|waker| unsafe { (*waker).take() })
    }

    #[inline]
    fn lock_from(&self, state: u8) -> bool {
        self.state.compare_exchange(state, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[inline]
    fn swap(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// The callee is done. False: nobody waits any more, and the slot is the callee's.
    #[inline]
    fn finish(&self, end: u8) -> bool {
        loop {
            match self.state.load(Ordering::Acquire) {
                state @ (EMPTY | FENCED) => {
                    if self.swap(state, end) {
                        return true;
                    }
                }
                LATE => {
                    if self.swap(LATE, if end == FAILED { EXPIRED } else { end }) {
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

    /// The caller looks. `Ok` carries READY, FAILED or EXPIRED; `Err(late)` means that it goes on waiting.
    #[inline]
    fn poll(&self, cx: &Context<'_>) -> Result<u8, bool> {
        loop {
            match self.state.load(Ordering::Acquire) {
                state @ (READY | FAILED | EXPIRED) => return Ok(state),
                LATE => return Err(true),
                FENCED => {
                    if self.swap(FENCED, GONE) {
                        return Ok(FENCED);
                    }
                }
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

    /// The caller gives up: `gone` is GONE, or GONE_LATE when its time is over. `Ok(())`: the callee will recycle;
    /// `Err(end)`: it was answered, the slot is ours.
    #[inline]
    fn abandon(&self, gone: u8) -> Result<(), u8> {
        loop {
            match self.state.load(Ordering::Acquire) {
                state @ (READY | FAILED | EXPIRED) => return Err(state),
                EMPTY => {
                    if self.swap(EMPTY, gone) {
                        return Ok(());
                    }
                }
                FENCED => {
                    if self.swap(FENCED, GONE) {
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
                        self.state.store(gone, Ordering::Release);
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
            // The node is read again: the slot may have changed hands before it was locked.
            if self.node.load(Ordering::Relaxed) != node || !self.is_over(node, now_ms) {
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

    /// Whether the time is over of the call that waits here, or of one in whose handler it was made. The slot is locked.
    fn is_over(&self, node: u32, now_ms: u64) -> bool {
        let mut own = self.deadline_ms.load(Ordering::Relaxed);
        let mut over = own != 0 && own <= now_ms;
        if own == 0 {
            own = now_ms.saturating_add(self.limit_ms.load(Ordering::Relaxed)).max(1);
            self.deadline_ms.store(own, Ordering::Release); // See `term`.
        }
        let mut end = own;
        let outer = self.outer.load(Ordering::Relaxed);
        if outer != 0 {
            match deadline::end(outer, node, now_ms) {
                Some(outer) => {
                    end = end.min(outer);
                    over |= outer <= now_ms;
                }
                // Answered: nobody waits behind this call, and another use of that slot must not be taken for it.
                None => self.outer.store(0, Ordering::Relaxed),
            }
        }
        self.cut_ms.store(own - end, Ordering::Relaxed); // Read in LATE, which is stored with Release.
        over
    }

    /// The time of the call that has this use of the slot; None: it is over, or answered.
    ///
    /// Read without a lock: what is read belongs to this use or a former one, unless the generation has changed, because
    /// all of it is stored with Release after that.
    pub(super) fn term(&self, generation: u32) -> Option<Term> {
        let state = self.state.load(Ordering::Acquire);
        let term = Term {
            node: self.node.load(Ordering::Acquire),
            limit_ms: self.limit_ms.load(Ordering::Acquire),
            deadline_ms: self.deadline_ms.load(Ordering::Acquire),
            over: state == LATE || state == GONE_LATE,
            outer: self.outer.load(Ordering::Acquire),
        };
        let open = !matches!(state, FREE | READY | FAILED | EXPIRED);
        (open && self.generation() == generation).then_some(term)
    }

    /// Ends the wait for a callee that was given up, if the slot is still in this use.
    fn fence(&self, generation: u32) {
        loop {
            let state = self.state.load(Ordering::Acquire);
            if state == LOCKED {
                yield_now();
                continue;
            }
            if state != EMPTY && state != WAITING {
                return; // Answered, or given up by the caller.
            }
            if !self.lock_from(state) {
                continue;
            }
            // While it is locked it cannot change hands.
            if self.generation() != generation {
                self.state.store(state, Ordering::Release);
                return;
            }
            let waker = if state == WAITING { self.take_waker() } else { None };
            self.state.store(FENCED, Ordering::Release);
            if let Some(waker) = waker {
                waker.wake();
            }
            return;
        }
    }

    #[inline(always)]
    pub(super) fn is_late(&self, generation: u32) -> bool {
        let state = self.state.load(Ordering::Acquire);
        (state == LATE || state == GONE_LATE) && self.generation() == generation
    }

    #[inline]
    fn generation(&self) -> u32 {
        self.generation.load(Ordering::Relaxed)
    }

    #[inline]
    fn recycle(&self) {
        let generation = self.generation();
        if generation & TRACED != 0 {
            self.forget_span();
        }
        self.generation.store(u32::from((generation as u16).wrapping_add(1)), Ordering::Relaxed);
        self.state.store(FREE, Ordering::Release);
    }

    fn span(&self) -> MutexGuard<'_, Option<Box<Span>>> {
        self.span.lock().unwrap_or_else(PoisonError::into_inner) // Set or not: nothing is half done.
    }

    /// As the caller, before the message is sent.
    #[cold]
    #[inline(never)]
    fn carry_span(&self) {
        let span = Span::current();
        if span.is_none() {
            return;
        }
        self.generation.store(self.generation() | TRACED, Ordering::Relaxed);
        *self.span() = Some(Box::new(span));
    }

    #[cold]
    #[inline(never)]
    fn forget_span(&self) {
        let span = self.span().take();
        drop(span); // Not under the lock: a subscriber may do as it likes.
    }

    /// The span that this use carries. Whoever has the tag of a former use gets none: the count is looked at under the lock
    /// that the next use has to pass.
    fn span_of(&self, generation: u32) -> Option<Span> {
        let span = self.span();
        if self.generation() == generation { span.as_deref().cloned() } else { None }
    }
}

/// Names one use of a slot in a few bytes, without owning it.
#[derive(Clone, Copy)]
pub(crate) struct Tag {
    slot: u32,
    generation: u32,
}

impl Tag {
    /// As a number that is never zero, to be kept in an atomic.
    pub(crate) fn to_bits(self) -> u64 {
        (u64::from(self.slot) + 1) << GENERATION_BITS | u64::from(self.generation)
    }

    /// The time of the call that `bits` name. Zero names none.
    pub(super) fn term(bits: u64) -> Option<Term> {
        let tag = Tag::read(bits)?;
        pool::by_number(tag.slot)?.term(tag.generation)
    }

    fn read(bits: u64) -> Option<Tag> {
        let slot = (bits >> GENERATION_BITS).checked_sub(1)? as u32;
        Some(Tag { slot, generation: bits as u32 & ((1 << GENERATION_BITS) - 1) })
    }
}

#[cfg(not(proscenium_loom))]
impl Tag {
    /// Whether the caller's deadline has passed: nobody waits for the answer.
    #[inline(always)]
    pub(crate) fn is_late(self) -> bool {
        pool::by_number(self.slot).is_some_and(|slot| slot.is_late(self.generation))
    }

    #[inline(always)]
    pub(crate) fn from_bits(bits: u64) -> Tag {
        let generation = bits as u32 & ((1 << GENERATION_BITS) - 1);
        Tag { slot: ((bits >> GENERATION_BITS) - 1) as u32, generation }
    }

    /// Whether the call that `bits` name was made in a span.
    #[inline(always)]
    pub(crate) fn is_traced(bits: u64) -> bool {
        bits & u64::from(TRACED) != 0
    }

    /// The span in which the call was made. Zero names none.
    pub(crate) fn span(bits: u64) -> Option<Span> {
        let tag = Tag::read(bits)?;
        pool::by_number(tag.slot)?.span_of(tag.generation)
    }

    /// Ends the call in hand of a callee that was given up. Zero names none.
    pub(crate) fn fence(bits: u64) {
        if let Some(tag) = Tag::read(bits)
            && let Some(slot) = pool::by_number(tag.slot)
        {
            slot.fence(tag.generation);
        }
    }
}

/// The callee's half: answers with a `T`, or says with an `F` why there is none.
///
/// One pointer, never null: a message that carries it stays small enough to travel in registers.
pub(crate) struct Answer<T, F: Dropped> {
    slot: Handle,
    types: PhantomData<fn(T, F)>,
}

/// How a call ends whose answer was dropped: `end` is to be called with that, now or later.
pub(crate) trait Dropped: Send + 'static {
    fn dropped(end: impl FnOnce(Self) + 'static)
    where
        Self: Sized;
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
    /// The callee was given up. The slot is given up, too.
    Fenced,
    /// The time is over, so many ms before the call's own limit. The slot is given up.
    Late(u64),
    Pending,
}

/// Who calls.
#[derive(Clone, Copy, Default)]
pub(crate) struct Caller {
    /// The id of the actor whose handler waits; 0: somebody outside.
    pub(crate) actor: u64,
    /// The call that it has in hand, as `Tag::to_bits`; 0: none.
    pub(crate) in_hand: u64,
}

/// Takes a slot for a call from outside. The sweeper of `node` ends the wait after `limit_ms`.
#[inline(always)]
pub(crate) fn pair<T: Send, F: Dropped>(node: u32, limit_ms: u64) -> (Answer<T, F>, Await<T, F>) {
    let slot = pool::take();
    slot.caller.store(0, Ordering::Relaxed);
    // Release: see `term`.
    slot.node.store(node, Ordering::Release);
    slot.limit_ms.store(limit_ms, Ordering::Release);
    slot.deadline_ms.store(0, Ordering::Release);
    slot.outer.store(0, Ordering::Release);
    slot.state.store(EMPTY, Ordering::Release);
    (Answer { slot: Handle::clone(&slot), types: PhantomData }, Await { slot: Some(slot), types: PhantomData })
}

#[inline]
fn recycle(slot: Handle) {
    slot.recycle();
    pool::give(slot);
}

/// The callee's last word. It comes back if nobody waits any more.
#[inline(always)]
fn end<V>(slot: Handle, value: V, end: u8) -> Result<(), V> {
    slot.write(value);
    if slot.finish(end) {
        return Ok(());
    }
    // SAFETY: a `V` was written just now, and `finish` said that the caller never reads it.
    let value = unsafe { slot.read::<V>() };
    recycle(slot);
    Err(value)
}

impl<T, F: Dropped> Answer<T, F> {
    /// Names this use of the slot, without owning it.
    #[inline]
    pub(crate) fn tag(&self) -> Tag {
        Tag { slot: self.slot.number, generation: self.slot.generation() }
    }

    /// Whose handler waits; 0: somebody outside.
    pub(crate) fn caller(&self) -> u64 {
        self.slot.caller.load(Ordering::Relaxed)
    }

    /// The slot itself, for models, which sweep it and have no pool to look it up in.
    #[cfg(all(test, proscenium_loom))]
    pub(super) fn slot(&self) -> (Handle, u32) {
        (self.slot.clone(), self.slot.generation())
    }

    pub(crate) fn is_waited_for(&self) -> bool {
        !matches!(self.slot.state.load(Ordering::Acquire), GONE | GONE_LATE)
    }

    #[inline]
    fn into_slot(self) -> Handle {
        let this = ManuallyDrop::new(self);
        // JUSTIFICATION: a type with a `Drop` cannot be taken apart, and an `Option` for it would cost the niche.
        // SAFETY: `this` is never dropped nor used again, so this is the only owner of the handle.
        unsafe { std::ptr::read(&raw const this.slot) }
    }

    /// Hands the value back if nobody waits any more.
    #[inline]
    pub(crate) fn send(self, value: T) -> Result<(), T>
    where
        T: Send,
    {
        end(self.into_slot(), value, READY)
    }
}

impl<T, F: Dropped> Drop for Answer<T, F> {
    fn drop(&mut self) {
        let slot = Handle::clone(&self.slot);
        F::dropped(move |failure| drop(end(slot, failure, FAILED)));
    }
}

impl<T: Send, F: Send> Await<T, F> {
    /// Names this use of the slot; None when the wait is over.
    #[inline(always)]
    pub(crate) fn tag(&self) -> Option<Tag> {
        self.slot.as_ref().map(|slot| Tag { slot: slot.number, generation: slot.generation() })
    }

    /// Has the call's handler run in the span that is current here. Before the message is sent: its tag says so.
    pub(crate) fn carry_span(&self) {
        if let Some(slot) = &self.slot {
            slot.carry_span();
        }
    }

    /// A handler waits, before the message is sent. The wait ends with the call that it has in hand.
    pub(crate) fn belongs_to(&self, caller: Caller) {
        if let Some(slot) = &self.slot {
            slot.caller.store(caller.actor, Ordering::Relaxed);
            slot.outer.store(caller.in_hand, Ordering::Release);
        }
    }

    /// Another limit than `pair` set, before the first poll.
    pub(crate) fn limit(&self, limit: Duration) {
        if let Some(slot) = &self.slot {
            slot.limit_ms.store(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX), Ordering::Release);
        }
    }

    #[inline]
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Seen<T, F> {
        let Some(slot) = &self.slot else { return Seen::Pending };
        match slot.poll(cx) {
            Ok(end) => self.collect(end),
            Err(false) => Seen::Pending,
            Err(true) => {
                let cut_ms = slot.cut_ms.load(Ordering::Relaxed); // Before the slot is the callee's.
                match self.give_up() {
                    Seen::Late(_) => Seen::Late(cut_ms),
                    seen => seen,
                }
            }
        }
    }

    /// Ends the wait, its time being over; an answer that is there already is still taken, and a message that still
    /// waits is not handled any more.
    pub(crate) fn give_up(&mut self) -> Seen<T, F> {
        match self.slot.as_ref().map(|slot| slot.abandon(GONE_LATE)) {
            Some(Err(end)) => self.collect(end),
            Some(Ok(())) | None => {
                self.slot = None;
                Seen::Late(0)
            }
        }
    }

    fn collect(&mut self, end: u8) -> Seen<T, F> {
        let Some(slot) = self.slot.take() else { return Seen::Pending };
        if end == FENCED {
            return Seen::Fenced; // The callee recycles, when it ever comes to it.
        }
        let seen = if end == READY {
            // SAFETY: READY says that a `T` was written, and taking the slot makes this the only read.
            Seen::Answer(unsafe { slot.read::<T>() })
        } else {
            // SAFETY: FAILED and EXPIRED say that an `F` was written, and taking the slot makes this the only read.
            let failure = unsafe { slot.read::<F>() };
            if end == FAILED { Seen::Failure(failure) } else { Seen::Late(slot.cut_ms.load(Ordering::Relaxed)) }
        };
        recycle(slot);
        seen
    }
}

impl<T, F> Drop for Await<T, F> {
    /// Inlined: most have had their answer.
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            Self::forsake(slot);
        }
    }
}

impl<T, F> Await<T, F> {
    #[cold]
    fn forsake(slot: Handle) {
        match slot.abandon(GONE) {
            Ok(()) => {}
            Err(end) => {
                // SAFETY: the end says which type was written; the slot was taken, so this is the only read.
                unsafe { if end == READY { drop(slot.read::<T>()) } else { drop(slot.read::<F>()) } }
                recycle(slot);
            }
        }
    }
}
