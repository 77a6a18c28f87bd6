//! Pipelines as their users meet them.

mod config;
mod difference;
mod flow;
mod picture;
mod plan_check;
mod plans;
mod snapshot;
