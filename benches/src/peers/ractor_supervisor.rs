//! ractor-supervisor: the supervision trees that people add to ractor.

use super::outside;
use crate::measure::{Plan, Sample};

pub const NAME: &str = "ractor-supervisor";
pub const VERSION: &str = env!("BENCH_RACTOR_SUPERVISOR");

/// A crash takes it more than ten milliseconds, most of them in a sleep of its own: it is asked for a tenth as many.
const PART: usize = 10;

pub fn one_for_all(plan: Plan) -> Sample {
    outside::sample(NAME, Plan { ops: plan.ops.div_ceil(PART), ..plan })
}
