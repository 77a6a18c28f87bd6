//! A bounded mailbox holds a fast sender; another one keeps only the latest.
//! Prints where the sender is held, that nothing is lost, and what an overflow policy gave up.

use proscenium::prelude::*;

struct Slow {
    lines: Vec<u32>,
}

#[actor(mailbox = 4)]
impl Slow {
    #[cast]
    fn line(&mut self, n: u32) {
        self.lines.push(n);
    }

    #[call]
    fn lines(&self) -> Vec<u32> {
        self.lines.clone()
    }
}

struct Gauge;

#[actor(mailbox = 2, overflow = drop_oldest)]
impl Gauge {
    #[cast]
    fn reading(&mut self, value: u32) {
        println!("gauge: {value}");
    }

    #[undelivered]
    fn given_up(msg: GaugeMsg, why: &Undelivered) {
        println!("gauge gave up {msg:?}: {why:?}");
    }
}

#[proscenium::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start("pressure").await?;

    // Suspended, an actor handles no messages: as slow as can be, and always to the same result.
    let slow = node.spawn(Slow { lines: Vec::new() }).await?;
    slow.sys().suspend()?;
    let mut sent = 0;
    let refused = loop {
        match slow.line(sent + 1).now() {
            Ok(()) => sent += 1,
            Err(refused) => break refused,
        }
    };
    println!("{sent} messages went in; the next: {refused}");

    // Awaited, the same tell waits for room instead.
    let sender = tokio::spawn({
        let slow = slow.clone();
        async move {
            for n in 5..=20 {
                slow.line(n).await?;
            }
            Ok::<_, TellError<_>>(())
        }
    });
    println!("queued while the sender waits: {}", slow.sys().status().queued);
    slow.sys().resume()?;
    sender.await??;
    println!("all there, in order: {}", slow.lines().await? == (1..=20).collect::<Vec<_>>());

    let gauge = node.spawn(Gauge).await?;
    gauge.sys().suspend()?;
    for value in 1..=4 {
        gauge.reading(value).await?; // Never waits: the oldest goes.
    }
    println!("dropped and counted: {}", gauge.sys().status().dropped);
    gauge.sys().resume()?;
    node.stop().await?;
    Ok(())
}
