//! Letters that are sent again, and the source that sends them.

use std::time::Duration;

use super::super::{Fate, LetterLock, LetterSelection, REDRIVEN, RedriveSpec};
use super::*;
use crate::chunk::{ChunkSize, Filling};
use crate::ledger::Ledger;
use crate::record::Record;
use crate::source::{Filled, Source, SourceSpec};

fn filling(records: usize) -> Filling {
    let size = ChunkSize { records, ..ChunkSize::default() };
    Filling::new(Ledger::new(size, 1, 1).try_borrow().unwrap(), size)
}

fn records(chunk: &Filling) -> Vec<OwnedRecord> {
    let records = (0..chunk.len()).map(|nth| Record { buffer: &chunk.buffer, nth });
    records.map(OwnedRecord::from).collect()
}

/// Fills a chunk, if something comes within some polls.
pub(super) async fn fill(source: &mut Box<dyn Source>, size: usize) -> Option<Vec<OwnedRecord>> {
    let mut chunk = filling(size);
    let filled = tokio::time::timeout(Duration::from_millis(700), source.fill(&mut chunk)).await;
    filled.ok().map(|filled| {
        assert_eq!(filled, Ok(Filled::More));
        records(&chunk)
    })
}

pub(super) fn source(disk: &Arc<ToyDisk>, state: &TestFolder, name: &str) -> Box<dyn Source> {
    RedriveSpec::of(name, &as_disk(disk), state.path()).make()
}

/// Numbers and redrives of the records that a source sends now, except record 0. Its waits cost no time.
pub(super) async fn sent(disk: &Arc<ToyDisk>, state: &TestFolder, name: &str) -> Vec<(u64, u64)> {
    tokio::time::pause();
    let mut source = source(disk, state, name);
    source.open(None).await.unwrap();
    let mut all = Vec::new();
    while let Some(records) = fill(&mut source, 3).await {
        all.extend(records);
    }
    tokio::time::resume();
    let times = |record: &OwnedRecord| {
        let header = record.headers.iter().find(|(name, _)| name == REDRIVEN);
        std::str::from_utf8(&header.unwrap().1).unwrap().parse().unwrap()
    };
    all.iter().map(|record| (record.id, times(record))).collect()
}

fn redrive(disk: &Arc<ToyDisk>, state: &TestFolder, said: &Value, ids: &[u64]) -> super::super::Redriven {
    let lock = LetterLock::take(state.path()).unwrap();
    office(disk, state, Some(said)).redrive(&lock, &LetterSelection::Ids(ids.to_vec())).unwrap()
}

#[tokio::test]
async fn records_come_again_from_their_source_as_they_came_with_a_header_more() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let (_, said) = stored(&disk, &state, 8).await;
    let done = redrive(&disk, &state, &said, &[1, 2, 4, 7]);
    assert_eq!((done.letters, done.left, done.files), (4, vec![], vec![state.path().join("redrive/0000000000.jsonl")]));
    let office = office(&disk, &state, Some(&said));
    assert_eq!(listed(&office), [0, 3, 5, 6]);
    assert_eq!(office.show(4).unwrap().fate, Fate::Redriven);

    let mut source = source(&disk, &state, "source1");
    source.open(None).await.unwrap();
    let found = fill(&mut source, 512).await.unwrap();
    let wanted = [1, 4, 7].map(|n| {
        let mut record = letter(n).record;
        record.headers.push((REDRIVEN.to_owned(), b"1".to_vec()));
        record
    });
    assert_eq!(found, wanted);
    assert_eq!(sent(&disk, &state, "source2").await, [(2, 1)]);
    assert_eq!(sent(&disk, &state, "source").await, []);
}

