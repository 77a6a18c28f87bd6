//! Carries the faults out, each when as many records are through as its plan says, and times how long it takes until
//! records pass the part again.

use std::process::Command;
use std::time::{Duration, Instant};

use proscenium::pipeline::PipelineRef;
use proscenium::plugin::Swap;

use crate::build::Plugins;
use crate::plan::{Fault, Planned};
use crate::screen::Screen;
use crate::watch;

/// What has happened, and how long records did not pass; or that they did not pass again.
pub type Recovery = Result<(String, Duration), String>;

pub async fn run(pipeline: PipelineRef, plan: Vec<Planned>, plugins: Plugins, screen: Screen) -> Vec<Recovery> {
    let mut recoveries = Vec::new();
    for Planned { at, fault, part } in plan {
        watch::until(&pipeline, || watch::through(&pipeline.status()) >= at).await.ok();
        let through = watch::through(&pipeline.status());
        let recovery = carry_out(&pipeline, fault, part, &plugins).await;
        screen.tell(through, &recovery);
        recoveries.push(recovery);
    }
    recoveries
}

async fn carry_out(pipeline: &PipelineRef, fault: Fault, part: &str, plugins: &Plugins) -> Recovery {
    let begun = Instant::now();
    let what = match fault {
        Fault::Segv => signal(pipeline, part, "SEGV").await?,
        Fault::Freeze => signal(pipeline, part, "STOP").await?,
        Fault::Kill => signal(pipeline, part, "KILL").await?,
        Fault::Actor => {
            let restarts = watch::counts(pipeline, part).restarts;
            pipeline.actors(part).first().ok_or(format!("`{part}` has no actor"))?.kill();
            watch::until(pipeline, || watch::counts(pipeline, part).restarts > restarts).await?;
            format!("the actor of {part} is killed")
        }
        Fault::Swap => {
            let reports = pipeline.swap(part, Swap::to(&plugins.newer)).await.map_err(|why| why.to_string())?;
            let report = reports.first().ok_or("nothing was swapped")?;
            let (old, new) = (&report.old.version, &report.new.version);
            return Ok((format!("{part} is swapped: {new} serves in place of {old}"), report.held));
        }
        Fault::BrokenSwap => {
            let Err(why) = pipeline.swap(part, Swap::to(&plugins.broken)).await else {
                return Err(format!("a broken library has become {part}"));
            };
            format!("{part} is to become a library that crashes, and is refused: {}", first_words(&why.to_string()))
        }
        Fault::Checkpoint => {
            let number = pipeline.checkpoint().await.map_err(|why| why.to_string())?;
            format!("checkpoint {number} is made")
        }
        Fault::Scale => {
            let report = pipeline.scale(part, 2.try_into().map_err(|_| "two is not none")?).await;
            report.map_err(|why| why.to_string())?.changes.join("; ")
        }
        Fault::Pause => {
            pipeline.pause().await.map_err(|why| why.to_string())?;
            watch::until(pipeline, || pipeline.status().parts.iter().all(|part| part.under_way == 0)).await?;
            pipeline.resume().await.map_err(|why| why.to_string())?;
            "paused until nothing is under way, and resumed".to_owned()
        }
    };
    let before = watch::counts(pipeline, part).passed;
    watch::until(pipeline, || watch::counts(pipeline, part).passed > before).await?;
    Ok((what, begun.elapsed()))
}

/// Signals the plugin's process, and waits until another serves.
async fn signal(pipeline: &PipelineRef, part: &str, signal: &str) -> Result<String, String> {
    let plugins = pipeline.plugins(part);
    let plugin = plugins.first().ok_or(format!("`{part}` is no plugin"))?;
    let pid = loop {
        if let Some(pid) = plugin.status().await.map_err(|why| why.to_string())?.pid {
            break pid;
        }
    };
    let sent = Command::new("sh").arg("-c").arg(format!("kill -{signal} {pid}")).status();
    sent.ok().filter(|status| status.success()).ok_or(format!("the signal {signal} could not be sent to {part}"))?;
    let end = loop {
        match plugin.status().await {
            Ok(status) if status.pid.is_some_and(|now| now != pid) => break status.last_end,
            _ => tokio::time::sleep(watch::EVERY).await,
        }
    };
    let end = end.map_or("for no known reason".to_owned(), |end| end.class.to_string());
    Ok(format!("kill -{signal} for the process of {part}, which ends: {}", first_words(&end)))
}

fn first_words(text: &str) -> &str {
    text.char_indices().nth(150).map_or(text, |(at, _)| &text[..at])
}
