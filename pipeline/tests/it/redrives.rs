//! Dead letters that are sent again, of sources that a reload adds, changes and removes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proscenium_pipeline::sources::{Channel, Generator, Sender};
use proscenium_pipeline::{
    CheckpointStore, CommittedLetters, ContentType, Disk, Failed, Failover, Left, LetterFilter, LetterLock,
    LetterOffice, LetterSelection, Outcome, OwnedRecord, Pipeline, PipelineRef, Plan, Port, RealDisk, RecordMut,
    Redriven, RollingFiles, Share,
};
use proscenium_runtime::Node;

use crate::built::stamp;
use crate::controls::{part, passed, picky, until};
use crate::flow::{finished, lines};
use crate::test_folder::TestFolder;

/// A source, and whether a stage lies between it and the one that fails.
type Branch<'a> = (&'a str, &'a Channel, bool);

/// Each source with stages of its own, and one sink.
fn plan(folder: &TestFolder, state: &str, mended: &Arc<AtomicBool>, branches: &[Branch<'_>]) -> Plan {
    let mut pipeline = Pipeline::named("letters");
    for (name, channel, is_marked) in branches {
        pipeline = pipeline.source((*channel).clone()).called(*name);
        if *is_marked {
            pipeline = pipeline.map(format!("{name}-mark"), |record: &mut RecordMut<'_>| {
                let number: u64 = record.decode()?;
                let marked = format!("{number} {:?}", record.content());
                record.set(ContentType::Raw, marked.as_bytes());
                Ok::<_, Failed>(())
            });
        }
        pipeline = pipeline.map(format!("{name}-picky"), picky(mended, |_| true)).failover(Failover::DeadLetter);
    }
    let ends: Vec<String> = branches.iter().map(|(name, ..)| format!("{name}-picky")).collect();
    let pipeline = match &*ends {
        [one] => pipeline.from(&**one),
        [one, other] => pipeline.from([&**one, &**other]),
        _ => unreachable!("a test has one source or two"),
    };
    pipeline.sink(RollingFiles::new(folder.at("out"))).called("files").state(folder.at(state)).plan().unwrap()
}

async fn send(sender: &Sender, text: &str) {
    send_as(ContentType::Raw, sender, text).await;
}

async fn send_as(content: ContentType, sender: &Sender, text: &str) {
    let payload = text.as_bytes().to_vec();
    sender.send(OwnedRecord { id: 0, content, payload, key: None, time: 0, headers: Vec::new() }).await.unwrap();
}

/// As many letters as there have been since the pipeline was started.
async fn letters(pipeline: &PipelineRef, count: u64) {
    until(pipeline, "letters", || part(pipeline, "dead_letters").counts.passed == count).await;
}

const ALL: LetterSelection =
    LetterSelection::Filter(LetterFilter { part: None, class: None, since: None, before: None });

/// Of the letters that the last checkpoint names.
fn redrive(state: &Path, selection: &LetterSelection) -> Redriven {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let checkpoint = CheckpointStore::new(disk.clone(), state).load().unwrap().unwrap();
    let office = LetterOffice::new(&disk, state, &CommittedLetters::of(&checkpoint)).unwrap();
    let lock = LetterLock::take(state).unwrap();
    office.redrive(&lock, selection).unwrap()
}

async fn redriven(pipeline: &PipelineRef, folder: &TestFolder) -> Redriven {
    pipeline.checkpoint().await.unwrap();
    redrive(&folder.at("state"), &ALL)
}

