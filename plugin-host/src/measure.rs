//! A plugin measured in its process, without a host in between: what batches through this host are compared with.

use std::fmt;
use std::time::Duration;

use proscenium_plugin_runner::wire::{self, Ask, Heard, LONGEST, Load, Measured, Purpose, Tell};
use proscenium_process::ExitStatus;
use proscenium_shm_channel::Pool;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::look::plan;
use crate::process::{Process, WORD, receive};
use crate::spec::Plugin;
use crate::start_error::StartError;

/// Why a plugin was not measured. Nothing is left running.
#[derive(Debug)]
#[non_exhaustive]
pub enum MeasureError {
    /// Its process does not start.
    Start(StartError),
    /// The host lacks something for it.
    Host(std::io::Error),
    /// The plugin has returned this code for a batch.
    Code(i32),
    /// The process has ended before it was through: the batch is too large for it, or the plugin has crashed.
    Ended(Option<ExitStatus>),
    /// It was not through in time, and was killed.
    TimedOut(Duration),
}

impl fmt::Display for MeasureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MeasureError::Start(error) => error.fmt(f),
            MeasureError::Host(error) => write!(f, "the host cannot measure the plugin: {error}"),
            MeasureError::Code(code) => {
                write!(f, "process_batch returns {code} for the records that it is measured with; give it others")
            }
            MeasureError::Ended(Some(status)) => write!(f, "the plugin's process has ended with {status}"),
            MeasureError::Ended(None) => f.write_str("the plugin's process has ended"),
            MeasureError::TimedOut(limit) => {
                write!(f, "the plugin was not through within {limit:?} and was killed; give it fewer records")
            }
        }
    }
}

impl std::error::Error for MeasureError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            MeasureError::Start(error) => Some(error),
            MeasureError::Host(error) => Some(error),
            _ => None,
        }
    }
}

impl Plugin {
    /// Has the plugin work inside its own process, on one thread that writes the records, calls it and reads what goes on.
    ///
    /// # Errors
    /// [`MeasureError`].
    pub async fn measure(&self, load: Load, limit: Duration) -> Result<Measured, MeasureError> {
        let pool = Pool::new(self.0.geometry()).map_err(MeasureError::Host)?;
        let (mut process, _) = plan(self, pool, Purpose::Serve).launch().await.map_err(MeasureError::Start)?;
        process.ask(&Ask::Measure(load), None, limit).map_err(MeasureError::Host)?;
        match timeout(limit, measured(&process)).await {
            Err(_) => Err(MeasureError::TimedOut(limit)),
            Ok(Ok(Some(measured))) if measured.code != 0 => Err(MeasureError::Code(measured.code)),
            Ok(Ok(Some(measured))) => Ok(measured),
            Ok(Ok(None)) => {
                let child = process.child.clone();
                let status = spawn_blocking(move || child.wait(WORD)).await;
                Err(MeasureError::Ended(status.ok().and_then(Result::ok)))
            }
            Ok(Err(error)) => Err(MeasureError::Host(error)),
        }
    }
}

/// What it says when it is through. None: it has ended.
async fn measured(process: &Process) -> std::io::Result<Option<Measured>> {
    let mut bytes = vec![0; LONGEST];
    loop {
        let Some(len) = receive(&process.control, &mut bytes).await? else { return Ok(None) };
        match wire::heard(&bytes[..len]) {
            Ok(Heard::Tell(Tell::Measured(measured))) => return Ok(Some(measured)),
            // Lines of the log, or the last word before the end.
            Ok(_) => {}
            Err(garbled) => return Err(std::io::Error::other(garbled.0)),
        }
    }
}
