//! What is asked of a running pipeline and cannot be done changes nothing, and what can be done is done of what it is then.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use proscenium_pipeline::sources::{Channel, Files, Generator};
use proscenium_pipeline::{
    Boxed, Chunk, ContentType, ControlError, Disk, Outcome, OwnedRecord, Pipeline, RecordMut, Sink, SinkSpec, Trouble,
};
use proscenium_runtime::Node;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::controls::{part, until};
use crate::stalled::{Gated, stands_still};
use crate::test_folder::TestFolder;

const LIMIT: Duration = Duration::from_secs(30);

/// A sink that can be made to refuse to be prepared, for ever, or to be closed.
#[derive(Clone, Default)]
struct Refusing {
    written: Arc<AtomicU64>,
    no_prepare: Arc<AtomicBool>,
    no_close: Arc<AtomicBool>,
}

impl fmt::Debug for Refusing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refusing")
    }
}

impl SinkSpec for Refusing {
    fn kind(&self) -> &'static str {
        "refusing"
    }

    fn make(&self, _: &Arc<dyn Disk>) -> Box<dyn Sink> {
        Box::new(self.clone())
    }
}

fn refused_if<'a, T: Send + 'a>(flag: &AtomicBool, value: T, trouble: Trouble) -> Boxed<'a, Result<T, Trouble>> {
    let said = if flag.load(Ordering::Acquire) { Err(trouble) } else { Ok(value) };
    Box::pin(std::future::ready(said))
}

