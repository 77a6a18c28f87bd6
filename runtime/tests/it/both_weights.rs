//! Every semantic test runs for `spawn` and for `spawn_light`: one function, two tests.
//!
//! `both_weights!((flavour of the runtime) name, …)` makes `name::ordinary` and `name::light` of an
//! `async fn name(world: World)`. The function makes its actors through the [`World`], which knows the weight.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proscenium_runtime::{Actor, ActorCell, AnyRef, Down, Ended, Exit, Mailbox, Node, Owner, Spawn};
use tokio::sync::mpsc;

macro_rules! both_weights {
    (@weights ($($flavour:tt)*) $name:ident) => {
        #[tokio::test($($flavour)*)]
        async fn ordinary() {
            $crate::both_weights::soon(super::$name($crate::both_weights::World::ordinary().await)).await;
        }

        #[tokio::test($($flavour)*)]
        async fn light() {
            $crate::both_weights::soon(super::$name($crate::both_weights::World::light().await)).await;
        }
    };
    ($flavour:tt $($name:ident),+ $(,)?) => {
        $(mod $name { both_weights!(@weights $flavour $name); })+
    };
}

/// Ends a test that hangs. Generous: nothing comes near it on its own.
const LIMIT: Duration = Duration::from_secs(20);

/// Awaits an event that must come.
///
/// # Panics
/// It did not.
pub(crate) async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, event).await.expect("it comes within 20 s")
}

/// Looks at a future once, without waiting for it.
pub(crate) fn look<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A monitor from outside that is set when this returns; `Ref::monitor` sets it at the first poll.
///
/// # Panics
/// The actor has ended.
pub(crate) fn watch(actor: &impl AnyRef) -> Pin<Box<dyn Future<Output = Down> + Send>> {
    let actor = actor.to_untyped();
    let mut down = Box::pin(async move { actor.monitor().await });
    assert!(look(&mut down).is_pending(), "it runs");
    down
}

/// A node, and how heavy its actors are.
pub(crate) struct World {
    pub(crate) node: Node,
    light: bool,
}

impl World {
    pub(crate) async fn ordinary() -> World {
        World { node: Node::start("test").await.expect("a runtime is here"), light: false }
    }

    pub(crate) async fn light() -> World {
        World { light: true, ..World::ordinary().await }
    }

    pub(crate) fn spawn<A: Actor>(&self, actor: A) -> Spawn<A> {
        if self.light { self.node.spawn_light(actor) } else { self.node.spawn(actor) }
    }

    /// An empty cell, whose owner would start it again after any end, and what the owner hears.
    pub(crate) async fn cell<A: Actor>(&self, mailbox: Mailbox) -> (ActorCell<A>, Ends) {
        self.cell_that(mailbox, true).await
    }

    /// The same, with an owner that gives this answer.
    pub(crate) async fn cell_that<A: Actor>(&self, mailbox: Mailbox, restarts: bool) -> (ActorCell<A>, Ends) {
        let (tell, ends) = mpsc::unbounded_channel();
        let owner = Keeper { restarts, tell };
        (self.cell_of(mailbox, owner).await, Ends(ends))
    }

    pub(crate) async fn cell_of<A: Actor>(&self, mailbox: Mailbox, owner: impl Owner) -> ActorCell<A> {
        if self.light {
            ActorCell::light(&self.node, mailbox, Arc::new(owner)).expect("the node runs")
        } else {
            ActorCell::ordinary(&self.node, mailbox, Arc::new(owner)).expect("the node runs")
        }
    }
}

struct Keeper {
    restarts: bool,
    tell: mpsc::UnboundedSender<Ended>,
}

impl Owner for Keeper {
    fn restarts(&self, _: u64, _: &Exit) -> bool {
        self.restarts
    }

    fn exited(&self, ended: Ended) {
        let _ = self.tell.send(ended);
    }
}

/// What the owner of a cell heard.
pub(crate) struct Ends(mpsc::UnboundedReceiver<Ended>);

impl Ends {
    /// The next end: which incarnation, and why.
    pub(crate) async fn next(&mut self) -> (u32, Exit) {
        let ended = soon(self.0.recv()).await.expect("the cell has its owner");
        (ended.incarnation, ended.exit)
    }

    /// Whether the owner heard nothing more.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
