//! How many messages may wait for an actor, or how heavy they may be, and what happens to the next one.

/// The messages that an actor has not handled yet: their bound, and what happens at it.
///
/// **Bound**: 1,024 messages unless the actor says otherwise, in messages or in bytes. `unbounded` is a word that the actor
/// must write.
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
///
/// # In bytes
///
/// Where messages own data of very different sizes, a number of them says little about memory. [`bytes`](Mailbox::bytes)
/// counts what they weigh, which [`Actor::weight`](crate::Actor::weight) tells:
///
/// ```
/// # use proscenium_runtime::{Actor, Context, Exit, Mailbox, Node, Ref, TellError, Unit};
/// struct Thumbnails;
///
/// impl Actor for Thumbnails {
///     type Msg = Vec<u8>;
///     type Ref = Ref<Self>;
///     const MAILBOX: Mailbox = Mailbox::bytes(1 << 20);
///
///     fn weight(picture: &Vec<u8>) -> usize {
///         size_of::<Vec<u8>>() + picture.capacity()
///     }
/// #   async fn handle(&mut self, _: &mut Context<Self>, _: Vec<u8>) -> Result<(), Exit> { Ok(()) }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let node = Node::start("doc").await?;
/// let thumbnails = node.spawn(Thumbnails).await?;
/// thumbnails.sys().suspend()?;
/// thumbnails.tell(vec![0; 1_000_000]).await?;
/// assert!(matches!(thumbnails.tell(vec![0; 100_000]).now(), Err(TellError::Full(_))));
/// thumbnails.tell(vec![0; 10_000]).await?;
/// let status = thumbnails.sys().status();
/// assert_eq!((status.capacity, status.unit), (Some(1 << 20), Unit::Bytes));
/// assert_eq!((status.queued, status.bytes), (2, Some(1_010_048)));
/// # thumbnails.sys().resume()?; node.stop().await?; Ok(()) }
/// ```
///
/// - A message weighs at least 1 byte.
/// - One that is **heavier than the whole bound** has room when nothing else is in the mailbox: it waits until then (or is
///   handed back, or dropped, as [`Overflow`] says), and goes in alone. Nothing waits for ever. So the mailbox holds up to
///   its bound or one message, and what is exempt.
/// - Who waits gets room in the order of coming: while a heavy message waits at the front, no light one passes it.
/// - [`Overflow::DropOldest`] drops as many of the oldest messages as are in the way of the new one, and none in vain.
/// - A message has room until its handler gets it. One that is retried after a crash has no weight any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mailbox {
    capacity: usize,
    unit: Unit,
    overflow: Overflow,
}

/// What a mailbox's bound counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Each message is one.
    Messages,
    /// Each message is as many as [`Actor::weight`](crate::Actor::weight) says.
    Bytes,
}

/// What happens to a message for which there is no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overflow {
    /// `tell(..).await` waits for room (inside a handler for at most 5 s); a try gives the message back.
    Wait,
    /// Every tell gives the message back at once.
    Fail,
    /// The message that has waited longest is dropped for the new one; in bytes, as many as are in its way. A dropped call
    /// ends with an error.
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
        Mailbox { capacity, unit: Unit::Messages, overflow: Overflow::Wait }
    }

    /// Messages wait that weigh at most `limit` bytes in all, by [`Actor::weight`](crate::Actor::weight). One that alone is
    /// heavier waits until nothing else does.
    ///
    /// # Panics
    /// When `limit` is zero. In a `const` this is a compile error.
    #[must_use]
    pub const fn bytes(limit: usize) -> Self {
        assert!(limit > 0, "a mailbox holds at least one byte");
        Mailbox { capacity: limit, unit: Unit::Bytes, overflow: Overflow::Wait }
    }

    /// As many messages as there is memory for. Flow has to be held by something else.
    #[must_use]
    pub const fn unbounded() -> Self {
        Mailbox { capacity: usize::MAX, unit: Unit::Messages, overflow: Overflow::Wait }
    }

    /// What happens at the bound; [`Overflow::Wait`] by default.
    #[must_use]
    pub const fn overflow(self, overflow: Overflow) -> Self {
        Mailbox { overflow, ..self }
    }

    /// The bound, counted in its [`unit`](Mailbox::unit); `None` when there is none.
    #[must_use]
    pub const fn capacity(&self) -> Option<usize> {
        if self.capacity == usize::MAX { None } else { Some(self.capacity) }
    }

    /// What the bound counts.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// What happens at the bound.
    #[must_use]
    pub const fn at_the_bound(&self) -> Overflow {
        self.overflow
    }

    pub(crate) const fn places(&self) -> usize {
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
