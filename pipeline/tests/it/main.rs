//! Pipelines as their users meet them.

mod adjustments;
mod built;
mod chaos;
mod circuits;
mod config;
mod controls;
mod cut_off;
mod due_checkpoints;
mod flow;
mod growing;
mod lingering;
mod plugin_restarts;
mod plugins;
mod program_killed;
mod put_back;
#[expect(dead_code, reason = "simulations in the crate take more of it")]
#[path = "../../src/random.rs"]
mod random;
mod redrives;
mod stalled;
mod supervised;
#[path = "../../src/test_folder.rs"]
mod test_folder;
#[path = "../../src/test_snapshot.rs"]
mod test_snapshot;

// A plugin's process is this very program.
proscenium_plugin_host::run_if_child_before_main!();
