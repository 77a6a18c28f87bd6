//! Messages between actors that live: tell, call, ring, 8→1, fan-out, wake.

use super::with_beam;
use crate::bound::Bound;
use crate::measure::{Measure, Plan, Sample, Unit};
use crate::peer::Subject;
use crate::peers::actix;
use crate::peers::beam::Beam;
use crate::peers::kameo::{Kameo, KameoBounded};
use crate::peers::proscenium::{Light, Proscenium, ProsceniumBounded};
use crate::peers::ractor::Ractor;
use crate::peers::tokio::{Tokio, TokioBounded};
use crate::shapes;

pub fn all(beam: &Beam) -> Vec<Measure> {
    vec![
        tell(beam),
        tell_bounded(),
        call(beam),
        ring(beam),
        many_to_one(beam),
        fan_out(beam),
        wake_by_task(),
        wake_by_thread(),
    ]
}

/// A column of a subject that the drivers know.
pub fn column<P: Subject>(measure: Measure, sample: fn(Plan) -> Sample) -> Measure {
    measure.column(P::NAME, P::VERSION, sample)
}

fn tell(beam: &Beam) -> Measure {
    let mut measure = Measure::new("tell", "tell 1→1, unbounded, per message", 200_000)
        .bound(Bound::ratio("proscenium", "ractor", 0.12))
        .bound(Bound::ratio("proscenium", "tokio", 0.55))
        .bound(Bound::ratio_if_there("proscenium", "BEAM", 1.0));
    measure = column::<Proscenium>(measure, shapes::tell::<Proscenium>);
    measure = column::<Light>(measure, shapes::tell::<Light>);
    measure = column::<Ractor>(measure, shapes::tell::<Ractor>);
    measure = column::<Tokio>(measure, shapes::tell::<Tokio>);
    measure = column::<Kameo>(measure, shapes::tell::<Kameo>);
    measure = measure.column(actix::NAME, actix::VERSION, actix::tell);
    with_beam(measure, beam, "tell")
}

fn tell_bounded() -> Measure {
    let mut measure = Measure::new("tell-bounded", "tell 1→1, mailbox of 1,024, per message", 100_000)
        .bound(Bound::ratio("proscenium", "tokio", 0.45));
    measure = column::<ProsceniumBounded>(measure, shapes::tell::<ProsceniumBounded>);
    measure = column::<TokioBounded>(measure, shapes::tell::<TokioBounded>);
    measure = column::<KameoBounded>(measure, shapes::tell::<KameoBounded>);
    measure.column(actix::NAME, actix::VERSION, actix::tell_bounded)
}

fn call(beam: &Beam) -> Measure {
    let mut measure = Measure::new("call", "call, round trip", 20_000)
        .bound(Bound::ratio("proscenium", "ractor", 0.5))
        .bound(Bound::ratio("proscenium", "tokio", 1.0))
        .bound(Bound::ratio_if_there("proscenium", "BEAM", 1.0))
        .note("Proscenium and the BEAM with their time-out of 5 s; ractor, tokio, kameo and actix without any");
    measure = column::<Proscenium>(measure, shapes::call::<Proscenium>);
    measure = column::<Light>(measure, shapes::call::<Light>);
    measure = column::<Ractor>(measure, shapes::call::<Ractor>);
    measure = column::<Tokio>(measure, shapes::call::<Tokio>);
    measure = column::<Kameo>(measure, shapes::call::<Kameo>);
    measure = measure.column(actix::NAME, actix::VERSION, actix::call);
    with_beam(measure, beam, "call")
}

