//! Checkpoints that are due now and then: they wait for what is under way, and nobody waits for them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use proscenium_pipeline::sources::Generator;
use proscenium_pipeline::{Boxed, Chunk, ChunkSize, Disk, Pipeline, PipelineRef, Sink, SinkSpec, Trouble};
use proscenium_runtime::Node;
use tokio::sync::watch;
use tokio::time::{Instant, interval, timeout};

use crate::controls::until;
use crate::stalled::{Gated, stands_still};
use crate::test_folder::TestFolder;

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_something_is_heard_while_a_checkpoint_waits_for_a_sink() {
    let node = Node::start("heard").await.unwrap();
    let (open, gate) = watch::channel(false);
    let pipeline = Pipeline::named("heard")
        .source(Generator::endless())
        .sink(Gated { gate, written: Arc::new(AtomicU64::new(0)) })
        .settings(|settings| {
            (settings.drain, settings.checkpoint_every) = (Duration::from_secs(600), Duration::from_millis(10));
        })
        .start(&node)
        .await
        .unwrap();
    stands_still(&pipeline).await; // For many times as long as it takes until a checkpoint is due.
    let controls = async {
        for _ in 0..20 {
            pipeline.pause().await.unwrap();
            assert!(pipeline.status().is_paused);
            pipeline.resume().await.unwrap();
        }
        pipeline.pause().await.unwrap();
    };
    timeout(LIMIT, controls).await.expect("they are answered while nothing moves");
    // The checkpoint that was put off each time is made.
    open.send(true).unwrap();
    pipeline.resume().await.unwrap();
    until(&pipeline, "a checkpoint", || pipeline.status().checkpoint > 0).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
}

/// A sink that takes so long for each chunk.
struct Slow(Duration);

impl fmt::Debug for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slow")
    }
}

impl SinkSpec for Slow {
    fn kind(&self) -> &'static str {
        "slow"
    }

    fn make(&self, _: &Arc<dyn Disk>) -> Box<dyn Sink> {
        Box::new(Slow(self.0))
    }
}

impl Sink for Slow {
    fn write<'a>(&'a mut self, _: &'a Chunk, _: &'a mut Vec<(usize, String)>) -> Boxed<'a, Result<(), Trouble>> {
        Box::pin(async move {
            let mut beat = interval(self.0);
            beat.tick().await;
            beat.tick().await;
            Ok(())
        })
    }
}

async fn checkpoints(pipeline: &PipelineRef, number: u64) {
    let mut look = interval(Duration::from_millis(100));
    let begin = Instant::now();
    while pipeline.status().checkpoint < number {
        look.tick().await;
        assert!(begin.elapsed() < Duration::from_secs(1_000), "there is none: {:#?}", pipeline.status());
    }
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_waits_for_a_slow_sink_as_long_as_something_ends() {
    let (node, folder) = (Node::start("slow").await.unwrap(), TestFolder::new());
    // Eight chunks take 7.2 s, the limit is one.
    let pipeline = Pipeline::named("slow")
        .source(Generator::endless())
        .sink(Slow(Duration::from_millis(900)))
        .chunk(ChunkSize { records: 16, ..ChunkSize::default() })
        .settings(|settings| {
            (settings.drain, settings.checkpoint_every) = (Duration::from_secs(1), Duration::from_secs(3));
        })
        .state(folder.at("state"))
        .start(&node)
        .await
        .unwrap();
    checkpoints(&pipeline, 3).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
}
