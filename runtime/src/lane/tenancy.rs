//! The consumer of a lane: an incarnation's stay in it.

use std::task::Waker;

use super::backlog::KEPT;
use super::block::{BLOCK, Packed};
use super::lock::{BelledGuard, Owner};
use super::mode::{DETACHED, DRAINING, ONE_BY_ONE, PARKED, SPLIT, SUSPENDED, SWOLLEN};
use super::queue::{Lane, Queue, calm, wake_all};
use super::sync::Ordering;

/// A consumer gives way after so many entries: at the end of the block that it has in hand then.
const IN_A_ROW: u32 = 256;

/// The chunk where nobody counts.
const UNCOUNTED: u32 = u32::MAX;

/// What the consumer finds when there is no entry for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// There are entries.
    Entries,
    /// Nothing: whatever comes next wakes its task.
    Parked,
    /// System messages wait.
    Sys,
    /// A graceful stop is under way and the queue is empty.
    Drained,
    /// It has taken 256 in a row: its neighbours have their turn.
    Turn,
    /// The incarnation is over: fenced, superseded or closed.
    Gone,
}

/// The consumer's stay. Dropped, it detaches the lane, and what it had not handled waits for the next incarnation.
pub(crate) struct Tenancy<'a, M, S> {
    lane: &'a Lane<M, S>,
    incarnation: u32,
    owner: Owner,
    /// Entries in hand.
    left: u32,
    /// Entries taken since it last waited or gave way.
    in_a_row: u32,
    /// What the last look in the queue has found.
    why: Next,
    /// Room is given back in chunks of about this many, so that senders are not woken one by one.
    chunk: u32,
    /// While suspended, `left` is put away here.
    suspended: Option<u32>,
}

impl<M, S> Lane<M, S> {
    /// The consumer of `incarnation` enters, and takes what waits. `task` wakes its task wherever it waits, from here on;
    /// `None`: it was set before.
    #[inline(always)]
    pub(crate) fn enter(&self, incarnation: u32, mut task: Option<Waker>) -> Tenancy<'_, M, S> {
        let mut queue = self.queue.lock();
        let is_ours = queue.incarnation == incarnation && !queue.mode.is(DETACHED);
        if is_ours && task.is_some() {
            task = queue.exchange(task);
        }
        // Under the queue's lock, so that a fence comes before or after it.
        let owner = if is_ours { self.hand.batch.give(incarnation) } else { Owner::NOBODY };
        let left = self.hand.batch.by_owner(owner).map_or(0, |batch| batch.len() as u32);
        if left >= BLOCK as u32 {
            queue.mode.set(SWOLLEN); // A predecessor's burst.
        }
        let counts = queue.is_bounded() && !queue.mode.is(ONE_BY_ONE);
        let chunk = if counts { (queue.capacity / 4).clamp(1, 256) as u32 } else { UNCOUNTED };
        let mut tenancy = Tenancy {
            lane: self,
            incarnation,
            owner,
            left,
            in_a_row: left,
            why: Next::Entries,
            chunk,
            suspended: None,
        };
        if is_ours && left == 0 && queue.mode.is_plain() && !queue.entries.is_empty() {
            tenancy.why = tenancy.take_or_park(&mut queue);
            tenancy.in_a_row = tenancy.left;
        }
        drop(queue);
        drop(task);
        tenancy
    }

    fn suspend(&self, incarnation: u32, on: bool) {
        let mut queue = self.queue.lock();
        if queue.incarnation == incarnation && !queue.mode.is(DETACHED) {
            // A fenced consumer does not suspend its successor.
            if on {
                queue.mode.set(SUSPENDED);
            } else {
                queue.mode.clear(SUSPENDED);
            }
        }
    }
}

