//! How a plugin is.

use std::path::PathBuf;
use std::sync::Arc;

use proscenium_plugin_runner::cgroup::Usage;
use proscenium_plugin_runner::sandbox::Report;

use crate::end::EndReport;
use crate::private_copy::Fingerprint;

/// What a plugin is at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum State {
    /// Its process is not ready.
    Starting,
    /// Nothing is under way.
    Ready,
    /// Batches are under way.
    Busy,
    /// Another process starts beside the one that serves.
    Swapping,
    /// Another process is ready, and what the one that serves has is let through.
    Draining,
    /// Its policy has stopped it: it takes no batches until it is resumed.
    Stopped,
}

/// A look at a plugin.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// What it is at.
    pub state: State,
    /// Batches whose results have not left.
    pub in_flight: usize,
    /// The process that serves.
    pub pid: Option<u32>,
    /// Where the library was that serves.
    pub library: PathBuf,
    /// What that library is.
    pub fingerprint: Option<Fingerprint>,
    /// What the plugin says of itself: `name`, `version` and so on.
    pub info: Vec<(String, String)>,
    /// What became of the sandbox's layers.
    pub sandbox: Report,
    /// What its process takes with all that it has started, where it has a control group that counts it.
    pub usage: Usage,
    /// How many processes it has had.
    pub processes: u32,
    /// How the last one has ended that was not asked to.
    pub last_end: Option<Arc<EndReport>>,
}

impl Status {
    /// One of the things that it says of itself.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<&str> {
        self.info.iter().find(|(of, _)| of == name).map(|(_, text)| text.as_str())
    }
}
