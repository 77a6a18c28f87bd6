//! Parts that are cut off at the worst moment: while they wait for buffers, write letters, change the plan.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proscenium_pipeline::sources::Generator;
use proscenium_pipeline::{
    ChunkSize, ControlError, Failed, Failover, Left, Outcome, Pipeline, PipelineRef, RecordMut, Retries, RollingFiles,
    Settings, Share, StartError, WhenDown,
};
use proscenium_runtime::Node;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::built::stamp;
use crate::chaos::parts::{Crowded, Moody};
use crate::chaos::proof::letters;
use crate::controls::{part, passed};
use crate::flow::{finished, lines};
use crate::stalled::{Gated, stands_still};
use crate::test_folder::TestFolder;

const LIMIT: Duration = Duration::from_secs(30);
/// Records in a chunk.
const RECORDS: u64 = 64;
/// Of a stage with three sinks, with a window of 16: the ninth chunk finds no buffer when no sink gives one back.
const CHUNKS: u64 = 9;

/// Three sinks behind the part before, which stand still as long as the gate is shut.
struct Three {
    open: watch::Sender<bool>,
    written: Arc<AtomicU64>,
}

impl Three {
    fn shut() -> Self {
        Three { open: watch::Sender::new(false), written: Arc::default() }
    }

    fn behind(&self, pipeline: Pipeline, part: &'static str) -> Pipeline {
        let gated = || Gated { gate: self.open.subscribe(), written: self.written.clone() };
        let pipeline = pipeline.sink(gated()).called("one").from(part).sink(gated()).called("two");
        let chunk = ChunkSize { records: RECORDS as usize, ..ChunkSize::default() };
        pipeline.from(part).sink(gated()).called("three").chunk(chunk).settings(|settings| settings.window = 16)
    }
}

