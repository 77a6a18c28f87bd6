//! A guard that is coming up.
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::builder::{GuardBuilder, PidNamespace};
use crate::deadline::Deadline;
use crate::launch::{Launching, launch};
use crate::wire::{Reply, Step};
use crate::{Guard, StartError};

/// A guard that is coming up while its host does something else: [`GuardBuilder::begin`].
///
/// Dropped, the guard ends as soon as it is up.
#[derive(Debug)]
#[must_use = "the guard ends when this is dropped"]
pub struct StartingGuard {
    builder: GuardBuilder,
    deadline: Deadline,
    attempt: Result<Attempt, StartError>,
}

impl StartingGuard {
    pub(crate) fn begin(builder: GuardBuilder) -> Self {
        let deadline = Deadline::after(builder.limit);
        let attempt = Attempt::begin(builder.pid_namespace != PidNamespace::Never);
        Self { builder, deadline, attempt }
    }

    /// Waits until the guard is up, within the builder's limit since [`GuardBuilder::begin`].
    ///
    /// # Errors
    /// No process is left: see [`StartError`].
    pub fn wait(self) -> Result<Guard, StartError> {
        let Self { builder: GuardBuilder { pid_namespace, limit }, deadline, attempt } = self;
        match attempt?.wait(deadline, limit) {
            Err((_, Some(step))) if pid_namespace == PidNamespace::IfAllowed && step.is_namespace() => {
                Attempt::begin(false)?.wait(deadline, limit).map_err(|(error, _)| error)
            }
            waited => waited.map_err(|(error, _)| error),
        }
    }
}

/// One, in a namespace or not.
#[derive(Debug)]
struct Attempt {
    control: OwnedFd,
    launching: Launching,
    in_namespace: bool,
}

impl Attempt {
    fn begin(in_namespace: bool) -> Result<Self, StartError> {
        let (control, theirs) = sockets().map_err(StartError::Host)?;
        Ok(Self { control, launching: launch(theirs, in_namespace)?, in_namespace })
    }

    /// What went wrong, and at which step, if the guard says it.
    fn wait(self, deadline: Deadline, limit: Duration) -> Result<Guard, (StartError, Option<Step>)> {
        let late = || (StartError::TimedOut(limit), None);
        let launched = self.launching.wait(deadline).ok_or_else(late)?.map_err(|error| (error, None))?;
        let guard = Guard::of(self.control, launched, self.in_namespace);
        match guard.hear(deadline) {
            Ok(Some((Reply::Ready, _))) => Ok(guard),
            Ok(Some((Reply::Refused { step, error }, _))) => {
                let source = io::Error::from_raw_os_error(error);
                Err((StartError::Refused { doing: step.doing(), source }, Some(step)))
            }
            Ok(None) => Err(late()),
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err((StartError::Host(error), None)),
            Ok(Some(_)) | Err(_) => Err((StartError::Died, None)),
        }
    }
}

/// Two ends of a socket that keeps messages apart and tells when the other end is closed.
pub(crate) fn sockets() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}
