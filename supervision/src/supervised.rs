//! What a supervisor can start, watch and stop: actors, and whatever else behaves as they do.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use proscenium_runtime::{Actor, ActorCell, Ended, Exit, IntoName, Mailbox, Name, Node, Owner};

use crate::child_spec::Restart;
use crate::shell::Shell;
use crate::supervisor::Supervisor;

/// Tells the supervisor, once, that what was started has ended, and why. Called from anywhere; it never waits.
pub type Notice = Box<dyn FnOnce(Exit) + Send>;

/// A start under way.
pub type Starting<'a> = Pin<Box<dyn Future<Output = Result<(), Exit>> + Send + 'a>>;

/// How a child is made: OTP's `start`, as a value.
pub trait Start: Send + Sync + 'static {
    /// A place for one process of the child after the other. Nothing runs in it yet.
    ///
    /// # Errors
    /// The start fails with this reason.
    fn place(&self, node: &Node, restart: Restart) -> Result<Box<dyn Supervised>, Exit>;
}

/// A place for one process of a child after the other: an actor's incarnations, or an operating system's processes.
///
/// Dropped, it kills the process that it has, and ends the child for good.
pub trait Supervised: Send {
    /// Starts the next process. [`Exit::Ignore`] says that it is not wanted now. `notice` is called when it has ended.
    fn start(&mut self, notice: Notice) -> Starting<'_>;

    /// Asks the process to stop.
    fn stop(&mut self, exit: Exit);

    /// Ends it without asking.
    fn kill(&mut self);

    /// It did not even heed the kill: it is left to itself, and its notice called with [`Exit::Unresponsive`].
    fn give_up(&mut self);

    /// Whether there is a process, as far as anybody can know.
    fn is_alive(&self) -> bool;

    /// It was stopped by its supervisor, which saw it end so.
    fn stopped(&mut self, _exit: &Exit) {}

    /// What others hold of it, for [`SupervisorRef::child`](crate::SupervisorRef::child).
    fn reference(&self) -> Option<Box<dyn Any + Send>> {
        None
    }
}

/// Children that are actors, made anew by a closure for each start.
#[derive(Clone)]
pub struct ActorChild<F> {
    make: F,
    mailbox: Option<Mailbox>,
    light: bool,
    name: Option<Name>,
}

impl<A: Actor, F: Fn() -> A + Send + Sync + 'static> ActorChild<F> {
    /// An ordinary actor with its own mailbox and no name.
    pub fn new(make: F) -> Self {
        ActorChild { make, mailbox: None, light: false, name: None }
    }

    /// Another mailbox than the actor's own.
    #[must_use]
    pub fn mailbox(mut self, mailbox: Mailbox) -> Self {
        self.mailbox = Some(mailbox);
        self
    }

    /// No handle for ractor code.
    #[must_use]
    pub fn light(mut self) -> Self {
        self.light = true;
        self
    }

    /// A name on the node, kept over restarts.
    #[must_use]
    pub fn named(mut self, name: impl IntoName) -> Self {
        self.name = Some(name.into_name());
        self
    }
}

impl<A: Actor, F: Fn() -> A + Clone + Send + Sync + 'static> Start for ActorChild<F> {
    fn place(&self, node: &Node, restart: Restart) -> Result<Box<dyn Supervised>, Exit> {
        let make = self.make.clone();
        let place = ActorPlace::new(node, move || Ok(make()), self.mailbox.unwrap_or(A::MAILBOX), self.light, restart)?;
        if let (Some(cell), Some(name)) = (&place.cell, &self.name) {
            cell.name(name.clone())?;
        }
        Ok(Box::new(place))
    }
}

/// Children that are supervisors, built anew by a closure for each start.
#[derive(Clone)]
pub struct SupervisorChild<F>(F);

impl<F: Fn() -> Supervisor + Clone + Send + Sync + 'static> SupervisorChild<F> {
    /// One supervisor below another.
    pub fn new(build: F) -> Self {
        SupervisorChild(build)
    }
}

impl<F> fmt::Debug for SupervisorChild<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SupervisorChild")
    }
}

impl<F: Fn() -> Supervisor + Clone + Send + Sync + 'static> Start for SupervisorChild<F> {
    fn place(&self, node: &Node, restart: Restart) -> Result<Box<dyn Supervised>, Exit> {
        let build = self.0.clone();
        let make = move || Ok(build().shell()?);
        Ok(Box::new(ActorPlace::new(node, make, Shell::MAILBOX, true, restart)?))
    }
}

/// What an actor's end is told to.
struct Watch {
    restart: Restart,
    notice: Mutex<Option<Notice>>,
}

struct Owns(Arc<Watch>);

impl Owner for Owns {
    fn restarts(&self, exit: &Exit) -> bool {
        match self.0.restart {
            Restart::Permanent => true,
            Restart::Transient => !exit.is_orderly(),
            Restart::Temporary => false,
        }
    }

    fn exited(&self, ended: Ended) {
        let notice = self.0.notice.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(notice) = notice {
            notice(ended.exit);
        }
    }
}

struct ActorPlace<A: Actor, F> {
    make: F,
    /// None: it is being dropped.
    cell: Option<ActorCell<A>>,
    watch: Arc<Watch>,
}

impl<A: Actor, F> ActorPlace<A, F> {
    fn new(node: &Node, make: F, mailbox: Mailbox, light: bool, restart: Restart) -> Result<Self, Exit> {
        let watch = Arc::new(Watch { restart, notice: Mutex::new(None) });
        let owner = Owns(watch.clone());
        let cell = if light { ActorCell::light } else { ActorCell::ordinary };
        Ok(ActorPlace { make, cell: Some(cell(node, mailbox, owner)?), watch })
    }
}

impl<A: Actor, F: Fn() -> Result<A, Exit> + Send + Sync> Supervised for ActorPlace<A, F> {
    fn start(&mut self, notice: Notice) -> Starting<'_> {
        *self.watch.notice.lock().unwrap_or_else(PoisonError::into_inner) = Some(notice);
        Box::pin(async {
            let Some(cell) = &self.cell else { return Err(Exit::NoProc) };
            cell.start((self.make)()?).await
        })
    }

    fn stop(&mut self, exit: Exit) {
        if let Some(cell) = &self.cell {
            cell.shutdown(exit);
        }
    }

    fn kill(&mut self) {
        if let Some(cell) = &self.cell {
            cell.kill();
        }
    }

    fn give_up(&mut self) {
        if let Some(cell) = &self.cell {
            cell.give_up();
        }
    }

    fn is_alive(&self) -> bool {
        self.cell.as_ref().is_some_and(|cell| cell.incarnation().is_some())
    }

    fn reference(&self) -> Option<Box<dyn Any + Send>> {
        Some(Box::new(self.cell.as_ref()?.reference()))
    }
}

impl<A: Actor, F> Drop for ActorPlace<A, F> {
    fn drop(&mut self) {
        // Nobody is told: who drops it knows.
        self.watch.notice.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(cell) = self.cell.take() {
            cell.close(&Exit::Shutdown);
        }
    }
}

impl<F> fmt::Debug for ActorChild<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorChild").field("name", &self.name).field("light", &self.light).finish_non_exhaustive()
    }
}