#[tokio::test]
async fn it_follows_the_folder_and_goes_on_from_every_position() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let (_, said) = stored(&disk, &state, 15).await;
    redrive(&disk, &state, &said, &[0, 1, 3, 4, 7]);
    redrive(&disk, &state, &said, &[2, 5]);
    redrive(&disk, &state, &said, &[10, 13]);
    tokio::time::pause();
    let all = [1, 4, 7, 10, 13];
    for size in [1, 2, 3] {
        let mut first = source(&disk, &state, "source1");
        first.open(None).await.unwrap();
        let mut before = Vec::new();
        loop {
            let mut second = source(&disk, &state, "source1");
            second.open(first.position().as_ref()).await.unwrap();
            let mut found = before.clone();
            while let Some(records) = fill(&mut second, 512).await {
                found.extend(records.iter().map(|record| record.id));
            }
            assert_eq!(found, all, "after {before:?}");
            let Some(records) = fill(&mut first, size).await else { break };
            before.extend(records.iter().map(|record| record.id));
        }
        assert_eq!(before, all);
        // Dropped while it waited; what comes then is found.
        assert_eq!(fill(&mut first, size).await, None);
    }
    let mut last = source(&disk, &state, "source2");
    last.open(None).await.unwrap();
    while fill(&mut last, 512).await.is_some() {}
    redrive(&disk, &state, &said, &[14]);
    assert_eq!(fill(&mut last, 512).await.unwrap()[0].id, 14);
}

#[tokio::test]
async fn what_was_sent_again_is_left_alone_and_what_fails_again_counts_on() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let (mut store, said) = stored(&disk, &state, 3).await;
    redrive(&disk, &state, &said, &[1]);
    let done = redrive(&disk, &state, &said, &[1]);
    assert_eq!((done.letters, done.left), (0, vec![1]));
    assert_eq!(done.files, Vec::<std::path::PathBuf>::new());

    let mut again = letter(1);
    again.record.headers.push((REDRIVEN.to_owned(), b"1".to_vec()));
    store.write(&[again]).await.unwrap();
    let said = store.prepare().await.unwrap();
    assert_eq!(listed(&office(&disk, &state, Some(&said))), [0, 2, 3]);
    redrive(&disk, &state, &said, &[3]);
    assert_eq!(sent(&disk, &state, "source1").await, [(1, 1), (1, 2)]);
}

#[tokio::test]
async fn letters_of_a_source_that_the_pipeline_does_not_have_stay_and_are_named() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let (_, said) = stored(&disk, &state, 6).await;
    let position = serde_json::json!({"file": 0, "line": 0});
    let redrive = [("source0".to_owned(), None), ("source2".to_owned(), Some(position.clone()))].into();
    let absent = [("source1".to_owned(), position)].into();
    let committed = CommittedLetters { letters: Some(said.clone()), redrive, absent };
    let office = LetterOffice::new(&as_disk(&disk), state.path(), &committed).unwrap();
    let lock = LetterLock::take(state.path()).unwrap();
    let all = LetterSelection::Filter(super::super::LetterFilter::default());
    for selection in [LetterSelection::Ids(vec![0, 1, 2, 4]), all] {
        let done = office.redrive(&lock, &selection).unwrap();
        assert_eq!((done.letters, done.left, done.sourceless), (2, vec![], [("source1".to_owned(), 2)].into()));
        assert_eq!((office.show(1).unwrap().fate, office.show(0).unwrap().fate), (Fate::Kept, Fate::Redriven));
    }
    assert_eq!(listed(&office), [1, 4]);
    assert_eq!(sent(&disk, &state, "source1").await, []);
}

#[tokio::test]
async fn many_letters_go_in_several_files() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let mut store = DeadLetterStore::new(&as_disk(&disk), state.path(), LetterBounds::default());
    store.open(None).await.unwrap();
    let mut large = letter(1);
    large.record.payload = vec![b'x'; 1 << 20];
    store.write(&vec![large; 20]).await.unwrap();
    let said = store.prepare().await.unwrap();
    let done = redrive(&disk, &state, &said, &(0..20).collect::<Vec<_>>());
    assert_eq!((done.letters, done.files.len()), (20, 3));
    assert_eq!(sent(&disk, &state, "source1").await.len(), 20);
    assert_eq!(listed(&office(&disk, &state, Some(&said))), [0_u64; 0]);
}