async fn fails(pipeline: &PipelineRef) -> (String, String) {
    let ended = timeout(LIMIT, pipeline.wait()).await;
    match ended.unwrap_or_else(|_| panic!("it goes on: {:#?}", pipeline.status())) {
        Outcome::Failed { part, reason } => (part, reason),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugins_stage_that_waits_for_buffers_sends_its_last_chunk_after_a_kill() {
    let folder = TestFolder::new();
    let node = Node::start("last-chunk").await.unwrap();
    let three = Three::shut();
    let pipeline = Pipeline::named("last-chunk")
        .source(Generator::new(CHUNKS * RECORDS).record(|n, out| out.extend_from_slice(n.to_string().as_bytes())))
        .plugin("stamp", stamp(folder.path(), "one"));
    let pipeline = three.behind(pipeline, "stamp").start(&node).await.unwrap();
    passed(&pipeline, "stamp", (CHUNKS - 1) * RECORDS).await;
    stands_still(&pipeline).await;
    pipeline.actors("stamp")[0].kill();
    stands_still(&pipeline).await;
    three.open.send_replace(true);
    finished(&pipeline).await;
    assert_eq!(three.written.load(Ordering::Acquire), 3 * CHUNKS * RECORDS);
    pipeline.stop().await;
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stage_that_is_to_end_the_pipeline_does_so_after_a_kill() {
    let node = Node::start("fail-fast").await.unwrap();
    let three = Three::shut();
    let pipeline = Pipeline::named("fail-fast")
        .source(Generator::new(CHUNKS * RECORDS))
        .map("strict", |record: &mut RecordMut<'_>| match record.id() {
            id if id == CHUNKS * RECORDS - 5 => Err(Failed::because("it is no good")),
            _ => Ok(()),
        })
        .failover(Failover::FailFast);
    let pipeline = three.behind(pipeline, "strict").start(&node).await.unwrap();
    passed(&pipeline, "strict", (CHUNKS - 1) * RECORDS).await;
    stands_still(&pipeline).await;
    pipeline.actors("strict")[0].kill();
    stands_still(&pipeline).await;
    three.open.send_replace(true);
    assert_eq!(fails(&pipeline).await, ("strict".to_owned(), "it is no good".to_owned()));
    pipeline.stop().await;
    node.stop().await.unwrap();
}

#[expect(clippy::await_holding_lock, reason = "nobody who runs here waits for it")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_are_there_once_when_their_actor_is_killed_while_it_writes() {
    let folder = TestFolder::new();
    let node = Node::start("letters").await.unwrap();
    let disk = Crowded::default();
    let held = disk.letters.clone();
    let held = held.lock().unwrap();
    let pipeline = Pipeline::named("letters")
        .source(Generator::new(1_000))
        .map("strict", |record: &mut RecordMut<'_>| match record.id() % 100 {
            7 => Err(Failed::because("seven")),
            _ => Ok(()),
        })
        .failover(Failover::DeadLetter)
        .sink(RollingFiles::new(folder.at("out")))
        .state(folder.at("state"))
        .start_on(&node, Arc::new(disk.clone()))
        .await
        .unwrap();
    let begin = Instant::now();
    while disk.begun.load(Ordering::Acquire) == 0 {
        assert!(begin.elapsed() < LIMIT, "no letter is written");
        std::thread::yield_now();
    }
    let restarts = |pipeline: &PipelineRef| {
        let parts = pipeline.status().parts;
        parts.iter().find(|part| part.name == "dead_letters").unwrap().counts.restarts
    };
    pipeline.actors("dead_letters")[0].kill();
    while restarts(&pipeline) == 0 {
        assert!(begin.elapsed() < LIMIT, "it is not started again");
        std::thread::yield_now();
    }
    drop(held);
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    let mut ids: Vec<u64> = letters(&folder.at("state")).iter().map(|kept| kept.letter.record.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..10).map(|hundred| 100 * hundred + 7).collect::<Vec<_>>());
    assert_eq!(lines(&folder.at("out")).len(), 990);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conductor_that_is_cut_off_in_a_reload_ends_the_pipeline_and_says_so() {
    let node = Node::start("half-way").await.unwrap();
    let three = Three::shut();
    let described = |is_longer: bool| {
        let pipeline = Pipeline::named("half-way").source(Generator::endless()).map("a", |_: &mut RecordMut<'_>| ());
        let pipeline = if is_longer { pipeline.map("b", |_: &mut RecordMut<'_>| ()) } else { pipeline };
        three.behind(pipeline, if is_longer { "b" } else { "a" })
    };
    let pipeline = described(false).start(&node).await.unwrap();
    stands_still(&pipeline).await;
    let reloading = tokio::spawn({
        let (pipeline, plan) = (pipeline.clone(), described(true).plan().unwrap());
        async move { pipeline.reload(plan).await }
    });
    // It holds the sources, and waits for what is under way.
    let supervisor = pipeline.supervisor().clone();
    let begin = Instant::now();
    while !supervisor.which_children().await.unwrap().iter().any(|child| child.id.to_string() == "b") {
        assert!(begin.elapsed() < LIMIT);
        tokio::task::yield_now().await;
    }
    pipeline.actors("control")[0].kill();
    let (part, reason) = fails(&pipeline).await;
    assert!(part == "control" && reason.contains("while the pipeline was being changed"), "{part}: {reason}");
    assert!(reloading.await.unwrap().is_err());
    three.open.send_replace(true);
    pipeline.stop().await;
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_cannot_be_kept_ends_the_pipeline_instead_of_being_forgotten() {
    let folder = TestFolder::new();
    let node = Node::start("no-value").await.unwrap();
    let pipeline = Pipeline::named("no-value")
        .source(Generator::new(1_000).keys(3))
        // JSON has no such keys.
        .fold("pairs", |pairs: &mut HashMap<(u64, u64), u64>, record: &mut RecordMut<'_>| {
            *pairs.entry((record.id() % 2, record.id() % 3)).or_default() += 1;
        })
        .sink(RollingFiles::new(folder.at("out")))
        .state(folder.at("state"))
        .start(&node)
        .await
        .unwrap();
    let (part, reason) = fails(&pipeline).await;
    assert!(part == "pairs" && reason.contains("cannot be kept"), "{part}: {reason}");
    pipeline.stop().await;
    node.stop().await.unwrap();
}

/// A stage that gets another policy while another one is put in behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_a_policy_changes_with_the_joints() {
    let folder = TestFolder::new();
    let node = Node::start("joints").await.unwrap();
    // More than there is time for: it has not ended before it was changed for the last time, however slow that is.
    let numbers =
        Generator::new(u64::MAX).record(|n, out| out.extend_from_slice(n.to_string().as_bytes())).rate(200_000);
    let described = |nth: u32| {
        let pipeline = Pipeline::named("joints")
            .source(numbers.clone())
            .map("first", |_: &mut RecordMut<'_>| ())
            .retries(Retries { max: nth, ..Retries::default() });
        let pipeline = if nth % 2 == 1 { pipeline.map("behind", |_: &mut RecordMut<'_>| ()) } else { pipeline };
        pipeline.sink(RollingFiles::new(folder.at("out")))
    };
    let pipeline = described(0).start(&node).await.unwrap();
    for nth in 1..=8 {
        passed(&pipeline, "files", u64::from(nth) * 15_000).await;
        pipeline.reload(described(nth).plan().unwrap()).await.unwrap();
    }
    assert_eq!(pipeline.stop().await, Outcome::Stopped(Left::default()));
    let sent = part(&pipeline, "generator").counts.passed;
    node.stop().await.unwrap();
    let expected: Vec<String> = (0..sent).map(|n| n.to_string()).collect();
    let found = lines(&folder.at("out"));
    assert_eq!(found.len(), expected.len());
    assert!(found == expected, "they are out of order");
}

fn rarely(settings: &mut Settings) {
    settings.checkpoint_every = Duration::from_secs(3_600);
}

/// As if the program had died.
async fn dies(pipeline: &PipelineRef) {
    drop(pipeline.supervisor().stop().await);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_was_replaced_has_each_record_once_when_the_program_dies_before_the_next_checkpoint() {
    const RECORDS: u64 = 40_000;
    let folder = TestFolder::new();
    let node = Node::start("replaced").await.unwrap();
    let described = |roll: u64| {
        let numbers = Generator::new(RECORDS).record(|n, out| out.extend_from_slice(n.to_string().as_bytes()));
        Pipeline::named("replaced")
            .source(numbers.rate(40_000))
            .sink(RollingFiles::new(folder.at("out")).roll_bytes(roll))
            .state(folder.at("state"))
            .settings(rarely)
    };
    let pipeline = described(1 << 20).start(&node).await.unwrap();
    passed(&pipeline, "files", 3_000).await;
    pipeline.checkpoint().await.unwrap();
    passed(&pipeline, "files", 6_000).await;
    pipeline.reload(described(2 << 20).plan().unwrap()).await.unwrap();
    passed(&pipeline, "files", 2_000).await;
    dies(&pipeline).await;
    let pipeline = described(2 << 20).start(&node).await.unwrap();
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    let expected: Vec<String> = (0..RECORDS).map(|n| n.to_string()).collect();
    let found = lines(&folder.at("out"));
    assert_eq!((found.len(), found == expected), (expected.len(), true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_whose_supervisor_gives_up_says_so_and_goes_on_when_it_is_started_anew() {
    const RECORDS: u64 = 60_000;
    let folder = TestFolder::new();
    let node = Node::start("gives-up").await.unwrap();
    let described = || {
        let numbers = Generator::new(RECORDS).record(|n, out| out.extend_from_slice(n.to_string().as_bytes()));
        Pipeline::named("gives-up")
            .source(numbers.rate(40_000))
            .map("map", |_: &mut RecordMut<'_>| ())
            .sink(RollingFiles::new(folder.at("out")))
            .state(folder.at("state"))
            .settings(|settings| (settings.intensity, settings.checkpoint_every) = (3, Duration::from_millis(50)))
    };
    let pipeline = described().start(&node).await.unwrap();
    for nth in 1..=4 {
        passed(&pipeline, "files", nth * 5_000).await;
        pipeline.actors("map")[0].kill();
    }
    let (part, reason) = fails(&pipeline).await;
    assert!(part == "supervisor" && reason.contains("ended"), "{part}: {reason}");
    pipeline.stop().await;
    let pipeline = described().start(&node).await.unwrap();
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    let expected: Vec<String> = (0..RECORDS).map(|n| n.to_string()).collect();
    let found = lines(&folder.at("out"));
    assert_eq!((found.len(), found == expected), (expected.len(), true));
}

/// How many records there are in a sink of both sources, each key of each source in its order, and counted one by one.
fn counted(folder: &TestFolder, sink: &str) -> u64 {
    let mut last: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for line in lines(&folder.at(sink)) {
        let [key, source, n, count] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let n: u64 = n.parse().unwrap();
        let before = last.insert((key.to_owned(), source.to_owned()), n);
        assert!(before.is_none_or(|before| before < n), "{sink}: {line} behind {before:?}");
        *counts.entry(key.to_owned()).or_default() += 1;
        assert_eq!(count, counts[key].to_string(), "{sink}: {line}");
    }
    counts.values().sum()
}

/// Two sources, one stage with instances for both, three sinks of which one is dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merged_sources_divided_by_key_over_killed_instances_reach_the_sinks_that_live() {
    const RECORDS: u64 = 20_000;
    let folder = TestFolder::new();
    let node = Node::start("merged").await.unwrap();
    // Slow enough for all kills to come before its end.
    let numbers = |name: &'static str| {
        let numbers = Generator::new(RECORDS).keys(20).rate(10_000);
        numbers.record(move |n, out| out.extend_from_slice(format!("{name} {n}").as_bytes()))
    };
    let dead = Moody { files: RollingFiles::new(folder.at("dead")), refusals: Arc::new(AtomicU64::new(u64::MAX)) };
    let at_once = WhenDown::SetAside(Duration::from_millis(1));
    let pipeline = Pipeline::named("merged")
        .source(numbers("a"))
        .called("a")
        .source(numbers("b"))
        .called("b")
        .from(["a", "b"])
        .fold("count", |count: &mut u64, record: &mut RecordMut<'_>| {
            *count += 1;
            let key = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
            let text = format!("{key} {} {count}", String::from_utf8_lossy(record.payload()));
            record.set_payload(text.as_bytes());
        })
        .instances(3.try_into().unwrap(), Share::ByKey)
        .sink(RollingFiles::new(folder.at("one")))
        .called("one")
        .from("count")
        .sink(RollingFiles::new(folder.at("two")))
        .called("two")
        .from("count")
        .sink(dead)
        .called("dead")
        .when_down(at_once)
        .state(folder.at("state"))
        .settings(|settings| settings.intensity = 1_000)
        .start(&node)
        .await
        .unwrap();
    for nth in 1..=6_u64 {
        passed(&pipeline, "one", nth * 4_000).await;
        pipeline.actors("count")[(nth % 3) as usize].kill();
        pipeline.actors(["a", "b", "two", "dead", "one", "a"][(nth - 1) as usize])[0].kill();
    }
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    ["one", "two"].iter().for_each(|sink| assert_eq!(counted(&folder, sink), 2 * RECORDS, "{sink}"));
    let letters = letters(&folder.at("state"));
    assert_eq!(letters.len() as u64, 2 * RECORDS);
    assert!(letters.iter().all(|kept| kept.letter.part == "dead"));
}

#[expect(clippy::await_holding_lock, reason = "nobody who runs here waits for it")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_outlives_its_pipeline_keeps_the_next_one_off_its_folder() {
    const RECORDS: u64 = 1_000;
    let folder = TestFolder::new();
    let node = Node::start("outlived").await.unwrap();
    let disk = Crowded::default();
    let held = disk.letters.clone();
    let held = held.lock().unwrap();
    let described = |name: &str| {
        Pipeline::named(name)
            .source(Generator::new(RECORDS))
            .map("strict", |record: &mut RecordMut<'_>| match record.id() % 100 {
                7 => Err(Failed::because("seven")),
                _ => Ok(()),
            })
            .failover(Failover::DeadLetter)
            .sink(RollingFiles::new(folder.at("out")))
            .state(folder.at("state"))
            .settings(|settings| settings.drain = Duration::from_millis(50))
    };
    let pipeline = described("outlived").start_on(&node, Arc::new(disk.clone())).await.unwrap();
    let begin = Instant::now();
    while disk.begun.load(Ordering::Acquire) == 0 {
        assert!(begin.elapsed() < LIMIT, "no letter is written");
        std::thread::yield_now();
    }
    let Outcome::Stopped(left) = pipeline.stop().await else { panic!("{:?}", pipeline.status().ended) };
    assert_eq!(left.chunks, [("generator".to_owned(), 1)]);
    let refused = described("outlived").start(&node).await.unwrap_err();
    let StartError::State { why, .. } = &refused else { panic!("{refused}") };
    assert!(why.contains("a write of it has not come to its end") && why.contains("waited for 5s"), "{why}");
    // It is waited for, and the one that has waited goes on where the checkpoint is.
    let (node, described) = (&node, &described);
    let starting = async move { described("outlived").start(node).await };
    let released = async move {
        tokio::task::yield_now().await;
        drop(held);
    };
    let (started, ()) = tokio::join!(starting, released);
    let next = started.unwrap();
    finished(&next).await;
    next.stop().await;
    drop(pipeline);
    node.stop().await.unwrap();
    let mut ids: Vec<u64> = letters(&folder.at("state")).iter().map(|kept| kept.letter.record.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..10).map(|hundred| 100 * hundred + 7).collect::<Vec<_>>());
    assert_eq!(lines(&folder.at("out")).len(), 990);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_that_cannot_be_synced_end_the_pipeline_with_the_reason_and_are_there_once_after_the_next_start() {
    const RECORDS: u64 = 20_000;
    let folder = TestFolder::new();
    let node = Node::start("unsynced").await.unwrap();
    let disk = Crowded::default();
    let described = || {
        Pipeline::named("unsynced")
            .source(
                Generator::new(RECORDS).rate(40_000).record(|n, out| out.extend_from_slice(n.to_string().as_bytes())),
            )
            .map("strict", |record: &mut RecordMut<'_>| match record.id() % 100 {
                7 => Err(Failed::because("seven")),
                _ => Ok(()),
            })
            .failover(Failover::DeadLetter)
            .sink(RollingFiles::new(folder.at("out")))
            .state(folder.at("state"))
            .settings(|settings| settings.checkpoint_every = Duration::from_millis(20))
            .start_on(&node, Arc::new(disk.clone()))
    };
    let pipeline = described().await.unwrap();
    let begin = Instant::now();
    while pipeline.status().checkpoint < 2 {
        assert!(begin.elapsed() < LIMIT, "no checkpoint");
        tokio::task::yield_now().await;
    }
    disk.unsynced.store(1, Ordering::Release);
    let (part, reason) = fails(&pipeline).await;
    let file = folder.at("state/dead_letters/00000000000000000000.jsonl");
    assert_eq!(part, "dead_letters");
    let said = format!("cannot sync {}: the disk has lost it", file.display());
    assert!(reason.starts_with(&said) && reason.contains("come again"), "{reason}");
    // That the next sync would succeed is not believed: there is no further checkpoint.
    let number = pipeline.status().checkpoint;
    assert!(matches!(pipeline.checkpoint().await, Err(ControlError::Ended(_))));
    pipeline.stop().await;
    assert_eq!(pipeline.status().checkpoint, number);
    let pipeline = described().await.unwrap();
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    let mut ids: Vec<u64> = letters(&folder.at("state")).iter().map(|kept| kept.letter.record.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..RECORDS).filter(|n| n % 100 == 7).collect::<Vec<_>>());
    let expected: Vec<String> = (0..RECORDS).filter(|n| n % 100 != 7).map(|n| n.to_string()).collect();
    assert!(lines(&folder.at("out")) == expected, "each record is there once");
}
