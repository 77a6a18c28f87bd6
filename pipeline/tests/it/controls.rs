//! Every control message, with its errors.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proscenium_pipeline::sources::{Channel, Generator};
use proscenium_pipeline::{
    CheckpointStore, ChunkSize, Class, CommittedLetters, ContentType, ControlError, Disk, Failed, Failover,
    LetterFilter, LetterLock, LetterOffice, LetterSelection, Outcome, OwnedRecord, PartStatus, Pipeline, PipelineRef,
    REDRIVEN, RealDisk, Record, RecordMut, RollingFiles, Share, StartError, WhenDown,
};
use proscenium_plugin_host::Swap;
use proscenium_runtime::Node;
use tokio::time::timeout;

use crate::built::stamp;
use crate::chaos::parts::Moody;
use crate::chaos::proof::letters;
use crate::flow::{finished, lines};
use crate::test_folder::TestFolder;

const LIMIT: Duration = Duration::from_secs(30);

fn numbers(records: u64) -> Generator {
    Generator::new(records).record(|n, out| out.extend_from_slice(n.to_string().as_bytes()))
}

pub(crate) fn part(pipeline: &PipelineRef, name: &str) -> PartStatus {
    pipeline.status().parts.into_iter().find(|part| part.name == name).expect("it has this part")
}

/// Waits until it is so.
pub(crate) async fn until(pipeline: &PipelineRef, what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    let mut look = tokio::time::interval(Duration::from_millis(1));
    while !is_so() {
        look.tick().await;
        assert!(begin.elapsed() < LIMIT, "{what}: {:#?}", pipeline.status());
    }
}

pub(crate) async fn passed(pipeline: &PipelineRef, name: &str, records: u64) {
    until(pipeline, name, || part(pipeline, name).counts.passed >= records).await;
}

async fn failed(pipeline: &PipelineRef) -> (String, String) {
    match timeout(LIMIT, pipeline.wait()).await.expect("an end") {
        Outcome::Failed { part, reason } => (part, reason),
        other => panic!("{other}"),
    }
}

fn all(numbers: impl Iterator<Item = u64>) -> Vec<String> {
    numbers.map(|n| n.to_string()).collect()
}

