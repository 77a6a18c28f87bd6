//! Pipelines: records a second through source, three stages and sink, beside what is written by hand and what others have.

use proscenium_pipeline::Share;

use crate::bound::Bound;
use crate::compile;
use crate::measure::{Flavour, Measure, Plan, Sample};
use crate::peers::outside;
use crate::pipeline::broadway::{self, Broadway};
use crate::pipeline::bytewax::{self, Bytewax};
use crate::pipeline::work::{Work, around_plugin, fold, stamp};
use crate::pipeline::{by_hand, by_hand_values, chunk_counts, column, column_of, ours};

const NAME: &str = "proscenium";
const BY_HAND: &str = "by hand";
const VALUES: &str = "by hand, values";
const CHILD: &str = "child process";
const CALLED: &str = "in-process";
const ONE: &str = "1 instance";
const TWO: &str = "2, in turns";
const BY_KEY: &str = "2, by key";
const HANDS: &str = "by hand: a tokio task for each part, and buffers that are used again; its chunks come back as their acknowledgement";
const OF_VALUES: &str =
    "by hand, values: as it is mostly written, a record with a payload of its own, a list of them for a chunk";

/// 0.8, 10 and 1.8 times the records a second, in other words: what a record may take, as a part of what it takes there.
const OF_BY_HAND: f64 = 1.25;
const OF_BROADWAY: f64 = 0.1;
const OF_BYTEWAX: f64 = 0.555;

/// 0.6 times the records a second of the same library within a stage.
const OF_CALLED: f64 = 1.667;
/// 1.8 times the records a second of one instance.
const OF_ONE: f64 = 0.555;

/// Nanoseconds of counting, for a record on its whole way.
const COUNTED_NS: f64 = 2.0;

const VERSION: &str = env!("BENCH_PROSCENIUM_RUNTIME");

pub fn all() -> Vec<Measure> {
    vec![stages(), folds(), plugin(), instances(), counting()]
}

fn stages() -> Measure {
    let title = "source, three stages and sink: records of 128 B, all acknowledged, per record";
    let measure = Measure::new("pipeline-stages", title, 2_000_000)
        .note("each stage sets a byte of the payload, so that no language's arithmetic is measured; every sink has the same sum")
        .note(HANDS)
        .note(OF_VALUES)
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
        .note(HANDS)
        .note(OF_VALUES);
    with_hands(with_ours(measure, fold, |measure| measure), fold)
}

/// Our own column comes first; what is written by hand bounds it in every measure.
fn with_ours(measure: Measure, work: Work, bounded: impl FnOnce(Measure) -> Measure) -> Measure {
    let measure = column(measure, NAME, VERSION, work, move |plan| ours::run(work, plan));
    let by_hand = |other| Bound::ratio(NAME, other, OF_BY_HAND);
    bounded(measure.bound(by_hand(BY_HAND)).bound(by_hand(VALUES)))
}

fn with_hands(measure: Measure, work: Work) -> Measure {
    let version = env!("BENCH_TOKIO");
    let measure = column(measure, BY_HAND, version, work, move |plan| by_hand::run(work, plan));
    column(measure, VALUES, version, work, move |plan| by_hand_values::run(work, plan))
}

fn plugin() -> Measure {
    let title = "source, a stage, a plugin that gives verdicts, a stage, sink: records of 128 B, per record";
    let measure = Measure::new("pipeline-plugin", title, 1_000_000)
        .bound(Bound::ratio(CHILD, CALLED, OF_CALLED))
        .note("in-process: a stage of Rust calls the same library (cc -O2) where it is, record by record");
    let child = |plan| ours::around_plugin("verdict", plan);
    column_of(measure, CHILD, VERSION, around_plugin, child).column(CALLED, "", called)
}

fn called(plan: Plan) -> Sample {
    let path = compile::plugin("verdict")?;
    let path = path.to_str().ok_or("the target directory's name is no text")?;
    // Its second number is the CPU's time, in other errands.
    Ok(outside::sample_of("plugins", &["pipeline", path], plan)?.into_iter().take(1).collect())
}

fn instances() -> Measure {
    let measure = Measure::new("pipeline-instances", "a stage of some microseconds a record, per record", 100_000)
        .flavours(&[Flavour::MultiThread])
        .bound(Bound::ratio(TWO, ONE, OF_ONE))
        .bound(Bound::ratio(BY_KEY, ONE, OF_ONE))
        .note("each record has a key of its own");
    let [one, two, by_key] = [(1, Share::ByKey), (2, Share::InTurns), (2, Share::ByKey)]
        .map(|(instances, share)| move |plan| ours::heavy(instances, share, plan));
    let measure = column_of(measure, ONE, VERSION, ours::heavy_sum, one);
    let measure = column_of(measure, TWO, VERSION, ours::heavy_sum, two);
    column_of(measure, BY_KEY, VERSION, ours::heavy_sum, by_key)
}

fn counting() -> Measure {
    Measure::new("pipeline-counts", "what the counters of five parts take, per record", 50_000_000)
        .flavours(&[Flavour::MultiThread])
        .bound(Bound::limit(NAME, COUNTED_NS, None))
        .note("chunks of 512, with both looks at the clock; contended: two threads that do nothing else share each part's counters")
        .column(NAME, VERSION, chunk_counts::alone)
        .column("contended", VERSION, chunk_counts::contended)
}
