//! What a pipeline's counters take: the pipeline's own file, compiled once more, and called as five parts call it for a chunk.

#[allow(dead_code, reason = "the pipeline uses the rest of this file")]
#[path = "../../../pipeline/src/stats.rs"]
mod counters;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use counters::Stats;

use crate::measure::{Plan, Sample};

/// Records of a chunk, as settings come.
const RECORDS: usize = 512;

/// Source, three stages, sink.
const PARTS: usize = 5;

/// For each record, of all parts together, on one thread.
pub fn alone(plan: Plan) -> Sample {
    let parts: [Stats; PARTS] = Default::default();
    let chunks = plan.ops / RECORDS;
    let nanoseconds = each_chunk(chunks, || {
        for part in &parts {
            black_box(part).sent_here.add(1);
            count(part);
        }
    });
    checked(&parts, chunks, nanoseconds)
}

/// The same where another thread counts what is sent, as the actor before does, and both do nothing else: so they are in each
/// other's way at every chunk. The time of both is added.
pub fn contended(plan: Plan) -> Sample {
    let parts: Arc<[Stats; PARTS]> = Arc::default();
    let chunks = plan.ops / RECORDS;
    let sender = std::thread::spawn({
        let parts = parts.clone();
        move || each_chunk(chunks, || parts.iter().for_each(|part| black_box(part).sent_here.add(1)))
    });
    let of_parts = each_chunk(chunks, || parts.iter().for_each(|part| count(black_box(part))));
    let of_sender = sender.join().map_err(|_| "the other thread panicked")?;
    checked(&*parts, chunks, of_parts + of_sender)
}

fn checked(parts: &[Stats], chunks: usize, nanoseconds: f64) -> Sample {
    let counted: u64 = parts.iter().map(|part| part.counts().taken).sum();
    if counted != (chunks * RECORDS * parts.len()) as u64 {
        return Err(format!("{counted} records were counted").into());
    }
    Ok(vec![nanoseconds / (chunks * RECORDS) as f64])
}

/// What a stage counts; a source and a sink count less.
fn count(part: &Stats) {
    [&part.chunks, &part.begun, &part.ended].into_iter().for_each(|counter| counter.add(1));
    part.taken.add(RECORDS);
    let started = Instant::now();
    part.took(started.elapsed());
    part.passed.add(RECORDS);
    part.waiting.set(0);
}

/// Nanoseconds in all.
fn each_chunk(chunks: usize, count: impl Fn()) -> f64 {
    let start = Instant::now();
    (0..chunks).for_each(|_| count());
    start.elapsed().as_nanos() as f64
}
