//! Actors on a thread of their own, whose handlers may block.

use std::future::Future;

use crate::cell::Face;
use crate::scope;

/// Runs a companion on a new thread, with the node's runtime at hand for timers and sockets.
///
/// # Errors
/// The operating system gives no thread.
pub(crate) fn run(face: &Face, companion: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
    let runtime = face.node.runtime().clone();
    let name = format!("actor-{}", face.id.index());
    std::thread::Builder::new().name(name).spawn(move || {
        scope::allow_blocking();
        runtime.block_on(companion);
    })?;
    Ok(())
}
