//! Actors under a common name, told and called together; and messages for whoever subscribes.
//! Prints the answers of a group before and after a member ended, then what subscribers of a topic heard.

use std::time::Duration;

use proscenium::prelude::*;
use proscenium::{Heard, Lag};

struct Worker {
    speed: u32,
    done: u32,
}

#[actor]
impl Worker {
    #[cast]
    fn work(&mut self, hours: u32) {
        self.done += self.speed * hours;
    }

    #[call]
    fn done(&self) -> u32 {
        self.done
    }
}

struct Log {
    lines: Vec<String>,
}

#[actor]
impl Log {
    #[cast]
    fn line(&mut self, line: String) {
        self.lines.push(line);
    }

    #[call]
    fn lines(&self) -> Vec<String> {
        self.lines.clone()
    }
}

#[proscenium::main]
async fn main() -> proscenium::Result<()> {
    let node = Node::start("groups").await?;

    let crew = node.group::<Worker>("crew");
    let mut workers = Vec::new();
    for speed in 1..=3 {
        let worker = node.spawn_light(Worker { speed, done: 0 }).await?;
        crew.join(&worker);
        workers.push(worker);
    }
    for worker in crew.members() {
        worker.tell(WorkerMsg::work(8)).await?;
    }
    for round in ["first", "second"] {
        let answers = crew.multi_call(|reply| WorkerMsg::Done { reply }, Duration::from_secs(1)).await;
        let done: Vec<u32> = answers.into_iter().filter_map(|(_, answer)| answer.ok()).collect();
        println!("{round} round: {done:?}");
        workers[0].stop().await.ok(); // A member leaves the group at its end.
    }

    let prices = node.topic::<u32>("prices");
    let log = node.spawn(Log { lines: Vec::new() }).await?;
    prices.subscribe(log.recipient(|price| LogMsg::line(format!("price {price}"))), Lag::Skip);
    let mut listener = prices.listen(); // For code that is no actor.
    for price in [10, 11] {
        println!("published {price} to {} actor", prices.publish(price).await.delivered);
    }
    println!("log: {:?}", log.lines().await?);
    while let Some(Heard::Message(price)) = listener.next().await {
        println!("listener: {price}");
        if price == 11 {
            break;
        }
    }
    node.stop().await
}
