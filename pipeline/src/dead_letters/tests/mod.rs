//! Letters over a disk that loses power.

use std::sync::Arc;

use proscenium_plugin_host::ContentType;
use serde_json::Value;

use super::{CommittedLetters, DeadLetterStore, LetterBounds, LetterOffice, LetterQuery};
use crate::disk::Disk;
use crate::letter::{Class, Letter};
use crate::record::OwnedRecord;
use crate::test_folder::TestFolder;
use toy_disk::ToyDisk;

mod office;
mod power_cuts;
mod redrive;
mod simulation;
mod store;
mod toy_disk;

/// Small enough for a few letters a file, and a few files.
const SMALL: LetterBounds = LetterBounds { file: 700, all: 1 << 20 };

/// The n-th letter.
fn letter(n: u64) -> Letter {
    let record = OwnedRecord {
        id: n,
        content: ContentType::Raw,
        payload: format!("payload {n}").into_bytes(),
        key: None,
        time: n,
        headers: vec![("h".to_owned(), vec![255])],
    };
    Letter {
        part: if n.is_multiple_of(2) { "even" } else { "odd" }.to_owned(),
        source: format!("source{}", n % 3),
        class: Class::ALL[(n % 6) as usize].0,
        reason: format!("reason {n}"),
        attempts: 1,
        crash: None,
        since: 1000 * n,
        record,
    }
}

fn letters(range: std::ops::Range<u64>) -> Vec<Letter> {
    range.map(letter).collect()
}

/// A store with so many letters, in a checkpoint.
async fn stored(disk: &Arc<ToyDisk>, state: &TestFolder, count: u64) -> (DeadLetterStore, Value) {
    let mut store = DeadLetterStore::new(&as_disk(disk), state.path(), SMALL);
    store.open(None).await.unwrap();
    for n in 0..count {
        store.write(&letters(n..n + 1)).await.unwrap();
    }
    let said = store.prepare().await.unwrap();
    store.commit().await.unwrap();
    (store, said)
}

fn as_disk(disk: &Arc<ToyDisk>) -> Arc<dyn Disk> {
    disk.clone()
}

fn office(disk: &Arc<ToyDisk>, state: &TestFolder, said: Option<&Value>) -> LetterOffice {
    let redrive = (0..3).map(|n| (format!("source{n}"), None)).collect();
    let committed = CommittedLetters { letters: said.cloned(), redrive, ..CommittedLetters::default() };
    LetterOffice::new(&as_disk(disk), state.path(), &committed).unwrap()
}

/// All letters that were neither sent again nor thrown away.
fn listed(office: &LetterOffice) -> Vec<u64> {
    let page = office.list(&LetterQuery { limit: 1000, ..LetterQuery::default() }).unwrap();
    assert_eq!(page.damage, []);
    page.letters.iter().map(|kept| kept.id).collect()
}