fn sorted(folder: &TestFolder) -> Vec<String> {
    let mut lines = lines(&folder.at("out"));
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_of_a_source_that_a_reload_has_added_are_sent_again_at_once() {
    let folder = TestFolder::new();
    let node = Node::start("letters-added").await.unwrap();
    let mended = Arc::new(AtomicBool::new(false));
    let ((first, one), (second, two)) = (Channel::new(10), Channel::new(10));
    let started = plan(&folder, "state", &mended, &[("first", &one, false)]);
    let pipeline = Pipeline::of(started).start(&node).await.unwrap();
    // Another place for the state holds from the next start on: letters are where they were.
    let both = plan(&folder, "elsewhere", &mended, &[("first", &one, false), ("second", &two, false)]);
    let number = pipeline.checkpoint().await.unwrap();
    pipeline.reload(both).await.unwrap();
    until(&pipeline, "a checkpoint that names it", || pipeline.status().checkpoint > number).await;
    send(&second, "1").await;
    letters(&pipeline, 1).await;
    mended.store(true, Ordering::Release);
    assert_eq!(redriven(&pipeline, &folder).await.letters, 1);
    passed(&pipeline, "files", 1).await;
    drop((first, second));
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    assert_eq!(sorted(&folder), ["1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_of_a_source_that_a_reload_has_changed_are_sent_again_as_its_own_records_are_now() {
    let folder = TestFolder::new();
    let node = Node::start("letters-changed").await.unwrap();
    let mended = Arc::new(AtomicBool::new(false));
    let ((first, one), (second, two)) = (Channel::new(10), Channel::new(20));
    let two = two.json();
    let started = plan(&folder, "state", &mended, &[("first", &one, false)]);
    let pipeline = Pipeline::of(started).start(&node).await.unwrap();
    send_as(ContentType::Json, &first, "1").await;
    letters(&pipeline, 1).await;
    mended.store(true, Ordering::Release);
    assert_eq!(redriven(&pipeline, &folder).await.letters, 1);
    passed(&pipeline, "files", 1).await;
    mended.store(false, Ordering::Release);
    send_as(ContentType::Json, &first, "2").await;
    letters(&pipeline, 2).await;
    mended.store(true, Ordering::Release);
    // Another source of that name, which makes MessagePack, and a stage behind it.
    pipeline.reload(plan(&folder, "state", &mended, &[("first", &two, true)])).await.unwrap();
    send_as(ContentType::Json, &second, "3").await;
    passed(&pipeline, "files", 2).await;
    assert_eq!(redriven(&pipeline, &folder).await.letters, 1);
    passed(&pipeline, "files", 3).await;
    drop((first, second));
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    assert_eq!(sorted(&folder), ["1", "2 MessagePack", "3 MessagePack"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_are_sent_again_once_if_a_reload_that_would_have_changed_their_sources_is_taken_back() {
    let folder = TestFolder::new();
    let node = Node::start("letters-back").await.unwrap();
    let mended = Arc::new(AtomicBool::new(false));
    let ((first, one), (second, two), (_other, other)) = (Channel::new(10), Channel::new(10), Channel::new(20));
    let library = stamp(folder.path(), "one");
    let stamped = |branches: &[Branch<'_>], instances: usize| {
        let mut plan = plan(&folder, "state", &mended, branches);
        let stage = Pipeline::named("stamp").source(one.clone()).plugin("stamp", &library);
        let stage = stage.instances(instances.try_into().unwrap(), Share::ByKey).sink(RollingFiles::new("out")).plan();
        let mut stage = stage.unwrap().parts.swap_remove(1);
        let sink = plan.parts.last_mut().unwrap();
        stage.from = std::mem::replace(&mut sink.from, vec![Port { part: stage.name.clone(), route: None }]);
        plan.parts.push(stage);
        plan
    };
    let both = stamped(&[("first", &one, false), ("second", &two, false)], 1);
    let pipeline = Pipeline::of(both).start(&node).await.unwrap();
    for (nth, sender) in (1..).zip([&first, &second]) {
        send(sender, &nth.to_string()).await;
        letters(&pipeline, nth).await;
    }
    mended.store(true, Ordering::Release);
    assert_eq!(redriven(&pipeline, &folder).await.letters, 2);
    passed(&pipeline, "files", 2).await;
    mended.store(false, Ordering::Release);
    for (nth, sender) in (3..).zip([&first, &second]) {
        send(sender, &nth.to_string()).await;
        letters(&pipeline, nth).await;
    }
    mended.store(true, Ordering::Release);
    // One source is another, and one is gone, when the new instance does not start.
    std::fs::remove_file(&library).unwrap();
    let refused = pipeline.reload(stamped(&[("first", &other, false)], 2)).await.unwrap_err().to_string();
    assert!(refused.contains("`stamp` has 2 instances") && !refused.contains("taken back"), "{refused}");
    assert_eq!(redriven(&pipeline, &folder).await.letters, 2);
    passed(&pipeline, "files", 4).await;
    drop((first, second));
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    assert_eq!(sorted(&folder), ["1 one+", "2 one+", "3 one+", "4 one+"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_of_a_source_that_a_reload_has_removed_wait_for_one_of_its_name_and_are_sent_once() {
    let folder = TestFolder::new();
    let node = Node::start("letters-removed").await.unwrap();
    let mended = Arc::new(AtomicBool::new(false));
    let ((first, one), (second, two)) = (Channel::new(10), Channel::new(10));
    let alone = || plan(&folder, "state", &mended, &[("first", &one, false)]);
    let both = || plan(&folder, "state", &mended, &[("first", &one, false), ("second", &two, false)]);
    let pipeline = Pipeline::of(both()).start(&node).await.unwrap();
    send(&second, "1").await;
    letters(&pipeline, 1).await;
    mended.store(true, Ordering::Release);
    redriven(&pipeline, &folder).await;
    passed(&pipeline, "files", 1).await;
    mended.store(false, Ordering::Release);
    for (nth, sender) in (2..).zip([&second, &first, &second]) {
        send(sender, &nth.to_string()).await;
        letters(&pipeline, nth).await;
    }
    mended.store(true, Ordering::Release);
    pipeline.checkpoint().await.unwrap();
    pipeline.reload(alone()).await.unwrap();
    // By a checkpoint that has the source: they are on their way, which leads nowhere now.
    assert_eq!(redrive(&folder.at("state"), &LetterSelection::Ids(vec![1, 2])).letters, 2);
    passed(&pipeline, "files", 2).await;
    mended.store(false, Ordering::Release);
    send(&first, "5").await;
    letters(&pipeline, 5).await;
    mended.store(true, Ordering::Release);
    let done = redriven(&pipeline, &folder).await;
    assert_eq!((done.letters, done.sourceless), (1, [("second".to_owned(), 1)].into()));
    passed(&pipeline, "files", 3).await;
    assert_eq!(pipeline.stop().await, Outcome::Stopped(Left::default()));
    assert_eq!(sorted(&folder), ["1", "3", "5"]);
    // After another start without it: what it had sent again does not come twice when it is back.
    let pipeline = Pipeline::of(alone()).start(&node).await.unwrap();
    pipeline.checkpoint().await.unwrap();
    pipeline.reload(both()).await.unwrap();
    passed(&pipeline, "files", 1).await;
    assert_eq!(redriven(&pipeline, &folder).await.letters, 1);
    passed(&pipeline, "files", 2).await;
    drop((first, second));
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    assert_eq!(sorted(&folder), ["1", "2", "3", "4", "5"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_moves_the_checkpoint_away_has_each_record_once_though_letters_had_been_sent_again() {
    const RECORDS: u64 = 20;
    let folder = TestFolder::new();
    let node = Node::start("letters-anew").await.unwrap();
    let mended = Arc::new(AtomicBool::new(false));
    let described = |out: &str| {
        Pipeline::named("anew")
            .source(Generator::new(RECORDS).record(|n, out| out.extend_from_slice(format!("{n:02}").as_bytes())))
            .map("picky", picky(&mended, |n| n % 4 == 0))
            .failover(Failover::DeadLetter)
            .sink(RollingFiles::new(folder.at(out)))
            .called("files")
            .state(folder.at("state"))
    };
    let all: Vec<String> = (0..RECORDS).map(|n| format!("{n:02}")).collect();
    let pipeline = described("out").start(&node).await.unwrap();
    letters(&pipeline, 5).await;
    finished(&pipeline).await;
    pipeline.stop().await;
    mended.store(true, Ordering::Release);
    let done = redrive(&folder.at("state"), &ALL);
    assert_eq!(done.letters, 5);
    // Before they were sent again, and begins anew.
    std::fs::rename(folder.at("state/checkpoint.json"), folder.at("moved.json")).unwrap();
    let pipeline = described("anew").start(&node).await.unwrap();
    finished(&pipeline).await;
    let status = pipeline.stop().await;
    assert_eq!(lines(&folder.at("anew")), all, "{status}");
    assert_eq!(std::fs::read_dir(folder.at("state/redrive")).unwrap().count(), 1, "it is left for people");
    node.stop().await.unwrap();
}
