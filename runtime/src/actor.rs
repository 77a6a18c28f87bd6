//! The trait behind every actor, in gen_server's words.

use std::future::Future;

use crate::actor_ref::Ref;
use crate::context::Context;
use crate::exit::Exit;
use crate::mailbox::{CrashPolicy, Mailbox};
use crate::signal::{Down, Exited};

/// A value that owns its state and handles one message at a time.
///
/// Most actors are written with [`#[actor]`](crate::actor), which makes this implementation, the message type and a typed
/// ref. Written by hand, `Msg`, `Ref` and `handle` are all that is needed:
///
/// ```
/// use proscenium_runtime::{Actor, Context, Exit, Node, Ref, Reply};
///
/// struct Counter(u64);
///
/// enum Msg {
///     Add(u64),
///     Get(Reply<u64>),
/// }
///
/// impl Actor for Counter {
///     type Msg = Msg;
///     type Ref = Ref<Self>;
///
///     async fn handle(&mut self, _cx: &mut Context<Self>, msg: Msg) -> Result<(), Exit> {
///         match msg {
///             Msg::Add(by) => self.0 += by,
///             Msg::Get(reply) => reply.send(self.0),
///         }
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
/// let node = Node::start("doc").await?;
/// let counter = node.spawn(Counter(40)).await?;
/// counter.tell(Msg::Add(2)).await?;
/// assert_eq!(counter.call(Msg::Get).await?, 42);
/// # node.stop().await }
/// ```
///
/// **Crash**: a panic, or an `Err` from a handler, ends the incarnation; the mailbox stays for the next one if there is
/// a supervisor, and is closed otherwise.
/// **Bounds**: `MAILBOX`, in messages or in bytes.
/// **Cost**: a message costs its sender one lock; the actor takes up to 256 of them with one, and pays a few plain loads
/// and stores for each. `docs/actors.md` tells the rest.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an actor",
    note = "write `#[actor]` on its `impl` block, or implement `Actor` with `type Msg`, `type Ref` and `handle`"
)]
pub trait Actor: Sized + Send + 'static {
    /// What the actor is told.
    type Msg: Send + 'static;

    /// The handle that `spawn` and `whereis` give: `Ref<Self>`, or the typed ref that `#[actor]` makes.
    type Ref: From<Ref<Self>> + AsRef<Ref<Self>> + Clone + Send + Sync + 'static;

    /// The bound of the mailbox and what happens at it.
    const MAILBOX: Mailbox = Mailbox::DEFAULT;

    /// What becomes of the message in hand at a crash.
    const CRASH: CrashPolicy = CrashPolicy::Drop;

    /// Runs the actor on an operating-system thread of its own, so that its handlers may block.
    const THREAD: bool = false;

    /// Whether [`init`](Actor::init) is to be run. `#[actor]` knows when there is none, which makes a start cheaper.
    #[doc(hidden)]
    const INIT: bool = true;

    /// Names of the kinds of message, for the flight recorder and reports; [`kind`](Actor::kind) is the index.
    const KINDS: &'static [&'static str] = &[];

    /// Which of [`KINDS`](Actor::KINDS) a message is.
    fn kind(_msg: &Self::Msg) -> u8 {
        0
    }

    /// A second copy of a message, for `CrashPolicy::RetryOnce` and `SetAside`; asked before each message is handled.
    fn duplicate(_msg: &Self::Msg) -> Option<Self::Msg> {
        None
    }

    /// How heavy a message is, in bytes, for a mailbox that is [bounded in them](Mailbox::bytes): what it takes up itself, and
    /// what it owns beyond that, say the capacity of a `Vec`.
    ///
    /// ```
    /// # use proscenium_runtime::{Actor, Context, Exit, Ref};
    /// # struct Log;
    /// # impl Actor for Log {
    /// #     type Msg = String;
    /// #     type Ref = Ref<Self>;
    /// fn weight(line: &String) -> usize {
    ///     size_of::<String>() + line.capacity()
    /// }
    /// #     async fn handle(&mut self, _: &mut Context<Self>, _: String) -> Result<(), Exit> { Ok(()) }
    /// # }
    /// ```
    ///
    /// It is asked on the sender's side, before the message is queued: once if there is room, twice if it waits for room;
    /// what it says then holds until the message is handled. Of other mailboxes it is never asked.
    ///
    /// # Panics
    /// A panic is the sender's, with nothing queued and no room taken; in the result of a future or a stream of the actor's
    /// own ([`Context::pipe`], [`Context::attach`]) it is the actor's.
    fn weight(_msg: &Self::Msg) -> usize {
        size_of::<Self::Msg>()
    }

    /// Runs before the first message of each incarnation, on the task of who starts the actor.
    ///
    /// # Errors
    /// The start fails with the reason; [`Exit::Ignore`] means that the actor is not wanted now.
    fn init(&mut self, _cx: &mut Context<Self>) -> impl Future<Output = Result<(), Exit>> + Send {
        std::future::ready(Ok(()))
    }

    /// Handles one message.
    ///
    /// # Errors
    /// The incarnation ends with the reason.
    fn handle(&mut self, cx: &mut Context<Self>, msg: Self::Msg) -> impl Future<Output = Result<(), Exit>> + Send;

    /// A monitored actor ended. In order: it comes after everything that the other had sent before.
    ///
    /// # Errors
    /// The incarnation ends with the reason.
    fn handle_down(&mut self, _cx: &mut Context<Self>, _down: Down) -> impl Future<Output = Result<(), Exit>> + Send {
        std::future::ready(Ok(()))
    }

    /// A linked actor ended, and this one traps exits ([`Context::trap_exit`]).
    ///
    /// # Errors
    /// The incarnation ends with the reason.
    fn handle_exit(
        &mut self,
        _cx: &mut Context<Self>,
        _exited: Exited,
    ) -> impl Future<Output = Result<(), Exit>> + Send {
        std::future::ready(Ok(()))
    }

    /// The stop hook: runs at every end but a kill, also after a panic, when the state may be half changed.
    fn terminate(&mut self, _cx: &mut Context<Self>, _exit: &Exit) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// A message that this actor will never handle. No state is left: it is a last chance to save the message.
    fn on_undelivered(_msg: Self::Msg, _why: &Undelivered) {}

    /// The state in a few words, for `sys` and crash reports. `None`, the default, keeps it out of both.
    fn format_status(&self) -> Option<String> {
        None
    }

    /// A message in a few words, for crash reports. Only a message that `duplicate` copied can be shown.
    fn format_message(_msg: &Self::Msg) -> Option<String> {
        None
    }
}

/// Why a message was not delivered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Undelivered {
    /// The actor ended for good while the message waited.
    Stopped(Exit),
    /// The handler crashed on it, and the crash policy is [`CrashPolicy::SetAside`].
    Crashed(Exit),
    /// The overflow policy dropped it.
    Overflow,
}
