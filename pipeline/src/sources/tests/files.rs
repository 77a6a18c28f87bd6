use std::fs::File;
use std::io::Write;

use futures_util::FutureExt;

use super::{Folder, all, fill, filling, got, opened, refused, resident, take, texts};
use crate::chunk::ChunkSize;
use crate::source::{Filled, SourceSpec};
use crate::sources::Files;

#[tokio::test]
async fn the_lines_of_all_files_come_in_the_order_of_the_names() {
    let folder = Folder::new();
    folder.write("b.txt", "b1\r\n\r\n\nb4");
    folder.write("a.txt", "a1\na2\n");
    folder.write("c.log", "not this one\n");
    folder.write("d.txt", "");
    std::fs::create_dir(folder.path("e.txt")).unwrap();
    let spec = Files::glob(folder.path("*.txt"));
    let mut source = opened(&spec, None).await;
    let records = all(&mut *source).await;
    let seen: Vec<_> = records
        .iter()
        .map(|record| (record.text(), record.id, record.headers[0].1.rsplit('/').next().unwrap()))
        .collect();
    assert_eq!(seen, [("a1", 1, "a.txt"), ("a2", 2, "a.txt"), ("b1", 1, "b.txt"), ("b4", 4, "b.txt")]);
    assert!(records.iter().all(|record| record.headers[0].0 == "file"));
    assert_eq!(fill(&mut *source, 1).await.unwrap(), (Vec::new(), Filled::End), "the end is the end");
}

#[tokio::test]
async fn what_is_wrong_with_a_line_is_said_with_file_line_and_column() {
    let folder = Folder::new();
    folder.write("a.jsonl", b"{\"k\":1}\n{\"k\":}\n\"\xff\"\n[1]\n");
    let mut source = opened(&Files::glob(folder.path("*")).json().key_from("k").record_limit(10), None).await;
    let records = all(&mut *source).await;
    let path = folder.path("a.jsonl");
    let reasons: Vec<_> = records.iter().map(|record| record.reason.clone().unwrap_or_default()).collect();
    let expected = format!("{path}:2:6: expected value");
    assert_eq!(reasons, ["", &expected, &format!("{path}:3:2: the byte 0xff is not UTF-8"), ""]);
    assert_eq!(records[0].key.as_deref(), Some("1"));
    assert_eq!((records[1].original.as_str(), records[1].text()), ("{\"k\":}", "{\"k\":}"));
    assert_eq!(records[3].json(), serde_json::json!([1]));
}

#[tokio::test]
async fn a_giant_line_is_passed_over_in_little_memory() {
    const LEN: u64 = 512 << 20;
    let folder = Folder::new();
    let mut file = File::create(folder.path("giant")).unwrap();
    file.write_all(b"before\nstart").unwrap();
    // A hole: it reads as zeros and takes up no disk.
    file.set_len(LEN).unwrap();
    drop(file);
    folder.append("giant", "\nbehind\n");
    let mut source = opened(&Files::at(folder.path("giant")), None).await;
    assert_eq!(take(&mut *source, 1).await[0].text(), "before");
    let before = resident();
    let records = all(&mut *source).await;
    assert!(resident() < before + (16 << 20), "it grew by {} bytes", resident() - before);
    let reason = records[0].reason.as_deref().unwrap();
    assert!(reason.contains(&format!(":2: it has {} bytes, over the limit of 1048576", LEN - 7)), "{reason}");
    assert!(records[0].original.starts_with("start\0") && records[0].original.len() == 256);
    assert_eq!((records[1].text(), records[1].id), ("behind", 3));
}

