//! Plugins in the flow: killed, swapped, poisoned, with nothing lost or doubled.

use std::process::Command;

use proscenium_pipeline::sources::Generator;
use proscenium_pipeline::{ChunkSize, Emit, Failed, Failover, OwnedRecord, Pipeline, Record, RecordMut, RollingFiles};
use proscenium_plugin_host::Swap;
use proscenium_runtime::Node;

use crate::built::{mark, twin};
use crate::chaos::proof::letters;
use crate::controls::passed;
use crate::flow::{finished, lines};
use crate::test_folder::TestFolder;

fn numbers(count: u64) -> Generator {
    Generator::new(count).record(|n, out| out.extend_from_slice(format!("record {n}").as_bytes())).keys(7)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_is_killed_and_swapped_and_each_record_comes_out_once_in_its_order() {
    const RECORDS: u64 = 60_000;
    let folder = TestFolder::new();
    let (old, new) = (mark(folder.path(), "1.0.0"), mark(folder.path(), "2.0.0"));
    let node = Node::start("plugins").await.unwrap();
    let pipeline = Pipeline::named("marked")
        .source(numbers(RECORDS).rate(20_000))
        .plugin("mark", &old)
        .map("end", |record: &mut RecordMut<'_>| {
            let text = format!("{}.", String::from_utf8_lossy(record.payload()));
            record.set_payload(text.as_bytes());
        })
        .sink(RollingFiles::new(folder.at("out")))
        .state(folder.at("state"))
        .start(&node)
        .await
        .unwrap();
    for nth in 1..=5 {
        passed(&pipeline, "end", nth * 4_000).await;
        let pid = pipeline.plugins("mark")[0].status().await.unwrap().pid;
        if let Some(pid) = pid {
            assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
        }
    }
    passed(&pipeline, "end", 30_000).await;
    let reports = pipeline.swap("mark", Swap::to(&new)).await.unwrap();
    assert_eq!(reports.len(), 1);
    let refused = pipeline.swap("mark", Swap::to("/etc/hostname")).await.unwrap_err();
    assert!(refused.to_string().contains("goes on as before"), "{refused}");
    passed(&pipeline, "end", 40_000).await;
    for part in ["mark", "end", "files", "generator"] {
        pipeline.actors(part)[0].kill();
    }
    finished(&pipeline).await;
    let lines = lines(&folder.at("out"));
    let mut swapped = false;
    for (nth, line) in lines.iter().enumerate() {
        swapped |= line.ends_with("2.0.0.");
        let version = if swapped { "2.0.0" } else { "1.0.0" };
        assert_eq!(*line, format!("record {nth} {version}."));
    }
    assert_eq!(lines.len() as u64, RECORDS);
    assert!(swapped);
    pipeline.stop().await;
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_and_what_is_refused_are_dead_letters_and_routes_lead_elsewhere() {
    let folder = TestFolder::new();
    let library = mark(folder.path(), "1");
    let node = Node::start("poison").await.unwrap();
    let source = Generator::new(3_000).record(|n, out| {
        let word = match n {
            1_000 | 2_500 => "poison",
            17 => "bad",
            n if n % 10 == 3 => "aside",
            _ => "good",
        };
        out.extend_from_slice(format!("{word} {n}").as_bytes());
    });
    let pipeline = Pipeline::named("poison")
        .source(source)
        .plugin("mark", &library)
        .routes(["aside"])
        .sink(RollingFiles::new(folder.at("out")))
        .from("mark/aside")
        .sink(RollingFiles::new(folder.at("aside")))
        .called("aside")
        .state(folder.at("state"))
        .start(&node)
        .await
        .unwrap();
    finished(&pipeline).await;
    let good: Vec<String> =
        (0..3_000).filter(|n| n % 10 != 3 && ![17, 1_000, 2_500].contains(n)).map(|n| format!("good {n} 1")).collect();
    let aside: Vec<String> = (0..3_000).filter(|n| n % 10 == 3).map(|n| format!("aside {n} 1")).collect();
    assert_eq!(lines(&folder.at("out")), good);
    assert_eq!(lines(&folder.at("aside")), aside);
    let letters = std::fs::read_to_string(
        std::fs::read_dir(folder.at("state/dead_letters")).unwrap().next().unwrap().unwrap().path(),
    )
    .unwrap();
    for (payload, class) in [("poison 1000", "poison"), ("poison 2500", "poison"), ("bad 17", "failed")] {
        let found = letters.lines().filter(|line| line.contains(payload)).collect::<Vec<_>>();
        assert_eq!(found.len(), 1, "{payload}: {letters}");
        assert!(found[0].contains(class), "{}", found[0]);
    }
    assert_eq!(letters.lines().filter(|line| line.contains("\"part\"")).count(), 3, "{letters}");
    pipeline.stop().await;
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_pipeline_goes_on_where_it_was_and_is_changed_while_it_runs() {
    const RECORDS: u64 = 40_000;
    let folder = TestFolder::new();
    let library = mark(folder.path(), "1");
    let node = Node::start("resumes").await.unwrap();
    let described = |with_end: bool| {
        let pipeline = Pipeline::named("resumes").source(numbers(RECORDS).rate(20_000)).plugin("mark", &library);
        let pipeline = if with_end {
            pipeline.map("end", |record: &mut RecordMut<'_>| {
                let text = format!("{}.", String::from_utf8_lossy(record.payload()));
                record.set_payload(text.as_bytes());
            })
        } else {
            pipeline
        };
        pipeline.sink(RollingFiles::new(folder.at("out"))).state(folder.at("state"))
    };
    let mut taken = 0;
    for _ in 0..3 {
        let pipeline = described(false).start(&node).await.unwrap();
        passed(&pipeline, "files", 5_000).await;
        let outcome = pipeline.stop().await;
        assert_eq!(outcome, proscenium_pipeline::Outcome::Stopped(Default::default()));
        taken += pipeline.status().parts[0].counts.taken;
    }
    assert!(taken < RECORDS, "{taken}");
    let pipeline = described(false).start(&node).await.unwrap();
    passed(&pipeline, "files", 2_000).await;
    let report = pipeline.reload(described(true).plan().unwrap()).await.unwrap();
    assert!(report.held.is_some(), "{report}");
    finished(&pipeline).await;
    let lines = lines(&folder.at("out"));
    let mut has_end = false;
    for (nth, line) in lines.iter().enumerate() {
        has_end |= line.ends_with('.');
        assert_eq!(*line, format!("record {nth} 1{}", if has_end { "." } else { "" }));
    }
    assert_eq!(lines.len() as u64, RECORDS);
    assert!(has_end);
    pipeline.stop().await;
    node.stop().await.unwrap();
}

/// Each record becomes so many with the same number, and a key, a header and a payload of their own.
fn siblings(record: Record<'_>, out: &mut dyn Emit) {
    for nth in 0..3 {
        let name = format!("{}.{nth}", record.id());
        let mut sibling = OwnedRecord::from(record);
        sibling.key = Some(name.clone().into_bytes());
        sibling.headers = vec![("name".to_owned(), name.clone().into_bytes())];
        sibling.payload = name.into_bytes();
        out.emit(sibling);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_plugin_adds_has_key_header_and_letter_of_the_record_that_it_named() {
    const RECORDS: u64 = 400;
    let folder = TestFolder::new();
    let node = Node::start("siblings").await.unwrap();
    let pipeline = Pipeline::named("siblings")
        .source(numbers(RECORDS))
        .flat_map("siblings", siblings)
        .plugin("twin", twin(folder.path(), "1"))
        .map("said", |record: &mut RecordMut<'_>| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let payload = text(record.payload());
            let key = text(record.key().unwrap_or_default());
            let header = record.headers().into_iter().map(|(_, value)| text(value)).collect::<String>();
            record.set_payload(format!("{payload} {key} {header}").as_bytes());
            if payload == "100.1b" { Err(Failed::because("as asked")) } else { Ok(()) }
        })
        .failover(Failover::DeadLetter)
        .sink(RollingFiles::new(folder.at("out")))
        .state(folder.at("state"))
        // So that chunks are divided into batches, too.
        .chunk(ChunkSize { records: 64, bytes: 1 << 20 })
        .start(&node)
        .await
        .unwrap();
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    let names = (0..RECORDS).flat_map(|id| (0..3).map(move |nth| format!("{id}.{nth}")));
    let all = names.flat_map(|name| ["", "a", "b"].map(|sign| format!("{name}{sign} {name} {name}")));
    let expected: Vec<String> = all.filter(|line| !line.starts_with("100.1b")).collect();
    let written = lines(&folder.at("out"));
    let differs = written.iter().zip(&expected).find(|(written, expected)| written != expected);
    assert!(
        differs.is_none() && written.len() == expected.len(),
        "{differs:?} of {} and {}",
        written.len(),
        expected.len()
    );
    let letters = letters(&folder.at("state"));
    let [kept] = &letters[..] else { panic!("{letters:?}") };
    let record = &kept.letter.record;
    assert_eq!((record.id, record.key.as_deref()), (100, Some(&b"100.1"[..])));
    assert_eq!(record.payload, b"record 100");
}
