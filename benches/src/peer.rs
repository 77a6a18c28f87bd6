//! What a subject on tokio must offer, so that the drivers in `shapes` can run it.

use std::future::Future;

use crate::Failure;
use crate::family::{Sibling, Voice};
use crate::tally::{Link, Phoenix, Tally};

/// What is measured. The functions of all these traits use it as its own documentation does, and nothing slower.
pub trait Subject: Sized + Send + 'static {
    const NAME: &'static str;
    const VERSION: &'static str;

    /// What actors are started on: a node, or nothing.
    type World: Send + Sync + 'static;

    fn world() -> impl Future<Output = Result<Self::World, Failure>> + Send;
}

/// One way to write an actor.
pub trait Peer: Subject {
    type Counter: Clone + Send + Sync + 'static;
    type Hop: Clone + Send + Sync + 'static;

    /// Starts an actor that gives each message to the tally.
    fn counter(world: &Self::World, tally: Tally) -> impl Future<Output = Result<Self::Counter, Failure>> + Send;

    /// Called once for the receiver of a throughput measure: a monitor, where the subject is measured with one.
    fn watch(_world: &Self::World, _counter: &Self::Counter) -> impl Future<Output = Result<(), Failure>> + Send {
        std::future::ready(Ok(()))
    }

    fn tell(to: &Self::Counter, number: u64) -> impl Future<Output = Result<(), Failure>> + Send;

    /// As `tell`, from a thread outside of the runtime.
    fn post(to: &Self::Counter, number: u64) -> Result<(), Failure>;

    fn call(to: &Self::Counter, number: u64) -> impl Future<Output = Result<u64, Failure>> + Send;

    fn hop(world: &Self::World, link: Link<Self::Hop>) -> impl Future<Output = Result<Self::Hop, Failure>> + Send;

    fn pass(to: &Self::Hop, token: u64) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// A subject whose actors can be told to stop, and run a hook when they hear it.
pub trait Stops: Peer {
    fn stop(counter: &Self::Counter) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// A subject that starts a panicked actor again behind the same handle.
pub trait Restarts: Subject {
    type Ashes: Clone + Send + Sync + 'static;

    fn phoenix(world: &Self::World, phoenix: Phoenix) -> impl Future<Output = Result<Self::Ashes, Failure>> + Send;
    fn crash(to: &Self::Ashes) -> impl Future<Output = Result<(), Failure>> + Send;
    fn ping(to: &Self::Ashes) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// A subject whose supervisor starts a fixed set of children, one of which may crash.
pub trait Trees: Restarts {
    type Tree: Send + Sync + 'static;

    /// A one_for_one supervisor with so many children: one is the phoenix, the others are quiet counters.
    fn tree(
        world: &Self::World,
        children: usize,
        phoenix: Phoenix,
    ) -> impl Future<Output = Result<Self::Tree, Failure>> + Send;

    /// The phoenix among them.
    fn ashes(tree: &Self::Tree) -> impl Future<Output = Result<Self::Ashes, Failure>> + Send;
}

/// A subject whose supervisor starts all children again when one of them crashes.
pub trait Families: Subject {
    type Sibling: Sibling;
    /// Kept until the sample is over.
    type Family: Send + Sync + 'static;

    /// A one_for_all supervisor with a child for each voice.
    fn family(
        world: &Self::World,
        voices: Vec<Voice<Self::Sibling>>,
    ) -> impl Future<Output = Result<Self::Family, Failure>> + Send;
}
