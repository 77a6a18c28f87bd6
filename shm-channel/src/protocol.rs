//! Two counts and two bells: how orders and completions pass between the ends.
//!
//! ```text
//!   host  ── entry n, then submitted = n + 1 ──▶  child     in the child asleep: futex on `submitted`
//!   host  ◀── results, then completed = n + 1 ──  child     in the host asleep:  eventfd
//! ```
//!
//! The child takes orders in the host's order and completes them in that order, so each direction is one count. Of a count
//! 31 bits are shared; the top bit of `submitted` says that the host has closed. Each end keeps its own count, whole, in
//! private memory, and never reads it back from the shared words.

use crate::bell::{self, Ringer};
use crate::sync::{AtomicU32, AtomicU64, Ordering, load_acquire};

/// Orders that may be under way at once: a power of two, so that the index of an entry survives the wrap of the counts.
#[cfg(not(proscenium_loom))]
pub(crate) const ORDERS: u32 = 128;
#[cfg(proscenium_loom)]
pub(crate) const ORDERS: u32 = 2;

/// In `submitted`: there will be no more orders.
pub(crate) const CLOSED: u32 = 1 << 31;

/// An order on its way: two words that mean nothing to the protocol.
pub(crate) type Entry = [u64; 2];

/// The words of the host's page that the protocol needs. Only the host writes them.
#[derive(Clone, Copy)]
pub(crate) struct Orders<'a> {
    pub(crate) submitted: &'a AtomicU32,
    pub(crate) host_asleep: &'a AtomicU64,
    pub(crate) entries: &'a [[AtomicU64; 2]],
}

/// The words of the child's page. A child that is not trusted may write anything into them at any time.
#[derive(Clone, Copy)]
pub(crate) struct Answers<'a> {
    pub(crate) completed: &'a AtomicU32,
    pub(crate) child_asleep: &'a AtomicU64,
}

/// The child has answered more orders than there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nonsense {
    pub(crate) claimed: u32,
}

/// The host's private side.
#[derive(Debug)]
pub(crate) struct HostSide {
    submitted: u64,
    seen: u64,
    ringer: Ringer,
}

impl HostSide {
    pub(crate) fn new() -> Self {
        Self { submitted: 0, seen: 0, ringer: Ringer::new() }
    }

    /// After so many orders, all of them answered.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn after(count: u64) -> Self {
        Self { submitted: count, seen: count, ringer: Ringer::new() }
    }

    /// The number of the next order.
    pub(crate) fn submitted(&self) -> u64 {
        self.submitted
    }

    /// The number of the next answer.
    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    /// At most [`ORDERS`].
    pub(crate) fn in_flight(&self) -> u32 {
        (self.submitted - self.seen) as u32
    }

    /// Publishes an order. The caller has made sure that there is room, and sees to it that the child [wakes](Self::owes).
    pub(crate) fn submit(&mut self, orders: Orders<'_>, entry: Entry) {
        let words = &orders.entries[place(self.submitted)];
        words[0].store(entry[0], Ordering::Relaxed);
        words[1].store(entry[1], Ordering::Relaxed);
        self.submitted += 1;
        orders.submitted.store(shared(self.submitted), Ordering::Release);
    }

    /// Whether the child must be woken for what is published.
    #[must_use = "the child may be asleep"]
    pub(crate) fn owes(&mut self, answers: Answers<'_>) -> bool {
        self.ringer.owes(answers.child_asleep, self.submitted)
    }

    /// Publishes that no order follows. True: the child must be woken.
    #[must_use = "the child may be asleep"]
    pub(crate) fn close(&mut self, orders: Orders<'_>, answers: Answers<'_>) -> bool {
        orders.submitted.store(shared(self.submitted) | CLOSED, Ordering::Release);
        // The end stands where the next order would.
        self.ringer.owes(answers.child_asleep, self.submitted + 1)
    }

    /// How many answers are new. What the child wrote before them can be read now.
    pub(crate) fn completed(&mut self, answers: Answers<'_>) -> Result<u32, Nonsense> {
        let claimed = answers.completed.load(Ordering::Acquire);
        let new = claimed.wrapping_sub(shared(self.seen)) & !CLOSED;
        if claimed & CLOSED != 0 || new > self.in_flight() {
            return Err(Nonsense { claimed });
        }
        self.seen += u64::from(new);
        Ok(new)
    }

    /// Whether so many answers are new, or more than there can be.
    pub(crate) fn has_come(&self, answers: Answers<'_>, count: u32) -> bool {
        let claimed = answers.completed.load(Ordering::Relaxed);
        claimed & CLOSED != 0 || claimed.wrapping_sub(shared(self.seen)) & !CLOSED >= self.within_reach(count)
    }

    /// Says that the host goes to sleep until so many answers are new. False: they are there, and it must not.
    #[must_use = "who sleeps all the same is not woken for what is there already"]
    pub(crate) fn arm(&self, orders: Orders<'_>, answers: Answers<'_>, count: u32) -> bool {
        let target = self.seen + u64::from(self.within_reach(count));
        bell::arm(orders.host_asleep, target, || self.has_come(answers, count))
    }

    /// One at least, and no more than can come.
    fn within_reach(&self, count: u32) -> u32 {
        count.min(self.in_flight()).max(1)
    }

    pub(crate) fn disarm(&self, orders: Orders<'_>) {
        bell::disarm(orders.host_asleep);
    }
}

