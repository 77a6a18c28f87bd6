//! The process of a plugin, as a program of its own: it is started by a plugin host, and by nobody else.
//!
//! Its `main` is C's. What Rust does before a `main` of its own (the handler for stack overflows, for which it reads what
//! is mapped) takes a twentieth of the whole start, and `serve` puts a handler of its own in its place.

#![no_main]

use std::ffi::{c_char, c_int};
use std::io::IsTerminal;
use std::panic::catch_unwind;

/// As Rust's own `main` ends.
const PANICKED: c_int = 101;

/// The arguments are read where the standard library has put them before.
#[unsafe(no_mangle)]
extern "C" fn main(_count: c_int, _arguments: *const *const c_char) -> c_int {
    if !proscenium_plugin_runner::is_child() {
        let hint = if std::io::stdin().is_terminal() { ", and not from a shell" } else { "" };
        eprintln!("proscenium-runner is started by a plugin host{hint}: it has nothing to serve");
        return 2;
    }
    // What unwinds through here is not the end of a thread in order, as C takes it, but a crash, as for Rust's own `main`.
    // SAFETY: the host has started this process for it, and `main` has done nothing with its descriptors, nor started a
    // thread.
    catch_unwind(|| unsafe { proscenium_plugin_runner::serve() }).unwrap_or(PANICKED)
}