/// Fails for some records until it is mended.
pub(crate) fn picky(
    mended: &Arc<AtomicBool>,
    of: fn(u64) -> bool,
) -> impl Fn(&mut RecordMut<'_>) -> Result<(), Failed> + use<> {
    let mended = mended.clone();
    move |record| {
        let is_well = mended.load(Ordering::Acquire) || !of(record.id());
        if is_well { Ok(()) } else { Err(Failed::because("it is broken")) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_paused_resumed_drained_and_says_that_it_has_ended() {
    let folder = TestFolder::new();
    let node = Node::start("paused").await.unwrap();
    let pipeline = Pipeline::named("paused")
        .source(Generator::endless().rate(50_000))
        .sink(RollingFiles::new(folder.at("out")))
        .state(folder.at("state"))
        .start(&node)
        .await
        .unwrap();
    passed(&pipeline, "files", 100).await;
    pipeline.pause().await.unwrap();
    assert!(pipeline.status().is_paused);
    until(&pipeline, "nothing is under way", || part(&pipeline, "generator").under_way == 0).await;
    let sent = part(&pipeline, "generator").counts.passed;
    // A checkpoint does not wake it up.
    let number = pipeline.checkpoint().await.unwrap();
    assert_eq!(part(&pipeline, "generator").counts.passed, sent);
    pipeline.resume().await.unwrap();
    assert!(!pipeline.status().is_paused);
    passed(&pipeline, "files", sent + 100).await;
    assert!(matches!(pipeline.scale("files", NonZeroUsize::MIN).await, Err(ControlError::NotAStage(_))));
    pipeline.drain().await.unwrap();
    let status = pipeline.status();
    assert!(status.is_paused && status.checkpoint > number, "{status:#?}");
    assert_eq!(part(&pipeline, "generator").under_way, 0);
    assert_eq!(part(&pipeline, "files").counts.passed, part(&pipeline, "generator").counts.passed);
    assert_eq!(pipeline.stop().await, Outcome::Stopped(Default::default()));
    let ended = pipeline.pause().await.unwrap_err();
    assert!(matches!(ended, ControlError::Ended(Outcome::Stopped(_))), "{ended}");
    assert!(matches!(pipeline.checkpoint().await, Err(ControlError::Ended(_))));
    assert!(matches!(pipeline.scale("files", NonZeroUsize::MIN).await, Err(ControlError::Ended(_))));
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_is_refused_with_the_reason_and_all_goes_on() {
    let folder = TestFolder::new();
    let node = Node::start("refused").await.unwrap();
    let library = stamp(folder.path(), "one");
    let pipeline = Pipeline::named("refused")
        .source(numbers(u64::MAX).rate(60_000))
        .plugin("stamp", &library)
        .map("same", |_: &mut RecordMut<'_>| ())
        .sink(RollingFiles::new(folder.at("out")))
        .start(&node)
        .await
        .unwrap();
    passed(&pipeline, "files", 500).await;
    let refused = pipeline.swap("nobody", Swap::reload()).await.unwrap_err().to_string();
    assert_eq!(refused, "there is no part `nobody`; there are: files, generator, same, stamp");
    let refused = pipeline.swap("same", Swap::reload()).await.unwrap_err();
    assert!(matches!(&refused, ControlError::NotAPlugin(part) if part == "same"), "{refused}");
    assert!(matches!(pipeline.swap("files", Swap::reload()).await, Err(ControlError::NotAPlugin(_))));
    let refused = pipeline.params("same", [("sign", "-")]).await.unwrap_err();
    assert!(matches!(refused, ControlError::NotAPlugin(_)), "{refused}");
    assert!(matches!(pipeline.params("nobody", [("a", "b")]).await, Err(ControlError::NoSuchPart { .. })));
    assert!(matches!(pipeline.scale("nobody", NonZeroUsize::MIN).await, Err(ControlError::NoSuchPart { .. })));
    assert!(matches!(pipeline.scale("generator", NonZeroUsize::MIN).await, Err(ControlError::NotAStage(_))));
    assert!(matches!(pipeline.resume_stage("nobody").await, Err(ControlError::NoSuchPart { .. })));
    assert!(matches!(pipeline.resume_stage("files").await, Err(ControlError::NotAStage(_))));
    let refused = pipeline.params("stamp", [("colour", "red")]).await.unwrap_err();
    assert!(matches!(refused, ControlError::NotSwapped { .. }), "{refused}");
    assert!(refused.to_string().contains("it knows `sign` only"), "{refused}");
    let refused = pipeline.swap("stamp", Swap::to("/nowhere.so")).await.unwrap_err().to_string();
    assert!(refused.contains("/nowhere.so") && refused.contains("goes on as before"), "{refused}");
    // Half of a newer one lies there: who changes parameters has not asked for it.
    std::fs::write(&library, "half").unwrap();
    pipeline.params("stamp", [("sign", "-")]).await.unwrap();
    let so_far = part(&pipeline, "files").counts.passed;
    passed(&pipeline, "files", so_far + 10_000).await;
    assert_eq!(pipeline.stop().await, Outcome::Stopped(Default::default()));
    let sent = part(&pipeline, "generator").counts.passed;
    node.stop().await.unwrap();
    let lines = lines(&folder.at("out"));
    let mut signs = BTreeMap::new();
    for (n, line) in lines.iter().enumerate() {
        let (number, sign) = line.split_once(" one").unwrap_or_else(|| panic!("{line}"));
        assert_eq!(number, n.to_string());
        *signs.entry(sign.to_owned()).or_insert(0_u64) += 1;
    }
    assert_eq!(lines.len() as u64, sent);
    assert_eq!(signs.keys().collect::<Vec<_>>(), ["+", "-"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fold_that_is_scaled_under_load_takes_its_states_along() {
    const RECORDS: u64 = 60_000;
    let folder = TestFolder::new();
    let node = Node::start("scaled").await.unwrap();
    let pipeline = Pipeline::named("scaled")
        .source(numbers(RECORDS).keys(40).rate(60_000))
        .fold("sums", |(count, sum): &mut (u64, u64), record: &mut RecordMut<'_>| {
            (*count, *sum) = (*count + 1, *sum + record.id());
            let key = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
            record.set_payload(format!("{key} {} {count} {sum}", record.id()).as_bytes());
        })
        .instances(NonZeroUsize::MIN, Share::ByKey)
        .sink(RollingFiles::new(folder.at("out")))
        .start(&node)
        .await
        .unwrap();
    for (nth, instances) in (1..).zip([3, 2, 5, 1, 4]) {
        until(&pipeline, "so many records", || part(&pipeline, "files").counts.passed >= nth * 8_000).await;
        let report = pipeline.scale("sums", NonZeroUsize::new(instances).unwrap()).await.unwrap();
        assert!(report.held.is_some(), "{report}");
        assert_eq!(part(&pipeline, "sums").instances, instances);
    }
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    let mut sums: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
    for line in lines(&folder.at("out")) {
        let [key, id, count, sum] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (id, count, sum): (u64, u64, u64) = (id.parse().unwrap(), count.parse().unwrap(), sum.parse().unwrap());
        let before = sums.entry(key.to_owned()).or_default();
        assert!(before.0 == 0 || before.0 < id, "{line} behind {before:?}");
        *before = (id, before.1 + 1, before.2 + id);
        assert_eq!((count, sum), (before.1, before.2), "{line}");
    }
    assert_eq!(sums.values().map(|(_, count, _)| count).sum::<u64>(), RECORDS);
    assert_eq!(sums.values().map(|(_, _, sum)| sum).sum::<u64>(), RECORDS * (RECORDS - 1) / 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stage_that_has_stopped_goes_on_when_it_is_mended_and_resumed() {
    let folder = TestFolder::new();
    let node = Node::start("stopped").await.unwrap();
    let mended = Arc::new(AtomicBool::new(false));
    let pipeline = Pipeline::named("stopped")
        .source(numbers(5_000))
        .map("picky", picky(&mended, |id| id == 1_500))
        .failover(Failover::StopPartition)
        .sink(RollingFiles::new(folder.at("out")))
        .start(&node)
        .await
        .unwrap();
    until(&pipeline, "it stops", || part(&pipeline, "picky").is_stopped).await;
    // Also over a kill.
    pipeline.actors("picky")[0].kill();
    until(&pipeline, "it is back", || part(&pipeline, "picky").counts.restarts == 1).await;
    assert!(part(&pipeline, "picky").is_stopped && part(&pipeline, "files").counts.passed < 5_000);
    mended.store(true, Ordering::Release);
    pipeline.resume_stage("picky").await.unwrap();
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    assert_eq!(lines(&folder.at("out")), all(0..5_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_has_stopped_leaves_the_chunks_to_the_others() {
    let folder = TestFolder::new();
    let node = Node::start("one-stopped").await.unwrap();
    let mended = Arc::new(AtomicBool::new(false));
    let pipeline = Pipeline::named("one-stopped")
        .source(numbers(300))
        .map("picky", picky(&mended, |id| id == 0))
        .failover(Failover::StopPartition)
        .instances(NonZeroUsize::new(2).unwrap(), Share::InTurns)
        .sink(RollingFiles::new(folder.at("out")))
        .chunk(ChunkSize { records: 10, bytes: 1 << 20 })
        .start(&node)
        .await
        .unwrap();
    // Half of the source's eight buffers lie with the stopped one at most: then it has the longer queue.
    passed(&pipeline, "picky", 250).await;
    assert!(part(&pipeline, "picky").is_stopped);
    mended.store(true, Ordering::Release);
    pipeline.resume_stage("picky").await.unwrap();
    finished(&pipeline).await;
    assert_eq!(part(&pipeline, "picky").counts.queue, 0);
    pipeline.stop().await;
    node.stop().await.unwrap();
    let mut found: Vec<u64> = lines(&folder.at("out")).iter().map(|line| line.parse().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, (0..300).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_has_stopped_goes_on_when_it_is_resumed_with_another_library() {
    let folder = TestFolder::new();
    let node = Node::start("plugin-stopped").await.unwrap();
    let numbers = Generator::new(3_000).record(|n, out| {
        let word = if n == 700 { "whole" } else { "usual" };
        out.extend_from_slice(format!("{n} {word}").as_bytes());
    });
    let pipeline = Pipeline::named("plugin-stopped")
        .source(numbers)
        .plugin("stamp", stamp(folder.path(), "one"))
        .failover(Failover::StopPartition)
        .sink(RollingFiles::new(folder.at("out")))
        .start(&node)
        .await
        .unwrap();
    until(&pipeline, "it stops", || part(&pipeline, "stamp").is_stopped).await;
    // The other plugin does not know the word.
    pipeline.swap("stamp", Swap::to(crate::built::mark(folder.path(), "2")).params([("", ""); 0])).await.unwrap();
    pipeline.resume_stage("stamp").await.unwrap();
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    let lines = lines(&folder.at("out"));
    assert_eq!(lines.len(), 3_000);
    for (n, line) in lines.iter().enumerate() {
        assert!(line.starts_with(&format!("{n} {}", if n == 700 { "whole 2" } else { "usual " })), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_that_failed_fast_goes_on_when_it_is_mended_and_started_anew() {
    let folder = TestFolder::new();
    let node = Node::start("fast").await.unwrap();
    let mended = Arc::new(AtomicBool::new(false));
    let described = || {
        Pipeline::named("fast")
            .source(numbers(40_000).rate(80_000))
            .map("picky", picky(&mended, |id| id == 20_001))
            .failover(Failover::FailFast)
            .sink(RollingFiles::new(folder.at("out")))
            .state(folder.at("state"))
            .settings(|settings| settings.checkpoint_every = Duration::from_millis(40))
    };
    for _ in 0..2 {
        let pipeline = described().start(&node).await.unwrap();
        assert_eq!(failed(&pipeline).await, ("picky".to_owned(), "it is broken".to_owned()));
        let refused = pipeline.resume().await.unwrap_err().to_string();
        assert!(refused.contains("`picky` could not go on: it is broken"), "{refused}");
        pipeline.stop().await;
    }
    mended.store(true, Ordering::Release);
    let pipeline = described().start(&node).await.unwrap();
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    assert_eq!(lines(&folder.at("out")), all(0..40_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circuit_opens_and_closes_and_each_record_is_written_or_a_letter() {
    let folder = TestFolder::new();
    let node = Node::start("circuit").await.unwrap();
    let mended = Arc::new(AtomicBool::new(false));
    let pipeline = Pipeline::named("circuit")
        .source(numbers(20_000).rate(40_000))
        .map("picky", picky(&mended, |id| id >= 1_000))
        .failover(Failover::CircuitBreaker { failures: 3, cooldown: Duration::from_millis(20) })
        .sink(RollingFiles::new(folder.at("out")))
        .state(folder.at("state"))
        .start(&node)
        .await
        .unwrap();
    until(&pipeline, "letters", || part(&pipeline, "picky").counts.dead_letters >= 2_000).await;
    mended.store(true, Ordering::Release);
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    let mut ids: Vec<u64> = lines(&folder.at("out")).iter().map(|line| line.parse().unwrap()).collect();
    assert!(ids.is_sorted() && ids.len() > 1_000, "{}", ids.len());
    let letters = letters(&folder.at("state"));
    let of = |class| letters.iter().filter(|kept| kept.letter.class == class).count();
    assert!(
        of(Class::Failed) >= 3 && of(Class::NotTried) >= 1_000,
        "{} and {}",
        of(Class::Failed),
        of(Class::NotTried)
    );
    ids.extend(letters.iter().map(|kept| kept.letter.record.id));
    ids.sort_unstable();
    assert_eq!(ids, (0..20_000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_goes_to_the_stand_in_and_what_is_skipped_is_counted() {
    let folder = TestFolder::new();
    let node = Node::start("stand-in").await.unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let mark = |word: &'static str| {
        move |record: &mut RecordMut<'_>| {
            let text = format!("{} {word}", String::from_utf8_lossy(record.payload()));
            record.set_payload(text.as_bytes());
        }
    };
    let pipeline = Pipeline::named("stand-in")
        .source(numbers(3_000))
        .map("skips", picky(&broken, |id| id % 10 == 1))
        .failover(Failover::SkipAndContinue)
        .route("way", ["spare"], |_: Record<'_>| None::<String>)
        .map("first", picky(&broken, |id| id % 10 == 2))
        .failover(Failover::FailoverTo("second".into()))
        .from("way/spare")
        .map("second", mark("mended"))
        .from(["first", "second"])
        .sink(RollingFiles::new(folder.at("out")))
        .start(&node)
        .await
        .unwrap();
    finished(&pipeline).await;
    assert_eq!(part(&pipeline, "skips").counts.skipped, 300);
    pipeline.stop().await;
    node.stop().await.unwrap();
    let mut found = lines(&folder.at("out"));
    let said = |n: u64| if n % 10 == 2 { format!("{n} mended") } else { n.to_string() };
    let mut expected: Vec<String> = (0..3_000).filter(|n| n % 10 != 1).map(said).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

fn moody(at: &Path, refusals: u64) -> (Moody, Arc<AtomicU64>) {
    let refusals = Arc::new(AtomicU64::new(refusals));
    (Moody { files: RollingFiles::new(at), refusals: refusals.clone() }, refusals)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_is_down_is_waited_for_set_aside_or_stops_the_pipeline() {
    let folder = TestFolder::new();
    let node = Node::start("down").await.unwrap();
    let (waits, _) = moody(&folder.at("waits"), 5);
    let (dead, refusals) = moody(&folder.at("dead"), u64::MAX);
    let quick = proscenium_pipeline::Retries { pause: Duration::from_millis(5), ..Default::default() };
    let pipeline = Pipeline::named("down")
        .source(numbers(20_000).rate(40_000))
        .sink(waits)
        .called("waits")
        .when_down(WhenDown::Wait)
        .retries(quick)
        .from("generator")
        .sink(dead)
        .called("dead")
        .when_down(WhenDown::SetAside(Duration::from_millis(50)))
        .retries(quick)
        .state(folder.at("state"))
        .start(&node)
        .await
        .unwrap();
    until(&pipeline, "letters", || part(&pipeline, "dead").counts.dead_letters > 1_000).await;
    let trouble = part(&pipeline, "dead").trouble;
    assert_eq!(trouble.as_deref(), Some("it is not in the mood"));
    refusals.store(0, Ordering::Release);
    finished(&pipeline).await;
    assert_eq!(part(&pipeline, "dead").trouble, None);
    pipeline.stop().await;
    assert_eq!(lines(&folder.at("waits")), all(0..20_000));
    let mut ids: Vec<u64> = lines(&folder.at("dead")).iter().map(|line| line.parse().unwrap()).collect();
    let letters = letters(&folder.at("state"));
    assert!(!ids.is_empty() && letters.iter().all(|kept| kept.letter.class == Class::SinkDown));
    ids.extend(letters.iter().map(|kept| kept.letter.record.id));
    ids.sort_unstable();
    assert_eq!(ids, (0..20_000).collect::<Vec<_>>());

    let stops = Arc::new(AtomicU64::new(0));
    let described = || {
        let files = RollingFiles::new(folder.at("stops"));
        Pipeline::named("stops")
            .source(numbers(20_000).rate(40_000))
            .sink(Moody { files, refusals: stops.clone() })
            .when_down(WhenDown::Stop)
            .state(folder.at("state-of-stops"))
            .settings(|settings| settings.checkpoint_every = Duration::from_millis(30))
    };
    let pipeline = described().start(&node).await.unwrap();
    passed(&pipeline, "moody", 5_000).await;
    stops.store(1, Ordering::Release);
    assert_eq!(failed(&pipeline).await, ("moody".to_owned(), "it is not in the mood".to_owned()));
    pipeline.stop().await;
    let pipeline = described().start(&node).await.unwrap();
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    assert_eq!(lines(&folder.at("stops")), all(0..20_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_go_through_the_running_pipeline_again() {
    let folder = TestFolder::new();
    let node = Node::start("redriven").await.unwrap();
    let mended = Arc::new(AtomicBool::new(false));
    let (sender, channel) = Channel::new(100);
    let pipeline = Pipeline::named("redriven")
        .source(channel)
        .map("before", |record: &mut RecordMut<'_>| {
            let text = format!("{}.", String::from_utf8_lossy(record.payload()));
            record.set_payload(text.as_bytes());
        })
        .map("picky", picky(&mended, |id| id % 100 == 3))
        .failover(Failover::DeadLetter)
        .map("times", |record: &mut RecordMut<'_>| {
            let times = record.headers().into_iter().find(|(name, _)| *name == REDRIVEN);
            let times = times.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default();
            let text = format!("{}{times}", String::from_utf8_lossy(record.payload()));
            record.set_payload(text.as_bytes());
        })
        .sink(RollingFiles::new(folder.at("out")))
        .state(folder.at("state"))
        .start(&node)
        .await
        .unwrap();
    for id in 0..1_000_u64 {
        let payload = id.to_string().into_bytes();
        let record = OwnedRecord { id, content: ContentType::Raw, payload, key: None, time: 0, headers: Vec::new() };
        sender.send(record).await.unwrap();
    }
    let redrive = async |kept: usize| {
        pipeline.checkpoint().await.unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let checkpoint = CheckpointStore::new(disk.clone(), folder.at("state")).load().unwrap().unwrap();
        let office = LetterOffice::new(&disk, folder.at("state"), &CommittedLetters::of(&checkpoint)).unwrap();
        let lock = LetterLock::take(&folder.at("state")).unwrap();
        let done = office.redrive(&lock, &LetterSelection::Filter(LetterFilter::default())).unwrap();
        assert_eq!(done.letters as usize, kept);
    };
    passed(&pipeline, "files", 990).await;
    until(&pipeline, "letters", || part(&pipeline, "dead_letters").counts.passed == 10).await;
    // Once when it would fail again.
    redrive(10).await;
    until(&pipeline, "letters", || part(&pipeline, "dead_letters").counts.passed == 20).await;
    mended.store(true, Ordering::Release);
    redrive(10).await;
    passed(&pipeline, "files", 1_000).await;
    drop(sender);
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    let (usual, redriven) = ((0..1_000).filter(|n| n % 100 != 3), (0..1_000).filter(|n| n % 100 == 3));
    let mut expected: Vec<String> = usual.map(|n| format!("{n}.")).collect();
    expected.extend(redriven.map(|n| format!("{n}.2")));
    assert_eq!(lines(&folder.at("out")), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_that_does_not_start_says_which_part_and_what_was_stopped_again() {
    let folder = TestFolder::new();
    let node = Node::start("no-start").await.unwrap();
    let described = |library: &Path| {
        Pipeline::named("no-start")
            .source(numbers(100))
            .map("map", |_: &mut RecordMut<'_>| ())
            .plugin("stamp", library)
            .sink(RollingFiles::new(folder.at("out")))
            .called("out")
            .state(folder.at("state"))
    };
    let refused = described(Path::new("/nowhere.so")).start(&node).await.unwrap_err();
    let StartError::Part { part, why, stopped } = &refused else { panic!("{refused}") };
    assert!(part == "stamp" && why.contains("/nowhere.so"), "{refused}");
    assert_eq!(stopped, &["out"]);
    assert!(refused.to_string().contains("Stopped again: out"), "{refused}");
    // Nothing is left of it: neither its name, nor its folder.
    let library = stamp(folder.path(), "one");
    let pipeline = described(&library).start(&node).await.unwrap();
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    assert_eq!(lines(&folder.at("out")).len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_is_in_use_damaged_or_anothers_is_refused_and_left_alone() {
    let folder = TestFolder::new();
    let node = Node::start("states").await.unwrap();
    let described = |name: &str, state: &str| {
        Pipeline::named(name)
            .source(numbers(20_000).rate(40_000))
            .sink(RollingFiles::new(folder.at("out")))
            .state(folder.at(state))
    };
    let first = described("first", "state").start(&node).await.unwrap();
    let why = async |pipeline: Pipeline| match pipeline.start(&node).await.unwrap_err() {
        StartError::State { why, .. } => why,
        other => panic!("{other}"),
    };
    let held = why(described("second", "state")).await;
    assert!(held.contains(&format!("the process {} runs a pipeline", std::process::id())), "{held}");
    let named = described("first", "elsewhere").start(&node).await.unwrap_err();
    assert!(matches!(named, StartError::Supervisor(_)), "{named}");
    passed(&first, "files", 2_000).await;
    assert_eq!(first.stop().await, Outcome::Stopped(Default::default()));
    let other = why(described("second", "state")).await;
    assert!(other.contains("it is the state of the pipeline `first`"), "{other}");
    let store = CheckpointStore::new(Arc::new(RealDisk), folder.at("state"));
    let whole = std::fs::read(store.path()).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(store.path(), &damaged).unwrap();
    let refused = why(described("first", "state")).await;
    assert!(refused.contains("checkpoint"), "{refused}");
    assert_eq!(std::fs::read(store.path()).unwrap(), damaged);
    std::fs::write(store.path(), whole).unwrap();
    let first = described("first", "state").start(&node).await.unwrap();
    finished(&first).await;
    first.stop().await;
    node.stop().await.unwrap();
    assert_eq!(lines(&folder.at("out")), all(0..20_000));
}