/// What the child finds when it looks for the next order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Order(Entry),
    Nothing,
    Closed,
}

/// The child's private side.
#[derive(Debug)]
pub(crate) struct ChildSide {
    completed: u64,
    ringer: Ringer,
}

impl ChildSide {
    pub(crate) fn new() -> Self {
        Self { completed: 0, ringer: Ringer::new() }
    }

    /// The number of the order that comes next.
    pub(crate) fn completed(&self) -> u64 {
        self.completed
    }

    /// The order that comes next, the same one until it is completed. Orders that were submitted before the host closed
    /// are still handed out.
    pub(crate) fn look(&self, orders: Orders<'_>) -> Look {
        let submitted = load_acquire(orders.submitted);
        if submitted & !CLOSED == self.nothing() {
            return if submitted & CLOSED != 0 { Look::Closed } else { Look::Nothing };
        }
        let words = &orders.entries[place(self.completed)];
        Look::Order([words[0].load(Ordering::Relaxed), words[1].load(Ordering::Relaxed)])
    }

    /// What `submitted` holds while there is nothing to do: what a sleeper gives to the futex.
    pub(crate) fn nothing(&self) -> u32 {
        shared(self.completed)
    }

    /// Says that the child goes to sleep. False: something came, and it must not.
    #[must_use = "who sleeps all the same is not woken for what is there already"]
    pub(crate) fn arm(&self, orders: Orders<'_>, answers: Answers<'_>) -> bool {
        bell::arm(answers.child_asleep, self.completed + 1, || {
            orders.submitted.load(Ordering::Relaxed) != self.nothing()
        })
    }

    pub(crate) fn disarm(&self, answers: Answers<'_>) {
        bell::disarm(answers.child_asleep);
    }

    /// Publishes that the order that came last is done. True: the host must be woken.
    #[must_use = "the host may be asleep"]
    pub(crate) fn complete(&mut self, orders: Orders<'_>, answers: Answers<'_>) -> bool {
        self.completed += 1;
        answers.completed.store(shared(self.completed), Ordering::Release);
        self.ringer.owes(orders.host_asleep, self.completed)
    }
}

/// What others see of a count.
pub(crate) fn shared(count: u64) -> u32 {
    count as u32 & !CLOSED
}

/// Where the order with this number lies.
pub(crate) fn place(number: u64) -> usize {
    (number % u64::from(ORDERS)) as usize
}

#[cfg(all(test, not(proscenium_loom)))]
mod tests {
    use super::{Answers, CLOSED, ChildSide, HostSide, Look, Nonsense, ORDERS, Orders, shared};
    use crate::sync::{AtomicU32, AtomicU64, Ordering};

    /// Both sides in one thread, just below the wrap of the shared counts.
    #[test]
    fn counts_wrap() {
        let begin = u64::from(CLOSED) - 3;
        let (submitted, completed) = (AtomicU32::new(shared(begin)), AtomicU32::new(shared(begin)));
        let (host_asleep, child_asleep) = (AtomicU64::new(0), AtomicU64::new(0));
        let entries: [_; ORDERS as usize] = std::array::from_fn(|_| [AtomicU64::new(0), AtomicU64::new(0)]);
        let orders = Orders { submitted: &submitted, host_asleep: &host_asleep, entries: &entries };
        let answers = Answers { completed: &completed, child_asleep: &child_asleep };
        let (mut host, mut child) = (HostSide::after(begin), ChildSide::new());
        child.completed = begin;
        for number in begin..begin + 300 {
            assert_eq!(child.look(orders), Look::Nothing);
            assert!(child.arm(orders, answers));
            host.submit(orders, [number, 7]);
            assert!(host.owes(answers), "the child sleeps");
            assert!(!child.arm(orders, answers), "it came");
            assert!(host.arm(orders, answers, 1));
            assert_eq!(child.look(orders), Look::Order([number, 7]));
            assert!(child.complete(orders, answers), "the host sleeps");
            assert!(!host.arm(orders, answers, 1), "it came");
            assert_eq!((host.completed(answers), host.in_flight()), (Ok(1), 0));
            completed.store(shared(number), Ordering::Relaxed);
            assert_eq!(host.completed(answers), Err(Nonsense { claimed: shared(number) }), "one step back");
            completed.store(shared(number + 1), Ordering::Relaxed);
        }
        let _ = host.close(orders, answers);
        assert_eq!(child.look(orders), Look::Closed);
    }

    #[test]
    fn who_sleeps_is_rung_for_once() {
        let (submitted, completed) = (AtomicU32::new(0), AtomicU32::new(0));
        let (host_asleep, child_asleep) = (AtomicU64::new(0), AtomicU64::new(0));
        let entries: [_; ORDERS as usize] = std::array::from_fn(|_| [AtomicU64::new(0), AtomicU64::new(0)]);
        let orders = Orders { submitted: &submitted, host_asleep: &host_asleep, entries: &entries };
        let answers = Answers { completed: &completed, child_asleep: &child_asleep };
        let (mut host, mut child) = (HostSide::new(), ChildSide::new());
        assert!(child.arm(orders, answers));
        host.submit(orders, [0; 2]);
        assert!(host.owes(answers));
        host.submit(orders, [0; 2]);
        assert!(!host.owes(answers), "it was woken already");
        child.disarm(answers);
        assert!(host.arm(orders, answers, 1));
        assert!(child.complete(orders, answers));
        assert!(!child.complete(orders, answers), "it was woken already");
    }
}