#[tokio::test]
async fn a_line_that_is_damaged_is_not_sent_and_its_letter_is_still_listed() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let (_, said) = stored(&disk, &state, 8).await;
    let done = redrive(&disk, &state, &said, &[1, 4, 7]);
    disk.change(&done.files[0], |text| text[0] = b'?');
    assert_eq!(sent(&disk, &state, "source1").await, [(4, 1), (7, 1)]);
    let page = office(&disk, &state, Some(&said)).list(&LetterQuery::default()).unwrap();
    assert_eq!(page.letters.iter().map(|kept| kept.id).collect::<Vec<_>>(), [0, 1, 2, 3, 5, 6]);
    assert!(page.damage[0].to_string().contains("redrive/0000000000.jsonl:1: expected value"), "{:?}", page.damage);
}

#[tokio::test]
async fn files_that_all_sources_have_read_go_with_their_letters_but_the_last() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let (_, said) = stored(&disk, &state, 9).await;
    for ids in [[0, 1], [2, 3], [4, 5]] {
        redrive(&disk, &state, &said, &ids);
    }
    let marks = |disk: &ToyDisk| disk.names().iter().filter(|name| name.len() == 16).count();
    // Of each source the first file that it has not read; the last of them is not there any more.
    let tidy = |unread: [Option<u64>; 3]| {
        let [first, second, gone] = unread.map(|file| Some(serde_json::json!({"file": file?, "line": 0})));
        let redrive = [("source0".to_owned(), first), ("source1".to_owned(), second)].into();
        let absent = gone.map(|at| ("source2".to_owned(), at)).into_iter().collect();
        let committed = CommittedLetters { letters: Some(said.clone()), redrive, absent };
        let office = LetterOffice::new(&as_disk(&disk), state.path(), &committed).unwrap();
        let lock = LetterLock::take(state.path()).unwrap();
        office.redrive(&lock, &LetterSelection::Ids(vec![])).unwrap();
    };
    // The letters in the files are of the sources 0 and 1, 2 and 0, 1 and 2.
    for (unread, left) in [
        ([None; 3], 3),
        ([Some(3), Some(0), None], 3),
        ([Some(1), Some(1), None], 2),
        ([Some(3), Some(3), None], 2),
        ([Some(3), Some(3), Some(1)], 2),
        ([Some(2), Some(0), Some(2)], 1),
    ] {
        tidy(unread);
        assert_eq!(marks(&disk), left, "{unread:?}");
    }
    redrive(&disk, &state, &said, &[6]);
    assert!(disk.names().contains(&"0000000003.jsonl".to_owned()));
    assert_eq!(listed(&office(&disk, &state, Some(&said))), [7, 8]);
}

#[tokio::test]
async fn json_is_made_messagepack_again_and_what_cannot_be_is_rejected_again() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let mut store = DeadLetterStore::new(&as_disk(&disk), state.path(), SMALL);
    store.open(None).await.unwrap();
    let json = |text: &str| {
        let mut json = letter(1);
        (json.record.content, json.record.payload) = (ContentType::Json, text.as_bytes().to_vec());
        json
    };
    store.write(&[json("{\"a\":1}"), json("{\"a\":")]).await.unwrap();
    let said = store.prepare().await.unwrap();
    redrive(&disk, &state, &said, &[0, 1]);
    let mut source = RedriveSpec::of("source1", &as_disk(&disk), state.path()).json_as_messagepack().make();
    source.open(None).await.unwrap();
    let mut chunk = filling(512);
    source.fill(&mut chunk).await.unwrap();
    let found = records(&chunk);
    assert_eq!((found[0].content, found[0].payload.as_slice()), (ContentType::MessagePack, &b"\x81\xa1a\x01"[..]));
    assert_eq!(chunk.rejects.len(), 1);
    assert_eq!(chunk.rejects[0].0, 1);
    assert!(!found[1].headers.is_empty());
    let original = Record { buffer: &chunk.buffer, nth: 0 };
    assert_eq!((original.original(), original.original_content()), (&b"{\"a\":1}"[..], ContentType::Json));
}
