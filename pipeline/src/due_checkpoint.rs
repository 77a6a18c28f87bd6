//! The checkpoint that is due now and then. The conductor does not wait until nothing is under way, it is told: whoever wants
//! something of it meanwhile is heard, and comes first.

use std::time::{Duration, Instant};

use proscenium_runtime::Context;

use crate::conductor::{Conductor, ConductorMsg, ControlError, drained, left};
use crate::house::{House, SourceRoom, pause};

/// Sources are held for a checkpoint, since then.
#[derive(Clone, Copy)]
pub(crate) struct Awaited {
    number: u64,
    since: Instant,
}

impl Conductor {
    pub(crate) fn schedule(&self, cx: &mut Context<Self>) {
        cx.send_after(self.book.plan().settings.checkpoint_every, ConductorMsg::Tick);
    }

    /// Holds the sources, if there is anything new since the last checkpoint.
    pub(crate) async fn tick(&mut self, cx: &mut Context<Self>, house: &House) {
        let (is_paused, sent_then) = {
            let course = self.book.course();
            (course.is_paused, course.sent_then)
        };
        if is_paused || self.book.ended().is_some() || sent_then == Some(sent(house)) {
            return self.schedule(cx);
        }
        let since = Instant::now();
        for source in house.sources() {
            if let Err(why) = pause(&source).await {
                tracing::warn!(target: "proscenium::pipeline", why, "no checkpoint; the one before it holds");
                self.go_on(house);
                return self.schedule(cx);
            }
        }
        self.attempts += 1;
        let number = self.attempts;
        self.awaited = Some(Awaited { number, since });
        let limit = self.book.plan().settings.drain;
        cx.pipe(comes_to_its_end(house.sources(), limit), move |is_at_end| ConductorMsg::Held(number, is_at_end));
    }

    /// What was under way when the sources were held has come to its end, or it has stood still for too long.
    pub(crate) async fn held(&mut self, cx: &mut Context<Self>, house: &House, number: u64, is_at_end: bool) {
        let Some(awaited) = self.awaited.take_if(|awaited| awaited.number == number) else { return };
        if self.book.ended().is_none() {
            let limit = self.book.plan().settings.drain;
            let made = match is_at_end {
                true => self.checkpoint(house, awaited.since).await,
                false => Err(ControlError::NotDrained { limit, left: left(house) }),
            };
            if let Err(why) = made {
                tracing::warn!(target: "proscenium::pipeline", %why, "no checkpoint; the one before it holds");
            }
            self.go_on(house);
            self.looks_for_the_end(cx, house);
        }
        self.schedule(cx);
    }

    /// Somebody wants something else of the pipeline: the checkpoint is made the next time.
    pub(crate) fn puts_off(&mut self, cx: &mut Context<Self>, house: &House) {
        if self.awaited.take().is_some() {
            self.go_on(house);
            self.schedule(cx);
        }
    }
}

/// Chunks that the sources have sent so far: what was read while they are held is in no checkpoint yet.
pub(crate) fn sent(house: &House) -> u64 {
    house.sources().iter().map(|source| source.desk.stats.counts().chunks).sum()
}

/// However long it takes, as long as there is something that ends within the limit. False: it stands still.
async fn comes_to_its_end(sources: Vec<SourceRoom>, limit: Duration) -> bool {
    let under_way = || -> usize { sources.iter().map(|source| source.desk.ledger.outstanding()).sum() };
    loop {
        let before = under_way();
        match tokio::time::timeout(limit, drained(&sources)).await {
            Ok(()) => return true,
            Err(_) if under_way() < before => (),
            Err(_) => return false,
        }
    }
}
