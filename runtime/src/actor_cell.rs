//! The restart as a primitive: a cell whose owner starts one incarnation after the other in it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::JoinHandle;

use crate::actor::Actor;
use crate::actor_id::ActorId;
use crate::actor_ref::Ref;
use crate::cell::{AnyCell, Cell, End};
use crate::companion::Seat;
use crate::exit::Exit;
use crate::mailbox::Mailbox;
use crate::names::{IntoName, NameError};
use crate::node::Node;
use crate::{life, links};

/// Who decides what follows on an exit. Called from the ending incarnation's task: answer at once, decide elsewhere.
pub trait Owner: Send + Sync + 'static {
    /// Whether an incarnation that ended so may be started again in the cell of this tag. It is what [`Down::restart`](crate::Down) says.
    fn restarts(&self, tag: u64, exit: &Exit) -> bool;

    /// The incarnation is over: its stop hook has run, its state is dropped, its mailbox waits. Not called when a start
    /// fails; [`ActorCell::start`] says that itself.
    fn exited(&self, ended: Ended);
}

/// The notice of an incarnation's end.
#[derive(Clone, PartialEq, Debug)]
pub struct Ended {
    /// Whose.
    pub actor: ActorId,
    /// What its owner calls the cell.
    pub tag: u64,
    /// Which incarnation it was; the first is 1.
    pub incarnation: u32,
    /// Why.
    pub exit: Exit,
}

/// A place for one incarnation after the other of an actor.
///
/// The mailbox, the name, the groups and every ref belong to the cell and stay; state, timers, links, monitors and
/// attached futures belong to the incarnation. Dropping the owner's half closes the cell when its incarnation ends.
///
/// ```
/// use proscenium_runtime::{ActorCell, Ended, Exit, Mailbox, Node, Owner, actor_fn};
/// use std::sync::Arc;
///
/// struct Tell(tokio::sync::mpsc::UnboundedSender<Ended>);
/// impl Owner for Tell {
///     fn restarts(&self, _: u64, _: &Exit) -> bool { true }
///     fn exited(&self, ended: Ended) { let _ = self.0.send(ended); }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
/// # std::panic::set_hook(Box::new(|_| {}));
/// let node = Node::start("doc").await?;
/// let (tell, mut ended) = tokio::sync::mpsc::unbounded_channel();
/// let make = || actor_fn(|n: u32| assert!(n > 0, "zero"));
/// let cell = ActorCell::light(&node, Mailbox::DEFAULT, Arc::new(Tell(tell)))?;
/// cell.start(make()).await.expect("it has no init to fail");
/// cell.reference().tell(0).await?;
/// assert_eq!(ended.recv().await.map(|ended| ended.incarnation), Some(1));
/// cell.start(make()).await.expect("nor the second time");
/// # node.stop().await }
/// ```
pub struct ActorCell<A: Actor> {
    cell: Arc<Cell<A>>,
}

impl<A: Actor> ActorCell<A> {
    /// A cell as `spawn` makes it: ractor code can have a handle. Nothing runs in it yet.
    ///
    /// # Errors
    /// The node is stopping.
    pub fn ordinary(node: &Node, mailbox: Mailbox, owner: Arc<dyn Owner>) -> Result<Self, crate::SpawnError> {
        Self::new(node, mailbox, owner, false)
    }

    /// A cell as `spawn_light` makes it: ractor code gets none.
    ///
    /// # Errors
    /// The node is stopping.
    pub fn light(node: &Node, mailbox: Mailbox, owner: Arc<dyn Owner>) -> Result<Self, crate::SpawnError> {
        Self::new(node, mailbox, owner, true)
    }

    fn new(node: &Node, mailbox: Mailbox, owner: Arc<dyn Owner>, light: bool) -> Result<Self, crate::SpawnError> {
        Ok(ActorCell { cell: crate::spawn::cell::<A>(node.clone(), mailbox, light, 0, Some(owner))? })
    }

