//! Carries the faults out, each when as many records are through as its plan says, and times how long it takes until
//! records pass the part again.

use std::num::NonZeroUsize;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use proscenium::pipeline::PipelineRef;
use proscenium::plugin::Swap;

use crate::build::Plugins;
use crate::plan::{Fault, Planned};
use crate::screen::Screen;
use crate::watch;

/// What has happened, and how long records did not pass; or that they did not pass again.
pub type Recovery = Result<(String, Duration), String>;

/// A fault may hit a plugin whose process is just ending for another reason; then it is tried again.
const TRIES: u32 = 20;

pub async fn run(pipeline: PipelineRef, plan: Vec<Planned>, plugins: Plugins, screen: Screen) -> Vec<Recovery> {
    let mut recoveries = Vec::new();
    for Planned { at, fault, part } in plan {
        let recovery = match watch::until(&pipeline, || watch::through(&pipeline.status()) >= at).await {
            Ok(()) => carry_out(&pipeline, fault, part, &plugins).await,
            Err(why) => Err(why),
        };
        screen.tell(&pipeline, &recovery);
        recoveries.push(recovery);
    }
    recoveries
}

async fn carry_out(pipeline: &PipelineRef, fault: Fault, part: &str, plugins: &Plugins) -> Recovery {
    let begun = Instant::now();
    let what = match fault {
        Fault::Segv => signal(pipeline, part, "SEGV").await?,
        Fault::Freeze => signal(pipeline, part, "STOP").await? + ": it is frozen, and ended when its second is up",
        Fault::Kill => signal(pipeline, part, "KILL").await?,
        Fault::Actor => {
            let restarts = watch::counts(pipeline, part).restarts;
            pipeline.actors(part).first().ok_or(format!("`{part}` has no actor"))?.kill();
            watch::until(pipeline, || watch::counts(pipeline, part).restarts > restarts).await?;
            format!("the actor of {part} is killed")
        }
        Fault::Swap => return swap(pipeline, part, plugins).await,
        Fault::BrokenSwap => {
            let Err(why) = pipeline.swap(part, Swap::to(&plugins.broken)).await else {
                return Err(format!("a broken library has become {part}"));
            };
            let why = why.to_string();
            format!("a broken library for {part} is refused: {}", why.split("; ").next().unwrap_or_default())
        }
        Fault::Checkpoint => {
            let number = pipeline.checkpoint().await.map_err(|why| why.to_string())?;
            format!("checkpoint {number} is made")
        }
        Fault::Scale => {
            let report = pipeline.scale(part, NonZeroUsize::MIN.saturating_add(1)).await;
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

/// The time is that in which nothing was handed out.
async fn swap(pipeline: &PipelineRef, part: &str, plugins: &Plugins) -> Recovery {
    let mut refusal = String::new();
    for _ in 0..TRIES {
        match pipeline.swap(part, Swap::to(&plugins.newer)).await.as_deref() {
            Ok([report, ..]) => {
                let (old, new) = (&report.old.version, &report.new.version);
                return Ok((format!("{part} is swapped: {new} serves in place of {old}"), report.held));
            }
            Ok([]) => return Err(format!("`{part}` is no plugin")),
            Err(why) => refusal = why.to_string(),
        }
    }
    Err(refusal)
}

/// Signals the plugin's process, and waits until another serves.
async fn signal(pipeline: &PipelineRef, part: &str, signal: &str) -> Result<String, String> {
    let plugins = pipeline.plugins(part);
    let plugin = plugins.first().ok_or(format!("`{part}` is no plugin"))?;
    let restarts = plugin.restarts();
    for _ in 0..TRIES {
        let Some(pid) = plugin.status().await.map_err(|why| why.to_string())?.pid else { continue };
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{signal} {pid}")).stderr(Stdio::null()).status();
        if sent.is_ok_and(|status| status.success()) {
            watch::until(pipeline, || plugin.restarts() > restarts).await?;
            return Ok(format!("kill -{signal} for the process of {part}"));
        }
    }
    Err(format!("the signal {signal} could not be sent to {part}"))
}
