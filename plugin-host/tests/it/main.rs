//! Plugins in real processes, under real supervisors.

mod allocations;
mod built;
mod catalog;
mod census;
mod chaos;
mod compiled;
mod control_groups;
#[cfg_attr(not(target_arch = "x86_64"), path = "each_instruction/elsewhere.rs")]
mod each_instruction;
mod host_killed;
mod hostile;
mod hostile_memory;
mod hostile_starts;
mod lone;
mod policies;
#[path = "../../src/random.rs"]
mod random;
mod renewal;
mod runner;
mod spine;
mod street;
mod work_dir;

proscenium_plugin_host::run_if_child_before_main!();
