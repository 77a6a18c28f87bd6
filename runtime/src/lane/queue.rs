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
//! **Bounds**: `capacity` entries that count (see [`Weighs`]); at the bound `push` answers as `overflow` says.
//! **Cost**: one lock a push; for the consumer one that nobody else wants an entry, and two a batch.

use std::cell::Cell;
use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::task::{Poll, Waker};

use super::lock::{Guard, Lock, Owned, Owner};
use super::room::Waiter;
use super::sync::{Arc, AtomicU32, AtomicU64, Ordering};
use crate::mailbox::Overflow;

/// System messages wait.
pub(crate) const SYS: u32 = 1;
/// The incarnation is to end at once: kill, or an exit signal that is not trapped.
pub(crate) const END: u32 = 2;

/// A queue that once held more than this gives its memory back when the consumer finds it empty.
const RETAINED: usize = 256;

/// Whether an entry takes up room in the mailbox's bound.
pub(crate) trait Weighs {
    /// Signals and an actor's own timers do not; their number is bounded by links, monitors and timers.
    fn weighs(&self) -> bool;
}

/// An entry as it lies in memory: without niches, and without a drop of its own.
///
/// `Option<T>` of a type with niches is read by its tag and copied piece by piece; what might have to be dropped, should
/// the queue fail to grow, is kept in memory for that. Either copy is read back in one go, which stalls the processor:
/// 40 ns a message became 20. A `Cell` has no niches, and a `ManuallyDrop` no drop; the lane drops what is left in it.
pub(crate) struct Packed<T>(ManuallyDrop<Cell<T>>);

impl<T> Packed<T> {
    #[inline(always)]
    pub(crate) fn new(entry: T) -> Self {
        Packed(ManuallyDrop::new(Cell::new(entry)))
    }

    #[inline(always)]
    pub(crate) fn unpack(self) -> T {
        ManuallyDrop::into_inner(self.0).into_inner()
    }
}

impl<T: Weighs> Packed<T> {
    #[inline]
    fn weighs(&mut self) -> bool {
        self.0.get_mut().weighs()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// A consumer is inside, or called: a push owes nobody anything.
    Running,
    /// The consumer sleeps: the next push wakes its task.
    Parked,
    /// No incarnation: entries wait for the next `attach`.
    Detached,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Door {
    Open,
    /// A graceful stop: nothing new, what is queued is handled.
    Draining,
    Closed,
}

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
}

/// What the consumer finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// Entries are in hand.
    Batch,
    /// System messages wait.
    Sys,
    /// A graceful stop is under way and the queue is empty.
    Drained,
    /// The incarnation is over: fenced, superseded or closed.
    Gone,
}

/// Read by the consumer before every entry and by senders, written hardly ever: a cache line apart from the lock's.
#[repr(align(64))]
struct Calm {
    ctl: AtomicU32,
    capacity: usize,
    overflow: Overflow,
}

/// In this order, the lock byte before it, all that an unbounded push or a park touches is one cache line.
#[repr(C)]
pub(super) struct Queue<T, S> {
    state: State,
    pub(super) door: Door,
    suspended: bool,
    /// `cold` may hold something.
    has_cold: bool,
    incarnation: u32,
    entries: VecDeque<Packed<T>>,
    /// Wakes the consumer's task wherever it waits: parked here, or inside a handler when the incarnation is to end.
    task: Option<Waker>,
    /// Accepted and not yet taken in hand by the consumer, granted permits included (bounded lanes only).
    pub(super) used: usize,
    /// How many entries went over to the hand so far.
    taken: u64,
    /// How much of `Hand::weighed` was given back as room.
    returned: u64,
    cold: Option<Box<Cold<S>>>,
}

/// What an ordinary actor never touches: allocated at first use.
struct Cold<S> {
    sys: VecDeque<S>,
    waiters: VecDeque<(Arc<Waiter>, Waker)>,
}

/// Taken by the consumer, not handled. It belongs to the lane, so it survives the consumer; the counters are written by
/// the consumer alone and read by everybody.
struct Hand<T> {
    batch: Owned<VecDeque<Packed<T>>>,
    /// Entries popped over all incarnations, and those of them that count.
    popped: AtomicU64,
    weighed: AtomicU64,
}

