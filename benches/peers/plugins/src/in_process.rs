//! The plugin in the process itself, on the thread that produces and reads.

use std::hint::black_box;

use crate::block::Loaded;
use crate::payload::{LEN, RECORDS, WARM_UP, produce, read};
use crate::{Clock, Failure, check};

pub fn sample(library: &str, batches: usize) -> Result<[f64; 2], Failure> {
    let mut plugin = Loaded::open(library)?;
    let mut id = 0;
    let mut run = |batches| -> Result<u64, Failure> {
        let mut sum = 0;
        for _ in 0..batches {
            for nth in 0..RECORDS {
                produce(plugin.input(nth), id);
                plugin.enter(nth, id, LEN);
                id += 1;
            }
            plugin.process(RECORDS)?;
            for nth in 0..RECORDS {
                sum += read(plugin.result(nth).payload);
            }
        }
        Ok(sum)
    };
    let warm = run(WARM_UP)?;
    let clock = Clock::start(None)?;
    let sum = run(batches)?;
    let numbers = clock.stop(batches)?;
    check(library, warm + sum, WARM_UP + batches)?;
    Ok(numbers)
}

/// Producing and reading, without any plugin.
pub fn alone(batches: usize) -> Result<[f64; 2], Failure> {
    let mut payloads = vec![[0; LEN]; RECORDS];
    let mut id = 0;
    let mut sum = 0;
    let mut run = |batches| {
        for _ in 0..batches {
            for payload in &mut payloads {
                produce(payload, id);
                id += 1;
            }
            for payload in &payloads {
                sum += read(payload);
            }
        }
    };
    run(WARM_UP);
    let clock = Clock::start(None)?;
    run(batches);
    let numbers = clock.stop(batches);
    black_box(sum);
    numbers
}
