use std::io::ErrorKind;
use std::path::Path;

use futures_util::FutureExt;
use proscenium_plugin_host::ContentType;

use super::*;
use crate::faulty_disk::FaultyDisk;
use crate::test_chunks::chunk;

/// A chunk of lines, each a number.
pub(crate) fn numbers(range: std::ops::Range<u64>) -> Chunk {
    let texts: Vec<String> = range.map(|number| number.to_string()).collect();
    chunk(&texts.iter().map(|text| (ContentType::Raw, text.as_bytes())).collect::<Vec<_>>())
}

pub(crate) async fn write(sink: &mut dyn Sink, chunk: &Chunk) -> Result<(), Trouble> {
    let mut refused = Vec::new();
    let written = sink.write(chunk, &mut refused).await;
    assert_eq!(refused, []);
    written
}

/// The files in `out`, by name, with what they hold.
fn files(disk: &FaultyDisk) -> Vec<(String, String)> {
    let paths = disk.list(Path::new("out")).unwrap();
    let read = |path: &Path| String::from_utf8(disk.read(path).unwrap()).unwrap();
    paths.iter().map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), read(path))).collect()
}

fn is(found: &[(String, String)], want: &[(&str, &str)]) -> bool {
    found.iter().map(|(name, text)| (&**name, &**text)).eq(want.iter().copied())
}

async fn opened(disk: &FaultyDisk, spec: &RollingFiles, from: Option<&Value>) -> Box<dyn Sink> {
    let mut sink = spec.make(&(Arc::new(disk.clone()) as Arc<dyn Disk>));
    sink.open(from).await.unwrap();
    sink
}

/// Prepares and commits.
async fn checkpoint(sink: &mut dyn Sink) -> Value {
    let prepared = sink.prepare().await.unwrap();
    sink.commit().await.unwrap();
    prepared
}

#[tokio::test]
async fn files_roll_at_checkpoints_and_between_and_have_their_names_only_after_one() {
    let (disk, spec) = (FaultyDisk::new(), RollingFiles::new("out").roll_bytes(4));
    let mut sink = opened(&disk, &spec, None).await;
    for at in 0..4 {
        write(&mut *sink, &numbers(2 * at..2 * at + 2)).await.unwrap();
    }
    let prepared = sink.prepare().await.unwrap();
    assert!(files(&disk).iter().all(|(name, _)| name.ends_with(".open")), "{:?}", files(&disk));
    assert_eq!(prepared["open"], Value::Null);
    sink.commit().await.unwrap();
    write(&mut *sink, &numbers(8..9)).await.unwrap();
    let prepared = checkpoint(&mut *sink).await;
    assert_eq!(prepared["open"]["name"], "part-000005.jsonl");
    assert_eq!(prepared["open"]["len"], 2);
    assert_eq!(prepared["next"], 6);
    let found = files(&disk);
    let want = [
        ("part-000001.jsonl", "0\n1\n"),
        ("part-000002.jsonl", "2\n3\n"),
        ("part-000003.jsonl", "4\n5\n"),
        ("part-000004.jsonl", "6\n7\n"),
        ("part-000005.jsonl.open", "8\n"),
    ];
    assert!(is(&found, &want), "{found:?}");
    sink.close().await.unwrap();
    assert_eq!(files(&disk)[4], ("part-000005.jsonl".to_owned(), "8\n".to_owned()));
}

#[tokio::test]
async fn an_old_file_is_finished_at_a_checkpoint_and_a_young_one_is_not() {
    for (age, name) in [(Duration::ZERO, "part-000001.jsonl"), (Duration::from_secs(3600), "part-000001.jsonl.open")] {
        let (disk, spec) = (FaultyDisk::new(), RollingFiles::new("out").roll_age(age));
        let mut sink = opened(&disk, &spec, None).await;
        write(&mut *sink, &numbers(0..1)).await.unwrap();
        checkpoint(&mut *sink).await;
        assert!(is(&files(&disk), &[(name, "0\n")]), "{:?}", files(&disk));
    }
}

