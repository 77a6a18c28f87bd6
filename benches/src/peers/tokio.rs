//! Bare tokio: a task that reads a channel, which is what people write who use no actor library.

use tokio::sync::mpsc::{self, Sender, UnboundedSender};
use tokio::sync::oneshot;

use crate::Failure;
use crate::peer::{Peer, Subject};
use crate::tally::{Link, Tally};

const BOUND: usize = 1024;

pub enum Message {
    Add(u64),
    Ask(u64, oneshot::Sender<u64>),
}

impl Message {
    fn handle(self, tally: &mut Tally) {
        match self {
            Self::Add(number) => tally.add(number),
            // A caller that went away needs no answer.
            Self::Ask(number, reply) => drop(reply.send(tally.answer(number))),
        }
    }
}

/// Over an unbounded channel.
pub struct Tokio;

impl Subject for Tokio {
    const NAME: &'static str = "tokio";
    const VERSION: &'static str = env!("BENCH_TOKIO");
    type World = ();

    async fn world() -> Result<(), Failure> {
        Ok(())
    }
}

impl Peer for Tokio {
    type Counter = UnboundedSender<Message>;
    type Hop = UnboundedSender<u64>;

    async fn counter(_world: &(), mut tally: Tally) -> Result<Self::Counter, Failure> {
        let (sender, mut mailbox) = mpsc::unbounded_channel::<Message>();
        tokio::spawn(async move {
            while let Some(message) = mailbox.recv().await {
                message.handle(&mut tally);
            }
        });
        Ok(sender)
    }

    async fn tell(to: &Self::Counter, number: u64) -> Result<(), Failure> {
        Ok(to.send(Message::Add(number)).map_err(gone)?)
    }

    fn post(to: &Self::Counter, number: u64) -> Result<(), Failure> {
        Ok(to.send(Message::Add(number)).map_err(gone)?)
    }

    async fn call(to: &Self::Counter, number: u64) -> Result<u64, Failure> {
        let (reply, answer) = oneshot::channel();
        to.send(Message::Ask(number, reply)).map_err(gone)?;
        Ok(answer.await?)
    }

    async fn hop(_world: &(), link: Link<Self::Hop>) -> Result<Self::Hop, Failure> {
        let (sender, mut mailbox) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(token) = mailbox.recv().await {
                if let Some((next, token)) = link.pass(token) {
                    let _ = next.send(token);
                }
            }
        });
        Ok(sender)
    }

    async fn pass(to: &Self::Hop, token: u64) -> Result<(), Failure> {
        Ok(to.send(token)?)
    }
}

/// Over a channel of 1,024.
pub struct TokioBounded;

impl Subject for TokioBounded {
    const NAME: &'static str = "tokio";
    const VERSION: &'static str = env!("BENCH_TOKIO");
    type World = ();

    async fn world() -> Result<(), Failure> {
        Ok(())
    }
}

impl Peer for TokioBounded {
    type Counter = Sender<Message>;
    type Hop = Sender<u64>;

    async fn counter(_world: &(), mut tally: Tally) -> Result<Self::Counter, Failure> {
        let (sender, mut mailbox) = mpsc::channel::<Message>(BOUND);
        tokio::spawn(async move {
            while let Some(message) = mailbox.recv().await {
                message.handle(&mut tally);
            }
        });
        Ok(sender)
    }

    async fn tell(to: &Self::Counter, number: u64) -> Result<(), Failure> {
        Ok(to.send(Message::Add(number)).await.map_err(gone)?)
    }

    fn post(to: &Self::Counter, number: u64) -> Result<(), Failure> {
        Ok(to.try_send(Message::Add(number)).map_err(gone)?)
    }

    async fn call(to: &Self::Counter, number: u64) -> Result<u64, Failure> {
        let (reply, answer) = oneshot::channel();
        to.send(Message::Ask(number, reply)).await.map_err(gone)?;
        Ok(answer.await?)
    }

    async fn hop(_world: &(), link: Link<Self::Hop>) -> Result<Self::Hop, Failure> {
        let (sender, mut mailbox) = mpsc::channel(BOUND);
        tokio::spawn(async move {
            while let Some(token) = mailbox.recv().await {
                if let Some((next, token)) = link.pass(token) {
                    let _ = next.send(token).await;
                }
            }
        });
        Ok(sender)
    }

    async fn pass(to: &Self::Hop, token: u64) -> Result<(), Failure> {
        Ok(to.send(token).await?)
    }
}

fn gone<E>(_error: E) -> &'static str {
    "the receiving task is gone, or its channel is full"
}
