//! `ractor-supervisor <flavour> <count>`: prints median and 99th percentile of its one_for_all restart, in nanoseconds.
#![forbid(unsafe_code)]

#[path = "../../../src/family.rs"]
mod family;
#[allow(dead_code, reason = "the bench uses the rest of this file")]
#[path = "../../../src/stats.rs"]
mod stats;
#[allow(dead_code, reason = "the bench uses the rest of this file")]
#[path = "../../../src/tally.rs"]
mod tally;

use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use ractor_supervisor::{
    ChildSpec, Restart, SpawnFn, Supervisor, SupervisorArguments, SupervisorOptions, SupervisorStrategy,
};

use family::{Sibling, Voice};

/// What went wrong, in words.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The bench's own limit of a sample.
const LIMIT: Duration = Duration::from_secs(60);

/// More than any sample asks for.
const RESTARTS: usize = 1_000_000;

struct Member;

enum Message {
    Crash,
    Ping,
}

impl Actor for Member {
    type Msg = Message;
    type State = Voice<ActorRef<Message>>;
    type Arguments = Self::State;

    async fn pre_start(
        &self,
        myself: ActorRef<Message>,
        voice: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        voice.born(myself);
        Ok(voice)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Message>,
        message: Message,
        voice: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Crash => voice.crash(),
            Message::Ping => voice.ping(),
        }
        Ok(())
    }
}

impl Sibling for ActorRef<Message> {
    async fn crash(&self) -> Result<(), Failure> {
        Ok(self.cast(Message::Crash).map_err(|_| "the child is gone")?)
    }

    async fn ping(&self) -> Result<(), Failure> {
        Ok(self.cast(Message::Ping).map_err(|_| "the child is gone")?)
    }
}

fn main() -> Result<(), Failure> {
    tally::hush_seeded_panics();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [flavour, count] = words.as_slice() else {
        return Err("usage: ractor-supervisor <flavour> <count>".into());
    };
    let mut builder = match flavour.as_str() {
        "multi_thread" => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = builder.worker_threads(2).enable_all().build()?;
    let count: usize = count.parse()?;
    let latencies = runtime.block_on(async {
        let task = tokio::spawn(restarts(count));
        tokio::time::timeout(LIMIT, task).await
    });
    let numbers: Vec<String> = stats::p50_p99(latencies???).iter().map(f64::to_string).collect();
    println!("{}", numbers.join(" "));
    Ok(())
}

async fn restarts(crashes: usize) -> Result<Vec<f64>, Failure> {
    let (voices, ear) = family::voices();
    let options = SupervisorOptions {
        strategy: SupervisorStrategy::OneForAll,
        max_restarts: RESTARTS,
        max_window: Duration::from_secs(1),
        reset_after: None,
    };
    let child_specs = voices.into_iter().map(child_spec).collect();
    let (supervisor, _task) = Supervisor::spawn("family".into(), SupervisorArguments { child_specs, options }).await?;
    let latencies = ear.restarts(crashes).await;
    supervisor.stop(None);
    latencies
}

fn child_spec(voice: Voice<ActorRef<Message>>) -> ChildSpec {
    let id = voice.place().to_string();
    let start = move |supervisor: ActorCell, id: String| {
        let voice = voice.clone();
        async move {
            let (child, _task) = Supervisor::spawn_linked(id, Member, voice, supervisor).await?;
            Ok(child.get_cell())
        }
    };
    ChildSpec { id, restart: Restart::Permanent, spawn_fn: SpawnFn::new(start), backoff_fn: None, reset_after: None }
}
