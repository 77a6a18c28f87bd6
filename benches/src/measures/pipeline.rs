//! Pipelines: records a second through source, three stages and sink, beside what is written by hand and what others have.

use crate::Failure;
use crate::bound::Bound;
use crate::measure::{Measure, Plan};
use crate::pipeline::broadway::{self, Broadway};
use crate::pipeline::bytewax::{self, Bytewax};
use crate::pipeline::work::{Work, fold, stamp};
use crate::pipeline::{Passed, by_hand, column};

const NAME: &str = "proscenium";
const BY_HAND: &str = "by hand";
const HANDS: &str = "by hand: a tokio task for each part, and buffers that are used again; its chunks come back as their acknowledgement";

/// 0.8, 10 and 1.8 times the records a second, in other words: what a record may take, as a part of what it takes there.
const OF_BY_HAND: f64 = 1.25;
const OF_BROADWAY: f64 = 0.1;
const OF_BYTEWAX: f64 = 0.555;

/// How a subject of ours runs any work.
type Run = fn(Work, Plan) -> Result<Passed, Failure>;

/// A run of our own pipeline; the bounds come with it.
const OURS: Option<Run> = None;

pub fn all() -> Vec<Measure> {
    vec![stages(), folds()]
}

fn stages() -> Measure {
    let title = "source, three stages and sink: records of 128 B, all acknowledged, per record";
    let measure = Measure::new("pipeline-stages", title, 2_000_000)
        .note("each stage sets a byte of the payload, so that no language's arithmetic is measured; every sink has the same sum")
        .note(HANDS)
        .note("Broadway: three steps of handle_message in two processors, and a batcher for a sink, as the quickest settings were")
        .note("bytewax: a process for each core, whole batches for each stage; it acknowledges nothing, its last write ends it");
    let measure = with_ours(measure, stamp, |measure| {
        let broadway = Bound::ratio_if_there(NAME, broadway::NAME, OF_BROADWAY);
        measure.bound(broadway).bound(Bound::ratio_if_there(NAME, bytewax::NAME, OF_BYTEWAX))
    });
    let (broadway, bytewax) = (Broadway::default(), Bytewax::default());
    let measure = with_hands(measure, stamp);
    let measure = column(measure, bytewax::NAME, bytewax::VERSION, stamp, move |plan| bytewax.run(plan));
    column(measure, broadway::NAME, broadway::VERSION, stamp, move |plan| broadway.run(plan))
}

fn folds() -> Measure {
    let title = "the same, with stages that read all of the payload, per record";
    let measure = Measure::new("pipeline-folds", title, 2_000_000)
        .note("each stage folds the payload's sixteen words into the first of them")
        .note(HANDS);
    with_hands(with_ours(measure, fold, |measure| measure), fold)
}

/// Our own column comes first; what is written by hand bounds it in every measure.
fn with_ours(measure: Measure, work: Work, bounded: impl FnOnce(Measure) -> Measure) -> Measure {
    let Some(run) = OURS else { return measure };
    let measure = column(measure, NAME, env!("BENCH_PROSCENIUM_RUNTIME"), work, move |plan| run(work, plan));
    bounded(measure.bound(Bound::ratio(NAME, BY_HAND, OF_BY_HAND)))
}

fn with_hands(measure: Measure, work: Work) -> Measure {
    column(measure, BY_HAND, env!("BENCH_TOKIO"), work, move |plan| by_hand::run(work, plan))
}
