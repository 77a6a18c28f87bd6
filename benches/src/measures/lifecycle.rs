//! Starting, restarting and stopping actors.

use super::messages::column;
use super::{ASKED, with_beam};
use crate::bound::Bound;
use crate::measure::{Measure, Unit};
use crate::noise::Floor;
use crate::peer::Subject;
use crate::peers::actix;
use crate::peers::beam::Beam;
use crate::peers::kameo::Kameo;
use crate::peers::proscenium::{LightBounded as Light, ProsceniumBounded as Proscenium, WithRactor};
use crate::peers::ractor::Ractor;
use crate::peers::tokio::Tokio;
use crate::shapes;

const LATENCY: &[&str] = &["p50", "p99"];

/// A stop must be heard within 0.3 ms.
const STOP_HEARD_NS: f64 = 300_000.0;

pub fn all(beam: &Beam) -> Vec<Measure> {
    vec![restart(beam), spawn(beam), stop()]
}

fn restart(beam: &Beam) -> Measure {
    let mut measure = Measure::new("restart", "restart: from the panic to the next message handled", 300)
        .readings(Unit::Nanoseconds, LATENCY)
        .bound(Bound::ratio("proscenium", "kameo", 1.0))
        .note(
            "the BEAM's is a gen_server under a one_for_one supervisor, which exits and is found again by its parent",
        );
    measure = column::<Proscenium>(measure, shapes::restart::<Proscenium>);
    measure = column::<Light>(measure, shapes::restart::<Light>);
    measure = column::<Kameo>(measure, shapes::restart::<Kameo>);
    with_beam(measure, beam, "restart")
}

fn spawn(beam: &Beam) -> Measure {
    let mut measure = Measure::new("spawn", "spawn to first message handled, per actor", 2_000)
        .bound(Bound::ratio("proscenium", "ractor", 1.15))
        .bound(Bound::ratio(WithRactor::NAME, "ractor", 1.15))
        .bound(Bound::ratio("light", "tokio", 1.0))
        .note(ASKED);
    measure = column::<Proscenium>(measure, shapes::spawn::<Proscenium>);
    measure = column::<WithRactor>(measure, shapes::spawn::<WithRactor>);
    measure = column::<Light>(measure, shapes::spawn::<Light>);
    measure = column::<Ractor>(measure, shapes::spawn::<Ractor>);
    measure = column::<Tokio>(measure, shapes::spawn::<Tokio>);
    measure = column::<Kameo>(measure, shapes::spawn::<Kameo>);
    measure = measure.column(actix::NAME, actix::VERSION, actix::spawn);
    with_beam(measure, beam, "spawn")
}

fn stop() -> Measure {
    let mut measure = Measure::new("stop", "stop of an idle actor, until its stop hook runs", 60)
        .readings(Unit::Nanoseconds, LATENCY)
        .bound(Bound::limit("proscenium", STOP_HEARD_NS, Some(Floor::Wake)).reading(1))
        .bound(Bound::limit("light", STOP_HEARD_NS, Some(Floor::Wake)).reading(1));
    measure = column::<Proscenium>(measure, shapes::stop::<Proscenium>);
    measure = column::<Light>(measure, shapes::stop::<Light>);
    measure = column::<Ractor>(measure, shapes::stop::<Ractor>);
    column::<Kameo>(measure, shapes::stop::<Kameo>)
}
