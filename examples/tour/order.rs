//! Eight senders at once: nothing lost, nothing doubled, each one's messages in the order in which it sent them.

use proscenium::prelude::*;

use crate::Outcome;
use crate::screen::Screen;

const SENDERS: usize = 8;
const EACH: u64 = 50_000;

#[derive(Default)]
struct Ledger {
    /// The last number of each sender.
    last: [u64; SENDERS],
    entries: u64,
    out_of_order: u64,
}

#[actor]
impl Ledger {
    #[cast]
    fn entry(&mut self, sender: usize, number: u64) {
        self.entries += 1;
        self.out_of_order += u64::from(number != self.last[sender] + 1);
        self.last[sender] = number;
    }

    #[call]
    fn audit(&self) -> (u64, u64) {
        (self.entries, self.out_of_order)
    }
}

pub async fn show(node: &Node, screen: &mut Screen) -> Outcome {
    screen.section("Messages arrive once, and in order");
    screen.say(format!("{SENDERS} tasks send {EACH} numbered messages each to one actor"));
    let ledger = node.spawn(Ledger::default()).await?;
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                for number in 1..=EACH {
                    ledger.entry(sender, number).await?;
                }
                Ok::<_, TellError<_>>(())
            })
        })
        .collect();
    for sender in senders {
        sender.await??;
    }
    let (entries, out_of_order) = ledger.audit().await?;
    let sent = SENDERS as u64 * EACH;
    screen.proof(entries == sent, format!("{sent} sent, {entries} arrived"));
    screen.proof(out_of_order == 0, format!("{out_of_order} out of order"));
    Ok(())
}
