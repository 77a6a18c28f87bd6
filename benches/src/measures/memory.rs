//! What actors cost that do nothing: memory, CPU, and a million of them.

use super::{ASKED, with_beam};
use crate::bound::Bound;
use crate::child;
use crate::measure::{Flavour, Measure, Unit};
use crate::peer::Subject;
use crate::peers::beam::Beam;
use crate::peers::kameo::Kameo;
use crate::peers::proscenium::{LightBounded as Light, ProsceniumBounded as Proscenium, WithRactor};
use crate::peers::ractor::Ractor;
use crate::peers::tokio::Tokio;
use crate::peers::{actix, ractor_default};

const LIGHT_BYTES: f64 = 1024.0;

/// "None" in percent of a core and wake-ups a second: what is left is the kernel's own rounding.
const IDLE_CPU: f64 = 0.05;
const IDLE_WAKES: f64 = 1.0;

pub fn all(beam: &Beam) -> Vec<Measure> {
    vec![idle_memory(beam), idle_node(), million()]
}

pub fn in_child<P: Subject>(measure: Measure, errand: &'static str) -> Measure {
    measure.column(P::NAME, P::VERSION, move |plan| child::sample(errand, P::NAME, plan))
}

fn idle_memory(beam: &Beam) -> Measure {
    let mut measure = Measure::new("idle-memory", "memory of an idle actor: spawned, never messaged", 20_000)
        .readings(Unit::Bytes, &["bytes"])
        .rounds_at_most(3)
        .bound(Bound::ratio("proscenium", ractor_default::NAME, 1.0))
        .bound(Bound::ratio(WithRactor::NAME, ractor_default::NAME, 1.0))
        .bound(Bound::limit("light", LIGHT_BYTES, None))
        .note("growth of the resident memory of a process of its own, through the system's allocator; the BEAM's is its own account")
        .note(ASKED);
    measure = in_child::<Proscenium>(measure, "idle");
    measure = in_child::<WithRactor>(measure, "idle");
    measure = in_child::<Light>(measure, "idle");
    measure = measure.column(ractor_default::NAME, Ractor::VERSION, ractor_default::idle);
    measure = in_child::<Ractor>(measure, "idle");
    measure = in_child::<Tokio>(measure, "idle");
    measure = in_child::<Kameo>(measure, "idle");
    measure = measure.column(actix::NAME, actix::VERSION, |plan| child::sample("idle", actix::NAME, plan));
    with_beam(measure, beam, "memory")
}

fn idle_node() -> Measure {
    let mut measure = Measure::new("idle-node", "a node with 10,000 idle actors, watched for 2 s", 10_000)
        .readings(Unit::Plain, &["cpu %", "wakes/s"])
        .rounds_at_most(1)
        .bound(Bound::limit("proscenium", IDLE_CPU, None))
        .bound(Bound::limit("proscenium", IDLE_WAKES, None).reading(1))
        .bound(Bound::limit("light", IDLE_CPU, None))
        .bound(Bound::limit("light", IDLE_WAKES, None).reading(1));
    measure = in_child::<Proscenium>(measure, "node");
    measure = in_child::<Light>(measure, "node");
    in_child::<Tokio>(measure, "node")
}

fn million() -> Measure {
    let mut measure = Measure::new("million", "1,000,000 actors in one process, each answers a call", 1_000_000)
        .readings(Unit::Plain, &["spawned s", "all s", "bytes"])
        .rounds_at_most(1)
        .flavours(&[Flavour::MultiThread]);
    measure = in_child::<Light>(measure, "million");
    in_child::<Tokio>(measure, "million")
}
