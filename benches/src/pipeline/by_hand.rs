//! By hand: a task for each part, chunks over tokio's channels, and the chunks themselves back as their acknowledgement.

use std::ops::Range;
use std::time::Instant;

use tokio::sync::mpsc::{self, Receiver, Sender};

use super::Passed;
use super::work::{LEN, STAGES, Work, first_word, produce};
use crate::Failure;
use crate::measure::Plan;

/// Chunks under way at once, and records of each: what was quickest of 4 to 16, and of 128 to 1,024.
const WINDOW: usize = 4;
const CHUNK: usize = 1_024;

/// Payloads in one buffer, used again and again.
struct Chunk {
    bytes: Vec<u8>,
    records: Vec<Range<usize>>,
}

impl Chunk {
    fn new() -> Self {
        Self { bytes: vec![0; CHUNK * LEN], records: Vec::with_capacity(CHUNK) }
    }

    /// Makes these records in place of those that it held.
    fn fill(&mut self, numbers: Range<u64>) {
        self.records.clear();
        let mut start = 0;
        for number in numbers {
            let record = start..start + LEN;
            produce(&mut self.bytes[record.clone()], number);
            start = record.end;
            self.records.push(record);
        }
    }
}

pub fn run(work: Work, plan: Plan) -> Result<Passed, Failure> {
    plan.flavour.run(async move {
        let records = plan.ops as u64;
        let (first, mut last) = mpsc::channel(WINDOW);
        for number in 1..=STAGES {
            let (sender, next) = mpsc::channel(WINDOW);
            tokio::spawn(stage(work, number, last, sender));
            last = next;
        }
        let (acknowledge, acknowledged) = mpsc::channel(WINDOW);
        let sink = tokio::spawn(sink(last, acknowledge));
        let spare = (0..WINDOW).map(|_| Chunk::new()).collect();
        let start = Instant::now();
        source(records, spare, first, acknowledged).await?;
        let nanoseconds = start.elapsed().as_nanos() as f64 / records as f64;
        Ok(Passed { records, nanoseconds, sum: sink.await? })
    })
}

/// Ends when all of its records are acknowledged.
async fn source(
    records: u64,
    mut spare: Vec<Chunk>,
    to: Sender<Chunk>,
    mut acknowledged: Receiver<Chunk>,
) -> Result<(), Failure> {
    let (mut made, mut done) = (0, 0);
    while made < records {
        let mut chunk = match spare.pop() {
            Some(chunk) => chunk,
            None => acknowledged.recv().await.inspect(|chunk| done += chunk.records.len()).ok_or(GONE)?,
        };
        let until = records.min(made + CHUNK as u64);
        chunk.fill(made..until);
        made = until;
        to.send(chunk).await.map_err(|_| GONE)?;
    }
    while (done as u64) < records {
        done += acknowledged.recv().await.ok_or(GONE)?.records.len();
    }
    Ok(())
}

async fn stage(work: Work, number: u8, mut from: Receiver<Chunk>, to: Sender<Chunk>) {
    while let Some(mut chunk) = from.recv().await {
        for record in &chunk.records {
            work(&mut chunk.bytes[record.clone()], number);
        }
        if to.send(chunk).await.is_err() {
            return;
        }
    }
}

async fn sink(mut from: Receiver<Chunk>, acknowledge: Sender<Chunk>) -> u64 {
    let mut sum = 0_u64;
    while let Some(chunk) = from.recv().await {
        for record in &chunk.records {
            sum = sum.wrapping_add(first_word(&chunk.bytes[record.clone()]));
        }
        // The source may have ended, with nothing left to acknowledge.
        let _ = acknowledge.send(chunk).await;
    }
    sum
}

const GONE: &str = "a part of the pipeline is gone";
