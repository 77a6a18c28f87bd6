//! Pipelines as their users meet them.

mod built;
mod chaos;
mod config;
mod difference;
mod flow;
mod picture;
mod plan_check;
mod plans;
mod plugins;
mod program_killed;
mod random;
mod snapshot;
mod stalled;
mod supervised;

// A plugin's process is this very program.
proscenium_plugin_host::run_if_child_before_main!();
