//! What a guard is to be like.
use std::time::Duration;

#[cfg(proscenium_guard)]
use crate::StartingGuard;
use crate::{Guard, StartError};

/// Whether the children live in a pid namespace of their own, whose end the kernel itself sees to.
///
/// In one, nothing can be left behind: not by a fork faster than the guard, not after somebody has killed the guard,
/// not while it is stopped. But children count processes from 1, see a /proc that is not theirs, and where the host
/// lacks CAP_SYS_ADMIN they live in a user namespace, where programs with the set-user-ID bit do not change the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PidNamespace {
    /// The guard is a subreaper, and ends descendants one by one.
    #[default]
    Never,
    /// A namespace where the system allows it; [`Guard::has_pid_namespace`] tells.
    IfAllowed,
    /// [`Guard::start`] fails where the system does not allow it.
    Required,
}

/// Options for a [`Guard`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `start`"]
pub struct GuardBuilder {
    pub(crate) pid_namespace: PidNamespace,
    pub(crate) limit: Duration,
}

impl Default for GuardBuilder {
    fn default() -> Self {
        Self { pid_namespace: PidNamespace::Never, limit: Duration::from_secs(5) }
    }
}

impl GuardBuilder {
    /// Whether the children get a pid namespace; by default [`PidNamespace::Never`].
    pub fn pid_namespace(mut self, pid_namespace: PidNamespace) -> Self {
        self.pid_namespace = pid_namespace;
        self
    }

    /// How long `start` waits for the guard to come up; 5 s by default.
    pub fn start_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Starts the guard.
    ///
    /// # Errors
    /// No process is left: see [`StartError`].
    pub fn start(self) -> Result<Guard, StartError> {
        Guard::start_with(&self)
    }

    /// Starts the guard, and does not wait until it is up: the caller may do something else meanwhile.
    ///
    /// ```
    /// use proscenium_process::{Command, Guard};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let starting = Guard::builder().begin();
    /// let command = Command::new("sleep").arg("1000");
    /// starting.wait()?.spawn(&command)?;
    /// # Ok(()) }
    /// ```
    #[cfg(proscenium_guard)]
    pub fn begin(self) -> StartingGuard {
        StartingGuard::begin(self)
    }
}
