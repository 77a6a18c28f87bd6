use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::io::AsyncWriteExt;

use super::{LIMIT, all, filling, got, opened, refused, take, texts};
use crate::chunk::ChunkSize;
use crate::source::{Filled, SourceSpec};
use crate::sources::Lines;

#[tokio::test]
async fn the_lines_of_a_reader_come_up_to_its_end() {
    let spec = Lines::of(|| &b"one\r\n\n{\"k\":3}\nlast"[..]);
    let records = all(&mut *opened(&spec, None).await).await;
    assert_eq!(texts(&records), ["one", "{\"k\":3}", "last"]);
    assert_eq!(records.iter().map(|record| record.id).collect::<Vec<_>>(), [1, 3, 4]);
    let records = all(&mut *opened(&spec.json(), None).await).await;
    assert_eq!(records[0].reason.as_deref(), Some("line 1:1: expected value"));
    assert_eq!(records[1].json(), serde_json::json!({"k": 3}));
}

#[tokio::test]
async fn a_last_line_that_does_not_fit_comes_with_the_next_chunk() {
    let mut source = opened(&Lines::of(|| &b"one\nlast"[..]), None).await;
    let mut chunk = filling(ChunkSize { records: 1, ..ChunkSize::default() });
    assert_eq!(source.fill(&mut chunk).await.unwrap(), Filled::More);
    assert_eq!(source.fill(&mut chunk).await.unwrap(), Filled::More, "it is full");
    assert_eq!(texts(&all(&mut *source).await), ["last"]);
}

#[tokio::test]
async fn a_fill_that_is_dropped_while_it_waits_loses_nothing() {
    let (mut write, read) = tokio::io::duplex(7);
    let read = std::sync::Mutex::new(Some(read));
    let mut source = opened(&Lines::of(move || read.lock().unwrap().take().unwrap()), None).await;
    let writing = tokio::spawn(async move {
        for nth in 0..500 {
            write.write_all(format!("line {nth}\n").as_bytes()).await.unwrap();
        }
    });
    let mut seen = Vec::new();
    loop {
        let mut chunk = filling(ChunkSize::default());
        match source.fill(&mut chunk).now_or_never() {
            Some(filled) => {
                seen.extend(got(&chunk).iter().map(|record| record.text().to_owned()));
                if filled.unwrap() == Filled::End {
                    break;
                }
            }
            None => {
                assert!(chunk.is_empty());
                tokio::task::yield_now().await;
            }
        }
    }
    writing.await.unwrap();
    assert_eq!(seen, (0..500).map(|nth| format!("line {nth}")).collect::<Vec<_>>());
}

const ROLE: &str = "PROSCENIUM_TEST_STDIN";

/// This test again, in a process of its own with a standard input, where it plays a role.
fn child(role: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sources::tests::lines::roles_in_a_process_of_their_own", "--nocapture"])
        .env(ROLE, role)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn roles_in_a_process_of_their_own() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match role.as_str() {
            "all" => print(&all(&mut *opened(&Lines::stdin(), None).await).await),
            "two sources" => {
                let mut source = opened(&Lines::stdin(), None).await;
                let trouble = refused(&Lines::stdin(), None).await;
                assert!(!trouble.is_final() && trouble.to_string().contains("a program has one"), "{trouble}");
                print(&take(&mut *source, 2).await);
                drop(source);
                print(&all(&mut *opened(&Lines::stdin(), None).await).await);
            }
            _ => {
                let mut source = opened(&Lines::stdin(), None).await;
                print(&take(&mut *source, 1).await);
                let mut chunk = filling(ChunkSize::default());
                // The source asks, the input is silent, and the program ends.
                assert!(tokio::time::timeout(Duration::from_millis(50), source.fill(&mut chunk)).await.is_err());
            }
        }
    });
}

fn print(records: &[super::Got]) {
    for record in records {
        println!("seen {} {}", record.id, record.text());
    }
}

fn seen(child: &mut Child) -> Vec<String> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // The harness writes the name of the test without a newline.
    lines.filter_map(|line| line.find("seen ").map(|at| line[at + 5..].to_owned())).collect()
}

#[test]
fn standard_input_is_read_to_its_end() {
    let mut child = child("all");
    let mut stdin = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || {
        (0..50_000).for_each(|nth| writeln!(stdin, "line {nth}").unwrap());
        write!(stdin, "last").unwrap();
    });
    let seen = seen(&mut child);
    writing.join().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(seen.len(), 50_001);
    assert!(seen[..50_000].iter().enumerate().all(|(nth, line)| *line == format!("{} line {nth}", nth + 1)));
    assert_eq!(seen[50_000], "50001 last");
}

#[test]
fn what_one_source_has_read_of_standard_input_and_not_passed_on_the_next_one_passes_on() {
    let mut child = child("two sources");
    child.stdin.take().unwrap().write_all(b"1\n2\n3\n4\n").unwrap();
    assert_eq!(seen(&mut child), ["1 1", "2 2", "3 3", "4 4"]);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_program_can_end_while_its_standard_input_is_silent() {
    let mut child = child("ends");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"1\n").unwrap();
    let started = Instant::now();
    // The output ends with the program; the input stays open until then.
    assert_eq!(seen(&mut child), ["1 1"]);
    assert!(child.wait().unwrap().success());
    assert!(started.elapsed() < LIMIT);
    drop(stdin);
}

#[test]
fn it_says_that_it_cannot_replay() {
    assert!(!Lines::stdin().replays() && Lines::stdin().make().position().is_none());
    assert_eq!((Lines::stdin().kind(), Lines::of(tokio::io::empty).kind()), ("stdin", "lines"));
}
