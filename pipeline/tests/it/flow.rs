//! Records through stages, sources and sinks, as a user writes them.

use std::path::Path;
use std::time::Duration;

use proscenium_pipeline::sources::{Files, Generator};
use proscenium_pipeline::{
    ChunkSize, Emit, Failed, Failover, Null, Outcome, OwnedRecord, Pipeline, PipelineRef, Record, RecordMut,
    RollingFiles, Verdict,
};
use proscenium_runtime::Node;

use crate::test_folder::TestFolder;

/// All lines of the finished files of a folder, in the order of the files.
pub(crate) fn lines(folder: &Path) -> Vec<String> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files
        .iter()
        .flat_map(|path| std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

pub(crate) async fn finished(pipeline: &PipelineRef) {
    let outcome = tokio::time::timeout(Duration::from_secs(60), pipeline.wait()).await;
    let status = pipeline.status();
    assert_eq!(outcome.unwrap_or_else(|_| panic!("it comes to no end: {status:#?}")), Outcome::Done, "{status:#?}");
}

fn write_input(path: &Path, count: u64) {
    let lines: String = (0..count).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    std::fs::write(path, lines).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_go_from_a_file_through_rust_stages_into_a_file_in_their_order() {
    let folder = TestFolder::new();
    write_input(&folder.at("in.jsonl"), 10_000);
    let node = Node::start("flow").await.unwrap();
    let pipeline = Pipeline::named("double")
        .source(Files::at(folder.at("in.jsonl").display().to_string()).json())
        .filter("even", |record| {
            Ok::<_, Failed>(record.decode::<serde_json::Value>()?["n"].as_u64().is_some_and(|n| n % 2 == 0))
        })
        .map("double", |record: &mut RecordMut<'_>| {
            let mut value: serde_json::Value = record.decode()?;
            value["n"] = (value["n"].as_u64().unwrap_or(0) * 2).into();
            record.encode(&value)
        })
        .sink(RollingFiles::new(folder.at("out")))
        .state(folder.at("state"))
        .start(&node)
        .await
        .unwrap();
    finished(&pipeline).await;
    let expected: Vec<String> = (0..10_000).filter(|n| n % 2 == 0).map(|n| format!("{{\"n\":{}}}", n * 2)).collect();
    assert_eq!(lines(&folder.at("out")), expected);
    pipeline.stop().await;
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panicking_record_becomes_a_dead_letter_and_the_rest_goes_through_once() {
    let folder = TestFolder::new();
    write_input(&folder.at("in.jsonl"), 3_000);
    let node = Node::start("panics").await.unwrap();
    let pipeline = Pipeline::named("panics")
        .source(Files::at(folder.at("in.jsonl").display().to_string()).json())
        .map("picky", |record: &mut RecordMut<'_>| {
            let value: serde_json::Value = record.decode()?;
            assert_ne!(value["n"], 1_234, "it cannot stand this one");
            Ok::<_, Failed>(if value["n"] == 7 { Verdict::Drop } else { Verdict::Next })
        })
        .map("fails", |record: &mut RecordMut<'_>| {
            let value: serde_json::Value = record.decode()?;
            if value["n"] == 99 { Err(Failed::because("ninety-nine")) } else { Ok(()) }
        })
        .failover(Failover::DeadLetter)
        .sink(RollingFiles::new(folder.at("out")))
        .state(folder.at("state"))
        .start(&node)
        .await
        .unwrap();
    finished(&pipeline).await;
    let expected: Vec<String> =
        (0..3_000).filter(|n| ![7, 99, 1_234].contains(n)).map(|n| format!("{{\"n\":{n}}}")).collect();
    assert_eq!(lines(&folder.at("out")), expected);
    let status = pipeline.status();
    let of = |name: &str| status.parts.iter().find(|part| part.name == name).unwrap().counts;
    assert_eq!((of("picky").dropped, of("picky").dead_letters, of("picky").restarts), (1, 1, 1));
    assert_eq!((of("fails").dead_letters, of("dead_letters").passed), (1, 2));
    pipeline.stop().await;
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_retried_holds_its_key_back_and_no_other() {
    let folder = TestFolder::new();
    let node = Node::start("retries").await.unwrap();
    let fails_once = std::sync::Mutex::new(std::collections::HashSet::new());
    let pipeline = Pipeline::named("retries")
        .source(Generator::new(5_000).record(|n, out| out.extend_from_slice(n.to_string().as_bytes())).keys(10))
        .map("flaky", move |record: &mut RecordMut<'_>| {
            let id = record.id();
            let is_first = id % 100 == 3 && fails_once.lock().unwrap().insert(id);
            if is_first { Err(Failed::because("once more")) } else { Ok(()) }
        })
        .retries(proscenium_pipeline::Retries { pause: Duration::from_millis(5), ..Default::default() })
        .map("key", |record: &mut RecordMut<'_>| {
            let key = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
            let payload = format!("{key} {}", record.id());
            record.set_payload(payload.as_bytes());
        })
        .sink(RollingFiles::new(folder.at("out")))
        .start(&node)
        .await
        .unwrap();
    finished(&pipeline).await;
    let mut by_key: std::collections::BTreeMap<String, Vec<u64>> = std::collections::BTreeMap::new();
    let mut all = std::collections::BTreeSet::new();
    for file in std::fs::read_dir(folder.at("out")).unwrap() {
        for line in std::fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            let (key, id) = line.split_once(' ').unwrap();
            by_key.entry(key.to_owned()).or_default().push(id.parse().unwrap());
            assert!(all.insert(id.parse::<u64>().unwrap()), "{line} is there twice");
        }
    }
    assert_eq!(all.len(), 5_000);
    assert_eq!(by_key.len(), 10);
    for (key, ids) in by_key {
        assert!(ids.is_sorted(), "the records of {key} are out of order");
    }
    pipeline.stop().await;
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stage_makes_of_a_record_comes_in_chunks_of_their_size() {
    const RECORDS: u64 = 20;
    const EACH: u64 = 1_000;
    let node = Node::start("sizes").await.unwrap();
    let generator = || Generator::new(RECORDS).record(|_, _| ());
    let empty = |record: OwnedRecord| vec![OwnedRecord { payload: Vec::new(), ..record }; EACH as usize];
    let size = ChunkSize { records: 100, bytes: 1 << 20 };
    let made: [(&str, Pipeline); 2] = [
        (
            "flat_map",
            Pipeline::named("flat").source(generator()).flat_map(
                "many",
                move |record: Record<'_>, out: &mut dyn Emit| {
                    empty(OwnedRecord::from(record)).into_iter().for_each(|record| out.emit(record));
                },
            ),
        ),
        (
            "map_async",
            Pipeline::named("async")
                .source(generator())
                .map_async("many", 4, move |record| std::future::ready(Ok(empty(record)))),
        ),
    ];
    for (kind, pipeline) in made {
        let pipeline = pipeline.sink(Null::new()).chunk(size).start(&node).await.unwrap();
        finished(&pipeline).await;
        let status = pipeline.status();
        let counts = status.parts.iter().find(|part| part.kind == "sink").unwrap().counts;
        let chunks = RECORDS * EACH / size.records as u64;
        assert_eq!((counts.passed, counts.chunks), (RECORDS * EACH, chunks), "{kind}");
        pipeline.stop().await;
    }
    node.stop().await.unwrap();
}
