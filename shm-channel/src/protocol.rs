//! Two counts and two bells: how orders and completions pass between the ends.
//!
//! ```text
//!   host  ── entry n, then submitted = n + 1 ──▶  child     in the child asleep: futex on `submitted`
//!   host  ◀── results, then completed = n + 1 ──  child     in the host asleep:  eventfd
//! ```
//!
//! The child takes orders in the host's order and completes them in that order, so each direction is one count. A count
//! has 31 bits; the top bit of `submitted` says that the host has closed. Each end keeps its own count in private memory
//! and never reads it back from the shared words.

use crate::bell::{Ringer, Sleeper};
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// Orders that may be under way at once: a power of two, so that the index of an entry survives the wrap of the counts.
pub(crate) const ORDERS: u32 = 128;

/// In `submitted`: there will be no more orders.
const CLOSED: u32 = 1 << 31;

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
    submitted: u32,
    seen: u32,
    ringer: Ringer,
    sleeper: Sleeper,
}

impl HostSide {
    pub(crate) fn new() -> Self {
        Self { submitted: 0, seen: 0, ringer: Ringer::new(), sleeper: Sleeper::new() }
    }

    /// The number of the next order, and of the next answer.
    pub(crate) fn submitted(&self) -> u32 {
        self.submitted
    }

    pub(crate) fn in_flight(&self) -> u32 {
        between(self.seen, self.submitted)
    }

    /// Publishes an order. True: the child must be woken. The caller has made sure that there is room.
    #[must_use = "the child may be asleep"]
    pub(crate) fn submit(&mut self, orders: Orders<'_>, answers: Answers<'_>, entry: Entry) -> bool {
        let words = &orders.entries[(self.submitted % ORDERS) as usize];
        words[0].store(entry[0], Ordering::Relaxed);
        words[1].store(entry[1], Ordering::Relaxed);
        self.submitted = after(self.submitted);
        orders.submitted.store(self.submitted, Ordering::Release);
        self.ringer.owes(answers.child_asleep)
    }

    /// Publishes that no order follows. True: the child must be woken.
    #[must_use = "the child may be asleep"]
    pub(crate) fn close(&mut self, orders: Orders<'_>, answers: Answers<'_>) -> bool {
        orders.submitted.store(self.submitted | CLOSED, Ordering::Release);
        self.ringer.owes(answers.child_asleep)
    }

    /// How many answers are new. What the child wrote before them can be read now.
    pub(crate) fn completed(&mut self, answers: Answers<'_>) -> Result<u32, Nonsense> {
        let claimed = answers.completed.load(Ordering::Acquire);
        let new = between(self.seen, claimed);
        if claimed & CLOSED != 0 || new > self.in_flight() {
            return Err(Nonsense { claimed });
        }
        self.seen = claimed;
        Ok(new)
    }

    /// Whether the child's count differs from what was seen.
    pub(crate) fn has_news(&self, answers: Answers<'_>) -> bool {
        answers.completed.load(Ordering::Relaxed) != self.seen
    }

    /// Says that the host goes to sleep. False: something came, and it must not.
    #[must_use = "who sleeps all the same is not woken for what is there already"]
    pub(crate) fn arm(&self, orders: Orders<'_>, answers: Answers<'_>) -> bool {
        self.sleeper.arm(orders.host_asleep, || self.has_news(answers))
    }

    pub(crate) fn disarm(&self, orders: Orders<'_>) {
        self.sleeper.disarm(orders.host_asleep);
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
    completed: u32,
    ringer: Ringer,
    sleeper: Sleeper,
}

impl ChildSide {
    pub(crate) fn new() -> Self {
        Self { completed: 0, ringer: Ringer::new(), sleeper: Sleeper::new() }
    }

    /// The number of the order that comes next.
    pub(crate) fn completed(&self) -> u32 {
        self.completed
    }

    /// The order that comes next, the same one until it is completed. Orders that were submitted before the host closed
    /// are still handed out.
    pub(crate) fn look(&self, orders: Orders<'_>) -> Look {
        // The page is mapped read-only, where only relaxed loads are sure to work: the fence makes it an acquire.
        let submitted = orders.submitted.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        if submitted & !CLOSED == self.completed {
            return if submitted & CLOSED != 0 { Look::Closed } else { Look::Nothing };
        }
        let words = &orders.entries[(self.completed % ORDERS) as usize];
        Look::Order([words[0].load(Ordering::Relaxed), words[1].load(Ordering::Relaxed)])
    }

    /// What `submitted` holds while there is nothing to do: what a sleeper gives to the futex.
    pub(crate) fn nothing(&self) -> u32 {
        self.completed
    }

    /// Says that the child goes to sleep. False: something came, and it must not.
    #[must_use = "who sleeps all the same is not woken for what is there already"]
    pub(crate) fn arm(&self, orders: Orders<'_>, answers: Answers<'_>) -> bool {
        self.sleeper.arm(answers.child_asleep, || orders.submitted.load(Ordering::Relaxed) != self.nothing())
    }

    pub(crate) fn disarm(&self, answers: Answers<'_>) {
        self.sleeper.disarm(answers.child_asleep);
    }

    /// Publishes that the order that came last is done. True: the host must be woken.
    #[must_use = "the host may be asleep"]
    pub(crate) fn complete(&mut self, orders: Orders<'_>, answers: Answers<'_>) -> bool {
        self.completed = after(self.completed);
        answers.completed.store(self.completed, Ordering::Release);
        self.ringer.owes(orders.host_asleep)
    }
}

/// The count that follows.
fn after(count: u32) -> u32 {
    count.wrapping_add(1) & !CLOSED
}

/// How many steps lead from one count to another.
fn between(from: u32, to: u32) -> u32 {
    to.wrapping_sub(from) & !CLOSED
}
