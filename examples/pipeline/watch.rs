//! Looks at the pipeline's counters every millisecond. They drive the story and the screen; the proof has no use for them.

use std::time::{Duration, Instant};

use proscenium::pipeline::{Counts, PipelineRef, PipelineStatus};

use crate::screen::Screen;
use crate::shape::{SINKS, STUMBLED};
use crate::story::Recovery;

pub const EVERY: Duration = Duration::from_millis(1);
const LIMIT: Duration = Duration::from_secs(30);

/// Records that have come to their ends.
pub fn through(status: &PipelineStatus) -> u64 {
    let is_end = |name: &str| SINKS.contains(&name) || name == "dead_letters";
    status.parts.iter().filter(|part| is_end(&part.name)).map(|part| part.counts.passed).sum()
}

pub fn counts(pipeline: &PipelineRef, part: &str) -> Counts {
    let status = pipeline.status();
    status.parts.iter().find(|known| known.name == part).map(|known| known.counts).unwrap_or_default()
}

/// Waits until it is so, not beyond the pipeline's end, and not while no record has come to its end for half a minute.
pub async fn until(pipeline: &PipelineRef, mut is_so: impl FnMut() -> bool) -> Result<(), String> {
    let mut moved = (through(&pipeline.status()), Instant::now());
    let mut looks = tokio::time::interval(EVERY);
    while !is_so() {
        let status = pipeline.status();
        if let Some(end) = &status.ended {
            return Err(format!("the pipeline has ended: {end}"));
        }
        let through = through(&status);
        if through > moved.0 {
            moved = (through, Instant::now());
        }
        if moved.1.elapsed() > LIMIT {
            return Err(format!("no record has passed for {LIMIT:?}"));
        }
        looks.tick().await;
    }
    Ok(())
}

/// Tells of the records that crash what handles them, which come when they come: for how long none passed.
pub async fn incidents(pipeline: PipelineRef, part: &'static str, what: &'static str, screen: Screen) -> Vec<Recovery> {
    let mut told = Vec::new();
    let (mut before, mut last_passed) = (counts(&pipeline, part), Instant::now());
    let mut looks = tokio::time::interval(EVERY);
    let mut crashed = 0;
    loop {
        let has_ended = pipeline.status().ended.is_some();
        let now = counts(&pipeline, part);
        crashed += now.dead_letters - before.dead_letters;
        if now.passed > before.passed {
            for _ in 0..std::mem::take(&mut crashed) {
                let recovery = Ok((format!("{what}: it becomes a dead letter"), last_passed.elapsed()));
                screen.tell(&pipeline, &recovery);
                told.push(recovery);
            }
            last_passed = Instant::now();
        }
        if has_ended {
            break;
        }
        before = now;
        looks.tick().await;
    }
    told
}

/// Tells of the one panic after which the same order goes well.
pub async fn stumble(pipeline: PipelineRef, screen: Screen) -> Vec<Recovery> {
    let passes_again = async {
        until(&pipeline, || STUMBLED.get().is_some()).await?;
        let (before, since) =
            (counts(&pipeline, "tag").passed, STUMBLED.get().map(Instant::elapsed).unwrap_or_default());
        let seen = Instant::now();
        until(&pipeline, || counts(&pipeline, "tag").passed > before).await?;
        Ok(("tag panics on an order, once: it is tried again".to_owned(), since + seen.elapsed()))
    };
    let recovery = passes_again.await;
    screen.tell(&pipeline, &recovery);
    vec![recovery]
}
