//! The smallest useful actor: a counter that is told and asked. Prints `2`.

use proscenium::prelude::*;

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
    fn get(&mut self) -> u64 {
        self.n
    }
}

#[proscenium::main]
async fn main() -> proscenium::Result<()> {
    let node = Node::start("demo").await?;
    node.spawn(Counter { n: 0 }).named("counter").await?;

    let counter = Counter::whereis(&node, "counter")?;
    counter.add(2).await?;
    println!("{}", counter.get().await?);
    node.stop().await
}