#[tokio::test]
async fn opened_at_a_checkpoint_it_goes_back_to_it() {
    let (disk, spec) = (FaultyDisk::new(), RollingFiles::new("out").roll_bytes(6));
    let mut sink = opened(&disk, &spec, None).await;
    write(&mut *sink, &numbers(0..3)).await.unwrap();
    write(&mut *sink, &numbers(3..4)).await.unwrap();
    let prepared = sink.prepare().await.unwrap();
    // Neither committed nor closed; and more is written, a file of it full.
    for at in 4..12 {
        write(&mut *sink, &numbers(at..at + 1)).await.unwrap();
    }
    sink.prepare().await.unwrap();
    drop(sink);
    let mut sink = opened(&disk, &spec, Some(&prepared)).await;
    let found = files(&disk);
    assert!(is(&found, &[("part-000001.jsonl", "0\n1\n2\n"), ("part-000002.jsonl.open", "3\n")]), "{found:?}");
    write(&mut *sink, &numbers(4..5)).await.unwrap();
    checkpoint(&mut *sink).await;
    assert_eq!(files(&disk)[1], ("part-000002.jsonl.open".to_owned(), "3\n4\n".to_owned()));
}

#[tokio::test]
async fn what_was_cut_off_does_not_come_back_in_a_file_that_was_finished() {
    for seed in 0..30 {
        let (disk, spec) = (FaultyDisk::new(), RollingFiles::new("out"));
        let mut sink = opened(&disk, &spec, None).await;
        write(&mut *sink, &numbers(0..1)).await.unwrap();
        let prepared = checkpoint(&mut *sink).await;
        write(&mut *sink, &numbers(1..2)).await.unwrap();
        sink.prepare().await.unwrap();
        drop(sink);
        opened(&disk, &spec, Some(&prepared)).await.close().await.unwrap();
        disk.restart(seed);
        assert!(is(&files(&disk), &[("part-000001.jsonl", "0\n")]), "seed {seed}: {:?}", files(&disk));
    }
}

#[tokio::test]
async fn opened_without_a_checkpoint_it_goes_on_behind_what_is_there_and_takes_nothing_away() {
    let (disk, spec) = (FaultyDisk::new(), RollingFiles::new("out"));
    let mut first = opened(&disk, &spec, None).await;
    write(&mut *first, &numbers(0..1)).await.unwrap();
    checkpoint(&mut *first).await;
    first.close().await.unwrap();
    drop(first);
    let mut second = opened(&disk, &spec, None).await;
    write(&mut *second, &numbers(1..2)).await.unwrap();
    second.prepare().await.unwrap();
    drop(second);
    let mut third = opened(&disk, &spec, None).await;
    write(&mut *third, &numbers(2..3)).await.unwrap();
    third.close().await.unwrap();
    let want = [("part-000001.jsonl", "0\n"), ("part-000002.jsonl.left", "1\n"), ("part-000003.jsonl", "2\n")];
    assert!(is(&files(&disk), &want), "{:?}", files(&disk));
}

#[tokio::test]
async fn closed_and_opened_at_its_last_checkpoint_it_begins_the_next_file_whoever_took_the_last() {
    for is_taken in [false, true] {
        let (disk, spec) = (FaultyDisk::new(), RollingFiles::new("out"));
        let mut sink = opened(&disk, &spec, None).await;
        write(&mut *sink, &numbers(0..1)).await.unwrap();
        let prepared = checkpoint(&mut *sink).await;
        sink.close().await.unwrap();
        drop(sink);
        if is_taken {
            disk.remove(Path::new("out/part-000001.jsonl")).unwrap();
        }
        let mut sink = opened(&disk, &spec, Some(&prepared)).await;
        write(&mut *sink, &numbers(1..2)).await.unwrap();
        checkpoint(&mut *sink).await;
        let found = files(&disk);
        assert_eq!(found.last(), Some(&("part-000002.jsonl.open".to_owned(), "1\n".to_owned())), "{found:?}");
        assert_eq!(found.len(), if is_taken { 1 } else { 2 });
    }
}

