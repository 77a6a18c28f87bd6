//! Supervisors: what a restart takes, what a tree takes to start, and what a child costs in memory.

use super::memory::in_child;
use super::messages::column;
use super::with_beam;
use crate::bound::Bound;
use crate::measure::{Measure, Plan, Unit};
use crate::peer::Subject;
use crate::peers::beam::Beam;
use crate::peers::kameo::Kameo;
use crate::peers::ractor::Ractor;
use crate::peers::supervised::{Light, Ordinary};
use crate::peers::{ractor, ractor_supervisor};
use crate::{child, shapes, trees};

const LATENCY: &[&str] = &["p50", "p99"];

/// Children of the smaller of two trees.
const FEW: usize = 10;

/// What a supervisor may add to an actor's memory.
const SUPERVISED_BYTES: f64 = 200.0;

pub fn all(beam: &Beam) -> Vec<Measure> {
    vec![one_for_one(beam), one_for_all(beam), tree(beam), memory(beam)]
}

fn one_for_one(beam: &Beam) -> Measure {
    let mut measure =
        Measure::new("one-for-one", "one_for_one: from a child's panic to the next message handled", trees::CRASHES)
            .readings(Unit::Nanoseconds, LATENCY)
            .bound(Bound::ratio("proscenium", "kameo", 1.0))
            .bound(Bound::ratio("light", "kameo", 1.0))
            .bound(Bound::ratio_if_there("proscenium", "BEAM", 1.0))
            .bound(Bound::ratio_if_there("light", "BEAM", 1.0))
            .note(
                "the message waits in the mailbox meanwhile; the BEAM's new process must be found first, by its parent",
            );
    measure = column::<Ordinary>(measure, shapes::restart::<Ordinary>);
    measure = column::<Light>(measure, shapes::restart::<Light>);
    measure = column::<Kameo>(measure, shapes::restart::<Kameo>);
    with_beam(measure, beam, "restart")
}

fn one_for_all(beam: &Beam) -> Measure {
    let title = "one_for_all: from the panic of one of 10 children until all 10 have handled a message again";
    let mut measure = Measure::new("one-for-all", title, trees::CRASHES)
        .readings(Unit::Nanoseconds, LATENCY)
        .bound(Bound::ratio_if_there("proscenium", "BEAM", 1.0))
        .bound(Bound::ratio_if_there("light", "BEAM", 1.0))
        .bound(Bound::ratio("proscenium", ractor_supervisor::NAME, 0.01))
        .bound(Bound::ratio("light", ractor_supervisor::NAME, 0.01))
        .note("each new incarnation says hello in its start, and is then told the message that counts")
        .note(
            "ractor-supervisor runs in a process of its own, on ractor with default features, and sleeps 10 ms a crash",
        );
    measure = column::<Ordinary>(measure, trees::one_for_all::<Ordinary>);
    measure = column::<Light>(measure, trees::one_for_all::<Light>);
    measure = column::<Kameo>(measure, trees::one_for_all::<Kameo>);
    measure = measure.column(ractor_supervisor::NAME, ractor_supervisor::VERSION, ractor_supervisor::one_for_all);
    with_beam(measure, beam, "family")
}

fn tree(beam: &Beam) -> Measure {
    let title = "a tree of 100,000 children: its start, per child, and the restart of one of them";
    let mut measure = Measure::new("tree", title, 100_000)
        .readings(Unit::Nanoseconds, &["start", "restart"])
        .rounds_at_most(3)
        .bound(Bound::ratio("proscenium", ractor::BARE, 1.2))
        .bound(Bound::ratio_if_there("light", "BEAM", 1.0))
        .bound(Bound::ratio("proscenium", "proscenium of 10", 1.5).reading(1))
        .bound(Bound::ratio("light", "light of 10", 1.5).reading(1))
        .note("each tree has a process of its own, the BEAM's shares the one node")
        .note("the BEAM's children are bare proc_lib processes, the least that a supervisor can start and wait for");
    measure = in_child::<Ordinary>(measure, "tree");
    measure = in_child::<Light>(measure, "tree");
    measure = of_few::<Ordinary>(measure, "proscenium of 10");
    measure = of_few::<Light>(measure, "light of 10");
    measure = measure.column(ractor::BARE, Ractor::VERSION, |plan| child::sample("bare", Ractor::NAME, plan));
    with_beam(measure, beam, "tree")
}

fn of_few<P: Subject>(measure: Measure, subject: &str) -> Measure {
    measure.column(subject, P::VERSION, |plan| child::sample("tree", P::NAME, Plan { ops: FEW, ..plan }))
}

fn memory(beam: &Beam) -> Measure {
    let mut measure = Measure::new("supervised", "memory of an idle actor, and what a supervisor adds to it", 20_000)
        .readings(Unit::Bytes, &["alone", "+ fixed", "+ dynamic", "+ argument"])
        .rounds_at_most(1)
        .note("fixed: children with names of their own; dynamic: of a simple_one_for_one supervisor, without arguments")
        .note("argument: dynamic, each made from an argument of its own")
        .note("growth of the resident memory of processes of their own; the BEAM's is its own account");
    for subject in [Ordinary::NAME, Light::NAME] {
        measure = measure
            .bound(Bound::limit(subject, SUPERVISED_BYTES, None).reading(1))
            .bound(Bound::limit(subject, SUPERVISED_BYTES, None).reading(2))
            .bound(Bound::limit(subject, SUPERVISED_BYTES, None).reading(3))
            .column(subject, Ordinary::VERSION, move |plan| child::supervision(subject, plan));
    }
    with_beam(measure, beam, "supervised")
}
