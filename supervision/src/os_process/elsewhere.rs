//! Systems without pidfds that tokio could wait for: there is no guard either, and a start says so.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use proscenium_process::{Guard, StartError};
use proscenium_runtime::{Exit, Node};

use super::OsProcess;
use super::error::OsProcessError;
use super::handle::Seat;

/// A process that runs, of which there is none on this system.
pub(crate) struct Life(Infallible);

impl Life {
    pub(crate) async fn start(
        _: &Arc<OsProcess>,
        _: &Node,
        _: &Arc<Seat>,
        _: impl FnOnce(Exit) + Send + 'static,
    ) -> Result<Self, Exit> {
        let why = Guard::start().err().unwrap_or(StartError::NotHere);
        Err(OsProcessError::Guard(why).into())
    }

    pub(crate) fn stop(&self) {
        match self.0 {}
    }

    pub(crate) fn kill_limit(&self) -> Duration {
        match self.0 {}
    }

    pub(crate) fn kill(&self) {
        match self.0 {}
    }

    pub(crate) fn give_up(self) {
        match self.0 {}
    }
}
