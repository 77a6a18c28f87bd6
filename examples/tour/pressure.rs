//! A mailbox has a bound, and a sender that is faster than the actor is held at it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proscenium::prelude::*;

use crate::Outcome;
use crate::screen::Screen;

const BOUND: usize = 64;
const ALL: u64 = 20_000;

/// Looks at its own mailbox with each message.
struct Tank {
    drops: u64,
    fullest: usize,
}

#[actor(mailbox = 64)]
impl Tank {
    #[cast]
    fn drop_of_water(&mut self, cx: &mut Context<Self>) {
        self.drops += 1;
        self.fullest = self.fullest.max(cx.me().sys().status().queued);
    }

    #[call]
    fn level(&self) -> (u64, usize) {
        (self.drops, self.fullest)
    }
}

pub async fn show(node: &Node, screen: &mut Screen) -> Outcome {
    screen.section("Back-pressure: memory stays bounded, and nothing is dropped for it");
    let tank = node.spawn(Tank { drops: 0, fullest: 0 }).await?;
    tank.sys().suspend()?; // As slow as an actor can be.
    screen.say(format!("the actor's mailbox holds {BOUND}; it stands still while a task sends {ALL} messages"));

    let sent = Arc::new(AtomicU64::new(0));
    let sender = tokio::spawn({
        let (tank, sent) = (tank.clone(), sent.clone());
        async move {
            for _ in 0..ALL {
                tank.drop_of_water().await?;
                sent.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, TellError<_>>(())
        }
    });
    while sent.load(Ordering::Relaxed) < BOUND as u64 {
        tokio::task::yield_now().await;
    }
    let refused = tank.drop_of_water().now();
    screen.proof(matches!(refused, Err(TellError::Full(_))), "a try gets its message back: the mailbox is full");
    let held = sent.load(Ordering::Relaxed);
    screen.proof(held == BOUND as u64, format!("the sender is held at exactly {held}"));

    tank.sys().resume()?;
    sender.await??;
    let (drops, fullest) = tank.level().await?;
    screen.proof(drops == ALL, format!("the actor goes on: {drops} of {ALL} arrived"));
    screen.proof(fullest <= BOUND, format!("its mailbox never held more than {BOUND}"));
    Ok(())
}
