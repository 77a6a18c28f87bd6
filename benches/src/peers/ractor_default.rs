//! ractor with its default features, asked for the one thing that they change most: the memory of an idle actor.

use super::outside;
use crate::measure::{Plan, Sample};

pub const NAME: &str = "ractor default";

/// Bytes for each idle actor.
pub fn idle(plan: Plan) -> Sample {
    outside::sample("ractor-default", plan)
}
