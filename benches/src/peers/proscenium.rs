//! Proscenium as its users write it: `#[actor]`, typed refs, statistics and recorder on, the default time-out on calls.

use std::sync::Arc;

use proscenium_runtime::{Actor, ActorCell, Context, Down, Ended, Exit, Mailbox, Node, Owner, Ref, actor, interop};
use tokio::sync::mpsc;

use crate::Failure;
use crate::peer::{Peer, Restarts, Stops, Subject};
use crate::tally::{Link, Phoenix, Tally};

pub const BOUND: usize = 1024;

/// One of the two weights, with an unbounded mailbox or with one of 1,024, the default.
pub struct Form<const LIGHT: bool, const BOUNDED: bool>;

pub type Proscenium = Form<false, false>;
pub type ProsceniumBounded = Form<false, true>;
pub type Light = Form<true, false>;
pub type LightBounded = Form<true, true>;

pub struct Counter(pub Tally);

#[actor(crate = ::proscenium_runtime)]
impl Counter {
    #[cast]
    fn add(&mut self, number: u64) {
        self.0.add(number);
    }

    #[call]
    fn ask(&mut self, number: u64) -> u64 {
        self.0.answer(number)
    }

    #[terminate]
    fn terminate(&mut self) {
        self.0.stopped();
    }
}

pub struct Hop(Link<HopRef>);

#[actor(mailbox = unbounded, crate = ::proscenium_runtime)]
impl Hop {
    #[cast]
    async fn token(&mut self, token: u64) -> Result<(), Exit> {
        if let Some((next, token)) = self.0.pass(token) {
            next.token(token).await?;
        }
        Ok(())
    }
}

/// Whoever monitors the receivers.
pub struct Watcher(CounterRef);

#[actor(crate = ::proscenium_runtime)]
impl Watcher {
    #[init]
    fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        cx.monitor(&self.0);
        Ok(())
    }

    #[info]
    fn down(&mut self, _down: Down) {}
}

pub struct Child(pub Phoenix);

#[actor(mailbox = unbounded, crate = ::proscenium_runtime)]
impl Child {
    #[cast]
    fn crash(&mut self) {
        self.0.crash();
    }

    #[cast]
    fn ping(&mut self) {
        self.0.ping();
    }
}

impl<const LIGHT: bool, const BOUNDED: bool> Form<LIGHT, BOUNDED> {
    const MAILBOX: Mailbox = if BOUNDED { Mailbox::bounded(BOUND) } else { Mailbox::unbounded() };
}

impl<const LIGHT: bool, const BOUNDED: bool> Subject for Form<LIGHT, BOUNDED> {
    const NAME: &'static str = if LIGHT { "light" } else { "proscenium" };
    const VERSION: &'static str = env!("BENCH_PROSCENIUM_RUNTIME");
    type World = Node;

    async fn world() -> Result<Node, Failure> {
        Ok(Node::start("bench").await?)
    }
}

impl<const LIGHT: bool, const BOUNDED: bool> Peer for Form<LIGHT, BOUNDED> {
    type Counter = CounterRef;
    type Hop = HopRef;

    async fn counter(node: &Node, tally: Tally) -> Result<CounterRef, Failure> {
        let spawn = if LIGHT { node.spawn_light(Counter(tally)) } else { node.spawn(Counter(tally)) };
        Ok(spawn.mailbox(Self::MAILBOX).await?)
    }

    async fn watch(node: &Node, counter: &CounterRef) -> Result<(), Failure> {
        node.spawn(Watcher(counter.clone())).await?;
        Ok(())
    }

    async fn tell(to: &CounterRef, number: u64) -> Result<(), Failure> {
        Ok(to.add(number).await.map_err(gone)?)
    }

    fn post(to: &CounterRef, number: u64) -> Result<(), Failure> {
        Ok(to.add(number).now().map_err(gone)?)
    }

    async fn call(to: &CounterRef, number: u64) -> Result<u64, Failure> {
        Ok(to.ask(number).await?)
    }

