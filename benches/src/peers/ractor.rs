//! ractor with the features that the runtime takes it with: lighter and quicker than with its default ones.

use ractor::rpc::CallResult;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use crate::Failure;
use crate::peer::{Peer, Stops, Subject};
use crate::tally::{Link, Tally};

/// Its actors alone, where others have them below a supervisor.
pub const BARE: &str = "ractor, bare";

pub struct Ractor;

pub struct Counter;

pub enum Message {
    Add(u64),
    Ask(u64, RpcReplyPort<u64>),
}

impl Actor for Counter {
    type Msg = Message;
    type State = Tally;
    type Arguments = Tally;

    async fn pre_start(&self, _myself: ActorRef<Message>, tally: Tally) -> Result<Tally, ActorProcessingErr> {
        Ok(tally)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Message>,
        message: Message,
        tally: &mut Tally,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Add(number) => tally.add(number),
            Message::Ask(number, reply) => reply.send(tally.answer(number))?,
        }
        Ok(())
    }

    async fn post_stop(&self, _myself: ActorRef<Message>, tally: &mut Tally) -> Result<(), ActorProcessingErr> {
        tally.stopped();
        Ok(())
    }
}

pub struct Hop;

pub struct Token(u64);

impl Actor for Hop {
    type Msg = Token;
    type State = Link<ActorRef<Token>>;
    type Arguments = Link<ActorRef<Token>>;

    async fn pre_start(
        &self,
        _myself: ActorRef<Token>,
        link: Link<ActorRef<Token>>,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(link)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Token>,
        token: Token,
        link: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if let Some((next, token)) = link.pass(token.0) {
            next.cast(Token(token))?;
        }
        Ok(())
    }
}

impl Subject for Ractor {
    const NAME: &'static str = "ractor";
    const VERSION: &'static str = env!("BENCH_RACTOR");
    type World = ();

    async fn world() -> Result<(), Failure> {
        Ok(())
    }
}

impl Peer for Ractor {
    type Counter = ActorRef<Message>;
    type Hop = ActorRef<Token>;

    async fn counter(_world: &(), tally: Tally) -> Result<Self::Counter, Failure> {
        let (counter, _task) = Actor::spawn(None, Counter, tally).await?;
        Ok(counter)
    }

    async fn tell(to: &Self::Counter, number: u64) -> Result<(), Failure> {
        Ok(to.cast(Message::Add(number)).map_err(gone)?)
    }

    fn post(to: &Self::Counter, number: u64) -> Result<(), Failure> {
        Ok(to.cast(Message::Add(number)).map_err(gone)?)
    }

    async fn call(to: &Self::Counter, number: u64) -> Result<u64, Failure> {
        match to.call(|reply| Message::Ask(number, reply), None).await.map_err(gone)? {
            CallResult::Success(answer) => Ok(answer),
            CallResult::Timeout | CallResult::SenderError => Err("no answer".into()),
        }
    }

    async fn hop(_world: &(), link: Link<Self::Hop>) -> Result<Self::Hop, Failure> {
        let (hop, _task) = Actor::spawn(None, Hop, link).await?;
        Ok(hop)
    }

    async fn pass(to: &Self::Hop, token: u64) -> Result<(), Failure> {
        Ok(to.cast(Token(token)).map_err(gone)?)
    }
}

impl Stops for Ractor {
    async fn stop(counter: &Self::Counter) -> Result<(), Failure> {
        counter.stop(None);
        Ok(())
    }
}

fn gone<E>(_error: E) -> &'static str {
    "the ractor actor is gone"
}
