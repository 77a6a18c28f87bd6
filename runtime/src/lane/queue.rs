//! The queue and its wake protocol.
//!
//! **Promises**
//! 1. One lock guards the entries *and* the state that says who owes whom a wake-up. Every edge (push on empty, park,
//!    attach, detach, fence, close) is one critical section; the wake-up it owes is carried out after unlocking, once.
//! 2. An accepted entry is handed to the consumer or to who closes the lane, never lost, never twice: what the
//!    consumer has taken and not handled lies in `hand`, which belongs to the lane and not to the consumer's task.
//! 3. First in, first out: `hand` goes before `entries`; nothing else reorders.
//! 4. One consumer at a time: a consumer whose incarnation is over gets nothing any more.
//!
//! **Bounds**: `capacity` entries that count (see [`Entry::weighs`]), or bytes that such entries weigh; at the bound `push` answers
//! as `overflow` says.
//! **Cost**: one lock a push; for the consumer one a block of at most 256 entries, one to park, and one a chunk of room that
//! it gives back; a few plain loads and stores an entry. Bounded in bytes: two locks a push, and one an entry.

use std::collections::VecDeque;
use std::task::Waker;

use super::backlog::Backlog;
use super::block::{Block, Packed};
use super::entry::{Entry, Note};
use super::lock::{Belled, BelledGuard, Owned, Owner};
use super::mode::{BYTES, CLOSED, COLD, DETACHED, DRAINING, Mode, ONE_BY_ONE, PARKED, SPLIT, SUSPENDED};
use super::room::Waiter;
use super::scales::{Scales, fits};
use super::sync::{Arc, AtomicU32, AtomicU64, Ordering};
use crate::mailbox::{Overflow, Unit};

/// With so many full blocks in the queue its consumer is behind its senders.
const BEHIND: usize = 4;

/// System messages wait.
pub(crate) const SYS: u64 = 1;
/// The incarnation is to end at once: kill, or an exit signal that is not trapped.
pub(crate) const END: u64 = 2;

/// Why an entry was not taken. It is handed back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused<T> {
    Full(T),
    Draining(T),
    Closed(T),
}

/// What an accepted push displaced.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed<T> {
    Queued,
    /// `DropNewest` gave up the new entry, `DropOldest` the one that had waited longest.
    Dropped(T),
    /// In a lane bounded in bytes `DropOldest` gave up those that had waited longest, in their order.
    Displaced(Vec<T>),
}

/// In this order, the lock byte before it, all that a push or a park touches lies within 64 bytes.
#[repr(C)]
pub(super) struct Queue<M, S> {
    pub(super) mode: Mode,
    pub(super) incarnation: u32,
    pub(super) entries: Backlog<M>,
    /// `usize::MAX` is unbounded.
    pub(super) capacity: usize,
    /// Accepted and not yet handled as far as the queue knows, granted permits included (bounded lanes only): entries, or
    /// what they weigh.
    pub(super) used: usize,
    /// How much of `Hand::weighed` was given back as room.
    pub(super) returned: u64,
    /// How many entries went over to the hand so far.
    pub(super) taken: u32,
    pub(super) overflow: Overflow,
    cold: Option<Box<Cold<S>>>,
    /// Of a lane bounded in bytes.
    pub(super) scales: Option<Box<Scales>>,
}

/// What an ordinary actor never touches: allocated at first use.
struct Cold<S> {
    sys: VecDeque<S>,
    waiters: VecDeque<(Arc<Waiter>, Waker)>,
}

/// The consumer's side. What it has taken and not handled belongs to the lane, so it survives the consumer; the counters
/// are written by the consumer alone and read by everybody.
#[repr(C)]
pub(super) struct Hand<M> {
    /// The incarnation that has the lane, above its `SYS` and `END`: read before every entry. Written under the queue's
    /// lock.
    pub(super) ctl: AtomicU64,
    pub(super) batch: Owned<Block<M>>,
    /// Entries popped from the batch over all incarnations, wrapping; those of all entries that count.
    pub(super) popped: AtomicU32,
    pub(super) weighed: AtomicU64,
}

