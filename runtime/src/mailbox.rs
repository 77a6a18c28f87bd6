//! How many messages may wait for an actor, and what happens to the next one.

/// The messages that an actor has not handled yet: their bound, and what happens at it.
///
/// **Bound**: 1,024 messages unless the actor says otherwise. `unbounded` is a word that the actor must write.
/// **At the bound**: as [`Overflow`] says; every message that is given up is counted in the actor's statistics.
/// **Exempt**: DOWN and trapped EXIT, the actor's own timers, and what it tells itself.
/// **Restart**: what waits stays. **Final stop**: queued calls end with the reason, the rest goes to `on_undelivered`.
///
/// ```
/// use proscenium_runtime::{Mailbox, Overflow};
///
/// const LATEST: Mailbox = Mailbox::bounded(16).overflow(Overflow::DropOldest);
/// assert_eq!(LATEST.capacity(), Some(16));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mailbox {
    capacity: usize,
    overflow: Overflow,
}

/// What happens to a message for which there is no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overflow {
    /// `tell(..).await` waits for room (inside a handler for at most 5 s); a try gives the message back.
    Wait,
    /// Every tell gives the message back at once.
    Fail,
    /// The message that has waited longest is dropped for the new one. A dropped call ends with an error.
    DropOldest,
    /// The new message is dropped.
    DropNewest,
}

impl Mailbox {
    /// 1,024 messages; a sender waits for room.
    pub const DEFAULT: Mailbox = Mailbox::bounded(1024);

    /// At most `capacity` messages wait.
    ///
    /// # Panics
    /// When `capacity` is zero: nothing could ever be told. In a `const` this is a compile error.
    #[must_use]
    pub const fn bounded(capacity: usize) -> Self {
        assert!(capacity > 0, "a mailbox holds at least one message");
        Mailbox { capacity, overflow: Overflow::Wait }
    }

    /// As many messages as there is memory for. Flow has to be held by something else.
    #[must_use]
    pub const fn unbounded() -> Self {
        Mailbox { capacity: usize::MAX, overflow: Overflow::Wait }
    }

    /// What happens at the bound; [`Overflow::Wait`] by default.
    #[must_use]
    pub const fn overflow(self, overflow: Overflow) -> Self {
        Mailbox { overflow, ..self }
    }

    /// The bound; `None` when there is none.
    #[must_use]
    pub const fn capacity(&self) -> Option<usize> {
        if self.capacity == usize::MAX { None } else { Some(self.capacity) }
    }

    /// What happens at the bound.
    #[must_use]
    pub const fn at_the_bound(&self) -> Overflow {
        self.overflow
    }

    pub(crate) const fn slots(&self) -> usize {
        self.capacity
    }
}

/// What becomes of the message in hand when its handler crashed. A call in hand always ends with the exit reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CrashPolicy {
    /// It is named in the crash report and gone.
    #[default]
    Drop,
    /// The next incarnation gets it once more, before all others. Needs `Actor::duplicate`.
    RetryOnce,
    /// It is handed to `Actor::on_undelivered`. Needs `Actor::duplicate`.
    SetAside,
}
