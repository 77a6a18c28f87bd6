//! A pass goes on where it was broken off, and what is taken out or put in is what was meant.

use super::*;
use crate::chunk::ChunkSize;
use crate::ledger::Ledger;
use crate::random::{Random, with_seeds};
use crate::test_chunks::keyed;

fn ids(chunk: &Chunk) -> Vec<u64> {
    chunk.records().map(|record| record.id()).collect()
}

#[test]
fn records_are_decided_one_after_the_other_and_only_fates_are_kept() {
    let ledger = Ledger::new(ChunkSize::default(), 2, 2);
    let mut pass = Pass::new(keyed(&ledger, &[(10, None), (11, None), (12, None)]));
    (pass.is_in_work, pass.panics, pass.handle) = (true, 1, Some(7));
    pass.decide(None);
    assert_eq!((pass.is_in_work, pass.panics, pass.handle), (false, 0, None), "they are of one record");
    pass.decide(Some(Fate::Drop));
    assert!(!pass.is_decided());
    pass.decide(Some(Fate::Skip));
    assert!(pass.is_decided());
    assert_eq!(pass.fates, [(1, Fate::Drop), (2, Fate::Skip)]);
    pass.chunk.done();
}

fn size(records: usize, bytes: usize) -> ChunkSize {
    ChunkSize { records, bytes }
}

#[test]
fn what_is_emitted_fills_a_pass_until_it_is_taken() {
    let ledger = Ledger::new(ChunkSize::default(), 2, 2);
    let mut pass = Pass::new(keyed(&ledger, &[(0, None), (1, None), (2, None)]));
    let payload = b"made".to_vec();
    let record = OwnedRecord { payload, ..OwnedRecord::from(pass.chunk.record(0)) };
    let keyed = OwnedRecord { key: Some(b"key".to_vec()), ..record.clone() };
    let headers = vec![("h".to_owned(), b"value".to_vec())];
    for record in [record.clone(), keyed, OwnedRecord { headers, ..record }] {
        pass.emit(record);
        pass.decide(None);
    }
    let bytes = 3 * "made".len() + "key".len() + "hvalue".len();
    assert!(pass.is_full(size(9, bytes)) && !pass.is_full(size(9, bytes + 1)), "with keys and headers");
    assert!(pass.is_full(size(3, 1_000)) && !pass.is_full(size(4, 1_000)));
    let before_2: Vec<usize> = std::iter::from_fn(|| pass.take_emitted(2)).map(|(nth, _)| nth).collect();
    assert_eq!(before_2, [0, 1]);
    let rest = "made".len() + "hvalue".len();
    assert!(pass.is_full(size(1, rest)) && !pass.is_full(size(2, rest + 1)), "the rest still counts");
    assert_eq!(pass.take_emitted(3).map(|(nth, _)| nth), Some(2));
    assert!(!pass.is_full(size(1, 1)) && pass.emitted.is_empty());
    pass.chunk.done();
}

#[test]
fn the_records_with_the_numbers_go_and_the_others_stay_in_order() {
    with_seeds(200, |seed| {
        let mut random = Random::new(seed);
        let ledger = Ledger::new(ChunkSize::default(), 1, 1);
        let records: Vec<(u64, Option<&str>)> = (0..random.below(12)).map(|id| (id, None)).collect();
        let (out, stay): (Vec<u64>, Vec<u64>) = (0..records.len() as u64).partition(|_| random.percent(40));
        let mut chunk = keyed(&ledger, &records);
        chunk.remove(out.iter().map(|nth| *nth as usize));
        assert_eq!(ids(&chunk), stay);
        chunk.done();
    });
}

#[test]
fn a_record_that_is_added_is_the_new_one_with_its_parents_original() {
    let ledger = Ledger::new(ChunkSize::default(), 2, 2);
    let from = keyed(&ledger, &[(5, Some("k"))]);
    let mut to = from.beside(ledger.try_borrow().unwrap());
    let made = OwnedRecord {
        id: 6,
        payload: b"made".to_vec(),
        key: Some(b"other".to_vec()),
        headers: vec![("h".to_owned(), b"v".to_vec())],
        time: 9,
        ..OwnedRecord::from(from.record(0))
    };
    to.add(&from, 0, &made);
    to.add(&from, 0, &OwnedRecord { key: None, headers: Vec::new(), ..made.clone() });
    let (record, bare) = (to.record(0), to.record(1));
    assert_eq!(OwnedRecord::from(record), made);
    assert_eq!((record.original(), record.original_content()), (&b"record 5"[..], from.record(0).content()));
    assert_eq!((bare.key(), bare.headers().into_iter().count()), (None, 0));
    from.done();
    to.done();
}
