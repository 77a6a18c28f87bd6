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
//! **Cost**: one lock a push; one lock an entry and two a batch for the consumer.

use std::collections::VecDeque;
use std::task::{Poll, Waker};

use super::lock::{Guard, Lock};
use super::room::Waiter;
use super::sync::{Arc, AtomicU32, Ordering};
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
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<T> {
    Entry(T),
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
    entries: VecDeque<T>,
    /// Wakes the consumer's task wherever it waits: parked here, or inside a handler when the incarnation is to end.
    task: Option<Waker>,
    /// Accepted and not yet taken in hand by the consumer, granted permits included (bounded lanes only).
    pub(super) used: usize,
    cold: Option<Box<Cold<S>>>,
}

/// What an ordinary actor never touches: allocated at first use.
struct Cold<S> {
    sys: VecDeque<S>,
    waiters: VecDeque<(Arc<Waiter>, Waker)>,
}

/// Taken by the consumer, not handled. Survives it.
struct Hand<T> {
    incarnation: u32,
    /// Handled since room was last given back.
    handled: usize,
    batch: VecDeque<T>,
}

#[repr(C)]
pub(crate) struct Lane<T, S> {
    calm: Calm,
    queue: Lock<Queue<T, S>>,
    hand: Lock<Hand<T>>,
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

