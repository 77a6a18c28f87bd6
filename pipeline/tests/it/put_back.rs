//! What code has changed of a record before it fails is taken back.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use proscenium_pipeline::sources::Generator;
use proscenium_pipeline::{Failed, Failover, Pipeline, Record, RecordMut, Retries, RollingFiles, Verdict};
use proscenium_runtime::Node;

use crate::flow::{finished, lines};
use crate::test_folder::TestFolder;

const RECORDS: u64 = 3_000;

fn text(record: &RecordMut<'_>) -> String {
    String::from_utf8_lossy(record.payload()).into_owned()
}

/// All that can be changed of a record, in a way that shows how often it was.
fn change(record: &mut RecordMut<'_>) {
    let key = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
    record.payload_mut()[0] += 1;
    match record.id() % 3 {
        0 => record.set_payload(format!("{} and more", text(record)).as_bytes()),
        1 => record.set_payload(&text(record).as_bytes()[1..]),
        _ => (),
    }
    record.set_key(Some(format!("{key}k").as_bytes()));
    record.set_time(record.time() + 1);
    let marks = record.headers().get("marks").map_or(0, <[u8]>::len);
    record.set_header("marks", &vec![b'm'; marks + 1]);
}

/// In a record's payload, all that a record has.
fn tell(record: &mut RecordMut<'_>) {
    let key = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
    let marks = record.headers().get("marks").map_or(0, <[u8]>::len);
    let told = format!("{} {} {key} {} {marks}", record.id(), text(record), record.time());
    record.set_payload(told.as_bytes());
}

fn expected(id: u64) -> String {
    let payload = match id % 3 {
        0 => "b23456789 and more",
        1 => "23456789",
        _ => "b23456789",
    };
    format!("{id} {payload} {}k 8 1", id % 7)
}

fn records(name: &str) -> Pipeline {
    let text = |_, out: &mut Vec<u8>| out.extend_from_slice(b"a23456789");
    Pipeline::named(name).source(Generator::new(RECORDS).record(text)).map("begin", |record: &mut RecordMut<'_>| {
        record.set_time(7);
        record.set_key(Some((record.id() % 7).to_string().as_bytes()));
    })
}

/// What comes out, told, by its numbers.
async fn told(pipeline: Pipeline) -> Vec<String> {
    let (node, folder) = (Node::start("put_back").await.unwrap(), TestFolder::new());
    let pipeline = pipeline.map("tell", tell).sink(RollingFiles::new(folder.at("out")));
    let pipeline = pipeline.start(&node).await.unwrap();
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    let mut lines = lines(&folder.at("out"));
    lines.sort_by_key(|line| line.split(' ').next().and_then(|id| id.parse::<u64>().ok()));
    lines
}

/// What comes out if nothing fails.
fn all() -> Vec<String> {
    (0..RECORDS).map(expected).collect()
}

fn soon() -> Retries {
    Retries { pause: Duration::from_millis(1), ..Retries::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_tried_again_is_as_it_came_after_an_error_or_a_panic() {
    let (failed, panicked) = (Mutex::new(HashSet::new()), Mutex::new(HashSet::new()));
    let first = |seen: &Mutex<HashSet<u64>>, id| seen.lock().unwrap().insert(id);
    let pipeline = records("again")
        .map("flaky", move |record: &mut RecordMut<'_>| {
            change(record);
            let id = record.id();
            assert!(id % 500 != 1 || !first(&panicked, id), "it panics once on some");
            if id % 10 == 3 && first(&failed, id) { Err(Failed::because("once")) } else { Ok(()) }
        })
        .retries(soon());
    assert_eq!(told(pipeline).await, all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_put_back_after_a_panic_of_code_that_says_where_it_goes() {
    let panicked = Mutex::new(HashSet::new());
    let pipeline = records("verdicts").map("flaky", move |record: &mut RecordMut<'_>| {
        change(record);
        let id = record.id();
        assert!(id % 500 != 1 || !panicked.lock().unwrap().insert(id), "it panics once on some");
        Verdict::Next
    });
    assert_eq!(told(pipeline).await, all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stage_that_stands_in_gets_a_record_as_the_first_one_got_it() {
    let pipeline = records("stand_in")
        .route("way", ["spare"], |_: Record<'_>| None::<String>)
        .map("first", |record: &mut RecordMut<'_>| {
            change(record);
            if record.id() % 10 == 3 { Err(Failed::because("never")) } else { Ok(()) }
        })
        .failover(Failover::FailoverTo("second".into()))
        .from("way/spare")
        .map("second", change)
        .from(["first", "second"]);
    assert_eq!(told(pipeline).await, all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fold_that_fails_leaves_record_and_state_as_they_were() {
    let failed = Mutex::new(HashSet::new());
    let pipeline = records("fold")
        .fold("count", move |count: &mut u64, record: &mut RecordMut<'_>| {
            *count += 1;
            change(record);
            let id = record.id();
            if id % 10 == 3 && failed.lock().unwrap().insert(id) {
                return Err(Failed::because("once"));
            }
            record.set_payload(format!("{} {count}", text(record)).as_bytes());
            Ok(())
        })
        .retries(soon());
    let lines = told(pipeline).await;
    let expected = (0..RECORDS).map(|id| {
        let whole = expected(id);
        let (head, tail) = whole.split_at(whole.len() - " 0k 8 1".len());
        format!("{head} {}{tail}", id / 7 + 1)
    });
    assert_eq!(lines, expected.collect::<Vec<_>>());
}
