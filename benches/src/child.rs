//! Samples that need a process of their own: idle memory, an idle node's CPU, a million actors, big trees, a large heap.
//!
//! The bench starts itself as `bench --child <errand> <subject> <flavour> <count>` and reads one line of numbers.

use std::future::Future;
use std::process::Command;
use std::time::{Duration, Instant};

use proscenium_runtime::Node;

use crate::measure::{Flavour, Plan, Sample};
use crate::peer::{Peer, Subject};
use crate::peers::actix;
use crate::peers::kameo::Kameo;
use crate::peers::plugin_lives;
use crate::peers::proscenium::{CounterRef, LightBounded as Light, ProsceniumBounded as Proscenium, WithRactor};
use crate::peers::ractor::Ractor;
use crate::peers::supervised::Supervised;
use crate::peers::tokio::Tokio;
use crate::pipeline::memory;
use crate::tally::Tally;
use crate::{Failure, procfs, trees};

/// How long an idle node is watched.
const WATCHED: Duration = Duration::from_secs(2);

/// Long enough for all actors to have started and gone to sleep.
const SETTLE: Duration = Duration::from_millis(200);

/// Takes one sample in a process of its own.
pub fn sample(errand: &str, subject: &str, plan: Plan) -> Sample {
    let words = ["--child", errand, subject, plan.flavour.name(), &plan.ops.to_string()];
    numbers_of(Command::new(std::env::current_exe()?).args(words))
}

/// Runs a program that prints one line of numbers.
pub fn numbers_of(command: &mut Command) -> Sample {
    let output = command.output()?;
    if !output.status.success() {
        let last = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned();
        return Err(format!("the child ended with {}: {last}", output.status).into());
    }
    let line = String::from_utf8(output.stdout)?;
    Ok(line.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?)
}

/// The child's side.
pub fn run(errand: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = errand.iter().map(String::as_str).collect();
    let &[errand, subject, flavour, count] = words.as_slice() else {
        return Err("--child wants four words".into());
    };
    let plan = Plan { flavour: Flavour::parse(flavour)?, ops: count.parse()? };
    let numbers = match (errand, subject) {
        ("idle", "actix") => actix::idle(plan.ops, procfs::resident_bytes, move |before| per_actor(before, plan.ops)),
        ("idle", "kameo") => idle::<Kameo>(plan),
        ("idle", "proscenium") => idle::<Proscenium>(plan),
        ("idle", WithRactor::NAME) => idle::<WithRactor>(plan),
        ("idle", "light") => idle::<Light>(plan),
        ("idle", "ractor") => idle::<Ractor>(plan),
        ("idle", "tokio") => idle::<Tokio>(plan),
        ("fixed", "proscenium") => fixed::<false>(plan),
        ("fixed", "light") => fixed::<true>(plan),
        ("dynamic", "proscenium") => dynamic::<false>(plan),
        ("dynamic", "light") => dynamic::<true>(plan),
        ("argument", "proscenium") => with_arguments::<false>(plan),
        ("argument", "light") => with_arguments::<true>(plan),
        ("tree", "proscenium") => trees::tree::<Supervised<false>>(plan),
        ("tree", "light") => trees::tree::<Supervised<true>>(plan),
        ("bare", "ractor") => trees::bare::<Ractor>(plan),
        ("node", "proscenium") => node::<Proscenium>(plan),
        ("node", "light") => node::<Light>(plan),
        ("node", "tokio") => node::<Tokio>(plan),
        ("starts", "proscenium") => plugin_lives::starts(plan),
        ("stall", "proscenium") => memory::stall(plan),
        ("file", "proscenium") => memory::file(plan),
        ("million", "light") => million::<Light>(plan),
        ("million", "tokio") => million::<Tokio>(plan),
        _ => Err(format!("{errand} {subject}: no such errand").into()),
    }?;
    let numbers: Vec<String> = numbers.iter().map(f64::to_string).collect();
    println!("{}", numbers.join(" "));
    Ok(())
}

fn per_actor(before: u64, actors: usize) -> Sample {
    let grown = procfs::resident_bytes()?.saturating_sub(before);
    Ok(vec![grown as f64 / actors as f64])
}

async fn quiet<P: Peer>(world: &P::World, count: usize) -> Result<Vec<P::Counter>, Failure> {
    let mut kept = Vec::with_capacity(count);
    for _ in 0..count {
        kept.push(P::counter(world, Tally::Quiet).await?);
    }
    tokio::time::sleep(SETTLE).await;
    Ok(kept)
}

