//! The account of a bounded lane: what its entries take up, and what each of them weighs where the bound is in bytes.
//!
//! The weights lie beside the entries and in their order, so that an entry is not larger for it, a lane bounded in messages
//! has none of it, and a weight is known under the lane's lock, where nobody can be asked.

use std::task::Waker;

use super::backlog::Backlog;
use super::block::Packed;
use super::entry::{Entry, Note};
use super::queue::{Pushed, Queue};

pub(super) struct Scales {
    /// Of every entry in the queue that takes room.
    weights: Backlog<usize>,
}

/// Whether there is room for `weight` more. What is heavier than the whole capacity goes in alone: it could only wait for
/// ever.
#[inline(always)]
pub(super) fn fits(used: usize, capacity: usize, weight: usize) -> bool {
    used == 0 || weight <= capacity.saturating_sub(used)
}

impl Scales {
    pub(super) fn new() -> Self {
        Scales { weights: Backlog::new() }
    }

    /// The newest entry's.
    pub(super) fn push(&mut self, weight: usize) {
        self.weights.push(Packed::noted(weight, Note::PLAIN));
    }

    /// The first entry's, which has left.
    pub(super) fn pop(&mut self) -> usize {
        self.weights.pop().and_then(|weight| weight.message().ok()).unwrap_or(0)
    }

    /// How many of the oldest entries that take room have to go until what they free is `enough`. None: it never is.
    pub(super) fn in_the_way(&self, enough: impl Fn(usize) -> bool) -> Option<usize> {
        let freed = self.weights.messages().scan(0_usize, |freed, weight| {
            *freed = freed.wrapping_add(*weight);
            Some(*freed)
        });
        freed.enumerate().find(|(_, freed)| enough(*freed)).map(|(before, _)| before + 1)
    }
}

impl<M, S> Queue<M, S> {
    /// Room for somebody new: those who wait for it come first, however little he needs.
    pub(super) fn has_room_for(&self, weight: usize) -> bool {
        !self.has_waiters() && fits(self.used, self.capacity, weight)
    }

    // A lane may be made to hold more than can be counted, by tells to oneself and a weight that is no true one: it
    // counts right again when they have left.

    pub(super) fn take_up(&mut self, weight: usize) {
        self.used = self.used.wrapping_add(weight);
    }

    pub(super) fn give_up(&mut self, weight: usize) {
        self.used = self.used.wrapping_sub(weight);
    }

    /// `append` where weights may have to be noted. What the entry takes up is counted already.
    #[must_use]
    pub(super) fn append_weighed(&mut self, entry: Entry<M>, weight: usize) -> bool {
        if let Some(scales) = self.scales.as_mut().filter(|_| entry.weighs()) {
            scales.push(weight);
        }
        self.append(Packed::new(entry))
    }
}

impl<M, S> Queue<M, S> {
    /// The overflow policy gives up what has waited longest, as much as is in the way.
    pub(super) fn displace(
        &mut self,
        entry: Entry<M>,
        weight: usize,
        rings: &mut bool,
        wakes: &mut Vec<Waker>,
    ) -> Pushed<Entry<M>> {
        if self.scales.is_some() {
            return self.displace_weight(entry, weight, rings, wakes);
        }
        match self.entries.remove_message() {
            Some(oldest) => {
                *rings = self.append(Packed::new(entry));
                Pushed::Dropped(oldest.entry())
            }
            // All room is granted to senders that are about to push: the newest is the one to go.
            None => Pushed::Dropped(entry),
        }
    }

    fn displace_weight(
        &mut self,
        entry: Entry<M>,
        weight: usize,
        rings: &mut bool,
        wakes: &mut Vec<Waker>,
    ) -> Pushed<Entry<M>> {
        let (used, capacity, is_waited_for) = (self.used, self.capacity, self.has_waiters());
        let enough = |freed| {
            let left = used.wrapping_sub(freed);
            // The room that others wait for is theirs: then an entry has what it frees itself.
            fits(left, capacity, weight) && (!is_waited_for || weight <= freed || left == 0)
        };
        // Looked for before anything is dropped: nothing goes in vain.
        let Some(count) = self.scales.as_ref().and_then(|scales| scales.in_the_way(enough)) else {
            return Pushed::Dropped(entry);
        };
        let mut dropped = Vec::with_capacity(count);
        for _ in 0..count {
            let freed = self.scales.as_mut().map_or(0, |scales| scales.pop());
            self.give_up(freed);
            dropped.extend(self.entries.remove_message().map(Packed::entry));
        }
        self.take_up(weight);
        *rings = self.append_weighed(entry, weight);
        self.grant(wakes); // What went was perhaps much heavier.
        Pushed::Displaced(dropped)
    }

    /// The first entry leaves the queue, and its room with it.
    pub(super) fn take_first(&mut self) -> Option<Packed<M>> {
        let entry = self.entries.pop()?;
        if entry.weighs() {
            let weight = self.scales.as_mut().map_or(1, |scales| scales.pop());
            self.give_up(weight);
        }
        Some(entry)
    }
}
