//! Our own, as a user writes it: a source, three stages in Rust, a sink, and all settings as they come.

use std::num::NonZeroUsize;

use proscenium_pipeline::{Pipeline, RecordMut, Share};

use super::work::{Work, fold, stamp};
use super::{Passed, whole};
use crate::Failure;
use crate::compile;
use crate::measure::Plan;

pub fn run(work: Work, plan: Plan) -> Result<Passed, Failure> {
    let records = plan.ops as u64;
    plan.flavour.run(async move { whole::run(records, |pipeline| three(pipeline, work)).await })
}

pub fn three(pipeline: Pipeline, work: Work) -> Pipeline {
    let stage = move |number| move |record: &mut RecordMut<'_>| work(record.payload_mut(), number);
    pipeline.map("first", stage(1)).map("second", stage(2)).map("third", stage(3))
}

/// A stage of Rust, a plugin in a process of its own, a stage of Rust.
pub fn around_plugin(library: &'static str, plan: Plan) -> Result<Passed, Failure> {
    let (path, records) = (compile::plugin(library)?, plan.ops as u64);
    plan.flavour.run(async move {
        let stages = |pipeline: Pipeline| {
            let pipeline = pipeline.map("first", |record: &mut RecordMut<'_>| stamp(record.payload_mut(), 1));
            pipeline.plugin("plugin", path).map("third", |record: &mut RecordMut<'_>| stamp(record.payload_mut(), 3))
        };
        whole::run(records, stages).await
    })
}

/// Passes of `fold` over a payload that make a stage heavy: some microseconds.
const HEAVY: usize = 400;

/// One stage that has much to do with each record, in so many instances.
pub fn heavy(instances: usize, share: Share, plan: Plan) -> Result<Passed, Failure> {
    let (instances, records) = (NonZeroUsize::new(instances).ok_or("no instances")?, plan.ops as u64);
    let burn = |record: &mut RecordMut<'_>| (0..HEAVY).for_each(|_| fold(record.payload_mut(), 1));
    let key = |record: &mut RecordMut<'_>| {
        let id = record.id().to_le_bytes();
        record.set_key(Some(&id));
    };
    plan.flavour.run(async move {
        whole::run(records, |pipeline| pipeline.map("key", key).map("heavy", burn).instances(instances, share)).await
    })
}

/// What the sink has of `heavy`.
pub fn heavy_sum(records: u64) -> u64 {
    super::work::sum(records, |payload| (0..HEAVY).for_each(|_| fold(payload, 1)))
}