#[repr(C)]
pub(crate) struct Lane<T, S> {
    calm: Calm,
    queue: Lock<Queue<T, S>>,
    hand: Hand<T>,
}

impl Door {
    pub(super) fn refuse<T>(self, entry: T) -> Result<T, Refused<T>> {
        match self {
            Door::Open => Ok(entry),
            Door::Draining => Err(Refused::Draining(entry)),
            Door::Closed => Err(Refused::Closed(entry)),
        }
    }

    pub(super) fn is_open(self) -> bool {
        self == Door::Open
    }
}

impl<T, S> Queue<T, S> {
    fn cold(&mut self) -> &mut Cold<S> {
        self.has_cold = true;
        self.cold.get_or_insert_with(|| Box::new(Cold { sys: VecDeque::new(), waiters: VecDeque::new() }))
    }

    pub(super) fn waiters(&mut self) -> &mut VecDeque<(Arc<Waiter>, Waker)> {
        &mut self.cold().waiters
    }

    pub(super) fn has_waiters(&self) -> bool {
        self.has_cold && self.cold.as_ref().is_some_and(|cold| !cold.waiters.is_empty())
    }

    fn has_sys(&self) -> bool {
        self.has_cold && self.cold.as_ref().is_some_and(|cold| !cold.sys.is_empty())
    }

    /// Whom to wake after unlocking, if this edge owes a wake-up.
    #[inline]
    #[must_use]
    fn ring(&mut self) -> Option<Waker> {
        if self.state != State::Parked {
            return None;
        }
        self.state = State::Running;
        self.task.clone()
    }

    #[inline(always)]
    #[must_use]
    pub(super) fn append(&mut self, entry: T) -> Option<Waker> {
        self.entries.push_back(Packed::new(entry));
        if self.suspended { None } else { self.ring() }
    }

