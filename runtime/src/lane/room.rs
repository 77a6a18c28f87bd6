//! Waiting for room in a bounded lane: first come, first served, and cancel-safe.
//!
//! **Promises**: a waiter dropped while it waits gives up its place; dropped after it was granted room, it passes the
//! room on. Newcomers do not overtake those who wait, and nobody who needs little overtakes somebody who needs much.
//! **Cost**: nothing until a lane is full; then one allocation a wait.

use std::task::{Poll, Waker};

use super::entry::Entry;
use super::queue::{Lane, Refused, wake_all};
use super::sync::{Arc, AtomicBool, Ordering};

/// One sender's place in the line.
pub(super) struct Waiter {
    granted: AtomicBool,
    /// How much room he needs.
    pub(super) weight: usize,
}

impl Waiter {
    pub(super) fn grant(&self) {
        self.granted.store(true, Ordering::Relaxed); // Under the lane's lock, as all looks at it are.
    }

    fn is_granted(&self) -> bool {
        self.granted.load(Ordering::Relaxed)
    }
}

/// A wait for room in `lane`. Ends with a permit, which `fill` uses up.
pub(crate) struct Reserve<L: AsRef<Lane<M, S>>, M, S> {
    lane: std::sync::Arc<L>,
    waiter: Option<Arc<Waiter>>,
    /// There was room at once: nobody else needs to know of this wait.
    has_room: bool,
    weight: usize,
    entry: std::marker::PhantomData<fn() -> (M, S)>,
}

impl<L: AsRef<Lane<M, S>>, M, S> Reserve<L, M, S> {
    /// Of an entry that weighs so much: see `Lane::push_slowly`.
    pub(crate) fn new(lane: std::sync::Arc<L>, weight: usize) -> Self {
        Reserve { lane, waiter: None, has_room: false, weight, entry: std::marker::PhantomData }
    }

    fn is_granted(&self) -> bool {
        self.has_room || self.waiter.as_ref().is_some_and(|waiter| waiter.is_granted())
    }

    /// Ready when there is a permit, or when there will never be one: `fill` tells which.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let lane = L::as_ref(&self.lane);
        let mut queue = lane.lock();
        if !queue.mode.is_open() {
            return Poll::Ready(());
        }
        if self.is_granted() {
            return Poll::Ready(());
        }
        // The consumer gives room back in chunks. Looked for at every poll, so that a deadline finds what there is.
        let mut wakes = Vec::new();
        lane.settle(&mut queue, &mut wakes);
        let granted = match &self.waiter {
            None if queue.has_room_for(self.weight) => {
                queue.take_up(self.weight);
                self.has_room = true;
                true
            }
            None => {
                let waiter = Arc::new(Waiter { granted: AtomicBool::new(false), weight: self.weight });
                self.waiter = Some(waiter.clone());
                queue.waiters().push_back((waiter, waker.clone()));
                false
            }
            Some(waiter) if waiter.is_granted() => true,
            Some(waiter) => {
                let mine = queue.waiters().iter_mut().find(|(other, _)| Arc::ptr_eq(other, waiter));
                if let Some((_, old)) = mine {
                    old.clone_from(waker);
                    false
                } else if queue.has_room_for(self.weight) {
                    queue.take_up(self.weight);
                    waiter.grant();
                    true
                } else {
                    // Sent away by a graceful stop that ended in a restart: in line again.
                    let waiter = waiter.clone();
                    queue.waiters().push_back((waiter, waker.clone()));
                    false
                }
            }
        };
        drop(queue);
        wake_all(wakes);
        if granted { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Puts the entry into the room that `poll` reserved.
    pub(crate) fn fill(mut self, entry: Entry<M>) -> Result<(), Refused<Entry<M>>> {
        let lane = L::as_ref(&self.lane);
        let mut queue = lane.lock();
        let entry = queue.refuse(entry)?; // Closing took the permits with it.
        if !self.is_granted() {
            return Err(Refused::Full(entry));
        }
        (self.waiter, self.has_room) = (None, false);
        let rings = queue.append_weighed(entry, self.weight);
        queue.release(rings);
        Ok(())
    }
}

impl<L: AsRef<Lane<M, S>>, M, S> Drop for Reserve<L, M, S> {
    fn drop(&mut self) {
        if !self.has_room && self.waiter.is_none() {
            return;
        }
        let lane = L::as_ref(&self.lane);
        let mut wakes = Vec::new();
        let mut queue = lane.lock();
        if self.is_granted() {
            queue.give_up(self.weight);
        } else if let Some(waiter) = &self.waiter {
            queue.waiters().retain(|(other, _)| !Arc::ptr_eq(other, waiter));
        }
        queue.grant(&mut wakes); // Also to who needs less than the one that gave up his place before him.
        drop(queue);
        wake_all(wakes);
    }
}
