//! A crash costs the message in hand. The queue waits for the next incarnation, behind the same ref and the same name.

use proscenium::prelude::*;
use proscenium::{ActorCell, Ended, Error, Owner};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::screen::Screen;
use crate::{Outcome, PLANNED};

const JOBS: u64 = 10_000;
const BAD_ONE_IN: u64 = 500;

struct Worker {
    /// Counted outside, because the state dies with each incarnation.
    done: Arc<AtomicU64>,
}

#[actor(mailbox = unbounded)]
impl Worker {
    #[cast]
    fn job(&mut self, n: u64) {
        assert!(!n.is_multiple_of(BAD_ONE_IN), "{PLANNED}: job {n}");
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    #[call]
    fn finished(&self) {}
}

struct Restarter(UnboundedSender<Ended>);

impl Owner for Restarter {
    fn restarts(&self, _: u64, _: &Exit) -> bool {
        true
    }

    fn exited(&self, ended: Ended) {
        let _ = self.0.send(ended); // The tour is over: nobody restarts any more.
    }
}

/// Starts the next incarnation whenever one has ended. Gives the number of restarts when there is nothing more to do.
async fn restart_on_crash(
    cell: &ActorCell<Worker>,
    ended: &mut UnboundedReceiver<Ended>,
    done: &Arc<AtomicU64>,
) -> Result<u64, Error> {
    let worker = cell.reference();
    let mut finished = std::pin::pin!(worker.finished());
    let mut restarts = 0;
    loop {
        cell.start(Worker { done: done.clone() }).await?;
        tokio::select! {
            Some(_) = ended.recv() => restarts += 1,
            answer = finished.as_mut() => return answer.map(|()| restarts).map_err(Error::from),
        }
    }
}

pub async fn show(node: &Node, screen: &mut Screen) -> Outcome {
    screen.section("A crash keeps the mailbox");
    let (sender, mut ended) = unbounded_channel();
    let cell = ActorCell::<Worker>::ordinary(node, Worker::MAILBOX, Arc::new(Restarter(sender)))?;
    cell.name("worker")?;
    let worker = Worker::whereis(node, "worker")?;
    for n in 1..=JOBS {
        worker.job(n).await?;
    }
    screen.say(format!("{JOBS} jobs are queued; one in {BAD_ONE_IN} panics, and its worker is restarted"));

    let done = Arc::new(AtomicU64::new(0));
    let restarts = restart_on_crash(&cell, &mut ended, &done).await?;
    let done = done.load(Ordering::Relaxed);
    screen.proof(restarts == JOBS / BAD_ONE_IN, format!("{restarts} crashes, {restarts} restarts"));
    screen.proof(done + restarts == JOBS, format!("{JOBS} sent = {done} handled + {restarts} in hand at a crash"));
    let same = Worker::whereis(node, "worker")?.id() == worker.id();
    screen.proof(same && worker.is_running(), "the name and the ref from before are still good");
    cell.close(&Exit::Shutdown);
    Ok(())
}
