//! A plugin in other hands: in the process itself, and in a child process behind the bridges that many systems have.
//!
//! `plugins <errand> <library> <flavour> <batches>` prints nanoseconds, and nanoseconds of CPU of all its processes, for
//! each record. Errands: `alone` (producing and reading without any plugin), `in-process`, `pipeline` (within a stage of ours;
//! records for batches, and no CPU), `by-hand` and `by-serde` (MessagePack), `grpc`. The last three start this program once more, as `plugins serve-<errand> <library>`, with a
//! socket for standard input.

mod block;
mod by_hand;
mod by_serde;
mod grpc;
mod in_process;
mod messagepack;
#[path = "../../../src/payload.rs"]
mod payload;
mod pipeline;
#[allow(dead_code, reason = "the bench uses the rest of this file")]
#[path = "../../../src/procfs.rs"]
mod procfs;
mod served;

use std::time::Instant;

use by_hand::ByHand;
use by_serde::BySerde;
use messagepack::Format;

/// What went wrong, in words.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Batches that are under way at once, where a peer can.
pub const DEPTH: usize = 8;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let numbers = match words.as_slice() {
        [ByHand::SERVE, library] => return messagepack::serve::<ByHand>(library),
        [BySerde::SERVE, library] => return messagepack::serve::<BySerde>(library),
        ["serve-grpc", library] => return grpc::serve(library),
        ["alone", _, _, count] => in_process::alone(count.parse()?),
        ["in-process", library, _, count] => in_process::sample(library, count.parse()?),
        ["pipeline", library, flavour, count] => pipeline::sample(library, flavour, count.parse()?),
        ["by-hand", library, _, count] => messagepack::sample::<ByHand>(library, count.parse()?),
        ["by-serde", library, _, count] => messagepack::sample::<BySerde>(library, count.parse()?),
        ["grpc", library, flavour, count] => grpc::sample(library, flavour, count.parse()?),
        _ => return Err("usage: plugins <errand> <library> <flavour> <batches>".into()),
    }?;
    println!("{} {}", numbers[0], numbers[1]);
    Ok(())
}

/// A clock for time and CPU, from when it is made.
pub struct Clock {
    start: Instant,
    cpu: u64,
    child: Option<u32>,
}

impl Clock {
    /// Of this process, and of a child if there is one.
    pub fn start(child: Option<u32>) -> Result<Self, Failure> {
        Ok(Self { cpu: cpu(child)?, start: Instant::now(), child })
    }

    /// Time and CPU for each record of so many batches, in nanoseconds.
    pub fn stop(self, batches: usize) -> Result<[f64; 2], Failure> {
        let records = (batches * payload::RECORDS) as f64;
        let time = self.start.elapsed().as_nanos() as f64;
        Ok([time / records, (cpu(self.child)? - self.cpu) as f64 / records])
    }
}

fn cpu(child: Option<u32>) -> Result<u64, Failure> {
    let child = child.map(procfs::cpu_ns_of).transpose()?;
    Ok(procfs::used()?.cpu_ns + child.unwrap_or_default())
}

/// What was read must be what the plugin has made of what was produced.
pub fn check(library: &str, sum: u64, batches: usize) -> Result<(), Failure> {
    let mask = if library.ends_with("rewrite.so") { 0x5a } else { 0 };
    let records = (batches * payload::RECORDS) as u64;
    if sum == payload::expected(0..records, mask) { Ok(()) } else { Err("the bytes that came back are wrong".into()) }
}
