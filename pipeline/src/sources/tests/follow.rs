use futures_util::FutureExt;

use super::{Folder, filling, opened, take, texts};
use crate::chunk::ChunkSize;
use crate::source::Source;
use crate::sources::Files;

async fn next(source: &mut dyn Source, count: usize) -> Vec<String> {
    take(source, count).await.iter().map(|record| record.text().to_owned()).collect()
}

/// Nothing comes, though it has looked several times.
async fn nothing_comes(source: &mut dyn Source) {
    let mut chunk = filling(ChunkSize::default());
    let waited = tokio::time::timeout(std::time::Duration::from_millis(350), source.fill(&mut chunk)).await;
    assert!(waited.is_err() && chunk.is_empty());
}

#[tokio::test]
async fn new_lines_and_new_files_are_found() {
    let folder = Folder::new();
    let mut source = opened(&Files::glob(folder.path("*.log")).follow(), None).await;
    nothing_comes(&mut *source).await;
    folder.write("b.log", "1\n2");
    assert_eq!(next(&mut *source, 1).await, ["1"]);
    nothing_comes(&mut *source).await;
    folder.append("b.log", " and more\n3\n");
    assert_eq!(next(&mut *source, 2).await, ["2 and more", "3"], "a line is there when its newline is");
    folder.write("a.log", "4\n");
    folder.append("b.log", "5\n");
    let mut both = next(&mut *source, 2).await;
    both.sort();
    assert_eq!(both, ["4", "5"]);
}

#[tokio::test]
async fn a_long_line_that_comes_in_parts_is_put_together() {
    let folder = Folder::new();
    let part = "x".repeat(50_000);
    folder.write("a", &part);
    folder.write("b", "in the meantime\n");
    let mut source = opened(&Files::glob(folder.path("*")).follow(), None).await;
    assert_eq!(next(&mut *source, 1).await, ["in the meantime"]);
    nothing_comes(&mut *source).await;
    folder.append("a", &part);
    nothing_comes(&mut *source).await;
    folder.append("a", "\n");
    assert_eq!(next(&mut *source, 1).await, [part.repeat(2)]);
}

#[tokio::test]
async fn the_rest_of_a_file_that_lost_its_name_comes_before_the_one_that_took_it() {
    let folder = Folder::new();
    folder.write("app.log", "1\n");
    let mut source = opened(&Files::at(folder.path("app.log")).follow(), None).await;
    assert_eq!(next(&mut *source, 1).await, ["1"]);
    folder.append("app.log", "2\n3\nno newline");
    folder.rename("app.log", "app.log.1");
    folder.write("app.log", "4\n");
    assert_eq!(next(&mut *source, 3).await, ["2", "3", "4"]);
    folder.append("app.log.1", ", but at last\n");
    assert_eq!(next(&mut *source, 1).await, ["no newline, but at last"], "who writes may have it open still");
    folder.append("app.log", "5\n");
    assert_eq!(next(&mut *source, 1).await, ["5"]);
}

#[tokio::test]
async fn a_file_that_was_removed_is_read_to_its_end_and_let_go() {
    let folder = Folder::new();
    folder.write("a", "1\n");
    let mut source = opened(&Files::glob(folder.path("*")).follow(), None).await;
    assert_eq!(next(&mut *source, 1).await, ["1"]);
    folder.append("a", "2\nthe last");
    folder.remove("a");
    assert_eq!(next(&mut *source, 2).await, ["2", "the last"]);
    let position = source.position().unwrap();
    assert_eq!(position["files"].as_array().unwrap().len(), 0, "{position}");
}

#[tokio::test]
async fn a_file_that_is_renamed_within_the_pattern_is_not_read_twice() {
    let folder = Folder::new();
    folder.write("app.log", "1\n");
    let spec = Files::glob(folder.path("app.log*")).follow();
    let mut source = opened(&spec, None).await;
    assert_eq!(next(&mut *source, 1).await, ["1"]);
    folder.append("app.log", "2\n");
    folder.rename("app.log", "app.log.1");
    folder.write("app.log", "3\n");
    let records = take(&mut *source, 2).await;
    assert_eq!(texts(&records), ["2", "3"]);
    folder.append("app.log.1", "4\n");
    let records = take(&mut *source, 1).await;
    assert_eq!(texts(&records), ["4"]);
    assert!(records[0].headers[0].1.ends_with("app.log.1"), "{:?}", records[0].headers);
    nothing_comes(&mut *source).await;
}

#[tokio::test]
async fn a_file_that_was_cut_is_read_from_its_beginning() {
    let folder = Folder::new();
    folder.write("a", "1\n2\n3\n");
    let mut source = opened(&Files::at(folder.path("a")).follow(), None).await;
    assert_eq!(next(&mut *source, 3).await, ["1", "2", "3"]);
    folder.write("a", "new\n");
    let records = take(&mut *source, 1).await;
    assert_eq!((records[0].text(), records[0].id), ("new", 1));
}

#[tokio::test]
async fn a_rotation_while_the_program_was_down_loses_nothing() {
    let folder = Folder::new();
    folder.write("app.log", "1\n2\n");
    let spec = Files::at(folder.path("app.log")).follow();
    let mut source = opened(&spec, None).await;
    assert_eq!(next(&mut *source, 1).await, ["1"]);
    let position = source.position().unwrap();
    drop(source);
    folder.append("app.log", "3\n");
    folder.rename("app.log", "app.log.1");
    folder.write("app.log", "4\n");
    let mut source = opened(&spec, Some(&position)).await;
    assert_eq!(next(&mut *source, 3).await, ["2", "3", "4"]);
    drop(source);

    folder.remove("app.log.1");
    let trouble = super::refused(&spec, Some(&position)).await;
    assert!(trouble.is_final() && trouble.to_string().contains("read up to line 1"), "{trouble}");
}

#[tokio::test]
async fn a_busy_file_does_not_keep_the_others_waiting() {
    let folder = Folder::new();
    folder.write("a", "busy\n".repeat(1_000_000));
    folder.write("b", "quiet\n");
    let mut source = opened(&Files::glob(folder.path("*")).follow(), None).await;
    let first = take(&mut *source, 200_000).await;
    assert!(first.iter().any(|record| record.text() == "quiet"));
}

#[tokio::test]
async fn a_fill_that_is_dropped_again_and_again_still_looks() {
    let folder = Folder::new();
    folder.write("a", "");
    let mut source = opened(&Files::at(folder.path("a")).follow(), None).await;
    let started = std::time::Instant::now();
    let mut chunk = filling(ChunkSize::default());
    folder.append("a", "1\n");
    while source.fill(&mut chunk).now_or_never().is_none() {
        tokio::task::yield_now().await;
        assert!(started.elapsed() < super::LIMIT);
    }
    assert_eq!(chunk.len(), 1);
}
