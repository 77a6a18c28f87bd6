//! Looking inside a running actor, as OTP's `sys` does: requests that overtake its messages.
//!
//! **Promises**: a request is answered between two messages, also while the actor is suspended; reading the status of an
//! actor that is stuck in a handler needs no answer from it.
//! **Does not promise** to show state or payloads: only what the actor's `format_status` gives.
//! **Bounds**: a request waits 5 s.

use std::any::Any;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::actor::Actor;
use crate::actor_id::ActorId;
use crate::actor_ref::Ref;
use crate::cell::{AnyCell, Cell};
use crate::context::Context;
use crate::entry::Sys as Request;
use crate::exit::Exit;
use crate::mailbox::Unit;
use crate::names::Name;
use crate::recorder::Recorded;

const LIMIT: Duration = Duration::from_secs(5);

/// What an actor is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Life {
    /// Waiting for messages, or handling one.
    Running,
    /// It handles system requests only.
    Suspended,
    /// Between two incarnations: its queue waits.
    Restarting,
    /// Ended for good.
    Gone,
}

/// What can be seen of an actor from outside, without asking it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// Who.
    pub actor: ActorId,
    /// Its registered name.
    pub name: Option<Name>,
    /// Its Rust type.
    pub type_name: &'static str,
    /// What it is doing.
    pub life: Life,
    /// The running incarnation; 0 between two.
    pub incarnation: u32,
    /// Messages that wait.
    pub queued: usize,
    /// The mailbox's bound, in `unit`; `None` when there is none.
    pub capacity: Option<usize>,
    /// What the mailbox's bound counts.
    pub unit: Unit,
    /// What the messages that wait weigh, room that is granted to senders included. `None` where the bound is in messages.
    pub bytes: Option<usize>,
    /// The kind of the message being handled.
    pub in_hand: Option<&'static str>,
    /// Messages handled over all incarnations.
    pub handled: u64,
    /// Messages that the overflow policy gave up.
    pub dropped: u64,
    /// Linked actors.
    pub links: Vec<ActorId>,
    /// How many monitor it.
    pub watchers: usize,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} {:?}, queue {}", self.type_name, self.actor, self.life, self.queued)?;
        match (self.capacity, self.bytes) {
            (Some(capacity), Some(bytes)) => write!(f, " ({bytes}/{capacity} bytes)")?,
            (Some(capacity), None) => write!(f, "/{capacity}")?,
            (None, _) => (),
        }
        write!(f, ", handled {}", self.handled)
    }
}

/// Why a system request was not answered. The actor was not changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SysError {
    /// The actor has ended for good.
    Gone(Exit),
    /// It did not come to it within 5 s: a handler runs long. Its mailbox holds `queued` messages.
    Busy {
        /// The kind of the message it is at.
        in_hand: Option<&'static str>,
        /// Messages that wait.
        queued: usize,
    },
}

impl fmt::Display for SysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SysError::Gone(exit) => write!(f, "the actor has ended ({exit}); start it again to look inside"),
            SysError::Busy { in_hand, queued } => write!(
                f,
                "no answer within {LIMIT:?}: the actor is at {} with {queued} messages queued; its handler must yield, or run with `thread`",
                in_hand.unwrap_or("its start")
            ),
        }
    }
}

impl std::error::Error for SysError {}

/// A request that needs no type.
pub(crate) enum Asked {
    FormatStatus(oneshot::Sender<Option<String>>),
    History(oneshot::Sender<Vec<Recorded>>),
    Trace(bool),
}

impl Asked {
    pub(crate) fn answer<A: Actor>(self, state: &mut A, cx: &mut Context<A>) {
        match self {
            Asked::FormatStatus(reply) => {
                let formatted = crate::panics::contain(|| state.format_status());
                let _ = reply.send(formatted.unwrap_or_else(|| Some("(panic in format_status)".into())));
            }
            Asked::History(reply) => drop(reply.send(cx.history())),
            Asked::Trace(on) => cx.trace(on),
        }
    }
}

pub(crate) fn status_from_outside<A: Actor>(cell: &Cell<A>) -> Status {
    let face = &cell.face;
    let incarnation = face.incarnation();
    let in_hand = face.in_hand.load(Ordering::Relaxed).checked_sub(1).filter(|_| incarnation != 0);
    let (links, watchers, gone) = face.peek(|cold| match cold {
        Some(cold) => (cold.tables.links.keys().copied().collect(), cold.tables.watched_by.len(), cold.gone.is_some()),
        None => (Vec::new(), 0, false),
    });
    let life = match incarnation {
        _ if gone => Life::Gone,
        0 => Life::Restarting,
        _ if face.suspended.load(Ordering::Relaxed) => Life::Suspended,
        _ => Life::Running,
    };
    Status {
        actor: face.id,
        name: face.name(),
        type_name: cell.type_name(),
        life,
        incarnation,
        queued: cell.queue_len(),
        capacity: cell.lane.bound(),
        unit: cell.lane.unit(),
        bytes: cell.lane.bytes(),
        in_hand: in_hand.map(|kind| cell.kind_name(kind as u8)),
        handled: face.handled.load(Ordering::Relaxed),
        dropped: face.dropped.load(Ordering::Relaxed),
        links,
        watchers,
    }
}

