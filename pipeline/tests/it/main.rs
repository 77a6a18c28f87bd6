//! Pipelines: their plans.

mod difference;
mod plan_check;
mod plans;
