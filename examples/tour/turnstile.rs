//! A state machine of time-outs: a coin unlocks, a push or ten seconds lock again.

use std::time::{Duration, Instant};

use proscenium::TimerId;
use proscenium::prelude::*;

use crate::Outcome;
use crate::screen::Screen;

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Default)]
enum Turnstile {
    #[default]
    Locked,
    Unlocked(TimerId),
}

#[actor]
impl Turnstile {
    #[call]
    fn coin(&mut self, cx: &mut Context<Self>) {
        if let Turnstile::Unlocked(relock) = *self {
            cx.cancel(relock);
        }
        *self = Turnstile::Unlocked(cx.send_after(PATIENCE, TurnstileMsg::nobody_came()));
    }

    /// Whether somebody gets through.
    #[call]
    fn push(&mut self, cx: &mut Context<Self>) -> bool {
        match std::mem::take(self) {
            Turnstile::Locked => false,
            Turnstile::Unlocked(relock) => cx.cancel(relock),
        }
    }

    #[info]
    fn nobody_came(&mut self) {
        *self = Turnstile::Locked;
    }
}

/// On a runtime of its own, whose clock is paused: it jumps to the next time-out instead of waiting for it.
pub async fn show(screen: &mut Screen) -> Outcome {
    screen.section("A state machine of time-outs, on a clock that can be paused");
    screen.say("a turnstile: a coin unlocks it, a push or 10 s without one lock it again");
    let real = Instant::now();
    let walked = tokio::task::spawn_blocking(|| {
        let paused = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
        paused.block_on(walk())
    });
    let (pushes, seconds) = walked.await??;
    let expected = [("no coin", false), ("a coin", true), ("a coin used twice", false)];
    let late = [("a coin 11 s ago", false), ("a coin 9 s ago", true), ("two coins, 6 s apart, 6 s ago", true)];
    for ((what, want), got) in expected.into_iter().chain(late).zip(pushes) {
        screen.proof(got == want, format!("{what}: {}", if got { "through" } else { "locked" }));
    }
    let quick = real.elapsed() < Duration::from_secs(seconds);
    screen.proof(quick && seconds == 32, format!("{seconds} s went by for the actor, and next to none for you"));
    Ok(())
}

async fn walk() -> proscenium::Result<([bool; 6], u64)> {
    let node = Node::start("gate").await?;
    let gate = node.spawn(Turnstile::Locked).await?;
    let without = gate.push().await?;
    gate.coin().await?;
    let (with, again) = (gate.push().await?, gate.push().await?);
    let mut late = Vec::new();
    for waits in [&[11][..], &[9], &[6, 6]] {
        for wait in waits {
            gate.coin().await?;
            tokio::time::sleep(Duration::from_secs(*wait)).await;
        }
        late.push(gate.push().await?);
    }
    let seconds = node.now().as_secs();
    node.stop().await?;
    Ok(([without, with, again, late[0], late[1], late[2]], seconds))
}
