//! `ractor-default <flavour> <count>`: prints the bytes of memory that each idle ractor actor takes.
#![forbid(unsafe_code)]

#[allow(dead_code, reason = "the bench uses the rest of this file")]
#[path = "../../../src/procfs.rs"]
mod procfs;

use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};

/// What went wrong, in words.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Long enough for all actors to have started and gone to sleep.
const SETTLE: Duration = Duration::from_millis(200);

struct Quiet;

/// The size of the bench's own messages.
#[allow(dead_code, reason = "no actor here is ever told anything")]
enum Message {
    Add(u64),
    Ask(u64, ractor::RpcReplyPort<u64>),
}

impl Actor for Quiet {
    type Msg = Message;
    type State = [u64; 2];
    type Arguments = ();

    async fn pre_start(&self, _myself: ActorRef<Message>, (): ()) -> Result<Self::State, ActorProcessingErr> {
        Ok([0; 2])
    }
}

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [flavour, count] = words.as_slice() else {
        return Err("usage: ractor-default <flavour> <count>".into());
    };
    let mut builder = match flavour.as_str() {
        "multi_thread" => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = builder.worker_threads(2).enable_all().build()?;
    let count: usize = count.parse()?;
    let task = runtime.spawn(async move {
        let warm = quiet(count / 100).await?;
        let before = procfs::resident_bytes()?;
        let kept = quiet(count).await?;
        let grown = procfs::resident_bytes()?.saturating_sub(before);
        println!("{}", grown as f64 / count as f64);
        drop((warm, kept));
        Ok(())
    });
    runtime.block_on(task)?
}

async fn quiet(count: usize) -> Result<Vec<ActorRef<Message>>, Failure> {
    let mut kept = Vec::with_capacity(count);
    for _ in 0..count {
        let (actor, _task) = Actor::spawn(None, Quiet, ()).await?;
        kept.push(actor);
    }
    tokio::time::sleep(SETTLE).await;
    Ok(kept)
}