fn ring(beam: &Beam) -> Measure {
    let mut measure = Measure::new("ring", "ring of 64, per hop", 50_000)
        .bound(Bound::ratio("proscenium", "ractor", 0.35))
        .bound(Bound::ratio("proscenium", "tokio", 0.9))
        .bound(Bound::ratio_if_there("proscenium", "BEAM", 1.0));
    measure = column::<Proscenium>(measure, shapes::ring::<Proscenium>);
    measure = column::<Light>(measure, shapes::ring::<Light>);
    measure = column::<Ractor>(measure, shapes::ring::<Ractor>);
    measure = column::<Tokio>(measure, shapes::ring::<Tokio>);
    measure = column::<Kameo>(measure, shapes::ring::<Kameo>);
    measure = measure.column(actix::NAME, actix::VERSION, actix::ring);
    with_beam(measure, beam, "ring")
}

fn many_to_one(beam: &Beam) -> Measure {
    let mut measure = Measure::new("many-to-one", "8 senders → 1, per message", 160_000)
        .bound(Bound::ratio("proscenium", "ractor", 0.25))
        .bound(Bound::ratio("proscenium", "tokio", 0.55))
        .bound(Bound::ratio_if_there("proscenium", "BEAM", 1.0));
    measure = column::<Proscenium>(measure, shapes::many_to_one::<Proscenium>);
    measure = column::<Light>(measure, shapes::many_to_one::<Light>);
    measure = column::<Ractor>(measure, shapes::many_to_one::<Ractor>);
    measure = column::<Tokio>(measure, shapes::many_to_one::<Tokio>);
    measure = column::<Kameo>(measure, shapes::many_to_one::<Kameo>);
    measure = measure.column(actix::NAME, actix::VERSION, actix::many_to_one);
    with_beam(measure, beam, "many")
}

fn fan_out(beam: &Beam) -> Measure {
    let mut measure = Measure::new("fan-out", "fan-out 1→100, per message", 100_000)
        .bound(Bound::ratio("proscenium", "ractor", 0.4))
        .bound(Bound::ratio("proscenium", "tokio", 0.85));
    measure = column::<Proscenium>(measure, shapes::fan_out::<Proscenium>);
    measure = column::<Light>(measure, shapes::fan_out::<Light>);
    measure = column::<Ractor>(measure, shapes::fan_out::<Ractor>);
    measure = column::<Tokio>(measure, shapes::fan_out::<Tokio>);
    measure = column::<Kameo>(measure, shapes::fan_out::<Kameo>);
    measure = measure.column(actix::NAME, actix::VERSION, actix::fan_out);
    with_beam(measure, beam, "fan")
}

const LATENCY: &[&str] = &["p50", "p99"];

fn wake_by_task() -> Measure {
    let mut measure = Measure::new("wake-task", "empty → non-empty wake, told by a task of the same runtime", 5_000)
        .readings(Unit::Nanoseconds, LATENCY)
        .bound(Bound::ratio("proscenium", "tokio", 1.1))
        .bound(Bound::ratio("proscenium", "tokio", 1.1).reading(1));
    measure = column::<Proscenium>(measure, shapes::wake_by_task::<Proscenium>);
    measure = column::<Light>(measure, shapes::wake_by_task::<Light>);
    measure = column::<Tokio>(measure, shapes::wake_by_task::<Tokio>);
    measure = column::<Ractor>(measure, shapes::wake_by_task::<Ractor>);
    column::<Kameo>(measure, shapes::wake_by_task::<Kameo>)
}

fn wake_by_thread() -> Measure {
    let mut measure =
        Measure::new("wake-thread", "empty → non-empty wake, told by a thread; the worker sleeps too", 600)
            .readings(Unit::Nanoseconds, LATENCY)
            .bound(Bound::ratio("proscenium", "tokio", 1.1))
            .bound(Bound::ratio("proscenium", "tokio", 1.1).reading(1))
            .note("mostly the kernel's wake-up: compare with the futex floor");
    measure = column::<Proscenium>(measure, shapes::wake_by_thread::<Proscenium>);
    measure = column::<Light>(measure, shapes::wake_by_thread::<Light>);
    measure = column::<Tokio>(measure, shapes::wake_by_thread::<Tokio>);
    measure = column::<Ractor>(measure, shapes::wake_by_thread::<Ractor>);
    column::<Kameo>(measure, shapes::wake_by_thread::<Kameo>)
}
