//! Pipelines that are started, reloaded, stuck, and whose plugins are killed.

use super::memory::in_child;
use crate::bound::Bound;
use crate::measure::{Flavour, Measure, Unit};
use crate::noise::Floor;
use crate::pipeline::lives::{kills, params, stages, starts, unchanged};

const VERSION: &str = env!("BENCH_PROSCENIUM_RUNTIME");

const PARAMS: &str = "parameters of a plugin";
const STAGES: &str = "a stage more or less";
const RUST: &str = "five of Rust";
const PLUGINS: &str = "five plugins";

const MS: f64 = 1e6;
const PAUSE_NS: f64 = 5.0 * MS;
const START_NS: f64 = 100.0 * MS;
const AGAIN_NS: f64 = 20.0 * MS;

const STUCK_MB: f64 = 32.0;
const FILE_MB: f64 = 100.0;

const LATENCY: &[&str] = &["p50", "p99"];

pub fn all() -> Vec<Measure> {
    vec![reload(), start(), kill(), stall(), file()]
}

fn reload() -> Measure {
    Measure::new("pipeline-reload", "a reload under load: the longest gap that the sink sees", 100)
        .readings(Unit::Nanoseconds, &["gap p50", "gap p99", "held p50", "held p99"])
        .rounds_at_most(3)
        .bound(Bound::limit(PARAMS, PAUSE_NS, Some(Floor::Wake)).reading(1))
        .bound(Bound::limit(STAGES, PAUSE_NS, Some(Floor::Wake)).reading(1))
        .bound(Bound::limit(STAGES, PAUSE_NS, Some(Floor::Wake)).reading(3))
        .note("held: the source; nothing changed: the same look at a pipeline that is left alone")
        .column(PARAMS, VERSION, params)
        .column(STAGES, VERSION, stages)
        .column("nothing changed", VERSION, unchanged)
}

fn start() -> Measure {
    Measure::new("pipeline-start", "the start of a pipeline of five stages, until a record is through", 20)
        .readings(Unit::Nanoseconds, LATENCY)
        .rounds_at_most(3)
        .bound(Bound::limit(RUST, START_NS, None).reading(1))
        .bound(Bound::limit(PLUGINS, START_NS, None).reading(1))
        .column(RUST, VERSION, |plan| starts(false, plan))
        .column(PLUGINS, VERSION, |plan| starts(true, plan))
}

fn kill() -> Measure {
    Measure::new("pipeline-kill", "a plugin's process is killed under load, until records flow again", 100)
        .readings(Unit::Nanoseconds, LATENCY)
        .rounds_at_most(3)
        .bound(Bound::limit("proscenium", AGAIN_NS, Some(Floor::Wake)).reading(1))
        .note("from the SIGKILL to the end of the gap behind it, at the sink")
        .column("proscenium", VERSION, kills)
}

fn stall() -> Measure {
    let measure =
        Measure::new("pipeline-stall", "the sink is stuck for 30 s, and the source has records without end", 30)
            .readings(Unit::Plain, &["grown MB"])
            .rounds_at_most(1)
            .flavours(&[Flavour::MultiThread])
            .bound(Bound::limit("proscenium", STUCK_MB, None))
            .note("resident memory of a process of its own, against that before the pipeline was there");
    in_child::<crate::peers::proscenium::ProsceniumBounded>(measure, "stall")
}

fn file() -> Measure {
    let measure = Measure::new("pipeline-file", "a file of 10 GB, by lines, through three stages", 10)
        .readings(Unit::Plain, &["most MB", "MB/s"])
        .rounds_at_most(1)
        .flavours(&[Flavour::MultiThread])
        .bound(Bound::limit("proscenium", FILE_MB, None))
        .note("the most that was ever resident of a process of its own; a quick run has 2 GB");
    in_child::<crate::peers::proscenium::ProsceniumBounded>(measure, "file")
}
