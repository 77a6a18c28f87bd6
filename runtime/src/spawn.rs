//! Starting an actor.
//!
//! **Cost**: of an actor that has no `init`, as `#[actor]` and `actor_fn` know, two allocations, the cell and the task, and
//! no wait. A name takes two more. An `init` or a parent takes two more, too, and a poll in the new actor's scope.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use crate::actor::Actor;
use crate::actor_cell::Owner;
use crate::actor_ref::Ref;
use crate::cell::{AnyCell, Cell};
use crate::companion::{Parent, Seat};
use crate::exit::Exit;
use crate::mailbox::Mailbox;
use crate::names::{IntoName, Name, NameError};
use crate::node::Node;

/// The incarnation that a spawn starts.
const FIRST: u32 = 1;

/// Why no actor was started. Nothing of it is left: no name, no task.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SpawnError {
    /// The name is not to be had. `init` did not run.
    Name(NameError),
    /// `init` failed, panicked, or said [`Exit::Ignore`].
    Init(Exit),
    /// The node is stopping, or has stopped: it starts nothing new.
    NodeStopping,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpawnError::Name(error) => fmt::Display::fmt(error, f),
            SpawnError::Init(Exit::Ignore) => f.write_str("`init` chose not to run (ignore)"),
            SpawnError::Init(exit) => write!(f, "`init` failed: {exit}"),
            SpawnError::NodeStopping => f.write_str("the node is stopping; start actors before `stop`"),
        }
    }
}

impl std::error::Error for SpawnError {}

impl From<NameError> for SpawnError {
    fn from(error: NameError) -> Self {
        SpawnError::Name(error)
    }
}

/// An actor about to be started; awaited, it runs `init` and gives the ref.
///
/// Dropped before that, nothing was started; dropped in the middle, the half-started actor is killed.
#[must_use = "an actor is not started until this is awaited"]
pub struct Spawn<A: Actor> {
    node: Node,
    actor: A,
    light: bool,
    mailbox: Mailbox,
    also: Option<Box<Also>>,
}

/// What few starts ask for. Boxed, because a start goes through several hands.
#[derive(Default)]
struct Also {
    name: Option<Name>,
    linked: Parent,
}

impl<A: Actor> Spawn<A> {
    pub(crate) fn new(node: Node, actor: A, light: bool) -> Self {
        Spawn { node, actor, light, mailbox: A::MAILBOX, also: None }
    }

    /// Registers the actor under a name before `init` runs.
    pub fn named(mut self, name: impl IntoName) -> Self {
        self.also.get_or_insert_default().name = Some(name.into_name());
        self
    }

    /// Another mailbox than the actor's own `MAILBOX`.
    pub fn mailbox(mut self, mailbox: Mailbox) -> Self {
        self.mailbox = mailbox;
        self
    }

    /// Whoever asks for a handle for ractor code gets `None`. Until somebody asks, an ordinary actor costs the same.
    pub fn light(mut self) -> Self {
        self.light = true;
        self
    }

    pub(crate) fn linked(mut self, to: Arc<dyn AnyCell>, incarnation: u32) -> Self {
        self.also.get_or_insert_default().linked = Some((to, incarnation));
        self
    }

    /// There is nothing to wait for.
    fn starts_at_once(&self) -> bool {
        !A::INIT && self.also.is_none()
    }

    #[inline(always)]
    fn start_at_once(self) -> Result<A::Ref, SpawnError> {
        let cell = cell::<A>(self.node, self.mailbox, self.light, FIRST, None)?;
        match Seat::new(&cell, self.actor, FIRST).launch(&cell) {
            Ok(()) => Ok(A::Ref::from(Ref::new(cell))),
            Err(exit) => Err(SpawnError::Init(exit)),
        }
    }

    async fn start(self) -> Result<A::Ref, SpawnError> {
        let cell = cell::<A>(self.node, self.mailbox, self.light, FIRST, None)?;
        // From here on the seat's life closes the cell, however it ends.
        let seat = Seat::new(&cell, self.actor, FIRST);
        let also = self.also.unwrap_or_default();
        if let Some(name) = also.name {
            cell.face.node.names().register(name, cell.clone())?;
        }
        seat.start(&cell, also.linked).await.map_err(SpawnError::Init)?;
        Ok(A::Ref::from(Ref::new(cell)))
    }
}

impl<A: Actor> IntoFuture for Spawn<A> {
    type Output = Result<A::Ref, SpawnError>;
    type IntoFuture = Starting<A>;

    fn into_future(self) -> Self::IntoFuture {
        Starting(Stage::Ordered(self))
    }
}

/// An actor's start under way: what awaiting a [`Spawn`] polls.
#[must_use = "an actor is not started until this is awaited"]
pub struct Starting<A: Actor>(Stage<A>);

enum Stage<A: Actor> {
    Ordered(Spawn<A>),
    /// Boxed, so that an actor can start others of its type in `init`. A start that waits for nothing does without.
    UnderWay(Pin<Box<dyn Future<Output = Result<A::Ref, SpawnError>> + Send>>),
    Over,
}

impl<A: Actor> Unpin for Starting<A> {}

impl<A: Actor> Future for Starting<A> {
    type Output = Result<A::Ref, SpawnError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Stage::UnderWay(start) = &mut self.0 {
            return start.as_mut().poll(cx);
        }
        let Stage::Ordered(spawn) = std::mem::replace(&mut self.0, Stage::Over) else { return Poll::Pending };
        if spawn.starts_at_once() {
            return Poll::Ready(spawn.start_at_once());
        }
        self.0 = Stage::UnderWay(Box::pin(spawn.start()));
        self.poll(cx)
    }
}

impl<A: Actor> fmt::Debug for Starting<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Starting({})", std::any::type_name::<A>())
    }
}

impl<A: Actor> fmt::Debug for Spawn<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spawn({})", std::any::type_name::<A>())
    }
}

/// A cell of the node, with a seat to be taken in it, or (0) none yet.
#[inline(always)]
pub(crate) fn cell<A: Actor>(
    node: Node,
    mailbox: Mailbox,
    light: bool,
    incarnation: u32,
    owner: Option<Arc<dyn Owner>>,
) -> Result<Arc<Cell<A>>, SpawnError> {
    let Some(turn) = node.one_more() else { return Err(SpawnError::NodeStopping) };
    Ok(Arc::new_cyclic(|cell: &Weak<Cell<A>>| {
        let id = node.registry().enter(turn, cell.clone());
        Cell::new(id, turn, node, mailbox, light, incarnation, owner)
    }))
}