/// It would be there twice: the checkpoint's records come again.
#[tokio::test]
async fn closed_with_more_than_the_checkpoint_knows_it_does_not_finish_the_file() {
    for is_prepared in [false, true] {
        for is_resumed in [false, true] {
            let (disk, spec) = (FaultyDisk::new(), RollingFiles::new("out").roll_bytes(4));
            let mut sink = opened(&disk, &spec, None).await;
            write(&mut *sink, &numbers(0..1)).await.unwrap();
            let prepared = checkpoint(&mut *sink).await;
            if is_resumed {
                drop(sink);
                sink = opened(&disk, &spec, Some(&prepared)).await;
            }
            for at in 1..6 {
                write(&mut *sink, &numbers(at..at + 1)).await.unwrap();
            }
            if is_prepared {
                sink.prepare().await.unwrap();
            }
            sink.close().await.unwrap();
            drop(sink);
            assert!(files(&disk).iter().all(|(name, _)| name.ends_with(".open")), "{:?}", files(&disk));
            opened(&disk, &spec, Some(&prepared)).await.close().await.unwrap();
            assert!(is(&files(&disk), &[("part-000001.jsonl", "0\n")]), "{:?}", files(&disk));
        }
    }
}

#[tokio::test]
async fn a_file_of_another_prefix_is_finished_and_one_that_is_shorter_than_committed_is_an_error() {
    let (disk, spec) = (FaultyDisk::new(), RollingFiles::new("out"));
    let mut sink = opened(&disk, &spec, None).await;
    write(&mut *sink, &numbers(0..2)).await.unwrap();
    let prepared = checkpoint(&mut *sink).await;
    write(&mut *sink, &numbers(2..3)).await.unwrap();
    sink.prepare().await.unwrap();
    drop(sink);

    drop(opened(&disk, &RollingFiles::new("out").prefix("new"), Some(&prepared)).await);
    assert!(is(&files(&disk), &[("part-000001.jsonl", "0\n1\n")]), "{:?}", files(&disk));

    let open = Path::new("out/part-000001.jsonl.open");
    disk.rename(Path::new("out/part-000001.jsonl"), open).unwrap();
    disk.append(open, 2).unwrap();
    let mut sink = spec.make(&(Arc::new(disk.clone()) as Arc<dyn Disk>));
    let trouble = sink.open(Some(&prepared)).await.unwrap_err();
    assert!(trouble.is_final());
    assert!(trouble.to_string().contains("it has 2 bytes, fewer than the 4 that were committed"), "{trouble}");
}

#[tokio::test]
async fn what_cannot_be_a_line_is_refused_and_the_rest_is_written() {
    let (disk, spec) = (FaultyDisk::new(), RollingFiles::new("out"));
    let mut sink = opened(&disk, &spec, None).await;
    let mut refused = Vec::new();
    let raw = ContentType::Raw;
    sink.write(&chunk(&[(raw, b"a"), (raw, b"b\nc"), (raw, b"d")]), &mut refused).await.unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].0, 1);
    sink.close().await.unwrap();
    assert_eq!(files(&disk)[0].1, "a\nd\n");
}

#[tokio::test]
async fn a_full_disk_makes_it_wait_with_a_bounded_memory_and_nothing_is_lost_or_doubled() {
    let (disk, spec) = (FaultyDisk::new(), RollingFiles::new("out").roll_bytes(64));
    let mut sink = opened(&disk, &spec, None).await;
    disk.set_capacity(Some(100));
    let mut written = 0;
    let trouble = loop {
        match write(&mut *sink, &numbers(written..written + 1)).await {
            Ok(()) => written += 1,
            Err(trouble) => break trouble,
        }
        assert!(written < 200, "it never said that the disk is full");
    };
    assert!(!trouble.is_final() && trouble.to_string().contains("make room on it"), "{trouble}");
    for _ in 0..3 {
        assert!(write(&mut *sink, &numbers(written..written + 1)).await.is_err());
        assert!(sink.prepare().await.is_err());
    }
    disk.set_capacity(None);
    sink.open(None).await.unwrap();
    write(&mut *sink, &numbers(written..written + 1)).await.unwrap();
    sink.close().await.unwrap();
    let all: String = files(&disk).into_iter().map(|(_, text)| text).collect();
    assert_eq!(all, (0..=written).map(|number| format!("{number}\n")).collect::<String>());
}

