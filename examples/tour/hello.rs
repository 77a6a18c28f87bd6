//! An actor is told and asked.

use proscenium::prelude::*;

use crate::Outcome;
use crate::screen::Screen;

struct Counter {
    n: u64,
}

#[actor]
impl Counter {
    #[cast]
    fn add(&mut self, by: u64) {
        self.n += by;
    }

    #[call]
    fn get(&self) -> u64 {
        self.n
    }
}

pub async fn show(node: &Node, screen: &mut Screen) -> Outcome {
    screen.section("An actor owns its state; others tell it and ask it");
    node.spawn(Counter { n: 0 }).named("counter").await?;
    let counter = Counter::whereis(node, "counter")?;
    screen.say("counter.add(2).await; counter.add(40).await; counter.get().await");
    counter.add(2).await?;
    counter.add(40).await?;
    let n = counter.get().await?;
    screen.proof(n == 42, format!("the counter says {n}"));

    let taken = node.spawn(Counter { n: 0 }).named("counter").await;
    screen.proof(taken.is_err(), "a second actor named \"counter\" is refused, and the error says who has the name");
    Ok(())
}