    /// What the owner calls the cell: one owner can have many. Until this is called: 0.
    pub fn tag(&self, tag: u64) {
        self.cell.face.tag.store(tag, Ordering::Relaxed);
    }

    /// Registers a name that stays over restarts.
    ///
    /// # Errors
    /// The name is taken; the error says by whom.
    pub fn name(&self, name: impl IntoName) -> Result<(), NameError> {
        self.cell.face.node.names().register(name.into_name(), self.cell.clone())
    }

    /// Starts the next incarnation: `init` runs here, then the actor takes over the queue.
    ///
    /// Dropped half way, it ends the incarnation with a kill, and the owner hears of it.
    ///
    /// # Errors
    /// What `init` ended with; [`Exit::Ignore`] when it does not want to run. The cell stays, with its queue.
    pub async fn start(&self, actor: A) -> Result<(), Exit> {
        self.start_as(0, actor).await
    }

    /// The same, and the incarnation has this number, unless one before it had that or a greater one: then the next.
    ///
    /// An owner that counts the starts itself, failed ones and those in other cells with them, knows by it which of them
    /// has ended.
    ///
    /// # Errors
    /// As [`start`](ActorCell::start).
    pub async fn start_as(&self, number: u32, actor: A) -> Result<(), Exit> {
        Seat::take(&self.cell, number, actor)?.start(&self.cell, None).await
    }

    /// The same, and `init` runs on a task of its own: for an actor whose `init` starts others that do so, too, so that the
    /// stack does not grow with their depth.
    ///
    /// # Errors
    /// As [`start`](ActorCell::start).
    pub async fn start_apart(&self, number: u32, actor: A) -> Result<(), Exit> {
        let seat = Seat::take(&self.cell, number, actor)?;
        let cell = self.cell.clone();
        let start = async move { seat.start(&cell, None).await };
        let mut start = Apart(self.cell.face.node.runtime().spawn(start));
        (&mut start.0).await.unwrap_or(Err(Exit::Killed)) // With the runtime: a panic in `init` is caught before.
    }

    /// The actor's ref. It is good from now on and over every restart.
    #[must_use]
    pub fn reference(&self) -> A::Ref {
        A::Ref::from(Ref::new(self.cell.clone()))
    }

    /// Asks the incarnation to stop after the message in hand. What is queued stays for the next one.
    pub fn shutdown(&self, exit: Exit) {
        self.cell.stop(exit);
    }

    /// Ends the incarnation at its next await, without its stop hook.
    pub fn kill(&self) {
        let incarnation = self.cell.face.incarnation();
        links::end(self.cell.as_ref(), incarnation, End { exit: Exit::Killed, hook: false });
    }

    /// Gives up an incarnation that does not yield: the owner hears [`Exit::Unresponsive`] at once, the queue is free
    /// for the next one, and the old task is fenced off from both. False: none is running.
    pub fn give_up(&self) -> bool {
        life::fence(&self.cell, &Exit::Unresponsive)
    }

    /// The incarnation that runs.
    #[must_use]
    pub fn incarnation(&self) -> Option<u32> {
        Some(self.cell.face.incarnation()).filter(|incarnation| *incarnation != 0)
    }

    /// Ends the actor for good: queued calls end with the reason, other messages go to `on_undelivered`.
    ///
    /// An incarnation that still runs is killed first.
    pub fn close(self, exit: &Exit) {
        self.kill();
        life::close(self.cell.as_ref(), exit);
    }
}

/// A start on a task of its own, given up when nobody waits for it any more.
struct Apart(JoinHandle<Result<(), Exit>>);

impl Drop for Apart {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<A: Actor> Drop for ActorCell<A> {
    fn drop(&mut self) {
        let face = &self.cell.face;
        if face.let_go() && face.incarnation() == 0 && face.gone().is_none() {
            life::close(self.cell.as_ref(), &Exit::Shutdown);
        }
    }
}

impl<A: Actor> fmt::Debug for ActorCell<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorCell({})", self.cell.face.id)
    }
}
