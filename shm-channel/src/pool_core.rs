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
/// **Invariant**: nobody waits while a slot may be taken, so who comes later cannot overtake.
#[derive(Debug)]
pub(crate) struct PoolCore<W> {
    /// A bit for each slot.
    all: u64,
    /// A bit for each slot that nobody has.
    free: u64,
    /// So many may have an owner at once.
    owners: u32,
    /// So many are taken in turn, the first ones: no fewer than may have an owner.
    turns: u32,
    /// The one that was taken last.
    last: u32,
    waiting: VecDeque<(Ticket, W)>,
    /// Slots that belong to somebody who waited and has not looked yet. At most as many as there are slots.
    granted: Vec<(Ticket, u32)>,
    next: Ticket,
}

impl<W> PoolCore<W> {
    /// One owner at least, and no more than there are slots, of which there are 64 at most.
    pub(crate) fn new(slots: u32, owners: u32) -> Self {
        let all = first(slots);
        Self {
            all,
            free: all,
            owners,
            turns: slots,
            last: 0,
            waiting: VecDeque::with_capacity(owners as usize),
            granted: Vec::with_capacity(owners as usize),
            next: 0,
        }
    }

    /// How many can be taken.
    pub(crate) fn free(&self) -> u32 {
        self.owners - (self.all & !self.free).count_ones()
    }

    /// From now on no more than so many are used in turn, or as many as may have an owner.
    pub(crate) fn turn_among(&mut self, turns: u32) {
        self.turns = self.turns.min(turns).max(self.owners);
    }

    /// The one whose turn it is: by then the child's caches have forgotten it, so that to write it anew takes it from
    /// nobody. While no other is in use, the last one again: what is done one by one stays in the caches of who does it.
    pub(crate) fn take(&mut self) -> Option<u32> {
        if self.free() == 0 {
            return None;
        }
        let turning = self.free & first(self.turns);
        let later = turning & !first(self.last + u32::from(self.free != self.all));
        let slot = if later == 0 { turning } else { later }.trailing_zeros();
        self.free &= !(1 << slot);
        self.last = slot;
        Some(slot)
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

    /// A slot comes back, and who waits longest, whom the caller wakes, has one.
    #[must_use = "who waits longest has a slot and must be woken"]
    pub(crate) fn give_back(&mut self, slot: u32) -> Option<W> {
        self.free |= 1 << slot;
        let (ticket, waker) = self.waiting.pop_front()?;
        let slot = self.take()?; // One is free: the one that came back at least.
        self.granted.push((ticket, slot));
        Some(waker)
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

/// A bit for each of the first so many, 64 at most.
fn first(count: u32) -> u64 {
    u64::MAX.checked_shr(64 - count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::{Asked, PoolCore, first};

    #[test]
    fn the_first_of_none_and_of_all_are_a_mask_too() {
        assert_eq!((first(0), first(1), first(63), first(64)), (0, 1, u64::MAX >> 1, u64::MAX));
    }

    #[test]
    fn slots_are_used_in_turn_and_one_by_one_the_same_again() {
        let mut core = PoolCore::<()>::new(5, 3);
        let one_by_one = |core: &mut PoolCore<()>| {
            let slot = core.take().unwrap();
            assert_eq!(core.give_back(slot), None);
            slot
        };
        assert_eq!([(); 3].map(|()| one_by_one(&mut core)), [0, 0, 0]);
        assert_eq!([(); 4].map(|()| core.take()), [Some(0), Some(1), Some(2), None], "three may have one");
        let next = |core: &mut PoolCore<()>, slot| {
            assert_eq!(core.give_back(slot), None);
            core.take().unwrap()
        };
        assert_eq!((0..7).map(|n| next(&mut core, n % 5)).collect::<Vec<_>>(), [3, 4, 0, 1, 2, 3, 4]);
        core.turn_among(1);
        assert_eq!([2, 3, 4].map(|slot| next(&mut core, slot)), [0, 1, 2], "no fewer than may have one");
        assert_eq!(next(&mut core, 1), 1, "those beyond have no turn any more");
    }

    /// Whose turn it is, by lists.
    struct Model {
        slots: u32,
        owners: usize,
        turns: u32,
        last: u32,
        in_use: Vec<u32>,
    }

    impl Model {
        fn take(&mut self) -> Option<u32> {
            if self.in_use.len() == self.owners {
                return None;
            }
            let from = if self.in_use.is_empty() { self.last } else { self.last + 1 };
            let mut turns = (from..self.slots).chain(0..from);
            self.last = turns.find(|slot| *slot < self.turns && !self.in_use.contains(slot)).unwrap();
            self.in_use.push(self.last);
            Some(self.last)
        }

        fn give_back(&mut self, slot: u32) {
            self.in_use.retain(|in_use| *in_use != slot);
        }
    }

    type Queue = VecDeque<(u64, u32)>;

    /// A slot has come back: it must have gone to who waits longest.
    fn given_back(slot: u32, woken: Option<u32>, queue: &mut Queue, granted: &mut Vec<(u64, u32)>, model: &mut Model) {
        model.give_back(slot);
        let first = queue.pop_front();
        assert_eq!(woken, first.map(|(_, waker)| waker), "who waits longest, by its latest waker");
        granted.extend(first.map(|(ticket, _)| (ticket, model.take().unwrap())));
    }

    /// Some thousand steps by chance, beside a model that keeps everything in lists.
    #[test]
    fn turns_and_owners_are_those_of_the_model() {
        for seed in 1..200_u64 {
            let mut state = seed;
            let mut chance = |bound: usize| {
                state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
                (state >> 33) as usize % bound
            };
            let owners = 1 + chance(5);
            let slots = (owners + chance(5)) as u32;
            let mut core = PoolCore::new(slots, owners as u32);
            let mut model = Model { slots, owners, turns: slots, last: 0, in_use: Vec::new() };
            let (mut owned, mut queue, mut granted) = (Vec::new(), VecDeque::new(), Vec::new());
            for step in 0..500 {
                match chance(6) {
                    0 => {
                        let taken = core.take();
                        assert_eq!(taken, model.take(), "seed {seed}, step {step}");
                        if taken.is_none() {
                            queue.push_back((core.wait(step), step));
                        }
                        owned.extend(taken);
                    }
                    1 if !owned.is_empty() => {
                        let slot = owned.swap_remove(chance(owned.len()));
                        let woken = core.give_back(slot);
                        given_back(slot, woken, &mut queue, &mut granted, &mut model);
                    }
                    2 if !granted.is_empty() => {
                        let (ticket, slot) = granted.swap_remove(chance(granted.len()));
                        assert_eq!(core.ask(ticket, |_| panic!("it has a slot")), Asked::Slot(slot));
                        owned.push(slot);
                    }
                    3 if !granted.is_empty() => {
                        let (ticket, slot) = granted.swap_remove(chance(granted.len()));
                        let woken = core.leave(ticket);
                        given_back(slot, woken, &mut queue, &mut granted, &mut model);
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
                    5 if chance(20) == 0 => {
                        let turns = chance(slots as usize + 1) as u32;
                        core.turn_among(turns);
                        model.turns = model.turns.min(turns.max(owners as u32));
                    }
                    _ => (),
                }
                let free = owners - model.in_use.len();
                assert_eq!(core.free() as usize, free, "seed {seed}, step {step}");
                assert!(free == 0 || queue.is_empty(), "seed {seed}, step {step}: nobody waits for what may be taken");
            }
        }
    }
}
