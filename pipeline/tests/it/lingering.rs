//! Chunks that a source is still filling when the pipeline is stopped, or its actor is killed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proscenium_pipeline::sources::{Channel, Generator};
use proscenium_pipeline::{
    Boxed, ContentType, Fields, Filled, Filling, Left, Outcome, OwnedRecord, Pipeline, PipelineRef, RollingFiles,
    Source, SourceSpec, Trouble,
};
use proscenium_runtime::Node;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::controls::{part, passed, until};
use crate::flow::lines;
use crate::stalled::Gated;
use crate::test_folder::TestFolder;

const LIMIT: Duration = Duration::from_secs(30);
/// Longer than a test may take.
const LINGER: Duration = Duration::from_secs(60);

/// A source that gives so many records, one by one, and is silent then.
#[derive(Clone)]
struct Drops {
    until: u64,
    replays: bool,
    /// Those that it has given, over all its lives.
    given: Arc<AtomicU64>,
    next: u64,
}

impl fmt::Debug for Drops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Drops")
    }
}

impl SourceSpec for Drops {
    fn kind(&self) -> &'static str {
        "drops"
    }

    fn make(&self) -> Box<dyn Source> {
        Box::new(self.clone())
    }

    fn replays(&self) -> bool {
        self.replays
    }
}

impl Drops {
    /// The next number. Of a source that cannot read again nobody else gets it, also not the next one of it.
    fn take(&mut self) -> Option<u64> {
        if !self.replays {
            let more = |given| (given < self.until).then_some(given + 1);
            return self.given.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok();
        }
        let next = Some(self.next).filter(|next| *next < self.until)?;
        self.next += 1;
        self.given.fetch_max(self.next, Ordering::AcqRel);
        Some(next)
    }
}

impl Source for Drops {
    fn open<'a>(&'a mut self, from: Option<&'a Value>) -> Boxed<'a, Result<(), Trouble>> {
        self.next = from.and_then(Value::as_u64).unwrap_or(0);
        Box::pin(std::future::ready(Ok(())))
    }

    fn fill<'a>(&'a mut self, chunk: &'a mut Filling) -> Boxed<'a, Result<Filled, Trouble>> {
        Box::pin(async move {
            tokio::task::yield_now().await; // What is waited for is told to the actor by a message.
            let Some(id) = self.take() else { return std::future::pending().await };
            let payload = id.to_string();
            chunk.push(Fields { id, content: ContentType::Raw, payload: payload.as_bytes(), key: None, time: 0 });
            Ok(Filled::More)
        })
    }

    fn position(&self) -> Option<Value> {
        self.replays.then(|| json!(self.next))
    }
}

fn described(folder: &TestFolder, drops: &Drops) -> Pipeline {
    Pipeline::named("drops")
        .source(drops.clone())
        .sink(RollingFiles::new(folder.at("out")))
        .state(folder.at("state"))
        .settings(|settings| (settings.linger, settings.checkpoint_every) = (LINGER, Duration::from_secs(3_600)))
}

async fn stopped(pipeline: &PipelineRef) {
    let outcome = timeout(LIMIT, pipeline.stop()).await.expect("it does not linger");
    assert_eq!(outcome, Outcome::Stopped(Left::default()));
}

async fn given(pipeline: &PipelineRef, drops: &Drops) {
    until(pipeline, "all are read", || drops.given.load(Ordering::Acquire) == drops.until).await;
}

