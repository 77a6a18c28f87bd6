//! A pipeline that runs to its end, or until somebody ends it.

use std::path::Path;
use std::sync::Arc;

use proscenium::Node;
use proscenium::pipeline::{ControlSocket, FileWatch, Outcome, Pipeline, PipelineRef, ReadPlan};

use crate::pipeline_command::Start;
use crate::signals::Signals;
use crate::{status_text, warnings};

/// # Errors
/// Why it did not start, what it failed of, or what was left when it was stopped.
pub async fn run(start: Start) -> Result<(), String> {
    warnings::print();
    let mut signals = Signals::listen()?;
    let watch = FileWatch::new(&start.file.file);
    let plan_file = start.file.clone();
    let read: ReadPlan = Arc::new(move || plan_file.read());
    let plan = read()?;
    let state = plan.settings.state.clone().filter(|_| start.has_control);
    let node = Node::start("proscenium").await.map_err(|why| why.to_string())?;
    let starting = Pipeline::of(plan).start(&node);
    let pipeline = tokio::select! {
        started = starting => started.map_err(|why| format!("{} did not start: {why}", start.file.file.display()))?,
        signal = signals.next() => return Err(format!("it was stopped by signal {signal} while it started")),
    };
    let running = async {
        let control = state.as_deref().map(ControlSocket::bind).transpose();
        let control = match control {
            Ok(control) => control,
            Err(why) => {
                pipeline.stop().await;
                return Err(format!("{why}; or use --no-control. The pipeline was stopped again"));
            }
        };
        attend(&pipeline, &start.file.file, watch, control, &read).await;
        let outcome = pipeline.wait().await;
        let status = serde_json::to_value(pipeline.status()).unwrap_or_default();
        pipeline.stop().await;
        drop(node.stop().await);
        eprint!("{}", status_text::text(&status));
        conclude(&outcome)
    };
    tokio::select! {
        done = running => done,
        never = ends_it(&pipeline, &mut signals) => match never {},
    }
}

/// Until it has ended.
async fn attend(
    pipeline: &PipelineRef,
    file: &Path,
    watch: FileWatch,
    control: Option<ControlSocket>,
    read: &ReadPlan,
) {
    let serving = async {
        if let Some(control) = control {
            control.serve(pipeline, Some(read.clone())).await;
        }
    };
    let following = pipeline.follow_file(watch, read, |reloaded| match reloaded {
        Ok(report) => eprintln!("proscenium: {} was read anew: {report}", file.display()),
        Err(why) => {
            eprintln!("proscenium: {} was not applied, and the pipeline goes on as before:\n{why}", file.display());
        }
    });
    tokio::join!(serving, following);
}

/// The first signal drains it. The second one ends the program where it is; its plugins end with it, and the next start goes
/// on from the last checkpoint.
async fn ends_it(pipeline: &PipelineRef, signals: &mut Signals) -> std::convert::Infallible {
    let signal = signals.next().await;
    let limit = pipeline.plan().settings.drain;
    eprintln!("proscenium: signal {signal}: what is under way has {limit:?}; a second signal ends it at once");
    let second = async {
        let signal = signals.next().await;
        eprintln!("proscenium: it ends at once; the next start goes on from the last checkpoint");
        std::process::exit(128 + i32::from(signal))
    };
    let stopping = async {
        pipeline.stop().await;
        // What follows is said by who waits for its end.
        std::future::pending().await
    };
    tokio::select! {
        never = second => never,
        never = stopping => never,
    }
}

fn conclude(outcome: &Outcome) -> Result<(), String> {
    match outcome {
        Outcome::Stopped(left) if !left.is_empty() => Err(outcome.to_string()),
        Outcome::Done | Outcome::Stopped(_) => Ok(()),
        Outcome::Failed { .. } => Err(outcome.to_string()),
    }
}