    /// Passes free room on to those who wait, in their order.
    pub(super) fn grant(&mut self, capacity: usize, wakes: &mut Vec<Waker>) {
        let Some(cold) = self.cold.as_mut() else { return };
        while self.used < capacity {
            let Some((waiter, waker)) = cold.waiters.pop_front() else { break };
            self.used += 1;
            waiter.grant();
            wakes.push(waker);
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

impl<T, S> Drop for Lane<T, S> {
    fn drop(&mut self) {
        let queued = std::mem::take(&mut self.queue.lock().entries);
        let taken = self.hand.batch.by_nobody().map(|mut batch| std::mem::take(&mut *batch)).unwrap_or_default();
        taken.into_iter().chain(queued).for_each(|entry| drop(entry.unpack()));
    }
}

impl<T: Weighs, S> Lane<T, S> {
    /// `capacity` of `usize::MAX` is unbounded.
    pub(crate) fn new(capacity: usize, overflow: Overflow) -> Self {
        Lane {
            calm: Calm { ctl: AtomicU32::new(0), capacity, overflow },
            queue: Lock::new(Queue {
                state: State::Detached,
                door: Door::Open,
                suspended: false,
                has_cold: false,
                incarnation: 0,
                entries: VecDeque::new(),
                task: None,
                used: 0,
                taken: 0,
                returned: 0,
                cold: None,
            }),
            hand: Hand { batch: Owned::new(VecDeque::new()), popped: AtomicU64::new(0), weighed: AtomicU64::new(0) },
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.calm.capacity
    }

    pub(crate) fn bound(&self) -> Option<usize> {
        (self.calm.capacity != usize::MAX).then_some(self.calm.capacity)
    }

    pub(crate) fn overflow(&self) -> Overflow {
        self.calm.overflow
    }

    fn is_bounded(&self) -> bool {
        self.calm.capacity != usize::MAX
    }

    pub(super) fn lock(&self) -> Guard<'_, Queue<T, S>> {
        self.queue.lock()
    }

    // ---- senders ----

    /// Room for one entry that is counted already, for `put`; `None`: `push_slowly` finds out why.
    ///
    /// In two steps, because an entry that goes one way only is made where it goes, and not copied.
    #[inline(always)]
    pub(crate) fn room(&self) -> Option<Room<'_, T, S>> {
        let mut queue = self.queue.lock();
        if !queue.door.is_open() {
            return None;
        }
        if self.is_bounded() {
            if queue.used >= self.calm.capacity || queue.has_waiters() {
                return None;
            }
            queue.used += 1;
        }
        Some(Room(queue))
    }

    /// Queues the entry by the rules of the bound.
    #[cfg(test)]
    pub(crate) fn push(&self, entry: T) -> Result<Pushed<T>, Refused<T>> {
        match self.room() {
            Some(room) => {
                room.put(entry);
                Ok(Pushed::Queued)
            }
            None => self.push_slowly(entry),
        }
    }

    /// The same, by the rules for a lane that is full, stopping or closed.
    #[cold]
    pub(crate) fn push_slowly(&self, entry: T) -> Result<Pushed<T>, Refused<T>> {
        let mut queue = self.queue.lock();
        let entry = queue.door.refuse(entry)?;
        if self.is_bounded() {
            return self.push_at_bound(queue, entry);
        }
        let waker = queue.append(entry);
        drop(queue);
        wake(waker);
        Ok(Pushed::Queued)
    }

    /// The bound looks reached. The consumer gives room back in chunks, so what it has handled meanwhile is asked for.
    fn push_at_bound(&self, mut queue: Guard<'_, Queue<T, S>>, entry: T) -> Result<Pushed<T>, Refused<T>> {
        let mut wakes = Vec::new();
        self.settle(&mut queue, &mut wakes);
        let outcome = if queue.used < self.calm.capacity {
            queue.used += 1;
            wakes.extend(queue.append(entry));
            Ok(Pushed::Queued)
        } else {
            match self.calm.overflow {
                Overflow::Wait | Overflow::Fail => Err(Refused::Full(entry)),
                Overflow::DropNewest => Ok(Pushed::Dropped(entry)),
                Overflow::DropOldest => self.displace(&mut queue, entry, &mut wakes),
            }
        };
        drop(queue);
        wake_all(wakes);
        outcome
    }

    /// Gives back what the consumer has handled since it last did so itself.
    pub(super) fn settle(&self, queue: &mut Queue<T, S>, wakes: &mut Vec<Waker>) {
        let weighed = self.hand.weighed.load(Ordering::Acquire);
        queue.used -= (weighed - queue.returned) as usize;
        queue.returned = weighed;
        queue.grant(self.calm.capacity, wakes);
    }

    /// A lane that drops its oldest is taken from one by one, so that the oldest is always in the queue. What is taken
    /// leaves room at once: were it counted until it is popped, a push in between would find nothing but itself to drop.
    fn takes_one_by_one(&self) -> bool {
        self.is_bounded() && self.calm.overflow == Overflow::DropOldest
    }

    fn displace(&self, queue: &mut Queue<T, S>, entry: T, wakes: &mut Vec<Waker>) -> Result<Pushed<T>, Refused<T>> {
        let at = queue.entries.iter_mut().position(Packed::weighs);
        match at.and_then(|at| queue.entries.remove(at)) {
            Some(oldest) => {
                wakes.extend(queue.append(entry));
                Ok(Pushed::Dropped(oldest.unpack()))
            }
            // All room is granted to senders that are about to push: the newest is the one to go.
            None => Ok(Pushed::Dropped(entry)),
        }
    }

    /// Takes no notice of the bound nor of a graceful stop: signals, own timers, tells to oneself.
    pub(crate) fn push_exempt(&self, entry: T) -> Result<(), T> {
        let mut queue = self.queue.lock();
        if queue.door == Door::Closed {
            return Err(entry);
        }
        if entry.weighs() && self.is_bounded() {
            queue.used += 1;
        }
        let waker = queue.append(entry);
        drop(queue);
        wake(waker);
        Ok(())
    }

    /// A tell to oneself: refused in a graceful stop like any other, but never for want of room.
    pub(crate) fn push_self(&self, entry: T) -> Result<(), Refused<T>> {
        let mut queue = self.queue.lock();
        let entry = queue.door.refuse(entry)?;
        if self.is_bounded() {
            queue.used += 1;
        }
        let waker = queue.append(entry);
        drop(queue);
        wake(waker);
        Ok(())
    }

    /// Puts an entry in front of all others, while no consumer is inside: the retry of the one that crashed.
    /// Closed, or with a consumer inside, it comes back.
    pub(crate) fn push_front(&self, entry: T) -> Result<(), T> {
        let mut queue = self.queue.lock();
        if queue.door == Door::Closed {
            return Err(entry);
        }
        let weighs = entry.weighs() && self.is_bounded() && !self.takes_one_by_one();
        let Some(mut batch) = self.hand.batch.by_nobody() else { return Err(entry) };
        batch.push_front(Packed::new(entry));
        queue.used += usize::from(weighs);
        queue.taken += 1;
        Ok(())
    }

    /// Goes before all entries. Refused only when the lane is closed.
    pub(crate) fn push_sys(&self, request: S) -> Result<(), S> {
        let mut queue = self.queue.lock();
        if queue.door == Door::Closed {
            return Err(request);
        }
        queue.cold().sys.push_back(request);
        self.calm.ctl.fetch_or(SYS, Ordering::Release);
        let waker = queue.ring();
        drop(queue);
        wake(waker);
        Ok(())
    }

    /// Has an incarnation look at its end signal, wherever its task waits. False: there is a later one.
    pub(crate) fn ring_end(&self, incarnation: u32) -> bool {
        let mut queue = self.queue.lock();
        // Detached, its task may still be at the stop hook, which a kill is to reach.
        if queue.incarnation != incarnation {
            return false;
        }
        self.calm.ctl.fetch_or(END, Ordering::Release);
        if queue.state == State::Parked {
            queue.state = State::Running;
        }
        let task = queue.task.clone();
        drop(queue);
        wake(task);
        true
    }

    /// From here on nothing new is taken; the consumer is told when the queue is empty.
    pub(crate) fn drain(&self) {
        let mut queue = self.queue.lock();
        if queue.door != Door::Open {
            return;
        }
        queue.door = Door::Draining;
        let waker = queue.ring();
        let waiters = queue.cold.as_mut().map(|cold| std::mem::take(&mut cold.waiters));
        drop(queue);
        wake(waker);
        for (_, waker) in waiters.into_iter().flatten() {
            waker.wake();
        }
    }

    /// Entries that wait, taken in hand or not.
    pub(crate) fn len(&self) -> usize {
        let queue = self.queue.lock();
        queue.entries.len() + (queue.taken - self.hand.popped.load(Ordering::Relaxed)) as usize
    }

    /// Places that are kept for entries, while nobody consumes.
    #[cfg(all(test, not(proscenium_loom)))]
    pub(super) fn buffered(&self) -> usize {
        self.queue.lock().entries.capacity() + self.hand.batch.by_nobody().map_or(0, |batch| batch.capacity())
    }

    // ---- incarnations ----

    /// A new incarnation takes the lane. None: it is closed.
    /// Of the system messages that wait, those that `keep` are handed on to it.
    pub(crate) fn attach(&self, keep: impl Fn(&S) -> bool) -> Option<u32> {
        let mut void = VecDeque::new();
        let mut queue = self.queue.lock();
        if queue.door == Door::Closed {
            return None;
        }
        queue.incarnation += 1;
        queue.state = State::Running;
        queue.suspended = false;
        if queue.door == Door::Draining {
            queue.door = Door::Open; // The graceful stop was the last incarnation's.
        }
        self.calm.ctl.fetch_and(!END, Ordering::Relaxed);
        if let Some(cold) = queue.cold.as_mut() {
            let (kept, rest) = std::mem::take(&mut cold.sys).into_iter().partition(&keep);
            cold.sys = kept;
            void = rest;
        }
        let task = queue.task.take();
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
    fn leave(&self, incarnation: u32, owner: Owner) {
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
        let had_it = queue.state != State::Detached;
        queue.state = State::Detached;
        // A stop hook leaves its task here after the consumer has left.
        let task = queue.task.take();
        drop(queue);
        drop(task);
        had_it
    }

    #[cold]
    fn give_room_back(&self) {
        if !self.is_bounded() {
            return;
        }
        let mut wakes = Vec::new();
        let mut queue = self.queue.lock();
        self.settle(&mut queue, &mut wakes);
        drop(queue);
        wake_all(wakes);
    }

    /// Ends the lane for good. Returns what nobody handled, in order.
    pub(crate) fn close(&self) -> Leftovers<T, S> {
        let mut queue = self.queue.lock();
        queue.door = Door::Closed;
        queue.state = State::Detached;
        let task = queue.task.take();
        let cold = queue.cold.take();
        queue.has_cold = false;
        let entries = std::mem::take(&mut queue.entries);
        drop(queue);
        wake(task);
        self.hand.batch.seize();
        let mut left = self.hand.batch.by_nobody().map(|mut batch| std::mem::take(&mut *batch)).unwrap_or_default();
        left.extend(entries);
        let mut requests = VecDeque::new();
        if let Some(cold) = cold {
            requests = cold.sys;
            for (_, waker) in cold.waiters {
                waker.wake();
            }
        }
        Leftovers { entries: left.into_iter().map(Packed::unpack).collect(), requests }
    }

    // ---- the consumer ----

    #[inline]
    pub(crate) fn ctl(&self) -> u32 {
        self.calm.ctl.load(Ordering::Acquire)
    }

    pub(crate) fn take_sys(&self, incarnation: u32) -> VecDeque<S> {
        let mut queue = self.queue.lock();
        if queue.incarnation != incarnation || queue.state == State::Detached {
            return VecDeque::new(); // Fenced: they are the successor's.
        }
        self.calm.ctl.fetch_and(!SYS, Ordering::Relaxed);
        queue.cold.as_mut().map(|cold| std::mem::take(&mut cold.sys)).unwrap_or_default()
    }

    /// While suspended, only system messages are taken.
    pub(crate) fn suspend(&self, incarnation: u32, on: bool) {
        let mut queue = self.queue.lock();
        if queue.incarnation == incarnation && queue.state != State::Detached {
            queue.suspended = on; // A fenced consumer does not suspend its successor.
        }
    }

    /// `task` wakes the task of `incarnation` wherever it waits.
    pub(crate) fn set_task(&self, incarnation: u32, task: Waker) {
        let mut queue = self.queue.lock();
        let old = if queue.incarnation == incarnation { queue.task.replace(task) } else { Some(task) };
        drop(queue);
        drop(old);
    }

    /// What wakes the task of `incarnation`, wherever it waits.
    pub(crate) fn task(&self, incarnation: u32) -> Option<Waker> {
        let queue = self.queue.lock();
        if queue.incarnation == incarnation { queue.task.clone() } else { None }
    }

    /// The consumer of `incarnation` enters; its task was set before.
    pub(crate) fn enter(&self, incarnation: u32) -> Tenancy<'_, T, S> {
        let queue = self.queue.lock();
        let is_ours = queue.incarnation == incarnation && queue.state != State::Detached;
        // Under the queue's lock, so that a fence comes before or after it.
        let owner = if is_ours { self.hand.batch.give(incarnation) } else { Owner::NOBODY };
        drop(queue);
        let swollen = self.hand.batch.by_owner(owner).is_some_and(|batch| batch.capacity() > RETAINED); // A predecessor's burst.
        Tenancy {
            lane: self,
            incarnation,
            owner,
            chunk: if self.is_bounded() && !self.takes_one_by_one() {
                (self.calm.capacity / 4).clamp(1, 256) as u64
            } else {
                u64::MAX
            },
            returned: self.hand.weighed.load(Ordering::Relaxed),
            swollen,
            suspended: None,
        }
    }
}

/// The lane is locked, and has room for one entry.
pub(crate) struct Room<'a, T, S>(Guard<'a, Queue<T, S>>);

impl<T, S> Room<'_, T, S> {
    #[inline(always)]
    pub(crate) fn put(mut self, entry: T) {
        let waker = self.0.append(entry);
        drop(self.0);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What a closed lane held.
pub(crate) struct Leftovers<T, S> {
    pub(crate) entries: VecDeque<T>,
    pub(crate) requests: VecDeque<S>,
}

/// The consumer's stay. Dropped, it detaches the lane, and what it had not handled waits for the next incarnation.
pub(crate) struct Tenancy<'a, T: Weighs, S> {
    lane: &'a Lane<T, S>,
    incarnation: u32,
    owner: Owner,
    /// Room is given back in chunks of this many, so that senders are not woken one by one.
    chunk: u64,
    returned: u64,
    /// A large batch was taken since the last park: give memory back at the next.
    swollen: bool,
    /// While suspended, the right to the hand is put away here: so `pop` need not ask.
    suspended: Option<Owner>,
}

impl<T: Weighs, S> Tenancy<'_, T, S> {
    /// The next entry of those taken in hand.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<T> {
        let hand = &self.lane.hand;
        // Counted while the hand is ours: a fence then waits for the count, and the successor goes on from it.
        // Fenced is as empty: `poll_next` will tell.
        let mut batch = hand.batch.by_owner(self.owner)?;
        let mut entry = batch.pop_front()?;
        hand.popped.store(hand.popped.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        if self.chunk != u64::MAX {
            let weighed = hand.weighed.load(Ordering::Relaxed) + u64::from(entry.weighs());
            hand.weighed.store(weighed, Ordering::Release);
            drop(batch);
            if weighed - self.returned >= self.chunk {
                self.returned = weighed;
                self.lane.give_room_back();
            }
        }
        Some(entry.unpack())
    }

