//! The smallest useful tree: a supervisor, and a counter that is told and asked. Prints `2`.

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
    Supervisor::one_for_one()
        .intensity(3, Duration::from_secs(5))
        .child(ChildSpec::new("counter", || Counter { n: 0 }).named("counter"))
        .start(&node)
        .await?;

    let counter = Counter::whereis(&node, "counter")?;
    counter.add(2).await?;
    println!("{}", counter.get().await?);
    node.stop().await
}