#[tokio::test]
async fn a_fill_that_is_dropped_while_it_waits_loses_nothing() {
    let folder = Folder::new();
    let lines: Vec<String> = (0..20_000).map(|nth| format!("{nth:040}")).collect();
    folder.write("a", lines.join("\n"));
    folder.write("b", "behind");
    let mut source = opened(&Files::glob(folder.path("*")), None).await;
    let mut seen = Vec::new();
    let mut dropped = 0;
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
                assert!(chunk.is_empty(), "what is dropped has added nothing");
                dropped += 1;
                tokio::task::yield_now().await;
            }
        }
    }
    assert!(dropped > 4, "it was dropped {dropped} times");
    assert_eq!(seen.len(), 20_001);
    assert!(seen.iter().zip(&lines).all(|(seen, line)| seen == line));
}

#[tokio::test]
async fn what_keeps_it_from_reading_is_said_with_a_remedy() {
    let folder = Folder::new();
    folder.write("a", "1\n2\n3\n");
    folder.write("b", "4\n");
    let both = Files::glob(folder.path("?"));
    for (spec, words) in [
        (Files::glob(folder.path("*.jsonl")), ["no file fits", "`follow`"]),
        (Files::at(folder.path("c")), ["no file fits", "folder where the program was started"]),
        (Files::at(folder.path("")), ["is no file", "standard input"]),
        (Files::glob("a/***"), ["wrong at column 5", "recursive `**`"]),
        (both.clone().most_files(1), ["more than 1 files", "`most_files`"]),
        (both.clone().key_from("k"), ["raw payloads have no fields", "JSON"]),
    ] {
        let trouble = refused(&spec, None).await;
        assert!(trouble.is_final(), "{trouble}");
        assert!(words.iter().all(|word| trouble.to_string().contains(word)), "{trouble}");
    }
    let trouble = refused(&both, Some(&serde_json::json!({"next": 1}))).await;
    assert!(trouble.is_final() && trouble.to_string().contains("none of files"), "{trouble}");
}

#[tokio::test]
async fn a_file_that_is_gone_matters_if_it_was_not_read_to_its_end() {
    let folder = Folder::new();
    folder.write("a", "1\n2\n3\n");
    folder.write("b", "4\n5\n");
    let spec = Files::glob(folder.path("?"));
    let mut source = opened(&spec, None).await;
    take(&mut *source, 4).await;
    let position = source.position().unwrap();

    folder.remove("a");
    let mut again = opened(&spec, Some(&position)).await;
    assert_eq!(texts(&all(&mut *again).await), ["5"], "what was done may go");
    folder.write("b", "4");
    let trouble = refused(&spec, Some(&position)).await;
    assert!(trouble.is_final() && trouble.to_string().contains("has 1 bytes, but 2 have been read"), "{trouble}");
    folder.remove("b");
    let trouble = refused(&spec, Some(&position)).await;
    assert!(trouble.is_final() && trouble.to_string().contains("read up to line 1 (byte 2)"), "{trouble}");
    assert!(trouble.to_string().contains("put it back"), "{trouble}");
}

#[tokio::test]
async fn a_file_that_is_cut_while_it_is_read_is_trouble_and_no_end() {
    let folder = Folder::new();
    folder.write("a", "x".repeat(99).as_str().to_owned() + "\n");
    let spec = Files::at(folder.path("a"));
    let mut source = opened(&spec, None).await;
    take(&mut *source, 1).await;
    folder.write("a", "short\n");
    let trouble = fill(&mut *source, 1).await.unwrap_err();
    assert!(trouble.is_final() && trouble.to_string().contains("has 6 bytes, but 100 have been read"), "{trouble}");
}

#[test]
fn two_with_the_same_settings_have_the_same_text() {
    let text = |spec: &dyn SourceSpec| format!("{spec:?}");
    let spec = Files::glob("in/*").json().key_from("k");
    assert_eq!(text(&spec), text(&spec.clone()));
    let others = [spec.clone().raw(), spec.clone().follow(), spec.clone().record_limit(7), spec.clone().most_files(7)];
    assert!(others.iter().all(|other| text(other) != text(&spec)));
    assert!(spec.replays());
}
