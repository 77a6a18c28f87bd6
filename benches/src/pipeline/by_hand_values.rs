//! By hand, as it is mostly written: a record is a value with a payload of its own, a chunk is a list of them, and a permit
//! that is given back when the sink drops the chunk is its acknowledgement.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Passed;
use super::work::{LEN, STAGES, Work, first_word, produce};
use crate::Failure;
use crate::measure::Plan;

/// Chunks under way at once, and records of each: of 64, 256 and 1,024 the quickest.
const WINDOW: u32 = 4;
const CHUNK: u64 = 64;

struct Record {
    id: u64,
    payload: Vec<u8>,
}

struct Chunk {
    records: Vec<Record>,
    _acknowledgement: OwnedSemaphorePermit,
}

pub fn run(work: Work, plan: Plan) -> Result<Passed, Failure> {
    plan.flavour.run(async move {
        let records = plan.ops as u64;
        let (first, mut last) = mpsc::channel(WINDOW as usize);
        for number in 1..=STAGES {
            let (sender, next) = mpsc::channel(WINDOW as usize);
            tokio::spawn(stage(work, number, last, sender));
            last = next;
        }
        let sink = tokio::spawn(sink(last, records));
        let start = Instant::now();
        source(records, first).await?;
        let nanoseconds = start.elapsed().as_nanos() as f64 / records as f64;
        Ok(Passed { records, nanoseconds, sum: sink.await?? })
    })
}

/// Ends when all of its records are acknowledged.
async fn source(records: u64, to: Sender<Chunk>) -> Result<(), Failure> {
    let window = Arc::new(Semaphore::new(WINDOW as usize));
    for from in (0..records).step_by(CHUNK as usize) {
        let permit = window.clone().acquire_owned().await?;
        let made = (from..records.min(from + CHUNK)).map(|id| {
            let mut payload = vec![0; LEN];
            produce(&mut payload, id);
            Record { id, payload }
        });
        let chunk = Chunk { records: made.collect(), _acknowledgement: permit };
        to.send(chunk).await.map_err(|_| "a part of the pipeline is gone")?;
    }
    drop(window.acquire_many(WINDOW).await?);
    Ok(())
}

async fn stage(work: Work, number: u8, mut from: Receiver<Chunk>, to: Sender<Chunk>) {
    while let Some(mut chunk) = from.recv().await {
        for record in &mut chunk.records {
            work(&mut record.payload, number);
        }
        if to.send(chunk).await.is_err() {
            return;
        }
    }
}

/// The records come in their order.
async fn sink(mut from: Receiver<Chunk>, records: u64) -> Result<u64, Failure> {
    let (mut sum, mut next) = (0_u64, 0);
    while let Some(chunk) = from.recv().await {
        for record in &chunk.records {
            if record.id != next {
                return Err(format!("record {} came in place of {next}", record.id).into());
            }
            next += 1;
            sum = sum.wrapping_add(first_word(&record.payload));
        }
    }
    if next == records { Ok(sum) } else { Err(format!("{next} of {records} records came").into()) }
}
