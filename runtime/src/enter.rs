//! The first word of a program.

/// Runs first in `main`, before any thread or runtime: the place for what must happen in a fresh process.
///
/// `#[proscenium::main]` calls it. It returns at once unless a feature of a higher layer has something to do there.
pub fn enter() {}
