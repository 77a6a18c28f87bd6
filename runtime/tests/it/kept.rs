//! A puppet in a cell whose owner is the test: it is ended and started again at will.

use proscenium_runtime::{ActorCell, Exit, Mailbox, Ref};

use crate::both_weights::{Ends, World, soon};
use crate::marionette::{Cut, Event, Events, Log, Plain, Puppet, ask, log};

/// A kept puppet in its first incarnation.
pub(crate) struct Kept<C: Cut = Plain> {
    pub(crate) cell: ActorCell<Puppet<C>>,
    pub(crate) puppet: Ref<Puppet<C>>,
    pub(crate) ends: Ends,
    pub(crate) log: Log,
    pub(crate) events: Events,
}

impl<C: Cut> Kept<C> {
    pub(crate) async fn in_cell(world: &World, mailbox: Mailbox) -> Self {
        let (cell, ends) = world.cell::<Puppet<C>>(mailbox).await;
        let (log, events) = log();
        let puppet = cell.reference();
        Kept { cell, puppet, ends, log, events }
    }

    pub(crate) async fn start(&self) {
        self.cell.start(Puppet::new(&self.log)).await.expect("it starts");
    }

    pub(crate) async fn running(world: &World) -> Self {
        let kept = Kept::in_cell(world, Mailbox::DEFAULT).await;
        kept.start().await;
        kept
    }

    /// Ends the incarnation that runs by a kill. The log then begins with what comes after.
    pub(crate) async fn kill(&mut self) {
        let incarnation = self.cell.incarnation().expect("one runs");
        self.cell.kill();
        assert_eq!(self.ends.next().await, (incarnation, Exit::Killed));
        self.events.so_far();
    }

    pub(crate) async fn restart(&mut self) {
        self.kill().await;
        self.start().await;
    }

    /// What happened, when all that was told by now has been handled.
    pub(crate) async fn settled(&mut self) -> Vec<Event> {
        assert_eq!(soon(self.puppet.call(ask(1))).await, Ok(1));
        self.events.so_far()
    }
}