/// System requests to one actor, from [`Ref::sys`].
///
/// ```
/// # use proscenium_runtime::{Node, actor_fn};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let node = Node::start("doc").await?;
/// let quiet = node.spawn(actor_fn(|_: u32| ())).await?;
/// quiet.sys().suspend()?;
/// quiet.tell(1).await?;
/// assert_eq!(quiet.sys().status().queued, 1);
/// quiet.sys().resume()?;
/// # node.stop().await?; Ok(()) }
/// ```
pub struct Sys<'a, A: Actor>(pub(crate) &'a Ref<A>);

impl<A: Actor> Sys<'_, A> {
    /// What can be seen without asking the actor: it is answered also when a handler hangs.
    #[must_use]
    pub fn status(&self) -> Status {
        status_from_outside(&self.0.cell)
    }

    /// The state in the actor's own words (`format_status`); `None` if it shows none.
    ///
    /// # Errors
    /// The actor has ended, or does not come to it.
    pub async fn state(&self) -> Result<Option<String>, SysError> {
        self.ask(Asked::FormatStatus).await
    }

    /// Reads something off the state, between two messages. A panic in `read` crashes the actor.
    ///
    /// # Errors
    /// The actor has ended, or does not come to it.
    pub async fn inspect<T: Send + 'static>(&self, read: impl FnOnce(&A) -> T + Send + 'static) -> Result<T, SysError> {
        self.typed(move |state| read(state)).await
    }

    /// Changes the state, between two messages. A panic in `change` crashes the actor.
    ///
    /// # Errors
    /// The actor has ended, or does not come to it.
    pub async fn replace_state<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut A) -> T + Send + 'static,
    ) -> Result<T, SysError> {
        self.typed(change).await
    }

    /// The flight recorder: what it handled last, oldest first.
    ///
    /// # Errors
    /// The actor has ended, or does not come to it.
    pub async fn history(&self) -> Result<Vec<Recorded>, SysError> {
        self.ask(Asked::History).await
    }

    /// Has the actor leave its messages alone until `resume`.
    ///
    /// # Errors
    /// The actor has ended.
    pub fn suspend(&self) -> Result<(), SysError> {
        self.push(Request::Suspend)
    }

    /// Ends a suspension.
    ///
    /// # Errors
    /// The actor has ended.
    pub fn resume(&self) -> Result<(), SysError> {
        self.push(Request::Resume)
    }

    /// Turns a `tracing` event for each message on or off (target `proscenium::trace`, kinds only).
    ///
    /// # Errors
    /// The actor has ended.
    pub fn trace(&self, on: bool) -> Result<(), SysError> {
        self.push(Request::Any(Asked::Trace(on)))
    }

    fn push(&self, request: Request<A>) -> Result<(), SysError> {
        self.0.cell.lane.push_sys(request).map_err(|_| self.gone())
    }

    fn gone(&self) -> SysError {
        SysError::Gone(self.0.cell.face.gone().unwrap_or(Exit::NoProc))
    }

    async fn ask<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Asked) -> Result<T, SysError> {
        let (sender, receiver) = oneshot::channel();
        self.push(Request::Any(make(sender)))?;
        self.wait(receiver).await
    }

    async fn typed<T: Send + 'static>(&self, f: impl FnOnce(&mut A) -> T + Send + 'static) -> Result<T, SysError> {
        let (sender, receiver) = oneshot::channel();
        self.push(Request::Typed(Box::new(move |state| drop(sender.send(f(state))))))?;
        self.wait(receiver).await
    }

    async fn wait<T>(&self, receiver: oneshot::Receiver<T>) -> Result<T, SysError> {
        match tokio::time::timeout(LIMIT, receiver).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) => Err(self.gone()),
            Err(_) => {
                let status = self.status();
                Err(SysError::Busy { in_hand: status.in_hand, queued: status.queued })
            }
        }
    }
}

/// A typed cell out of an untyped one.
pub(crate) fn typed<A: Actor>(cell: std::sync::Arc<dyn AnyCell>) -> Option<std::sync::Arc<Cell<A>>> {
    let any: std::sync::Arc<dyn Any + Send + Sync> = cell.into_any();
    any.downcast::<Cell<A>>().ok()
}