    pub(crate) fn suspend(&mut self, on: bool) {
        if on && self.suspended.is_none() {
            self.suspended = Some(std::mem::replace(&mut self.owner, Owner::NOBODY));
        } else if let (false, Some(owner)) = (on, self.suspended.take()) {
            self.owner = owner;
        }
    }

    /// Called when `pop` has nothing: takes the next batch in hand, or parks. One critical section, so that no push
    /// falls between the look and the sleep.
    pub(crate) fn poll_next(&mut self) -> Poll<Next> {
        let mut wakes = Vec::new();
        let mut queue = self.lane.queue.lock();
        if queue.incarnation != self.incarnation || queue.state == State::Detached {
            return Poll::Ready(Next::Gone);
        }
        if self.chunk != u64::MAX {
            self.returned = self.lane.hand.weighed.load(Ordering::Relaxed);
            if self.returned != queue.returned {
                self.lane.settle(&mut queue, &mut wakes);
            }
        }
        queue.state = State::Running;
        let next = if queue.has_sys() {
            Poll::Ready(Next::Sys)
        } else if self.suspended.is_some() {
            self.park(&mut queue)
        } else if !queue.entries.is_empty() {
            self.take(&mut queue, &mut wakes);
            Poll::Ready(Next::Batch)
        } else if queue.door == Door::Draining {
            Poll::Ready(Next::Drained)
        } else {
            self.park(&mut queue)
        };
        drop(queue);
        if !wakes.is_empty() {
            wake_all(wakes);
        }
        next
    }

