//! A crash costs the message in hand; the queue, the name and every ref go to the next incarnation.
//! Prints what each incarnation handled, and what the one crash cost.

use std::sync::Arc;

use proscenium::prelude::*;
use proscenium::{ActorCell, Ended, Owner};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

struct Worker;

#[actor]
impl Worker {
    #[cast]
    fn job(&mut self, cx: &mut Context<Self>, n: u32) {
        assert!(n != 3, "job 3 is broken");
        println!("  incarnation {} did job {n}", cx.incarnation());
    }

    #[call]
    fn done(&self) {}
}

/// Who decides what follows on a crash. Here: a restart, by whoever reads the channel.
struct Restarter(UnboundedSender<Ended>);

impl Owner for Restarter {
    fn restarts(&self, _tag: u64, exit: &Exit) -> bool {
        !exit.is_orderly()
    }

    fn exited(&self, ended: Ended) {
        let _ = self.0.send(ended); // Nobody reads any more: then nobody restarts.
    }
}

#[proscenium::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start("crash").await?;
    let (sender, mut ended) = unbounded_channel();
    let cell = ActorCell::<Worker>::ordinary(&node, Worker::MAILBOX, Arc::new(Restarter(sender)))?;
    cell.name("worker")?;

    // The ref is good before anything runs: messages wait for the first incarnation.
    let worker = Worker::whereis(&node, "worker")?;
    for n in 1..=5 {
        worker.job(n).await?;
    }
    println!("{} jobs queued, nobody runs", worker.sys().status().queued);

    cell.start(Worker).await.map_err(proscenium::Error::Exit)?;
    let crash = ended.recv().await.ok_or("the owner lives")?;
    let message = match crash.exit {
        Exit::Panic(panic) => panic.message.clone(),
        other => other.to_string().into(),
    };
    println!("crashed: {message}; {} jobs wait", worker.sys().status().queued);

    cell.start(Worker).await.map_err(proscenium::Error::Exit)?;
    worker.done().await?; // The same ref as before the crash.
    println!("4 of 5 done; the one in hand at the crash is gone, and no other");

    cell.close(&Exit::Shutdown);
    node.stop().await?;
    Ok(())
}
