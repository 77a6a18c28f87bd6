//! kameo: unbounded where the measure is, else with the mailbox that it is asked for.

use std::time::Duration;

use kameo::actor::{ActorRef, Spawn, WeakActorRef};
use kameo::error::{ActorStopReason, Infallible};
use kameo::mailbox;
use kameo::message::{Context, Message};
use kameo::supervision::SupervisionStrategy;

use crate::Failure;
use crate::family::{Sibling, Voice};
use crate::peer::{Families, Peer, Restarts, Stops, Subject};
use crate::tally::{Link, Phoenix, Tally};

const BOUND: usize = 1024;

/// More restarts than any sample asks for.
const RESTARTS: u32 = 1_000_000;

pub struct Counter(Tally);

pub struct Add(u64);
pub struct Ask(u64);

impl kameo::Actor for Counter {
    type Args = Tally;
    type Error = Infallible;

    async fn on_start(tally: Tally, _myself: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Self(tally))
    }

    async fn on_stop(&mut self, _myself: WeakActorRef<Self>, _why: ActorStopReason) -> Result<(), Infallible> {
        self.0.stopped();
        Ok(())
    }
}

impl Message<Add> for Counter {
    type Reply = ();

    async fn handle(&mut self, Add(number): Add, _cx: &mut Context<Self, ()>) {
        self.0.add(number);
    }
}

impl Message<Ask> for Counter {
    type Reply = u64;

    async fn handle(&mut self, Ask(number): Ask, _cx: &mut Context<Self, u64>) -> u64 {
        self.0.answer(number)
    }
}

pub struct Hop(Link<ActorRef<Hop>>);

pub struct Token(u64);

impl kameo::Actor for Hop {
    type Args = Link<ActorRef<Self>>;
    type Error = Infallible;

    async fn on_start(link: Self::Args, _myself: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Self(link))
    }
}

impl Message<Token> for Hop {
    type Reply = ();

    async fn handle(&mut self, Token(token): Token, _cx: &mut Context<Self, ()>) {
        if let Some((next, token)) = self.0.pass(token) {
            // The ring is taken down with the sample; until then no place is missing.
            let _ = next.tell(Token(token)).send().await;
        }
    }
}

pub struct Kameo;

impl Subject for Kameo {
    const NAME: &'static str = "kameo";
    const VERSION: &'static str = env!("BENCH_KAMEO");
    type World = ();

    async fn world() -> Result<(), Failure> {
        Ok(())
    }
}

impl Peer for Kameo {
    type Counter = ActorRef<Counter>;
    type Hop = ActorRef<Hop>;

    async fn counter(_world: &(), tally: Tally) -> Result<Self::Counter, Failure> {
        Ok(Counter::spawn_with_mailbox(tally, mailbox::unbounded()))
    }

    async fn tell(to: &Self::Counter, number: u64) -> Result<(), Failure> {
        Ok(to.tell(Add(number)).send().await.map_err(gone)?)
    }

    fn post(to: &Self::Counter, number: u64) -> Result<(), Failure> {
        Ok(to.tell(Add(number)).try_send().map_err(gone)?)
    }

    async fn call(to: &Self::Counter, number: u64) -> Result<u64, Failure> {
        Ok(to.ask(Ask(number)).send().await.map_err(gone)?)
    }

    async fn hop(_world: &(), link: Link<Self::Hop>) -> Result<Self::Hop, Failure> {
        Ok(Hop::spawn_with_mailbox(link, mailbox::unbounded()))
    }

    async fn pass(to: &Self::Hop, token: u64) -> Result<(), Failure> {
        Ok(to.tell(Token(token)).send().await.map_err(gone)?)
    }
}

impl Stops for Kameo {
    async fn stop(counter: &Self::Counter) -> Result<(), Failure> {
        Ok(counter.stop_gracefully().await.map_err(gone)?)
    }
}

/// With a mailbox of 1,024.
pub struct KameoBounded;

impl Subject for KameoBounded {
    const NAME: &'static str = Kameo::NAME;
    const VERSION: &'static str = Kameo::VERSION;
    type World = ();

    async fn world() -> Result<(), Failure> {
        Ok(())
    }
}

impl Peer for KameoBounded {
    type Counter = ActorRef<Counter>;
    type Hop = ActorRef<Hop>;

    async fn counter(_world: &(), tally: Tally) -> Result<Self::Counter, Failure> {
        Ok(Counter::spawn_with_mailbox(tally, mailbox::bounded(BOUND)))
    }

