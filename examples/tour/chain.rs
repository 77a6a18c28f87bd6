//! Two actors that would wait for each other are told so, at once.

use std::time::{Duration, Instant};

use proscenium::prelude::*;

use crate::Outcome;
use crate::screen::Screen;

#[derive(Default)]
struct Office {
    other: Option<OfficeRef>,
}

#[actor]
impl Office {
    #[call]
    fn meet(&mut self, other: OfficeRef) {
        self.other = Some(other);
    }

    /// Asks the other one first, which asks this one first.
    #[call]
    async fn permit(&mut self) -> Result<(), CallError> {
        match &self.other {
            Some(other) => other.permit().await?,
            None => Ok(()),
        }
    }
}

pub async fn show(node: &Node, screen: &mut Screen) -> Outcome {
    screen.section("A ring of calls is refused, not waited for");
    let (a, b) = (node.spawn(Office::default()).await?, node.spawn(Office::default()).await?);
    a.meet(b.clone()).await?;
    b.meet(a.clone()).await?;
    screen.say("office A asks office B, which asks office A");
    let asked = Instant::now();
    let refused = a.permit().await?;
    screen.proof(asked.elapsed() < Duration::from_secs(4), "an answer at once, and not after the 5 s of a time-out");
    let ring = match refused {
        Err(CallError::Chain { path }) => path,
        _ => Vec::new(),
    };
    screen.proof(ring == [b.id(), a.id(), b.id()], "it names the ring: B waits for A, who waits for B");
    Ok(())
}