#[tokio::test]
async fn a_folder_that_is_taken_away_is_waited_for() {
    let folder = crate::test_folder::TestFolder::new();
    let (out, aside) = (folder.path().join("out"), folder.path().join("aside"));
    let mut sink = RollingFiles::new(&out).make(&(Arc::new(crate::real_disk::RealDisk) as Arc<dyn Disk>));
    sink.open(None).await.unwrap();
    write(&mut *sink, &numbers(0..1)).await.unwrap();
    checkpoint(&mut *sink).await;
    std::fs::rename(&out, &aside).unwrap();
    write(&mut *sink, &numbers(1..2)).await.unwrap();
    for _ in 0..2 {
        let trouble = sink.prepare().await.unwrap_err();
        assert!(!trouble.is_final() && trouble.to_string().contains("put back"), "{trouble}");
    }
    std::fs::rename(&aside, &out).unwrap();
    checkpoint(&mut *sink).await;
    sink.close().await.unwrap();
    assert_eq!(std::fs::read_to_string(out.join("part-000001.jsonl")).unwrap(), "0\n1\n");
}

#[tokio::test]
async fn after_a_sync_that_failed_no_later_one_is_believed() {
    let (disk, spec) = (FaultyDisk::new(), RollingFiles::new("out"));
    let mut sink = opened(&disk, &spec, None).await;
    write(&mut *sink, &numbers(0..1)).await.unwrap();
    // Open, write, sync.
    disk.fail_at(disk.operations() + 3, ErrorKind::Other);
    for _ in 0..2 {
        let trouble = sink.prepare().await.unwrap_err();
        assert!(trouble.is_final() && trouble.to_string().contains("goes on from the checkpoint"), "{trouble}");
        assert!(sink.open(None).await.is_err());
        assert!(sink.close().await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_dropped_in_the_middle_of_a_write_is_waited_for_by_the_next() {
    let (disk, spec) = (FaultyDisk::new(), RollingFiles::new("out"));
    let first = opened(&disk, &spec, None).await;
    let mut second = spec.make(&(Arc::new(disk.clone()) as Arc<dyn Disk>));
    let trouble = second.open(None).await.unwrap_err();
    assert!(!trouble.is_final() && trouble.to_string().contains("has not ended"), "{trouble}");
    drop(first);
    second.open(None).await.unwrap();
}

#[tokio::test]
async fn a_prepare_that_is_dropped_loses_nothing() {
    let (disk, spec) = (FaultyDisk::new(), RollingFiles::new("out"));
    let mut sink = opened(&disk, &spec, None).await;
    write(&mut *sink, &numbers(0..2)).await.unwrap();
    // Polled once: its work begins, and has hardly ended.
    let _ = sink.prepare().now_or_never();
    write(&mut *sink, &numbers(2..3)).await.unwrap();
    checkpoint(&mut *sink).await;
    sink.close().await.unwrap();
    assert_eq!(files(&disk)[0].1, "0\n1\n2\n");
}

#[tokio::test]
async fn a_name_that_is_none_is_told_with_the_remedy() {
    let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::new());
    for spec in [RollingFiles::new("out").prefix("a/b"), RollingFiles::new("out").extension("")] {
        let trouble = spec.make(&disk).open(None).await.unwrap_err();
        assert!(trouble.is_final() && trouble.to_string().contains("use letters and digits"), "{trouble}");
    }
    let one = format!("{:?}", RollingFiles::new("out"));
    assert_eq!(one, format!("{:?}", RollingFiles::new("out")));
    assert_ne!(one, format!("{:?}", RollingFiles::new("out").prefix("x")));
}