impl<M, S> Tenancy<'_, M, S> {
    /// There is nothing to do but handle entries.
    #[inline(always)]
    pub(crate) fn is_calm(&self) -> bool {
        self.lane.hand.ctl.load(Ordering::Acquire) == calm(self.incarnation)
    }

    /// The next entry; for none, `why` says why.
    ///
    /// Entries come from one place, and the reason goes another way: so an entry travels in registers. Put together from
    /// two places, or with the reason in a `Result`, it is copied in pieces that stall the processor: 7 ns of 13.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<Packed<M>> {
        if self.left == 0 {
            self.why = if self.in_a_row >= IN_A_ROW { Next::Turn } else { self.refill() };
            if self.left == 0 {
                self.in_a_row = 0;
                return None;
            }
            self.in_a_row += self.left;
        }
        let hand = &self.lane.hand;
        // Counted while the hand is ours: a fence then waits for the count, and the successor goes on from it.
        let Some(mut batch) = hand.batch.by_owner(self.owner) else { return self.is_gone() };
        let Some(entry) = batch.pop() else { return self.is_gone() };
        self.left -= 1;
        hand.popped.store(hand.popped.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        if self.chunk != UNCOUNTED && entry.weighs() {
            let weighed = hand.weighed.load(Ordering::Relaxed) + 1;
            hand.weighed.store(weighed, Ordering::Release);
            drop(batch);
            if (weighed as u32).is_multiple_of(self.chunk) {
                self.lane.give_room_back();
            }
        }
        Some(entry)
    }

    #[cold]
    fn is_gone(&mut self) -> Option<Packed<M>> {
        self.why = Next::Gone;
        None
    }

    /// Why there was no entry. With `Next::Parked` the next push wakes the task.
    pub(crate) fn why(&self) -> Next {
        self.why
    }

    /// Nothing is in hand: takes what waits, or parks. One critical section, so that no push falls between the look and
    /// the sleep.
    #[inline(always)]
    fn refill(&mut self) -> Next {
        let mut queue = self.lane.queue.lock();
        if queue.incarnation != self.incarnation || !queue.mode.is_plain() {
            return self.refill_slowly(queue);
        }
        self.take_or_park(&mut queue)
    }

    /// Of a queue with nothing to look at but entries.
    #[inline(always)]
    fn take_or_park(&mut self, queue: &mut Queue<M, S>) -> Next {
        if queue.is_bounded() {
            let weighed = self.lane.hand.weighed.load(Ordering::Relaxed);
            queue.used -= (weighed - queue.returned) as usize; // Nobody waits for it.
            queue.returned = weighed;
        }
        let waits = queue.entries.last().len();
        if waits == 0 {
            queue.mode.set(PARKED);
            return Next::Parked;
        }
        queue.mode.clear(PARKED);
        let Some(mut batch) = self.lane.hand.batch.by_owner(self.owner) else { return Next::Gone };
        batch.rewind();
        std::mem::swap(queue.entries.last(), &mut *batch);
        queue.taken = queue.taken.wrapping_add(waits as u32);
        self.left = waits as u32;
        Next::Entries
    }

    fn take_block(&mut self, queue: &mut Queue<M, S>) -> Next {
        let Some(mut batch) = self.lane.hand.batch.by_owner(self.owner) else { return Next::Gone };
        batch.rewind();
        queue.entries.swap_block(&mut batch);
        self.left = batch.len() as u32;
        queue.taken = queue.taken.wrapping_add(self.left);
        if self.left >= BLOCK as u32 {
            queue.mode.set(SWOLLEN);
        }
        if !queue.entries.is_split() {
            queue.mode.clear(SPLIT);
        }
        Next::Entries
    }

    /// From a lane that drops its oldest entries are taken one by one, so that the oldest is always in the queue. What is
    /// taken leaves room at once: were it counted until it is popped, a push in between would find nothing but itself to
    /// drop. From a lane bounded in bytes, too: there are the weights.
    fn take_one(&mut self, queue: &mut Queue<M, S>, wakes: &mut Vec<Waker>) -> Next {
        let Some(mut batch) = self.lane.hand.batch.by_owner(self.owner) else { return Next::Gone };
        if let Some(entry) = queue.take_first() {
            drop(batch.put_first(entry)); // It is empty.
            self.left = 1;
            queue.taken = queue.taken.wrapping_add(1);
            queue.grant(wakes); // A stream waits for room also where tells do not.
        }
        Next::Entries
    }

    /// The same where there is more to look at than entries.
    #[cold]
    #[inline(never)]
    fn refill_slowly(&mut self, mut queue: BelledGuard<'_, Queue<M, S>>) -> Next {
        if queue.incarnation != self.incarnation || queue.mode.is(DETACHED) {
            return Next::Gone;
        }
        let mut wakes = Vec::new();
        if self.chunk != UNCOUNTED {
            self.lane.settle(&mut queue, &mut wakes);
        }
        queue.mode.clear(PARKED);
        let next = if queue.has_sys() {
            Next::Sys
        } else if self.suspended.is_none() && !queue.entries.is_empty() {
            if queue.mode.is(ONE_BY_ONE) { self.take_one(&mut queue, &mut wakes) } else { self.take_block(&mut queue) }
        } else if self.suspended.is_none() && queue.mode.is(DRAINING) {
            Next::Drained
        } else {
            queue.mode.set(PARKED);
            self.give_memory_back(&mut queue);
            Next::Parked
        };
        drop(queue);
        wake_all(wakes);
        next
    }

    /// After a burst. Blocks are cut down, not dropped: the next few entries need no new ones, and an allocator that gives
    /// memory back to the system when its last piece goes does not do so after each burst, to ask for it again at the next.
    fn give_memory_back(&mut self, queue: &mut Queue<M, S>) {
        if !queue.mode.is(SWOLLEN) {
            return;
        }
        queue.mode.clear(SWOLLEN);
        queue.entries.last().shrink_to(KEPT);
        if let Some(mut batch) = self.lane.hand.batch.by_owner(self.owner) {
            batch.shrink_to(KEPT);
        }
    }

    /// Suspended, it takes nothing but requests.
    pub(crate) fn suspend(&mut self, on: bool) {
        self.lane.suspend(self.incarnation, on);
        if on {
            self.suspended.get_or_insert(std::mem::take(&mut self.left));
        } else if let Some(left) = self.suspended.take() {
            self.left = left;
        }
    }
}

impl<M, S> Drop for Tenancy<'_, M, S> {
    fn drop(&mut self) {
        self.lane.leave(self.incarnation, self.owner);
    }
}