    async fn hop(node: &Node, link: Link<HopRef>) -> Result<HopRef, Failure> {
        let spawn = if LIGHT { node.spawn_light(Hop(link)) } else { node.spawn(Hop(link)) };
        Ok(spawn.await?)
    }

    async fn pass(to: &HopRef, token: u64) -> Result<(), Failure> {
        Ok(to.token(token).await.map_err(gone)?)
    }
}

impl<const LIGHT: bool, const BOUNDED: bool> Stops for Form<LIGHT, BOUNDED> {
    async fn stop(counter: &CounterRef) -> Result<(), Failure> {
        counter.stop().now();
        Ok(())
    }
}

/// An ordinary actor, the default mailbox, whose ractor actor is asked for right after the spawn: nobody pays more.
pub struct WithRactor;

impl Subject for WithRactor {
    const NAME: &'static str = "proscenium + ractor";
    const VERSION: &'static str = ProsceniumBounded::VERSION;
    type World = Node;

    async fn world() -> Result<Node, Failure> {
        ProsceniumBounded::world().await
    }
}

impl Peer for WithRactor {
    type Counter = CounterRef;
    type Hop = HopRef;

    async fn counter(node: &Node, tally: Tally) -> Result<CounterRef, Failure> {
        let counter = ProsceniumBounded::counter(node, tally).await?;
        asked(&counter)?;
        Ok(counter)
    }

    async fn tell(to: &CounterRef, number: u64) -> Result<(), Failure> {
        ProsceniumBounded::tell(to, number).await
    }

    fn post(to: &CounterRef, number: u64) -> Result<(), Failure> {
        ProsceniumBounded::post(to, number)
    }

    async fn call(to: &CounterRef, number: u64) -> Result<u64, Failure> {
        ProsceniumBounded::call(to, number).await
    }

    async fn hop(node: &Node, link: Link<HopRef>) -> Result<HopRef, Failure> {
        let hop = ProsceniumBounded::hop(node, link).await?;
        asked(&hop)?;
        Ok(hop)
    }

    async fn pass(to: &HopRef, token: u64) -> Result<(), Failure> {
        ProsceniumBounded::pass(to, token).await
    }
}

/// Has the ractor actor made.
fn asked<A: Actor>(actor: &Ref<A>) -> Result<(), Failure> {
    interop::ractor_cell(actor).map(drop).ok_or_else(|| "ractor refuses it".into())
}

/// The least of a supervisor: starts the next incarnation when it hears of an end.
struct Starter(mpsc::UnboundedSender<Ended>);

impl Owner for Starter {
    fn restarts(&self, _tag: u64, _exit: &Exit) -> bool {
        true
    }

    fn exited(&self, ended: Ended) {
        // The starter's task lives as long as the sample.
        let _ = self.0.send(ended);
    }
}

impl<const LIGHT: bool, const BOUNDED: bool> Restarts for Form<LIGHT, BOUNDED> {
    type Ashes = ChildRef;

    async fn phoenix(node: &Node, phoenix: Phoenix) -> Result<ChildRef, Failure> {
        let (starter, mut ends) = mpsc::unbounded_channel();
        let cell: ActorCell<Child> = if LIGHT {
            ActorCell::light(node, Mailbox::unbounded(), Arc::new(Starter(starter)))?
        } else {
            ActorCell::ordinary(node, Mailbox::unbounded(), Arc::new(Starter(starter)))?
        };
        cell.start(Child(phoenix.clone())).await.map_err(|exit| exit.to_string())?;
        let child = cell.reference();
        tokio::spawn(async move {
            while ends.recv().await.is_some() {
                if cell.start(Child(phoenix.clone())).await.is_err() {
                    break;
                }
            }
        });
        Ok(child)
    }

    async fn crash(to: &ChildRef) -> Result<(), Failure> {
        Ok(to.crash().await.map_err(gone)?)
    }

    async fn ping(to: &ChildRef) -> Result<(), Failure> {
        Ok(to.ping().await.map_err(gone)?)
    }
}

fn gone<E>(_error: E) -> &'static str {
    "the actor is gone"
}
