//! The process of a plugin, as a program of its own: it is started by a plugin host, and by nobody else.

use std::io::IsTerminal;
use std::process::exit;

fn main() {
    if !proscenium_plugin_runner::is_child() {
        let hint = if std::io::stdin().is_terminal() { ", and not from a shell" } else { "" };
        eprintln!("proscenium-runner is started by a plugin host{hint}: it has nothing to serve");
        exit(2);
    }
    // SAFETY: the host has started this process for it, and `main` has done nothing with its descriptors, nor started a
    // thread.
    exit(unsafe { proscenium_plugin_runner::serve() })
}
