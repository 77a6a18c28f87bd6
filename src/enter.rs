//! The first word of a program that hosts plugins.

/// Runs first in `main`, before any thread or runtime: a process that was started to run a plugin runs it here, and does
/// not return. In every other it returns at once.
///
/// `#[proscenium::main]` calls it. A program with a `main` of its own calls it there, or has the program
/// `proscenium-runner` beside it.
pub fn enter() {
    proscenium_runtime::enter();
    proscenium_plugin_host::run_if_child();
}
