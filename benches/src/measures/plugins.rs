//! The plugin host: its speed beside the same library in the process and behind bridges, and what starts, ends and swaps take.

use crate::bound::Bound;
use crate::child;
use crate::measure::{Measure, Plan, Sample, Unit};
use crate::noise::Floor;
use crate::payload::RECORDS;
use crate::peers::plugin_lives::{kills, ping_pong, poison, round_trip, swaps};
use crate::peers::plugins::{elsewhere, throughput};

const VERSION: &str = env!("BENCH_PROSCENIUM_RUNTIME");

const DEEP: &str = "depth 8";
const SINGLE: &str = "depth 1";
const IN_PROCESS: &str = "in-process";
/// What depth 1 may take: 1 ÷ 0.8 of in-process, or a futex ping-pong for each batch more than it.
const ALLOWED: &str = "depth 1 may take";
const MESSAGEPACK: &str = "MessagePack, rmp-serde";
const BY_HAND: &str = "MessagePack, by hand";
const GRPC: &str = "gRPC, tonic";
const PING_PONG: &str = "futex ping-pong";

/// 1.1 times the records a second, 0.8, 5 and 15 times, in other words: what a record may take, as a part of what it takes
/// there.
const VERDICTS: f64 = 0.909;
const REWRITES: f64 = 1.25;
const OF_MESSAGEPACK: f64 = 0.2;
const OF_GRPC: f64 = 0.0667;
/// Of the CPU that in-process takes, both processes together.
const CPU: f64 = 1.5;
/// Of the ping-pong, when both sides sleep.
const ASLEEP: f64 = 2.0;

const MS: f64 = 1e6;
const READY_NS: f64 = 3.0 * MS;
const NOTICED_NS: f64 = MS;
const REPLAYED_NS: f64 = 5.0 * MS;
const GAP_NS: f64 = MS;
const CRASHES: f64 = 2.0;

/// The bridges take their time, so they are asked for less.
const PART: usize = 5;

pub fn all() -> Vec<Measure> {
    let [verdicts, rewrites] = [
        "a plugin that gives verdicts: batches of 1,024 records of 128 B, per record",
        "a plugin that rewrites all: batches of 1,024 records of 128 B, per record",
    ];
    vec![
        throughputs("plugin-verdict", "verdict", verdicts, VERDICTS),
        throughputs("plugin-rewrite", "rewrite", rewrites, REWRITES),
        asleep(),
        starting(),
        killed(),
        swapped(),
        poisoned(),
    ]
}

fn throughputs(name: &'static str, library: &'static str, title: &'static str, part: f64) -> Measure {
    Measure::new(name, title, 2_000)
        .readings(Unit::Nanoseconds, &["time", "cpu"])
        .bound(Bound::ratio(DEEP, IN_PROCESS, part))
        .bound(Bound::ratio(DEEP, IN_PROCESS, CPU).reading(1))
        .bound(Bound::ratio(SINGLE, ALLOWED, 1.0))
        .bound(Bound::ratio(DEEP, MESSAGEPACK, OF_MESSAGEPACK))
        .bound(Bound::ratio(DEEP, GRPC, OF_GRPC))
        .note("all produce and read each byte by the same code, and call the same library (cc -O2); cpu: of all processes")
        .note("depth: batches under way; in-process: one thread does it all; alone: producing and reading, without a plugin")
        .note("the bridges are on Unix sockets, with eight batches under way; payloads come back only if they have changed")
        .note("by hand: nothing is copied, nothing allocated, and no types are derived; it shows what the socket itself takes")
        .column(DEEP, VERSION, move |plan| throughput(library, 8, plan))
        .column(SINGLE, VERSION, move |plan| throughput(library, 1, plan))
        .column(IN_PROCESS, "", move |plan| elsewhere("in-process", library, plan))
        .column(ALLOWED, "", move |plan| allowed(library, plan))
        .column("alone", "", move |plan| elsewhere("alone", library, plan))
        .column(MESSAGEPACK, env!("BENCH_RMP_SERDE"), move |plan| elsewhere("by-serde", library, fewer(plan)))
        .column(BY_HAND, env!("BENCH_RMP"), move |plan| elsewhere("by-hand", library, fewer(plan)))
        .column(GRPC, env!("BENCH_TONIC"), move |plan| elsewhere("grpc", library, fewer(plan)))
}

fn fewer(plan: Plan) -> Plan {
    Plan { ops: plan.ops.div_ceil(PART), ..plan }
}

fn allowed(library: &'static str, plan: Plan) -> Sample {
    let numbers = elsewhere("in-process", library, plan)?;
    let &[time, cpu] = numbers.as_slice() else { return Err("in-process: two numbers".into()) };
    let trip = *ping_pong(false, plan)?.first().ok_or("the ping-pong gave no number")?;
    Ok(vec![(time * REWRITES).max(time + trip / RECORDS as f64), cpu])
}

fn asleep() -> Measure {
    Measure::new("plugin-asleep", "round trip of a batch of one record, both sides asleep", 100)
        .readings(Unit::Nanoseconds, &["p50", "p99"])
        .bound(Bound::ratio("proscenium", PING_PONG, ASLEEP))
        .note("before each round trip, and each ping-pong between two processes, both sides sleep for a millisecond")
        .column("proscenium", VERSION, round_trip)
        .column(PING_PONG, "", |plan| ping_pong(true, plan))
        .column("ping-pong, awake", "", |plan| ping_pong(false, plan))
}

fn starting() -> Measure {
    Measure::new("plugin-start", "a plugin's process, from the order until it serves; 2 GiB of heap in the host", 200)
        .readings(Unit::Nanoseconds, &["p50", "p99"])
        .rounds_at_most(3)
        .bound(Bound::limit("proscenium", READY_NS, Some(Floor::Wake)).reading(1))
        .note("the host is a process of its own, which has written to all of its heap; the library is copied in that time, too")
        .column("proscenium", VERSION, |plan| child::sample("starts", "proscenium", plan))
}

fn killed() -> Measure {
    Measure::new(
        "plugin-kill",
        "a plugin's process is killed: until it is noticed, and until its batch is done again",
        100,
    )
    .readings(Unit::Nanoseconds, &["heard p50", "heard p99", "done p50", "done p99"])
    .rounds_at_most(3)
    .bound(Bound::limit("proscenium", NOTICED_NS, Some(Floor::Wake)).reading(1))
    .bound(Bound::limit("proscenium", REPLAYED_NS, Some(Floor::Wake)).reading(3))
    .note("heard: by a monitor; done: the batch of 1,024 that it was in has come back, from the next process")
    .column("proscenium", VERSION, kills)
}

fn swapped() -> Measure {
    Measure::new("plugin-swap", "1,000 swaps of a stateless plugin under load, eight batches under way", 1_000)
        .readings(Unit::Nanoseconds, &["gap p50", "gap p99", "held p50", "held p99"])
        .rounds_at_most(1)
        .bound(Bound::limit("proscenium", GAP_NS, Some(Floor::Wake)).reading(1))
        .note("gap: between the old process's last batch and when the new one can be handed its first; held: with the drain")
        .column("proscenium", VERSION, swaps)
}

fn poisoned() -> Measure {
    Measure::new("plugin-poison", "a record of 1,024 that kills its process, until it is set aside alone", 20)
        .readings(Unit::Plain, &["crashes", "ms p50", "ms p99"])
        .rounds_at_most(1)
        .bound(Bound::limit("proscenium", CRASHES, None))
        .column("proscenium", VERSION, poison)
}