    #[inline]
    fn take(&mut self, queue: &mut Queue<T, S>, wakes: &mut Vec<Waker>) {
        let one_by_one = self.lane.takes_one_by_one();
        let Some(mut batch) = self.lane.hand.batch.by_owner(self.owner) else { return };
        if !one_by_one && batch.is_empty() {
            std::mem::swap(&mut *batch, &mut queue.entries);
            queue.taken += batch.len() as u64;
            self.swollen |= batch.len() > RETAINED;
            return;
        }
        let Some(mut entry) = queue.entries.pop_front() else { return };
        queue.taken += 1;
        let room = usize::from(one_by_one && entry.weighs());
        batch.push_back(entry);
        drop(batch);
        if room > 0 {
            queue.used -= room;
            queue.grant(self.lane.calm.capacity, wakes);
        }
    }

    fn park(&mut self, queue: &mut Queue<T, S>) -> Poll<Next> {
        queue.state = State::Parked;
        if std::mem::take(&mut self.swollen) {
            if queue.entries.is_empty() {
                queue.entries = VecDeque::new();
            }
            if let Some(mut batch) = self.lane.hand.batch.by_owner(self.owner)
                && batch.is_empty()
            {
                *batch = VecDeque::new();
            }
        }
        Poll::Pending
    }
}

impl<T: Weighs, S> Drop for Tenancy<'_, T, S> {
    fn drop(&mut self) {
        self.lane.leave(self.incarnation, self.suspended.unwrap_or(self.owner));
    }
}