#[repr(C)]
pub(crate) struct Lane<M, S> {
    /// Its bell wakes the consumer's task wherever it waits: parked here, or inside a handler when the incarnation is to
    /// end.
    pub(super) queue: Belled<Queue<M, S>>,
    /// What `capacity` counts; of an unbounded lane: messages. With `scales` it keeps what senders write 64 bytes away from
    /// what the consumer writes. Alignment would do it, too, but costs more memory, and the allocator more time.
    unit: Unit,
    pub(super) hand: Hand<M>,
}

/// From the last that a push writes, behind the lock's word, to the first that the consumer writes, behind `ctl`.
#[cfg(not(proscenium_loom))]
const _: () = assert!(
    std::mem::offset_of!(Lane<(), ()>, hand) + size_of::<AtomicU64>()
        >= size_of::<u64>() + std::mem::offset_of!(Queue<(), ()>, returned) + 64
);

/// `ctl` of an incarnation that has nothing to do but handle entries.
pub(super) fn calm(incarnation: u32) -> u64 {
    u64::from(incarnation) << 32
}

impl<M, S> Queue<M, S> {
    pub(super) fn is_bounded(&self) -> bool {
        self.capacity != usize::MAX
    }

    /// The entry comes back if nothing new is taken.
    pub(super) fn refuse(&self, entry: Entry<M>) -> Result<Entry<M>, Refused<Entry<M>>> {
        if self.mode.is(CLOSED) {
            Err(Refused::Closed(entry))
        } else if self.mode.is(DRAINING) {
            Err(Refused::Draining(entry))
        } else {
            Ok(entry)
        }
    }

    fn cold(&mut self) -> &mut Cold<S> {
        self.mode.set(COLD);
        self.cold.get_or_insert_with(|| Box::new(Cold { sys: VecDeque::new(), waiters: VecDeque::new() }))
    }

    pub(super) fn waiters(&mut self) -> &mut VecDeque<(Arc<Waiter>, Waker)> {
        &mut self.cold().waiters
    }

    pub(super) fn has_waiters(&self) -> bool {
        self.mode.is(COLD) && self.cold.as_ref().is_some_and(|cold| !cold.waiters.is_empty())
    }

    pub(super) fn has_sys(&self) -> bool {
        self.mode.is(COLD) && self.cold.as_ref().is_some_and(|cold| !cold.sys.is_empty())
    }

    /// Whether this edge owes the consumer a wake-up, after unlocking.
    #[inline(always)]
    #[must_use]
    fn rings(&mut self) -> bool {
        let was_parked = self.mode.is(PARKED);
        self.mode.clear(PARKED);
        was_parked
    }

    #[inline(always)]
    #[must_use]
    pub(super) fn append(&mut self, entry: Packed<M>) -> bool {
        self.append_and_see(entry).0
    }

    /// As `append`, and whether one block more is full.
    #[inline(always)]
    #[must_use]
    fn append_and_see(&mut self, entry: Packed<M>) -> (bool, bool) {
        let split = self.entries.push(entry);
        if split {
            self.mode.set(SPLIT);
        }
        (self.mode.waits_for_entries() && self.rings(), split)
    }

    /// Passes free room on to those who wait, in their order: to nobody before the first.
    pub(super) fn grant(&mut self, wakes: &mut Vec<Waker>) {
        let Some(cold) = self.cold.as_mut() else { return };
        while cold.waiters.front().is_some_and(|(first, _)| fits(self.used, self.capacity, first.weight)) {
            let Some((waiter, waker)) = cold.waiters.pop_front() else { break };
            self.used = self.used.wrapping_add(waiter.weight);
            waiter.grant();
            wakes.push(waker);
        }
        if cold.sys.is_empty() && cold.waiters.is_empty() {
            self.mode.clear(COLD);
        }
    }
}

