//! Goal: the default features are enough for an actor. Method: both counters, by their names and by their refs.
use light::{Counter, Tally, TallyMsg};
use proscenium::prelude::*;

#[tokio::test]
async fn a_counter_by_the_macro_counts() {
    let node = Node::start("light").await.unwrap();
    let spawned = node.spawn(Counter { n: 0 }).named("counter").await.unwrap();
    let found = Counter::whereis(&node, "counter").unwrap();
    spawned.add(2).await.unwrap();
    found.add(3).await.unwrap();
    assert_eq!(spawned.get().await.unwrap(), 5);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_counter_by_the_plain_trait_counts() {
    let node = Node::start("light").await.unwrap();
    let tally = node.spawn(Tally { n: 1 }).await.unwrap();
    tally.tell(TallyMsg::Add(4)).await.unwrap();
    assert_eq!(tally.call(TallyMsg::Get).await.unwrap(), 5);
    node.stop().await.unwrap();
}
