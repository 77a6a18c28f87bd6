//! A tour of actors that says what it does and proves it: `make tour`. Prints a line for each proof, and
//! ends with an error if one of them fails.

mod chain;
mod crash;
mod hello;
mod inside;
mod order;
mod pressure;
mod screen;
mod turnstile;

use std::time::Instant;

use proscenium::prelude::*;
use screen::Screen;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// What the panics of this tour begin with, so that they can be told from those that nobody planned.
const PLANNED: &str = "planned by the tour";

#[proscenium::main]
async fn main() -> Outcome {
    keep_planned_panics_quiet();
    let started = Instant::now();
    let node = Node::start("tour").await?;
    let mut screen = Screen::new();

    hello::show(&node, &mut screen).await?;
    order::show(&node, &mut screen).await?;
    pressure::show(&node, &mut screen).await?;
    crash::show(&node, &mut screen).await?;
    turnstile::show(&mut screen).await?;
    chain::show(&node, &mut screen).await?;
    inside::show(&node, &mut screen).await?;

    node.stop().await?;
    screen.end(started.elapsed())
}

/// A panic costs its actor alone, but the default hook prints a backtrace of each. Set before the node starts.
fn keep_planned_panics_quiet() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let planned = panic.payload_as_str().is_some_and(|message| message.starts_with(PLANNED));
        if !planned {
            usual(panic);
        }
    }));
}
