//! Actors that need no type of their own: a closure over its messages, and a piece of work that is awaited.
//! Prints a sum, what a failing closure ended with, and the results of two tasks.

use proscenium::prelude::*;

enum Sum {
    Add(u64),
    Get(Reply<u64>),
}

#[proscenium::main]
async fn main() -> proscenium::Result<()> {
    let node = Node::start("closures").await?;

    // The state is what the closure captures. An actor is cheap enough for this: about a kilobyte each.
    let mut total = 0;
    let sum = node
        .spawn_light(actor_fn(move |msg: Sum| match msg {
            Sum::Add(n) => total += n,
            Sum::Get(reply) => reply.send(total),
        }))
        .await?;
    for n in 1..=10 {
        sum.tell(Sum::Add(n)).await?;
    }
    println!("1 + 2 + … + 10 = {}", sum.call(Sum::Get).await?);

    // A closure that returns a `Result` ends the actor with its error.
    let parser = node
        .spawn_light(actor_fn(|text: String| -> Result<(), Exit> {
            println!("parsed {}", text.parse::<u32>()?);
            Ok(())
        }))
        .await?;
    parser.tell("42".into()).await?;
    parser.tell("forty-two".into()).await?;
    println!("the parser ended: {}", parser.gone().await);

    // A task is an actor, too: it has an id, it can be linked and monitored, and a panic in it is an exit reason.
    let good = Task::spawn(&node, async { 6 * 7 }).await?;
    println!("a task gave {:?}", good.await);
    let bad = Task::spawn(&node, async {
        if total_of(&[]) == 0 {
            panic!("nothing to add")
        }
    })
    .await?;
    match bad.await {
        Err(Exit::Panic(panic)) => println!("a task panicked: {}", panic.message),
        other => println!("unexpected: {other:?}"),
    }
    node.stop().await
}

fn total_of(numbers: &[u32]) -> u32 {
    numbers.iter().sum()
}
