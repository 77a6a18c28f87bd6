//! A pipeline of ours whose plugin is a stage of Rust, which calls the library where it is.

#[path = "../../../src/pipeline/ends.rs"]
mod ends;
#[path = "../../../src/pipeline/whole.rs"]
mod whole;
#[allow(dead_code, reason = "the bench uses the rest of this file")]
#[path = "../../../src/pipeline/work.rs"]
mod work;

use std::sync::Arc;

use proscenium_pipeline::{Emit, Failed, Operator, OperatorSpec, Pipeline, RecordMut, Verdict};
use tokio::runtime::Builder;

use crate::Failure;
use crate::block::Loaded;
use work::stamp;

/// As the bench's own.
pub struct Passed {
    pub records: u64,
    pub nanoseconds: f64,
    pub sum: u64,
}

/// Nanoseconds for each record. The sum is looked at here.
pub fn sample(library: &str, flavour: &str, records: u64) -> Result<[f64; 2], Failure> {
    let mut builder = match flavour {
        "multi_thread" => Builder::new_multi_thread(),
        _ => Builder::new_current_thread(),
    };
    let runtime = builder.worker_threads(2).enable_all().build()?;
    let library = Called { path: library.into() };
    let passed = runtime.block_on(async {
        let run = tokio::spawn(whole::run(records, |pipeline: Pipeline| {
            let pipeline = pipeline.map("first", |record: &mut RecordMut<'_>| stamp(record.payload_mut(), 1));
            pipeline.operator("plugin", library).map("third", |record: &mut RecordMut<'_>| stamp(record.payload_mut(), 3))
        }));
        run.await?
    })?;
    if passed.sum == work::around_plugin(passed.records) {
        Ok([passed.nanoseconds, 0.0])
    } else {
        Err(format!("the sink's sum is wrong: {}", passed.sum).into())
    }
}

/// The library of this path.
#[derive(Debug)]
struct Called {
    path: Arc<str>,
}

impl OperatorSpec for Called {
    fn kind(&self) -> &'static str {
        "called"
    }

    fn make(&self) -> Box<dyn Operator> {
        Box::new(Calling(Loaded::open(&self.path).map_err(|failure| failure.to_string())))
    }
}

struct Calling(Result<Loaded, String>);

impl Operator for Calling {
    fn on(&mut self, record: &mut RecordMut<'_>, _: &mut dyn Emit) -> Result<Verdict, Failed> {
        let plugin = self.0.as_mut().map_err(|why| Failed::because(why.clone()))?;
        plugin.give(0, record.id(), record.payload());
        plugin.process(1).map_err(|failure| Failed::because(failure.to_string()))?;
        let outcome = plugin.result(0);
        if let Some(changed) = outcome.changed() {
            record.set_payload(changed);
        }
        Ok(if outcome.verdict == 0 { Verdict::Next } else { Verdict::Drop })
    }

    /// It changes a record last.
    fn puts_back(&self) -> bool {
        false
    }
}