    #[inline]
    #[must_use]
    pub(super) fn append(&mut self, entry: T) -> Option<Waker> {
        self.entries.push_back(entry);
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
                cold: None,
            }),
            hand: Lock::new(Hand { incarnation: 0, handled: 0, batch: VecDeque::new() }),
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

    #[inline]
    pub(crate) fn push(&self, entry: T) -> Result<Pushed<T>, Refused<T>> {
        let mut queue = self.queue.lock();
        if !queue.door.is_open() {
            return queue.door.refuse(entry).map(Pushed::Dropped);
        }
        if self.is_bounded() {
            if queue.used >= self.calm.capacity || queue.has_waiters() {
                return self.push_at_bound(queue, entry);
            }
            queue.used += 1;
        }
        let waker = queue.append(entry);
        drop(queue);
        wake(waker);
        Ok(Pushed::Queued)
    }

    /// The bound looks reached. The consumer gives room back in chunks, so what it has handled meanwhile is asked for.
    #[cold]
    fn push_at_bound(&self, mut queue: Guard<'_, Queue<T, S>>, entry: T) -> Result<Pushed<T>, Refused<T>> {
        let mut wakes = Vec::new();
        queue.used -= std::mem::take(&mut self.hand.lock().handled);
        queue.grant(self.calm.capacity, &mut wakes);
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

    fn displace(
        &self,
        queue: &mut Queue<T, S>,
        entry: T,
        wakes: &mut Vec<Waker>,
    ) -> Result<Pushed<T>, Refused<T>> {
        let oldest = {
            let mut hand = self.hand.lock();
            let at = hand.batch.iter().position(Weighs::weighs);
            at.and_then(|at| hand.batch.remove(at))
        };
        let oldest = oldest.or_else(|| {
            let at = queue.entries.iter().position(Weighs::weighs);
            at.and_then(|at| queue.entries.remove(at))
        });
        match oldest {
            Some(oldest) => {
                wakes.extend(queue.append(entry));
                Ok(Pushed::Dropped(oldest))
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
    pub(crate) fn push_front(&self, entry: T) {
        let mut queue = self.queue.lock();
        if queue.door != Door::Closed {
            if entry.weighs() && self.is_bounded() {
                queue.used += 1;
            }
            self.hand.lock().batch.push_front(entry);
        }
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

    /// Has the running incarnation look at its end signal, wherever its task waits. False: none is running.
    pub(crate) fn ring_end(&self, incarnation: u32) -> bool {
        let mut queue = self.queue.lock();
        if queue.incarnation != incarnation || queue.state == State::Detached {
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
        queue.entries.len() + self.hand.lock().batch.len()
    }

    // ---- incarnations ----

    /// A new incarnation takes the lane. None: it is closed.
    pub(crate) fn attach(&self) -> Option<u32> {
        let mut queue = self.queue.lock();
        if queue.door == Door::Closed {
            return None;
        }
        queue.incarnation += 1;
        queue.state = State::Running;
        queue.suspended = false;
        self.calm.ctl.fetch_and(!END, Ordering::Relaxed);
        let task = queue.task.take();
        let incarnation = queue.incarnation;
        self.hand.lock().incarnation = incarnation;
        drop(queue);
        drop(task); // A dead incarnation's: dropping it runs the executor's code, so outside the lock.
        Some(incarnation)
    }

    /// Takes the lane away from an incarnation, whether its task is dead, stuck or well. Entries stay.
    /// False: it did not have it any more.
    pub(crate) fn fence(&self, incarnation: u32) -> bool {
        let mut wakes = Vec::new();
        let mut queue = self.queue.lock();
        if queue.incarnation != incarnation || queue.state == State::Detached {
            return false;
        }
        let task = queue.task.take();
        queue.state = State::Detached;
        let mut hand = self.hand.lock();
        hand.incarnation = 0;
        if self.is_bounded() {
            queue.used -= std::mem::take(&mut hand.handled);
            queue.grant(self.calm.capacity, &mut wakes);
        }
        drop(hand);
        drop(queue);
        drop(task);
        wake_all(wakes);
        true
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
        let mut hand = self.hand.lock();
        hand.incarnation = 0;
        let mut left = std::mem::take(&mut hand.batch);
        drop(hand);
        drop(queue);
        wake(task);
        left.extend(entries);
        let mut requests = VecDeque::new();
        if let Some(cold) = cold {
            requests = cold.sys;
            for (_, waker) in cold.waiters {
                waker.wake();
            }
        }
        Leftovers { entries: left, requests }
    }

    // ---- the consumer ----

    #[inline]
    pub(crate) fn ctl(&self) -> u32 {
        self.calm.ctl.load(Ordering::Acquire)
    }

    pub(crate) fn take_sys(&self, incarnation: u32) -> VecDeque<S> {
        let mut queue = self.queue.lock();
        if queue.incarnation != incarnation {
            return VecDeque::new();
        }
        self.calm.ctl.fetch_and(!SYS, Ordering::Relaxed);
        queue.cold.as_mut().map(|cold| std::mem::take(&mut cold.sys)).unwrap_or_default()
    }

    /// While suspended, only system messages are taken.
    pub(crate) fn suspend(&self, on: bool) {
        self.queue.lock().suspended = on;
    }

    /// `task` wakes the task of `incarnation` wherever it waits.
    pub(crate) fn set_task(&self, incarnation: u32, task: Waker) {
        let mut queue = self.queue.lock();
        let old = if queue.incarnation == incarnation { queue.task.replace(task) } else { Some(task) };
        drop(queue);
        drop(old);
    }

    /// The consumer of `incarnation` enters; its task was set before.
    pub(crate) fn enter(&self, incarnation: u32) -> Tenancy<'_, T, S> {
        let chunk = if self.is_bounded() { (self.calm.capacity / 4).clamp(1, 256) } else { usize::MAX };
        Tenancy { lane: self, incarnation, chunk, swollen: false, in_hand: true, suspended: false }
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
    /// Room is given back in chunks of this many, so that senders are not woken one by one.
    chunk: usize,
    /// A large batch was taken since the last park: give memory back at the next.
    swollen: bool,
    /// `hand` may hold entries.
    in_hand: bool,
    pub(crate) suspended: bool,
}

impl<T: Weighs, S> Tenancy<'_, T, S> {
    /// The next entry of those taken in hand.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        if !self.in_hand || self.suspended {
            return None;
        }
        let mut hand = self.lane.hand.lock();
        if hand.incarnation != self.incarnation {
            return None; // Fenced: `poll_next` will say so.
        }
        let Some(entry) = hand.batch.pop_front() else {
            self.in_hand = false;
            return None;
        };
        if self.chunk != usize::MAX && entry.weighs() {
            hand.handled += 1;
            if hand.handled >= self.chunk {
                let handled = std::mem::take(&mut hand.handled);
                drop(hand);
                self.give_back(handled);
            }
        }
        Some(entry)
    }

    #[cold]
    fn give_back(&self, room: usize) {
        let mut wakes = Vec::new();
        let mut queue = self.lane.queue.lock();
        queue.used -= room;
        queue.grant(self.lane.calm.capacity, &mut wakes);
        drop(queue);
        wake_all(wakes);
    }

    /// Called when `pop` has nothing: takes the next batch, or parks. One critical section, so that no push falls
    /// between the look and the sleep.
    pub(crate) fn poll_next(&mut self) -> Poll<Next<T>> {
        let mut wakes = Vec::new();
        let mut queue = self.lane.queue.lock();
        if queue.incarnation != self.incarnation || queue.state == State::Detached {
            return Poll::Ready(Next::Gone);
        }
        if self.chunk != usize::MAX {
            let room = std::mem::take(&mut self.lane.hand.lock().handled);
            if room > 0 {
                queue.used -= room;
                queue.grant(self.lane.calm.capacity, &mut wakes);
            }
        }
        queue.state = State::Running;
        let next = if queue.has_sys() {
            Poll::Ready(Next::Sys)
        } else if self.suspended {
            self.park(&mut queue)
        } else {
            self.take(&mut queue, &mut wakes)
        };
        drop(queue);
        if !wakes.is_empty() {
            wake_all(wakes);
        }
        next
    }

    #[inline]
    fn take(&mut self, queue: &mut Queue<T, S>, wakes: &mut Vec<Waker>) -> Poll<Next<T>> {
        // A single entry goes straight to the consumer: one lock less.
        if queue.entries.len() > 1 {
            self.in_hand = true;
            let mut hand = self.lane.hand.lock();
            if hand.batch.is_empty() {
                std::mem::swap(&mut hand.batch, &mut queue.entries);
                self.swollen |= hand.batch.capacity() > RETAINED;
            }
            if let Some(entry) = hand.batch.pop_front() {
                if self.chunk != usize::MAX && entry.weighs() {
                    hand.handled += 1;
                }
                return Poll::Ready(Next::Entry(entry));
            }
        }
        match queue.entries.pop_front() {
            Some(entry) => {
                if self.chunk != usize::MAX && entry.weighs() {
                    queue.used -= 1;
                    queue.grant(self.lane.calm.capacity, wakes);
                }
                Poll::Ready(Next::Entry(entry))
            }
            None if queue.door == Door::Draining => Poll::Ready(Next::Drained),
            None => self.park(queue),
        }
    }

    fn park(&mut self, queue: &mut Queue<T, S>) -> Poll<Next<T>> {
        queue.state = State::Parked;
        if std::mem::take(&mut self.swollen) {
            if queue.entries.is_empty() {
                queue.entries = VecDeque::new();
            }
            let mut hand = self.lane.hand.lock();
            if hand.batch.is_empty() {
                hand.batch = VecDeque::new();
            }
        }
        Poll::Pending
    }
}

impl<T: Weighs, S> Drop for Tenancy<'_, T, S> {
    fn drop(&mut self) {
        self.lane.fence(self.incarnation);
    }
}