pub(super) fn wake_all(wakes: Vec<Waker>) {
    for waker in wakes {
        waker.wake();
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl<M, S> Lane<M, S> {
    /// Bounded in messages.
    #[cfg(test)]
    pub(crate) fn new(capacity: usize, overflow: Overflow) -> Self {
        Lane::with(capacity, Unit::Messages, overflow, 0)
    }

    /// Bounded in bytes.
    #[cfg(test)]
    pub(crate) fn in_bytes(limit: usize, overflow: Overflow) -> Self {
        Lane::with(limit, Unit::Bytes, overflow, 0)
    }

    /// `capacity` of `usize::MAX` is unbounded. `incarnation` has the lane, as if it had attached itself; 0: nobody.
    #[inline(always)]
    pub(crate) fn with(capacity: usize, unit: Unit, overflow: Overflow, incarnation: u32) -> Self {
        let unit = if capacity == usize::MAX { Unit::Messages } else { unit };
        let mut mode = Mode::new(incarnation);
        let mut scales = None;
        if unit == Unit::Bytes {
            mode.set(ONE_BY_ONE | BYTES); // Because the weights lie in the queue.
            scales = Some(Box::new(Scales::new()));
        } else if capacity != usize::MAX && overflow == Overflow::DropOldest {
            mode.set(ONE_BY_ONE);
        }
        Lane {
            queue: Belled::new(Queue {
                mode,
                incarnation,
                entries: Backlog::new(),
                capacity,
                used: 0,
                returned: 0,
                taken: 0,
                overflow,
                cold: None,
                scales,
            }),
            unit,
            hand: Hand {
                ctl: AtomicU64::new(calm(incarnation)),
                batch: Owned::new(Block::default(), incarnation),
                popped: AtomicU32::new(0),
                weighed: AtomicU64::new(0),
            },
        }
    }

    pub(crate) fn bound(&self) -> Option<usize> {
        Some(self.lock().capacity).filter(|capacity| *capacity != usize::MAX)
    }

    /// What the bound counts, and so what a push has to know of an entry: see `push_slowly`.
    #[inline]
    pub(crate) fn unit(&self) -> Unit {
        self.unit
    }

    /// What waits weighs so much, room that was granted for more included. None: nobody weighs.
    pub(crate) fn bytes(&self) -> Option<usize> {
        if self.unit == Unit::Messages {
            return None;
        }
        let queue = self.lock();
        Some(if queue.mode.is(CLOSED) { 0 } else { queue.used })
    }

    pub(crate) fn overflow(&self) -> Overflow {
        self.lock().overflow
    }

    pub(super) fn lock(&self) -> BelledGuard<'_, Queue<M, S>> {
        self.queue.lock()
    }

    // ---- senders ----

    /// Room for one entry that is counted already, for `put`; `None`: `push_slowly` finds out why.
    ///
    /// In two steps, because an entry that goes one way only is made where it goes, and not copied.
    #[inline(always)]
    pub(crate) fn room(&self) -> Option<Room<'_, M, S>> {
        let mut queue = self.queue.lock();
        if !queue.mode.is_open_and_counts() {
            return None;
        }
        if queue.is_bounded() {
            if queue.used >= queue.capacity || queue.has_waiters() {
                return None;
            }
            queue.used += 1;
        }
        Some(Room(queue))
    }

    /// The consumer has several blocks to go.
    pub(crate) fn is_behind(&self) -> bool {
        self.queue.lock().entries.full_blocks() >= BEHIND
    }

    /// Queues the entry by the rules of the bound.
    #[cfg(test)]
    pub(crate) fn push(&self, message: M) -> Result<Pushed<Entry<M>>, Refused<Entry<M>>> {
        match self.room() {
            Some(room) => {
                room.put(message, Note::PLAIN);
                Ok(Pushed::Queued)
            }
            None => self.push_slowly(Entry::noted(message, Note::PLAIN), 1),
        }
    }

    /// The same, by the rules for a lane that is full, stopping or closed, or bounded in bytes. An entry weighs 1 where the
    /// bound is in messages, and at least 1 in bytes; who knows it is asked before, not under the lock.
    #[cold]
    pub(crate) fn push_slowly(&self, entry: Entry<M>, weight: usize) -> Result<Pushed<Entry<M>>, Refused<Entry<M>>> {
        let mut queue = self.queue.lock();
        let entry = queue.refuse(entry)?;
        if queue.is_bounded() {
            return self.push_at_bound(queue, entry, weight);
        }
        let rings = queue.append(Packed::new(entry));
        queue.release(rings);
        Ok(Pushed::Queued)
    }

    /// The bound looks reached. The consumer gives room back in chunks, so what it has handled meanwhile is asked for.
    fn push_at_bound(
        &self,
        mut queue: BelledGuard<'_, Queue<M, S>>,
        entry: Entry<M>,
        weight: usize,
    ) -> Result<Pushed<Entry<M>>, Refused<Entry<M>>> {
        let mut wakes = Vec::new();
        let mut rings = false;
        self.settle(&mut queue, &mut wakes);
        let outcome = if queue.has_room_for(weight) {
            queue.take_up(weight);
            rings = queue.append_weighed(entry, weight);
            Ok(Pushed::Queued)
        } else {
            match queue.overflow {
                Overflow::Wait | Overflow::Fail => Err(Refused::Full(entry)),
                Overflow::DropNewest => Ok(Pushed::Dropped(entry)),
                Overflow::DropOldest => Ok(queue.displace(entry, weight, &mut rings, &mut wakes)),
            }
        };
        queue.release(rings);
        wake_all(wakes);
        outcome
    }

    /// Gives back what the consumer has handled since it last did so itself.
    pub(super) fn settle(&self, queue: &mut Queue<M, S>, wakes: &mut Vec<Waker>) {
        let weighed = self.hand.weighed.load(Ordering::Acquire);
        queue.used -= (weighed - queue.returned) as usize;
        queue.returned = weighed;
        queue.grant(wakes);
    }

    /// Takes no notice of the bound nor of a graceful stop: signals, own timers, what futures give. Only what weighs is
    /// counted.
    pub(crate) fn push_exempt(&self, entry: Entry<M>, weight: usize) -> Result<(), Entry<M>> {
        let mut queue = self.queue.lock();
        if queue.mode.is(CLOSED) {
            return Err(entry);
        }
        let weight = if entry.weighs() { weight } else { 0 };
        if queue.is_bounded() {
            queue.take_up(weight);
        }
        let rings = queue.append_weighed(entry, weight);
        queue.release(rings);
        Ok(())
    }

    /// A tell to oneself: refused in a graceful stop like any other, but never for want of room.
    pub(crate) fn push_self(&self, entry: Entry<M>, weight: usize) -> Result<(), Refused<Entry<M>>> {
        let mut queue = self.queue.lock();
        let entry = queue.refuse(entry)?;
        if queue.is_bounded() {
            queue.take_up(weight);
        }
        let rings = queue.append_weighed(entry, weight);
        queue.release(rings);
        Ok(())
    }

    /// Puts an entry in front of all others, while no consumer is inside: the retry of the one that crashed.
    /// Closed, or with a consumer inside, it comes back.
    pub(crate) fn push_front(&self, entry: Entry<M>) -> Result<(), Entry<M>> {
        let mut queue = self.queue.lock();
        if queue.mode.is(CLOSED) {
            return Err(entry);
        }
        let weighs = entry.weighs() && queue.is_bounded() && !queue.mode.is(ONE_BY_ONE);
        let Some(mut batch) = self.hand.batch.by_nobody() else { return Err(entry) };
        batch.put_first(Packed::new(entry)).map_err(Packed::entry)?; // It came from there: there is room.
        queue.used += usize::from(weighs);
        queue.taken = queue.taken.wrapping_add(1);
        Ok(())
    }

    /// Goes before all entries. Refused only when the lane is closed.
    pub(crate) fn push_sys(&self, request: S) -> Result<(), S> {
        let mut queue = self.queue.lock();
        if queue.mode.is(CLOSED) {
            return Err(request);
        }
        queue.cold().sys.push_back(request);
        self.hand.ctl.fetch_or(SYS, Ordering::Release);
        let rings = queue.rings();
        queue.release(rings);
        Ok(())
    }

    /// Has an incarnation look at its end signal, wherever its task waits. False: there is a later one.
    pub(crate) fn ring_end(&self, incarnation: u32) -> bool {
        let mut queue = self.queue.lock();
        // Detached, its task may still be at the stop hook, which a kill is to reach.
        if queue.incarnation != incarnation {
            return false;
        }
        self.hand.ctl.fetch_or(END, Ordering::Release);
        queue.mode.clear(PARKED);
        let task = queue.waker();
        drop(queue);
        wake(task);
        true
    }

    /// From here on nothing new is taken; the consumer is told when the queue is empty.
    pub(crate) fn drain(&self) {
        let mut queue = self.queue.lock();
        if !queue.mode.is_open() {
            return;
        }
        queue.mode.set(DRAINING);
        let rings = queue.rings();
        let waiters = queue.cold.as_mut().map(|cold| std::mem::take(&mut cold.waiters));
        queue.release(rings);
        for (_, waker) in waiters.into_iter().flatten() {
            waker.wake();
        }
    }

    /// Entries that wait, taken in hand or not.
    pub(crate) fn len(&self) -> usize {
        let queue = self.queue.lock();
        queue.entries.len() + queue.taken.wrapping_sub(self.hand.popped.load(Ordering::Relaxed)) as usize
    }

    /// Places that are kept for entries, while nobody consumes.
    #[cfg(all(test, not(proscenium_loom)))]
    pub(super) fn buffered(&self) -> usize {
        self.queue.lock().entries.capacity() + self.hand.batch.by_nobody().map_or(0, |batch| batch.capacity())
    }

    // ---- incarnations ----

    /// A new incarnation takes the lane, of this number if it is greater than any before. None: it is closed.
    /// Of the system messages that wait, those that `keep` are handed on to it.
    pub(crate) fn attach(&self, number: u32, keep: impl Fn(&S) -> bool) -> Option<u32> {
        let mut void = VecDeque::new();
        let mut queue = self.queue.lock();
        if queue.mode.is(CLOSED) {
            return None;
        }
        queue.incarnation = number.max(queue.incarnation + 1);
        // The graceful stop was the last incarnation's, too.
        queue.mode.clear(PARKED | DETACHED | SUSPENDED | DRAINING);
        let sys = self.hand.ctl.load(Ordering::Relaxed) & SYS;
        self.hand.ctl.store(calm(queue.incarnation) | sys, Ordering::Relaxed);
        if let Some(cold) = queue.cold.as_mut() {
            let (kept, rest) = std::mem::take(&mut cold.sys).into_iter().partition(&keep);
            cold.sys = kept;
            void = rest;
        }
        let task = queue.exchange(None);
        let incarnation = queue.incarnation;
        drop(queue);
        drop((task, void)); // A dead incarnation's: dropping runs others' code, so outside the lock.
        Some(incarnation)
    }

    /// Takes the lane away from an incarnation, whether its task is dead, stuck or well. Entries stay.
    /// False: it did not have it any more.
    pub(crate) fn fence(&self, incarnation: u32) -> bool {
        if !self.detach(incarnation) {
            return false;
        }
        self.hand.batch.seize();
        self.give_room_back();
        true
    }

    /// The consumer leaves by itself.
    pub(super) fn leave(&self, incarnation: u32, owner: Owner) {
        self.hand.batch.leave(owner);
        if self.detach(incarnation) {
            self.give_room_back();
        }
    }

    fn detach(&self, incarnation: u32) -> bool {
        let mut queue = self.queue.lock();
        if queue.incarnation != incarnation {
            return false;
        }
        let had_it = !queue.mode.is(DETACHED);
        queue.mode.clear(PARKED);
        queue.mode.set(DETACHED);
        self.hand.ctl.fetch_and(SYS | END, Ordering::Release);
        // A stop hook leaves its task here after the consumer has left.
        let task = queue.exchange(None);
        drop(queue);
        drop(task);
        had_it
    }

    #[cold]
    pub(super) fn give_room_back(&self) {
        let mut wakes = Vec::new();
        let mut queue = self.queue.lock();
        if !queue.is_bounded() {
            return;
        }
        self.settle(&mut queue, &mut wakes);
        drop(queue);
        wake_all(wakes);
    }

    /// Ends the lane for good. Returns what nobody handled, in order.
    pub(crate) fn close(&self) -> Leftovers<M, S> {
        let mut queue = self.queue.lock();
        queue.mode.clear(PARKED | COLD);
        queue.mode.set(CLOSED | DETACHED);
        self.hand.ctl.fetch_and(SYS | END, Ordering::Release);
        let task = queue.exchange(None);
        let cold = queue.cold.take();
        let entries = queue.entries.take();
        let scales = queue.scales.take();
        drop(queue);
        drop(scales);
        wake(task);
        self.hand.batch.seize();
        let taken = self.hand.batch.by_nobody().map(|mut batch| std::mem::take(&mut *batch)).unwrap_or_default();
        let mut requests = VecDeque::new();
        if let Some(cold) = cold {
            requests = cold.sys;
            for (_, waker) in cold.waiters {
                waker.wake();
            }
        }
        Leftovers { entries: taken.chain(entries).collect(), requests }
    }

    // ---- the consumer ----

    /// Of `SYS` and `END`, what is set.
    pub(crate) fn ctl(&self) -> u64 {
        self.hand.ctl.load(Ordering::Acquire) & (SYS | END)
    }

    /// The incarnation has the lane, and nothing to do but handle entries.
    #[inline(always)]
    pub(crate) fn is_calm(&self, incarnation: u32) -> bool {
        self.hand.ctl.load(Ordering::Acquire) == calm(incarnation)
    }

    /// The incarnation has the lane.
    #[inline(always)]
    pub(crate) fn belongs_to(&self, incarnation: u32) -> bool {
        (self.hand.ctl.load(Ordering::Acquire) >> 32) as u32 == incarnation
    }

    pub(crate) fn take_sys(&self, incarnation: u32) -> VecDeque<S> {
        let mut queue = self.queue.lock();
        if queue.incarnation != incarnation || queue.mode.is(DETACHED) {
            return VecDeque::new(); // Fenced: they are the successor's.
        }
        self.hand.ctl.fetch_and(!SYS, Ordering::Relaxed);
        let Some(cold) = queue.cold.as_mut() else { return VecDeque::new() };
        let requests = std::mem::take(&mut cold.sys);
        if !queue.has_waiters() {
            queue.mode.clear(COLD);
        }
        requests
    }

    /// `task` wakes the task of `incarnation` wherever it waits.
    pub(crate) fn set_task(&self, incarnation: u32, task: Waker) {
        let mut queue = self.queue.lock();
        let old = if queue.incarnation == incarnation { queue.exchange(Some(task)) } else { Some(task) };
        drop(queue);
        drop(old);
    }

    /// What wakes the task of `incarnation`, wherever it waits.
    pub(crate) fn task(&self, incarnation: u32) -> Option<Waker> {
        let queue = self.queue.lock();
        if queue.incarnation == incarnation { queue.waker() } else { None }
    }
}

/// The lane is locked, and has room for one entry.
pub(crate) struct Room<'a, M, S>(BelledGuard<'a, Queue<M, S>>);

impl<M, S> Room<'_, M, S> {
    /// True: one block more is full, so it is worth asking `is_behind`.
    #[inline(always)]
    pub(crate) fn put(mut self, message: M, note: Note) -> bool {
        let (rings, split) = self.0.append_and_see(Packed::noted(message, note));
        self.0.release(rings);
        split
    }
}

/// What a closed lane held.
pub(crate) struct Leftovers<M, S> {
    pub(crate) entries: VecDeque<Entry<M>>,
    pub(crate) requests: VecDeque<S>,
}
