//! Who has which slot, and who waits for one: in the order in which they came.

use std::collections::VecDeque;

/// Who waits, for as long as it waits.
pub(crate) type Ticket = u64;

/// What a request gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Slot(u32),
    Waits,
}

/// Free slots, and the queue for them. `W` is what wakes who waits.
///
/// **Invariant**: nobody waits while a slot is free, so who comes later cannot overtake.
#[derive(Debug)]
pub(crate) struct PoolCore<W> {
    /// A bit for each slot that nobody has.
    free: u64,
    waiting: VecDeque<(Ticket, W)>,
    /// Slots that belong to somebody who waited and has not looked yet. At most as many as there are slots.
    granted: Vec<(Ticket, u32)>,
    next: Ticket,
}

impl<W> PoolCore<W> {
    pub(crate) fn new(slots: u32) -> Self {
        Self {
            free: u64::MAX >> (64 - slots),
            waiting: VecDeque::with_capacity(slots as usize),
            granted: Vec::with_capacity(slots as usize),
            next: 0,
        }
    }

    pub(crate) fn free(&self) -> u32 {
        self.free.count_ones()
    }

    /// The lowest free slot: its memory is the likeliest to be in a cache.
    pub(crate) fn take(&mut self) -> Option<u32> {
        let slot = self.free.trailing_zeros();
        (self.free != 0).then(|| {
            self.free &= self.free - 1;
            slot
        })
    }

    /// A place at the end of the queue.
    pub(crate) fn wait(&mut self, waker: W) -> Ticket {
        let ticket = self.next;
        self.next += 1;
        self.waiting.push_back((ticket, waker));
        ticket
    }

    /// The slot of somebody who waits, if it has one by now; else its new waker is kept.
    pub(crate) fn ask(&mut self, ticket: Ticket, waker: impl FnOnce(&mut W)) -> Asked {
        if let Some(at) = self.granted.iter().position(|&(owner, _)| owner == ticket) {
            return Asked::Slot(self.granted.swap_remove(at).1);
        }
        if let Some((_, kept)) = self.waiting.iter_mut().find(|(waiting, _)| *waiting == ticket) {
            waker(kept);
        }
        Asked::Waits
    }

    /// A slot comes back: to who waits longest, whom the caller wakes, or to the free ones.
    #[must_use = "who waits longest has the slot and must be woken"]
    pub(crate) fn give_back(&mut self, slot: u32) -> Option<W> {
        if let Some((ticket, waker)) = self.waiting.pop_front() {
            self.granted.push((ticket, slot));
            return Some(waker);
        }
        self.free |= 1 << slot;
        None
    }

    /// Somebody no longer waits. A slot that it had been granted goes to the next, whom the caller wakes.
    #[must_use = "who waits longest has the slot and must be woken"]
    pub(crate) fn leave(&mut self, ticket: Ticket) -> Option<W> {
        if let Some(at) = self.granted.iter().position(|&(owner, _)| owner == ticket) {
            let (_, slot) = self.granted.swap_remove(at);
            return self.give_back(slot);
        }
        self.waiting.retain(|&(waiting, _)| waiting != ticket);
        None
    }
}
