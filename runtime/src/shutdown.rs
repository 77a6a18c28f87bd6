//! The operating system's wish that the program end.

use crate::node::ShutdownSignal;

#[cfg(unix)]
pub(crate) async fn signal() -> std::io::Result<ShutdownSignal> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| ShutdownSignal::Interrupt),
        _ = terminate.recv() => Ok(ShutdownSignal::Terminate),
    }
}

#[cfg(not(unix))]
pub(crate) async fn signal() -> std::io::Result<ShutdownSignal> {
    tokio::signal::ctrl_c().await.map(|()| ShutdownSignal::Interrupt)
}