    async fn tell(to: &Self::Counter, number: u64) -> Result<(), Failure> {
        Kameo::tell(to, number).await
    }

    fn post(to: &Self::Counter, number: u64) -> Result<(), Failure> {
        Kameo::post(to, number)
    }

    async fn call(to: &Self::Counter, number: u64) -> Result<u64, Failure> {
        Kameo::call(to, number).await
    }

    async fn hop(_world: &(), link: Link<Self::Hop>) -> Result<Self::Hop, Failure> {
        Ok(Hop::spawn_with_mailbox(link, mailbox::bounded(BOUND)))
    }

    async fn pass(to: &Self::Hop, token: u64) -> Result<(), Failure> {
        Kameo::pass(to, token).await
    }
}

/// The crashing child of a one-for-one supervisor.
pub struct Child(Phoenix);

pub struct Crash;
pub struct Ping;

impl kameo::Actor for Child {
    type Args = Phoenix;
    type Error = Infallible;

    async fn on_start(phoenix: Phoenix, _myself: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Self(phoenix))
    }
}

impl Message<Crash> for Child {
    type Reply = ();

    async fn handle(&mut self, _crash: Crash, _cx: &mut Context<Self, ()>) {
        self.0.crash();
    }
}

impl Message<Ping> for Child {
    type Reply = ();

    async fn handle(&mut self, _ping: Ping, _cx: &mut Context<Self, ()>) {
        self.0.ping();
    }
}

/// Its default strategy is one-for-one.
pub struct Supervisor;

impl kameo::Actor for Supervisor {
    type Args = ();
    type Error = Infallible;

    async fn on_start((): (), _myself: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

impl Restarts for Kameo {
    type Ashes = (ActorRef<Supervisor>, ActorRef<Child>);

    async fn phoenix(_world: &(), phoenix: Phoenix) -> Result<Self::Ashes, Failure> {
        let supervisor = Supervisor::spawn(());
        let child = Child::supervise(&supervisor, phoenix)
            .restart_limit(RESTARTS, Duration::from_secs(1))
            .spawn_with_mailbox(mailbox::unbounded())
            .await;
        // What it is told before that may be lost with a crash.
        child.wait_for_startup().await;
        Ok((supervisor, child))
    }

    async fn crash((_supervisor, child): &Self::Ashes) -> Result<(), Failure> {
        Ok(child.tell(Crash).send().await.map_err(gone)?)
    }

    async fn ping((_supervisor, child): &Self::Ashes) -> Result<(), Failure> {
        Ok(child.tell(Ping).send().await.map_err(gone)?)
    }
}

/// One of a family.
pub struct Member(Voice<ActorRef<Member>>);

impl kameo::Actor for Member {
    type Args = Voice<ActorRef<Self>>;
    type Error = Infallible;

    async fn on_start(voice: Self::Args, myself: ActorRef<Self>) -> Result<Self, Infallible> {
        voice.born(myself);
        Ok(Self(voice))
    }
}

impl Message<Crash> for Member {
    type Reply = ();

    async fn handle(&mut self, _crash: Crash, _cx: &mut Context<Self, ()>) {
        self.0.crash();
    }
}

impl Message<Ping> for Member {
    type Reply = ();

    async fn handle(&mut self, _ping: Ping, _cx: &mut Context<Self, ()>) {
        self.0.ping();
    }
}

impl Sibling for ActorRef<Member> {
    async fn crash(&self) -> Result<(), Failure> {
        Ok(self.tell(Crash).send().await.map_err(gone)?)
    }

    async fn ping(&self) -> Result<(), Failure> {
        Ok(self.tell(Ping).send().await.map_err(gone)?)
    }
}

pub struct Parent;

impl kameo::Actor for Parent {
    type Args = ();
    type Error = Infallible;

    fn supervision_strategy() -> SupervisionStrategy {
        SupervisionStrategy::OneForAll
    }

    async fn on_start((): (), _myself: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

impl Families for Kameo {
    type Sibling = ActorRef<Member>;
    type Family = ActorRef<Parent>;

    async fn family(_world: &(), voices: Vec<Voice<Self::Sibling>>) -> Result<Self::Family, Failure> {
        let parent = Parent::spawn(());
        for voice in voices {
            let child = Member::supervise(&parent, voice).restart_limit(RESTARTS, Duration::from_secs(1));
            child.spawn_with_mailbox(mailbox::unbounded()).await;
        }
        Ok(parent)
    }
}

fn gone<E>(_error: E) -> &'static str {
    "the kameo actor is gone"
}
