//! A turnstile as a state machine of time-outs: a coin unlocks it, and if nobody comes through it locks again.
//! The clock is paused, so a minute passes in a moment. Prints each change with the time at which it happened.

use std::time::Duration;

use proscenium::TimerId;
use proscenium::prelude::*;

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Default)]
enum Turnstile {
    #[default]
    Locked,
    Unlocked {
        relock: TimerId,
    },
}

#[actor]
impl Turnstile {
    #[cast]
    fn coin(&mut self, cx: &mut Context<Self>) {
        if let Turnstile::Unlocked { relock } = *self {
            cx.cancel(relock); // One more coin: the wait begins anew.
        }
        let relock = cx.send_after(PATIENCE, TurnstileMsg::nobody_came());
        say(cx, "a coin: unlocked");
        *self = Turnstile::Unlocked { relock };
    }

    #[call]
    fn push(&mut self, cx: &mut Context<Self>) -> bool {
        let Turnstile::Unlocked { relock } = std::mem::take(self) else {
            say(cx, "a push: locked, no way through");
            return false;
        };
        cx.cancel(relock);
        say(cx, "a push: somebody is through, locked");
        true
    }

    #[info]
    fn nobody_came(&mut self, cx: &mut Context<Self>) {
        say(cx, "nobody came: locked");
        *self = Turnstile::Locked;
    }
}

fn say(cx: &Context<Turnstile>, what: &str) {
    println!("{:>2} s  {what}", cx.now().as_secs());
}

/// tokio's own attribute, because its clock can be paused. Timers, calls and `now` all follow that clock.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> proscenium::Result<()> {
    let node = Node::start("gate").await?;
    let gate = node.spawn(Turnstile::Locked).await?;

    gate.push().await?;
    gate.coin().await?;
    gate.push().await?;
    gate.coin().await?;
    tokio::time::sleep(Duration::from_secs(30)).await;
    gate.coin().await?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    gate.coin().await?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    gate.push().await?;
    node.stop().await
}