impl Sink for Refusing {
    fn write<'a>(&'a mut self, chunk: &'a Chunk, _: &'a mut Vec<(usize, String)>) -> Boxed<'a, Result<(), Trouble>> {
        self.written.fetch_add(chunk.len() as u64, Ordering::AcqRel);
        Box::pin(std::future::ready(Ok(())))
    }

    fn prepare(&mut self) -> Boxed<'_, Result<Value, Trouble>> {
        refused_if(&self.no_prepare, Value::Null, Trouble::lasting("nobody knows what it holds"))
    }

    fn close(&mut self) -> Boxed<'_, Result<(), Trouble>> {
        refused_if(&self.no_close, (), Trouble::passing("the door is stuck"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_cannot_be_closed_stays_where_it_was() {
    let node = Node::start("stuck").await.unwrap();
    let (one, two) = (Refusing::default(), Refusing::default());
    let described = |has_two: bool| {
        let pipeline =
            Pipeline::named("stuck").source(Generator::endless().rate(50_000)).sink(one.clone()).called("one");
        if has_two { pipeline.from("generator").sink(two.clone()).called("two") } else { pipeline }
    };
    let pipeline = described(true).start(&node).await.unwrap();
    two.no_close.store(true, Ordering::Release);
    let refused = pipeline.reload(described(false).plan().unwrap()).await.unwrap_err().to_string();
    assert!(refused.contains("the door is stuck"), "{refused}");
    let so_far = two.written.load(Ordering::Acquire);
    until(&pipeline, "it still has its records", || two.written.load(Ordering::Acquire) > so_far + 1_000).await;
    two.no_close.store(false, Ordering::Release);
    pipeline.reload(described(false).plan().unwrap()).await.unwrap();
    pipeline.stop().await;
    let at_least = two.written.load(Ordering::Acquire);
    assert!(one.written.load(Ordering::Acquire) >= at_least);
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_that_can_never_make_a_checkpoint_again_ends_and_says_why() {
    let (node, folder) = (Node::start("never").await.unwrap(), TestFolder::new());
    let sink = Refusing::default();
    let pipeline = Pipeline::named("never")
        .source(Generator::endless().rate(50_000))
        .sink(sink.clone())
        .state(folder.at("state"))
        .settings(|settings| settings.checkpoint_every = Duration::from_millis(10))
        .start(&node)
        .await
        .unwrap();
    until(&pipeline, "a checkpoint", || pipeline.status().checkpoint > 0).await;
    sink.no_prepare.store(true, Ordering::Release);
    let outcome = timeout(LIMIT, pipeline.wait()).await.expect("an end");
    let expected = ("refusing".to_owned(), "nobody knows what it holds".to_owned());
    assert!(
        matches!(&outcome, Outcome::Failed { part, reason } if (part, reason) == (&expected.0, &expected.1)),
        "{outcome}"
    );
    pipeline.stop().await;
    node.stop().await.unwrap();
}

fn record(id: u64) -> OwnedRecord {
    OwnedRecord { id, content: ContentType::Raw, payload: b"x".to_vec(), key: None, time: 0, headers: Vec::new() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_again_is_not_read_while_the_pipeline_stops_but_by_the_next_one() {
    let node = Node::start("once").await.unwrap();
    let (sender, channel) = Channel::new(16);
    let (open, gate) = watch::channel(false);
    let written = Arc::new(AtomicU64::new(0));
    let described = || {
        Pipeline::named("once")
            .source(channel.clone())
            .sink(Gated { gate: gate.clone(), written: written.clone() })
            .settings(|settings| {
                (settings.drain, settings.checkpoint_every) = (LIMIT, Duration::from_secs(3_600));
            })
            .start(&node)
    };
    let pipeline = described().await.unwrap();
    sender.send(record(1)).await.unwrap();
    until(&pipeline, "it is read", || part(&pipeline, "channel").counts.taken == 1).await;
    let stopping = pipeline.clone();
    let stopped = tokio::spawn(async move { stopping.stop().await });
    stands_still(&pipeline).await; // The source is held by then.
    sender.send(record(2)).await.unwrap();
    stands_still(&pipeline).await;
    assert_eq!(part(&pipeline, "channel").counts.taken, 1);
    open.send(true).unwrap();
    assert_eq!(timeout(LIMIT, stopped).await.unwrap().unwrap(), Outcome::Stopped(Default::default()));
    assert_eq!(written.load(Ordering::Acquire), 1);
    let next = described().await.unwrap();
    drop(sender);
    assert_eq!(timeout(LIMIT, next.wait()).await.unwrap(), Outcome::Done);
    assert_eq!(written.load(Ordering::Acquire), 2);
    next.stop().await;
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_while_sources_are_held_is_in_the_next_checkpoint() {
    let (node, folder) = (Node::start("read").await.unwrap(), TestFolder::new());
    let path = folder.at("app.log");
    std::fs::write(&path, "one\n").unwrap();
    let (open, gate) = watch::channel(false);
    let written = Arc::new(AtomicU64::new(0));
    let pipeline = Pipeline::named("read")
        .source(Files::at(path.to_str().unwrap()).follow())
        .sink(Gated { gate, written: written.clone() })
        .state(folder.at("state"))
        .settings(|settings| {
            (settings.drain, settings.checkpoint_every) = (Duration::from_secs(600), Duration::from_millis(10));
        })
        .start(&node)
        .await
        .unwrap();
    // Many times as long as it takes until a checkpoint is due: the source is held for it.
    stands_still(&pipeline).await;
    std::fs::write(&path, "one\ntwo\n").unwrap();
    until(&pipeline, "it is read", || part(&pipeline, "files").counts.taken == 2).await;
    open.send(true).unwrap();
    until(&pipeline, "it is written", || written.load(Ordering::Acquire) == 2).await;
    until(&pipeline, "the first has its checkpoint, and so has the second", || pipeline.status().checkpoint >= 2).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_that_could_not_be_drained_goes_on() {
    let node = Node::start("undrained").await.unwrap();
    let (open, gate) = watch::channel(false);
    let written = Arc::new(AtomicU64::new(0));
    let pipeline = Pipeline::named("undrained")
        .source(Generator::endless())
        .sink(Gated { gate, written: written.clone() })
        .settings(|settings| {
            (settings.drain, settings.checkpoint_every) = (Duration::from_millis(20), Duration::from_secs(3_600));
        })
        .start(&node)
        .await
        .unwrap();
    stands_still(&pipeline).await;
    let refused = pipeline.drain().await.unwrap_err();
    assert!(matches!(refused, ControlError::NotDrained { .. }), "{refused}");
    assert!(!pipeline.status().is_paused);
    open.send(true).unwrap();
    until(&pipeline, "it goes on", || written.load(Ordering::Acquire) > 100_000).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_changes_at_once_are_both_made() {
    let node = Node::start("both").await.unwrap();
    let pipeline = Pipeline::named("both")
        .source(Generator::endless().rate(50_000))
        .map("first", |_: &mut RecordMut<'_>| ())
        .map("second", |_: &mut RecordMut<'_>| ())
        .sink(Refusing::default())
        .start(&node)
        .await
        .unwrap();
    let (two, three) = (NonZeroUsize::new(2).unwrap(), NonZeroUsize::new(3).unwrap());
    let (first, second) = tokio::join!(pipeline.scale("first", two), pipeline.scale("second", three));
    first.unwrap();
    second.unwrap();
    let instances = |name| part(&pipeline, name).instances;
    assert_eq!((instances("first"), instances("second")), (2, 3));
    pipeline.stop().await;
    node.stop().await.unwrap();
}
