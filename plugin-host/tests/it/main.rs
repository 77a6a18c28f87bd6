//! Plugins in real processes, under real supervisors.

mod built;
mod policies;
mod spine;

proscenium_plugin_host::run_if_child_before_main!();
