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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::{Asked, PoolCore};

    /// Some thousand steps by chance, beside a model that keeps everything in lists.
    #[test]
    fn turns_and_owners_are_those_of_the_model() {
        for seed in 1..200_u64 {
            let mut state = seed;
            let mut chance = |bound: usize| {
                state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
                (state >> 33) as usize % bound
            };
            let slots = 1 + chance(5) as u32;
            let mut core = PoolCore::new(slots);
            let (mut free, mut owned): (Vec<u32>, Vec<u32>) = ((0..slots).collect(), Vec::new());
            let (mut queue, mut granted) = (VecDeque::new(), Vec::new());
            for step in 0..500 {
                match chance(5) {
                    0 => match core.take() {
                        Some(slot) => {
                            assert_eq!(free.remove(0), slot, "seed {seed}, step {step}: the lowest");
                            owned.push(slot);
                        }
                        None => {
                            assert!(free.is_empty());
                            let ticket = core.wait(step);
                            queue.push_back((ticket, step));
                        }
                    },
                    1 if !owned.is_empty() => {
                        let slot = owned.swap_remove(chance(owned.len()));
                        let woken = core.give_back(slot);
                        give(slot, woken, &mut queue, &mut granted, &mut free);
                    }
                    2 if !granted.is_empty() => {
                        let (ticket, slot) = granted.swap_remove(chance(granted.len()));
                        assert_eq!(core.ask(ticket, |_| panic!("it has a slot")), Asked::Slot(slot));
                        owned.push(slot);
                    }
                    3 if !granted.is_empty() => {
                        let (ticket, slot) = granted.swap_remove(chance(granted.len()));
                        let woken = core.leave(ticket);
                        give(slot, woken, &mut queue, &mut granted, &mut free);
                    }
                    4 if !queue.is_empty() => {
                        let at = chance(queue.len());
                        assert_eq!(core.ask(queue[at].0, |waker| *waker += 1), Asked::Waits);
                        queue[at].1 += 1;
                        if chance(2) == 0 {
                            let (ticket, _) = queue.remove(at).unwrap();
                            assert_eq!(core.leave(ticket), None);
                        }
                    }
                    _ => (),
                }
                assert_eq!(core.free() as usize, free.len(), "seed {seed}, step {step}");
                assert!(free.is_empty() || queue.is_empty(), "seed {seed}, step {step}: nobody waits for what is free");
            }
        }
    }

    type Queue = VecDeque<(u64, u32)>;

    fn give(slot: u32, woken: Option<u32>, queue: &mut Queue, granted: &mut Vec<(u64, u32)>, free: &mut Vec<u32>) {
        let first = queue.pop_front();
        assert_eq!(woken, first.map(|(_, waker)| waker), "who waits longest, by its latest waker");
        match first {
            Some((ticket, _)) => granted.push((ticket, slot)),
            None => {
                free.push(slot);
                free.sort_unstable();
            }
        }
    }
}
