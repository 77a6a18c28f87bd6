//! Source, three stages and sink: what each does with a record, and the subjects that do it.
//!
//! A subject is a function from a [`Plan`] to a [`Passed`]; [`column`] makes a column of it, and holds every subject to the
//! same sum at the sink. Bytewax and Broadway are installed at their first sample; without them their columns say why not.

pub mod broadway;
pub mod by_hand;
pub mod by_hand_values;
pub mod bytewax;
pub mod chunk_counts;
pub mod ends;
mod install;
pub mod lives;
pub mod memory;
pub mod ours;
mod pulse;
mod whole;
pub mod work;

use crate::Failure;
use crate::measure::{Measure, Plan};
use work::Work;

/// What a subject did: all records are acknowledged, or its like, when the clock stops.
pub struct Passed {
    pub records: u64,
    /// For each of them.
    pub nanoseconds: f64,
    /// Of all first words that reached the sink.
    pub sum: u64,
}

/// A column whose samples must have the sum that this work on their number of records gives.
pub fn column(
    measure: Measure,
    subject: &str,
    version: &str,
    work: Work,
    run: impl Fn(Plan) -> Result<Passed, Failure> + 'static,
) -> Measure {
    column_of(measure, subject, version, move |records| work::expected(work, records), run)
}

/// The same, where something else is done with records: `expected` says what their sum is.
pub fn column_of(
    measure: Measure,
    subject: &str,
    version: &str,
    expected: impl Fn(u64) -> u64 + 'static,
    run: impl Fn(Plan) -> Result<Passed, Failure> + 'static,
) -> Measure {
    measure.column(subject, version, move |plan| {
        let passed = run(plan)?;
        if passed.sum != expected(passed.records) {
            return Err(format!("the sink's sum of {} records is wrong: {}", passed.records, passed.sum).into());
        }
        Ok(vec![passed.nanoseconds])
    })
}
