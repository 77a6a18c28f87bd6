//! Pipelines: their plans.

mod difference;
mod picture;
mod plan_check;
mod plans;
mod snapshot;
//! Pipelines as their users meet them.

mod config;
