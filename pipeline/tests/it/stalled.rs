//! A sink that stands still while its source could go on for ever: what is under way is bounded, and everybody answers.

use std::fmt;
use std::fs;
use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proscenium_pipeline::sources::Generator;
use proscenium_pipeline::{
    Boxed, Chunk, ControlError, Disk, Outcome, Pipeline, PipelineRef, RecordMut, Share, Sink, SinkSpec, Trouble,
};
use proscenium_runtime::Node;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::test_folder::TestFolder;

/// Set in a process that runs one test alone: only then its memory is the test's.
const ALONE: &str = "PROSCENIUM_TEST_ALONE";
/// The pipeline may take up so much more when its sink stands still.
const GROWTH: u64 = 32 << 20;

/// Whether this process runs this test alone; if not, one that does has passed it.
pub(crate) fn is_alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let run = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    println!("{out}{err}");
    assert!(run.status.success() && out.contains("1 passed"), "{test}, alone: {}", run.status);
    false
}

/// A sink that goes through a gate.
pub(crate) struct Gated {
    pub(crate) gate: watch::Receiver<bool>,
    pub(crate) written: Arc<AtomicU64>,
}

impl fmt::Debug for Gated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gated")
    }
}

impl SinkSpec for Gated {
    fn kind(&self) -> &'static str {
        "gated"
    }

    fn make(&self, _: &Arc<dyn Disk>) -> Box<dyn Sink> {
        Box::new(Gate { gate: self.gate.clone(), written: self.written.clone() })
    }
}

struct Gate {
    gate: watch::Receiver<bool>,
    written: Arc<AtomicU64>,
}

impl Sink for Gate {
    fn open<'a>(&'a mut self, _: Option<&'a Value>) -> Boxed<'a, Result<(), Trouble>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn write<'a>(&'a mut self, chunk: &'a Chunk, _: &'a mut Vec<(usize, String)>) -> Boxed<'a, Result<(), Trouble>> {
        Box::pin(async move {
            self.gate.wait_for(|is_open| *is_open).await.map_err(Trouble::lasting)?;
            self.written.fetch_add(chunk.len() as u64, Ordering::AcqRel);
            Ok(())
        })
    }

    fn prepare(&mut self) -> Boxed<'_, Result<Value, Trouble>> {
        Box::pin(std::future::ready(Ok(Value::Null)))
    }

    fn commit(&mut self) -> Boxed<'_, Result<(), Trouble>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn close(&mut self) -> Boxed<'_, Result<(), Trouble>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Bytes of this process's memory.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

fn taken(pipeline: &PipelineRef) -> u64 {
    pipeline.status().parts.iter().filter(|part| part.kind == "source").map(|part| part.counts.taken).sum()
}

/// Waits until the sources have read nothing for a time.
pub(crate) async fn stands_still(pipeline: &PipelineRef) {
    let (mut still, mut last) = (0, 0);
    let mut look = tokio::time::interval(Duration::from_millis(5));
    let begin = Instant::now();
    while still < 60 {
        look.tick().await;
        let now = taken(pipeline);
        still = if now == last && now > 0 { still + 1 } else { 0 };
        last = now;
        assert!(begin.elapsed() < Duration::from_secs(60), "it reads on and on: {:#?}", pipeline.status());
    }
}