fn numbers(until: u64) -> Vec<String> {
    (0..until).map(|n| n.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_source_has_read_and_cannot_read_again_is_written_before_it_is_stopped() {
    let (node, folder) = (Node::start("read-once").await.unwrap(), TestFolder::new());
    let mut drops = Drops { until: 5, replays: false, given: Arc::default(), next: 0 };
    for until in [5, 9] {
        drops.until = until;
        let pipeline = described(&folder, &drops).start(&node).await.unwrap();
        given(&pipeline, &drops).await;
        stopped(&pipeline).await;
        assert_eq!(lines(&folder.at("out")), numbers(until));
    }
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_source_has_read_and_can_read_again_is_there_once_after_the_next_start() {
    let (node, folder) = (Node::start("read-again").await.unwrap(), TestFolder::new());
    let mut drops = Drops { until: 5, replays: true, given: Arc::default(), next: 0 };
    let pipeline = described(&folder, &drops).start(&node).await.unwrap();
    given(&pipeline, &drops).await;
    stopped(&pipeline).await;
    drops.until = 9;
    let again = described(&folder, &drops).settings(|settings| settings.linger = Duration::ZERO);
    let pipeline = again.start(&node).await.unwrap();
    passed(&pipeline, "files", 9).await;
    stopped(&pipeline).await;
    assert_eq!(lines(&folder.at("out")), numbers(9));
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_source_has_read_and_cannot_read_again_is_there_when_its_actor_is_killed() {
    let (node, folder) = (Node::start("read-killed").await.unwrap(), TestFolder::new());
    let drops = Drops { until: 5, replays: false, given: Arc::default(), next: 0 };
    let pipeline = described(&folder, &drops).start(&node).await.unwrap();
    given(&pipeline, &drops).await;
    pipeline.actors("drops")[0].kill();
    passed(&pipeline, "files", 5).await;
    stopped(&pipeline).await;
    assert_eq!(lines(&folder.at("out")), numbers(5));
    node.stop().await.unwrap();
}

/// Whatever is in files, those that are open included.
fn in_files(folder: &TestFolder) -> Vec<String> {
    let files = std::fs::read_dir(folder.at("out")).unwrap().map(|file| file.unwrap().path());
    files
        .flat_map(|path| std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// There can be no checkpoint then: of what the source has read nobody would know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_again_is_in_a_file_though_another_sink_stands_still_at_the_stop() {
    let (node, folder) = (Node::start("blocked-beside").await.unwrap(), TestFolder::new());
    let drops = Drops { until: 5, replays: false, given: Arc::default(), next: 0 };
    let (_gate, closed) = watch::channel(false);
    let pipeline = described(&folder, &drops)
        .source(Generator::new(10).record(|n, out| out.extend_from_slice(n.to_string().as_bytes())))
        .sink(Gated { gate: closed, written: Arc::default() })
        .settings(|settings| settings.drain = Duration::from_millis(300));
    let pipeline = pipeline.start(&node).await.unwrap();
    given(&pipeline, &drops).await;
    passed(&pipeline, "generator", 10).await;
    let outcome = timeout(LIMIT, pipeline.stop()).await.expect("it has a limit");
    let Outcome::Stopped(left) = outcome else { panic!("{outcome}") };
    assert_eq!(in_files(&folder), numbers(5), "{left}");
    assert!(!left.is_empty() && left.chunks.iter().all(|(source, _)| source == "generator"), "{left}");
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_record_is_lost_with_what_an_actor_was_told_and_did_not_hear_before_it_was_killed() {
    const RECORDS: u64 = 20_000;
    let (node, folder) = (Node::start("read-unheard").await.unwrap(), TestFolder::new());
    let drops = Drops { until: RECORDS, replays: false, given: Arc::default(), next: 0 };
    let pipeline = described(&folder, &drops);
    let pipeline = pipeline.settings(|settings| (settings.linger, settings.intensity) = (Duration::ZERO, 1_000));
    let pipeline = pipeline.start(&node).await.unwrap();
    for nth in 1..100 {
        until(&pipeline, "so many", || drops.given.load(Ordering::Acquire) >= nth * RECORDS / 100).await;
        pipeline.actors("drops")[0].kill();
    }
    passed(&pipeline, "files", RECORDS).await;
    stopped(&pipeline).await;
    let mut ids: Vec<u64> = lines(&folder.at("out")).iter().map(|line| line.parse().unwrap()).collect();
    ids.sort_unstable();
    let wrong = ids.iter().zip(0..).find(|(id, expected)| **id != *expected);
    assert!(ids.len() as u64 == RECORDS && wrong.is_none(), "{} records, {wrong:?}", ids.len());
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_record_that_was_sent_into_a_channel_is_in_this_pipeline_or_in_the_next() {
    const RECORDS: u64 = 50;
    let (node, folder) = (Node::start("channel-stopped").await.unwrap(), TestFolder::new());
    let (sender, channel) = Channel::new(1);
    let described = || {
        Pipeline::named("channel")
            .source(channel.clone())
            .sink(RollingFiles::new(folder.at("out")))
            .state(folder.at("state"))
            .settings(|settings| settings.linger = LINGER)
    };
    let mut before = 0;
    for (nth, upto) in [(1, 20), (2, RECORDS)] {
        let pipeline = described().start(&node).await.unwrap();
        for id in before..upto {
            let payload = id.to_string().into_bytes();
            let record =
                OwnedRecord { id, content: ContentType::Raw, payload, key: None, time: 0, headers: Vec::new() };
            sender.send(record).await.unwrap();
        }
        before = upto;
        stopped(&pipeline).await;
        // One more lies in the channel at most.
        let written = lines(&folder.at("out"));
        assert_eq!(written, numbers(written.len() as u64));
        assert!((upto - 1..=upto).contains(&(written.len() as u64)), "stop {nth}: {written:?}");
    }
    drop(sender);
    let pipeline = described().start(&node).await.unwrap();
    assert_eq!(timeout(LIMIT, pipeline.wait()).await.unwrap(), Outcome::Done);
    pipeline.stop().await;
    assert_eq!(lines(&folder.at("out")), numbers(RECORDS));
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_source_that_cannot_read_again_reads_nothing_and_goes_on_where_it_was() {
    let (node, folder) = (Node::start("paused-drops").await.unwrap(), TestFolder::new());
    let (sender, channel) = Channel::new(1);
    let record = |id: u64| {
        let payload = id.to_string().into_bytes();
        OwnedRecord { id, content: ContentType::Raw, payload, key: None, time: 0, headers: Vec::new() }
    };
    let pipeline = Pipeline::named("paused-drops")
        .source(channel)
        .sink(RollingFiles::new(folder.at("out")))
        .start(&node)
        .await
        .unwrap();
    sender.send(record(0)).await.unwrap();
    passed(&pipeline, "files", 1).await;
    pipeline.pause().await.unwrap();
    sender.try_send(record(1)).unwrap();
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(sender.try_send(record(2)).is_err(), "it is still in the channel");
    assert_eq!(part(&pipeline, "channel").counts.taken, 1);
    pipeline.resume().await.unwrap();
    passed(&pipeline, "files", 2).await;
    stopped(&pipeline).await;
    assert_eq!(lines(&folder.at("out")), numbers(2));
    node.stop().await.unwrap();
}
