//! How actors hear of each other's ends: a monitor tells, a link pulls down, and a link under `trap_exit` tells.
//! Prints a result before the news of its sender's end, and then two actors that are linked with a third.

use proscenium::prelude::*;

struct Worker;

#[actor]
impl Worker {
    /// Sends a result, then crashes.
    #[cast]
    async fn work(&mut self, to: BossRef) -> Result<(), Exit> {
        to.result(42).await?;
        Err(Exit::custom("out of paper"))
    }
}

struct Boss;

#[actor]
impl Boss {
    #[cast]
    async fn hire(&mut self, cx: &mut Context<Self>, worker: WorkerRef) -> Result<(), Exit> {
        cx.monitor(&worker);
        worker.work(cx.me()).await?;
        Ok(())
    }

    #[cast]
    fn result(&mut self, n: u32) {
        println!("boss: the result is {n}");
    }

    /// Comes after everything that the worker had sent, by promise.
    #[info]
    fn down(&mut self, cx: &mut Context<Self>, down: Down) {
        println!("boss: the worker ended ({})", down.exit);
        cx.stop(Exit::Normal);
    }
}

/// Linked with another actor, and either trapping its exit or not.
struct Friend {
    traps: bool,
}

#[actor]
impl Friend {
    #[call]
    fn befriend(&mut self, cx: &mut Context<Self>, other: WorkerRef) {
        cx.trap_exit(self.traps);
        cx.link(&other);
    }

    #[info]
    fn gone(&mut self, cx: &mut Context<Self>, exited: Exited) {
        println!("trapping friend: the other ended ({})", exited.exit);
        cx.stop(Exit::Normal);
    }
}

#[proscenium::main]
async fn main() -> proscenium::Result<()> {
    let node = Node::start("office").await?;

    let boss = node.spawn(Boss).await?;
    boss.hire(node.spawn(Worker).await?).await?;
    boss.gone().await;

    let worker = node.spawn(Worker).await?;
    let (hard, soft) = (node.spawn(Friend { traps: true }).await?, node.spawn(Friend { traps: false }).await?);
    hard.befriend(worker.clone()).await?;
    soft.befriend(worker.clone()).await?;
    worker.exit(Exit::custom("fire drill"));
    println!("trapping friend ended as it chose: {}", hard.gone().await);
    println!("other friend was pulled down: {}", soft.gone().await);
    node.stop().await
}