/// While nothing moves.
async fn everybody_answers(pipeline: &PipelineRef, drain: Duration) {
    // The one that the pipeline's ledger counts, not a time-out of somebody who does not answer.
    let begin = Instant::now();
    let refused = pipeline.checkpoint().await.unwrap_err();
    assert!(matches!(refused, ControlError::NotDrained { .. }), "{refused}");
    assert!(refused.to_string().contains("chunks of `generator`"), "{refused}");
    assert!(begin.elapsed() < drain + Duration::from_secs(2), "{:?}", begin.elapsed());
    let begin = Instant::now();
    pipeline.pause().await.unwrap();
    assert!(pipeline.status().is_paused);
    pipeline.resume().await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_is_bounded_and_all_parts_answer() {
    if !is_alone("stalled::what_is_under_way_is_bounded_and_all_parts_answer") {
        return;
    }
    let folder = TestFolder::new();
    let (open, gate) = watch::channel(true);
    let written = Arc::new(AtomicU64::new(0));
    let gated = || Gated { gate: gate.clone(), written: written.clone() };
    let node = Node::start("stalled").await.unwrap();
    let two = NonZeroUsize::new(2).unwrap();
    let drain = Duration::from_millis(300);
    // Divided at once by key, then into three: everybody who divides waits for buffers.
    let pipeline = Pipeline::named("stalled")
        .source(Generator::endless().bytes(128).keys(50))
        .map("first", |_: &mut RecordMut<'_>| ())
        .instances(two, Share::ByKey)
        .fold("second", |count: &mut u64, _: &mut RecordMut<'_>| *count += 1)
        .instances(two, Share::ByKey)
        .sink(gated())
        .called("one")
        .from("second")
        .sink(gated())
        .called("two")
        .from("second")
        .sink(gated())
        .called("three")
        .state(folder.at("state"))
        .settings(|settings| (settings.drain, settings.checkpoint_every) = (drain, Duration::from_secs(3_600)))
        .start(&node)
        .await
        .unwrap();
    while written.load(Ordering::Acquire) < 100_000 {
        tokio::task::yield_now().await;
    }
    let before = resident();
    open.send(false).unwrap();
    stands_still(&pipeline).await;
    let after = resident();
    let status = pipeline.status();
    let under_way: usize = status.parts.iter().map(|part| part.under_way).sum();
    println!(
        "{} KiB before, {} KiB with the sink standing still, {under_way} chunks under way",
        before >> 10,
        after >> 10
    );
    assert!(after.saturating_sub(before) <= GROWTH, "{before} bytes became {after}");
    assert!((1..=64).contains(&under_way), "{under_way} chunks under way");
    everybody_answers(&pipeline, drain).await;
    // It goes on, and is stopped when it stands still again.
    let so_far = written.load(Ordering::Acquire);
    open.send(true).unwrap();
    while written.load(Ordering::Acquire) < so_far + 50_000 {
        tokio::task::yield_now().await;
    }
    open.send(false).unwrap();
    stands_still(&pipeline).await;
    let stopped = timeout(Duration::from_secs(10), pipeline.stop()).await.expect("it stops within its limit");
    let Outcome::Stopped(left) = stopped else { panic!("{stopped}") };
    assert!(left.chunks.iter().any(|(source, chunks)| source == "generator" && *chunks > 0), "{left}");
    node.stop().await.unwrap();
}

/// A pipeline whose sink fails for good when the sender of its gate goes.
async fn doomed(node: &Node, name: &str) -> (PipelineRef, watch::Sender<bool>) {
    let (open, gate) = watch::channel(false);
    let pipeline = Pipeline::named(name)
        .source(Generator::endless())
        .map("same", |_: &mut RecordMut<'_>| ())
        .sink(Gated { gate, written: Arc::default() })
        .settings(|settings| {
            (settings.drain, settings.checkpoint_every) = (Duration::from_secs(600), Duration::from_secs(3_600));
        })
        .start(node)
        .await
        .unwrap();
    stands_still(&pipeline).await;
    (pipeline, open)
}

/// Lets the sink fail while the conductor waits with a message of this kind; what was asked says how it ended.
async fn fails_while<T>(
    pipeline: &PipelineRef,
    open: watch::Sender<bool>,
    kind: &str,
    asked: impl Future<Output = T>,
) -> T {
    let fails = async {
        let mut look = tokio::time::interval(Duration::from_millis(1));
        while pipeline.actors("control")[0].status().in_hand != Some(kind) {
            look.tick().await;
        }
        drop(open);
        match pipeline.wait().await {
            Outcome::Failed { part, reason } => {
                assert_eq!((part.as_str(), reason.as_str()), ("gated", "channel closed"));
            }
            other => panic!("{other}"),
        }
    };
    timeout(Duration::from_secs(30), async { tokio::join!(asked, fails).0 }).await.expect("it is heard at once")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_fails_for_good_is_heard_by_whoever_waits_for_it() {
    let node = Node::start("doomed").await.unwrap();
    let named = "`gated` could not go on: channel closed";
    let (pipeline, open) = doomed(&node, "stop").await;
    let stopped = fails_while(&pipeline, open, "stop", pipeline.stop()).await;
    assert!(matches!(&stopped, Outcome::Failed { part, .. } if part == "gated"), "{stopped}");

    let (pipeline, open) = doomed(&node, "checkpoint").await;
    let refused = fails_while(&pipeline, open, "control", pipeline.checkpoint()).await.unwrap_err();
    assert!(refused.to_string().contains(named), "{refused}");
    pipeline.stop().await;

    let (pipeline, open) = doomed(&node, "drain").await;
    let refused = fails_while(&pipeline, open, "control", pipeline.drain()).await.unwrap_err();
    assert!(refused.to_string().contains(named), "{refused}");
    pipeline.stop().await;

    let (pipeline, open) = doomed(&node, "scale").await;
    let two = NonZeroUsize::new(2).unwrap();
    let refused = fails_while(&pipeline, open, "control", pipeline.scale("same", two)).await.unwrap_err();
    assert!(refused.to_string().contains(named), "{refused}");
    let stopped = pipeline.stop().await;
    assert!(matches!(&stopped, Outcome::Failed { part, .. } if part == "gated"), "{stopped}");
    node.stop().await.unwrap();
}
