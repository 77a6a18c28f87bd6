//! Stages that let records grow: chunks are divided, and nothing is lost, doubled, or given another one's bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use proscenium_pipeline::sources::Generator;
use proscenium_pipeline::{
    Boxed, Chunk, ChunkSize, Disk, Failed, Failover, Pipeline, Record, RecordMut, Sink, SinkSpec, Trouble,
};
use proscenium_runtime::Node;

use crate::chaos::proof::letters;
use crate::controls::part;
use crate::flow::finished;
use crate::stalled::is_alone;
use crate::test_folder::TestFolder;

const SIZE: ChunkSize = ChunkSize { records: 256, bytes: 16 << 10 };

/// Ids and payloads.
type Noted = Vec<(u64, Vec<u8>)>;

/// A sink that notes the ids and payloads it gets, and the bytes of the largest chunk, with originals.
#[derive(Clone, Default)]
struct Scales {
    records: Arc<Mutex<Noted>>,
    largest: Arc<Mutex<usize>>,
}

impl fmt::Debug for Scales {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scales")
    }
}

impl SinkSpec for Scales {
    fn kind(&self) -> &'static str {
        "scales"
    }

    fn make(&self, _: &Arc<dyn Disk>) -> Box<dyn Sink> {
        Box::new(self.clone())
    }
}

impl Sink for Scales {
    fn write<'a>(&'a mut self, chunk: &'a Chunk, _: &'a mut Vec<(usize, String)>) -> Boxed<'a, Result<(), Trouble>> {
        let bytes: usize = chunk.records().map(|record| record.payload().len() + record.original().len()).sum();
        let mut largest = self.largest.lock().unwrap();
        *largest = (*largest).max(bytes);
        let records = chunk.records().map(|record| (record.id(), record.payload().to_vec()));
        self.records.lock().unwrap().extend(records);
        Box::pin(std::future::ready(Ok(())))
    }
}

fn text(n: u64) -> String {
    format!("record {n}")
}

fn numbers(records: u64) -> Generator {
    Generator::new(records).record(|n, out| out.extend_from_slice(text(n).as_bytes()))
}

/// The n-th record, grown.
fn grown(n: u64, bytes: usize) -> Vec<u8> {
    let mut payload = format!("{n} ").into_bytes();
    payload.resize(bytes, b'.');
    payload
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_whose_records_grow_is_divided_at_its_limit_whatever_becomes_of_them() {
    const RECORDS: u64 = 2_000;
    const BYTES: usize = 4 << 10;
    let (node, folder) = (Node::start("growing").await.unwrap(), TestFolder::new());
    let (usual, routed) = (Scales::default(), Scales::default());
    let pipeline = Pipeline::named("growing")
        .source(numbers(RECORDS))
        .map("grows", |record: &mut RecordMut<'_>| {
            let n = record.id();
            assert!(record.as_ref().original() == text(n).as_bytes());
            record.set_payload(&grown(n, BYTES));
            match n % 100 {
                3 => Err(Failed::because("three")),
                13 if n == 1_013 => panic!("as asked"),
                _ => Ok(()),
            }
        })
        .failover(Failover::DeadLetter)
        .route("way", ["fives"], |record: Record<'_>| record.id().is_multiple_of(5).then(|| "fives".to_owned()))
        .map("again", |record: &mut RecordMut<'_>| {
            let longer = [record.payload(), &b"!"[..]].concat();
            record.set_payload(&longer);
        })
        .sink(usual.clone())
        .called("usual")
        .from("way/fives")
        .sink(routed.clone())
        .called("routed")
        .state(folder.at("state"))
        .chunk(SIZE)
        .start(&node)
        .await
        .unwrap();
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    let is_letter = |n: &u64| n % 100 == 3 || *n == 1_013;
    let of = |is: fn(&u64) -> bool, sign: &'static [u8]| -> Noted {
        let ids = (0..RECORDS).filter(|n| !is_letter(n)).filter(is);
        ids.map(|n| (n, [grown(n, BYTES), sign.to_vec()].concat())).collect()
    };
    assert!(*routed.records.lock().unwrap() == of(|n| n % 5 == 0, b""));
    assert!(*usual.records.lock().unwrap() == of(|n| n % 5 != 0, b"!"));
    for (name, scales) in [("usual", &usual), ("routed", &routed)] {
        let largest = *scales.largest.lock().unwrap();
        assert!(largest <= 4 * SIZE.bytes + 2 * BYTES, "{name}: a chunk of {largest} bytes");
    }
    let letters = letters(&folder.at("state"));
    let originals: BTreeMap<u64, Vec<u8>> =
        letters.iter().map(|kept| (kept.letter.record.id, kept.letter.record.payload.clone())).collect();
    let expected: BTreeMap<u64, Vec<u8>> = (0..RECORDS).filter(is_letter).map(|n| (n, text(n).into_bytes())).collect();
    assert_eq!((originals, letters.len()), (expected, 21));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_larger_than_any_chunk_goes_through_and_the_others_with_it() {
    const RECORDS: u64 = 600;
    let (node, scales) = (Node::start("huge").await.unwrap(), Scales::default());
    let bytes = |n: u64| if n % 200 == 100 { 50 * SIZE.bytes } else { 10 };
    let pipeline = Pipeline::named("huge")
        .source(numbers(RECORDS))
        .map("grows", move |record: &mut RecordMut<'_>| {
            let n = record.id();
            record.set_payload(&grown(n, bytes(n)));
        })
        .map("same", |_: &mut RecordMut<'_>| ())
        .sink(scales.clone())
        .chunk(SIZE)
        .start(&node)
        .await
        .unwrap();
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    let expected: Noted = (0..RECORDS).map(|n| (n, grown(n, bytes(n)))).collect();
    assert!(*scales.records.lock().unwrap() == expected);
    let largest = *scales.largest.lock().unwrap();
    assert!(largest <= 54 * SIZE.bytes, "{largest}");
}

/// The most memory that this process has had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stage_that_makes_much_of_a_chunk_takes_no_more_memory_than_some_chunks() {
    const RECORDS: u64 = 256;
    const BYTES: usize = 1 << 20;
    if !is_alone("growing::a_stage_that_makes_much_of_a_chunk_takes_no_more_memory_than_some_chunks") {
        return;
    }
    let node = Node::start("much").await.unwrap();
    let before = peak();
    let pipeline = Pipeline::named("much")
        .source(numbers(RECORDS))
        .map("grows", |record: &mut RecordMut<'_>| record.set_payload(&vec![7; BYTES]))
        .filter("ends", |record: Record<'_>| record.payload().len() != BYTES)
        .sink(Scales::default())
        .chunk(SIZE)
        .start(&node)
        .await
        .unwrap();
    finished(&pipeline).await;
    let dropped = part(&pipeline, "ends").counts.dropped;
    pipeline.stop().await;
    node.stop().await.unwrap();
    let grown = peak() - before;
    println!("{} KiB more", grown >> 10);
    assert_eq!(dropped, RECORDS);
    assert!(grown < 64 << 20, "{} MiB were taken for records of {} MiB", grown >> 20, (RECORDS as usize * BYTES) >> 20);
}
