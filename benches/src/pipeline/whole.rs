//! A run of one of our pipelines, from its source's first record until it says that it is done.
//!
//! `peers/plugins` compiles this very file.

use proscenium_pipeline::{Outcome, Pipeline};
use proscenium_runtime::Node;

use super::Passed;
use super::ends::{Numbers, Sum};
use crate::Failure;

/// So many records through what `stages` puts behind their source.
pub async fn run(records: u64, stages: impl FnOnce(Pipeline) -> Pipeline) -> Result<Passed, Failure> {
    let node = Node::start("bench").await?;
    let (numbers, sum) = (Numbers::new(records), Sum::default());
    let pipeline = stages(Pipeline::named("bench").source(numbers.clone())).sink(sum.clone()).start(&node).await?;
    let outcome = pipeline.wait().await;
    let began = numbers.began().ok_or("the source was never opened")?;
    let nanoseconds = began.elapsed().as_nanos() as f64 / records as f64;
    if outcome != Outcome::Done {
        return Err(outcome.to_string().into());
    }
    pipeline.stop().await;
    node.stop().await?;
    Ok(Passed { records, nanoseconds, sum: sum.get() })
}