/// Growth of the resident memory for each actor that was spawned and never messaged.
fn idle<P: Peer>(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let world = P::world().await?;
        let warm = quiet::<P>(&world, plan.ops / 100).await?;
        let before = procfs::resident_bytes()?;
        let kept = quiet::<P>(&world, plan.ops).await?;
        let sample = per_actor(before, plan.ops);
        drop((warm, kept));
        sample
    })
}

/// Growth of the resident memory for each child of a supervisor, with a name of its own.
fn fixed<const LIGHT: bool>(plan: Plan) -> Sample {
    supervised(plan, |node, children| async move { Supervised::<LIGHT>::fixed(&node, children).await })
}

/// The same of a `simple_one_for_one` supervisor's, all of one spec.
fn dynamic<const LIGHT: bool>(plan: Plan) -> Sample {
    supervised(plan, |node, children| async move { Supervised::<LIGHT>::dynamic(&node, children).await })
}

/// The same of a `DynamicSupervisor`'s, each of which is made from an argument of its own.
fn with_arguments<const LIGHT: bool>(plan: Plan) -> Sample {
    supervised(plan, |node, children| async move { Supervised::<LIGHT>::with_arguments(&node, children).await })
}

fn supervised<F, S>(plan: Plan, start: impl Fn(Node, usize) -> F + Send + 'static) -> Sample
where
    F: Future<Output = Result<S, Failure>> + Send,
    S: Send,
{
    plan.flavour.run(async move {
        let node = Proscenium::world().await?;
        let warm = start(node.clone(), plan.ops / 100).await?;
        tokio::time::sleep(SETTLE).await;
        let before = procfs::resident_bytes()?;
        let kept = start(node.clone(), plan.ops).await?;
        tokio::time::sleep(SETTLE).await;
        let sample = per_actor(before, plan.ops);
        drop((warm, kept));
        sample
    })
}

/// What a supervisor adds: the bytes of an actor without one, then those on top of a child with a name, of a dynamic one
/// and of one with an argument.
///
/// The ref that keeps each lonely actor in reach is no part of it; a child needs none.
pub fn supervision(subject: &'static str, plan: Plan) -> Sample {
    let bytes = |errand| -> Result<f64, Failure> {
        let numbers = sample(errand, subject, plan)?;
        numbers.first().copied().ok_or_else(|| format!("{errand} {subject}: no number").into())
    };
    let alone = bytes("idle")? - size_of::<CounterRef>() as f64;
    let (fixed, dynamic, argument) = (bytes("fixed")?, bytes("dynamic")?, bytes("argument")?);
    Ok(vec![alone, fixed - alone, dynamic - alone, argument - alone])
}

/// CPU time in percent, and wake-ups per second, of a node whose actors have nothing to do.
fn node<P: Peer>(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let world = P::world().await?;
        let kept = quiet::<P>(&world, plan.ops).await?;
        // The watch is a thread outside of the runtime: the runtime itself has nothing to do meanwhile.
        let watch = tokio::task::spawn_blocking(|| {
            std::thread::sleep(SETTLE);
            let (before, start) = (procfs::used()?, Instant::now());
            std::thread::sleep(WATCHED);
            let (after, seconds) = (procfs::used()?, start.elapsed().as_secs_f64());
            let cpu = (after.cpu_ns - before.cpu_ns) as f64 / 1e9 / seconds * 100.0;
            // One sleep is the watch's own.
            let sleeps = (after.sleeps - before.sleeps).saturating_sub(1) as f64 / seconds;
            Ok::<_, Failure>(vec![cpu, sleeps])
        });
        let sample = watch.await?;
        drop((world, kept));
        sample
    })
}

/// Seconds until that many actors live and have answered a call, and the bytes that each takes after it.
fn million<P: Peer>(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let world = P::world().await?;
        let (before, start) = (procfs::resident_bytes()?, Instant::now());
        let mut kept = Vec::with_capacity(plan.ops);
        for _ in 0..plan.ops {
            kept.push(P::counter(&world, Tally::Quiet).await?);
        }
        let spawned = start.elapsed().as_secs_f64();
        for (number, counter) in kept.iter().enumerate() {
            if P::call(counter, number as u64).await? != number as u64 + 1 {
                return Err("a wrong answer".into());
            }
        }
        let answered = start.elapsed().as_secs_f64();
        let mut sample = vec![spawned, answered];
        sample.extend(per_actor(before, plan.ops)?);
        Ok(sample)
    })
}
