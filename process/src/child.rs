//! A process that a guard has started.
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Signal as Sent, pidfd_send_signal};

use crate::deadline::Deadline;
use crate::streams::Ours;
use crate::wire::Reply;
use crate::{ExitStatus, Signal, SignalError, WaitError};

/// Between a process's end and the guard's word on it.
const WORD: Duration = Duration::from_secs(5);

/// A process that a guard has started. Dropping this leaves it alone: it runs until it ends, or its guard does.
///
/// The guard waits for it, so there is no zombie to see to, and its id and pidfd can be used at any time.
///
/// ```
/// use proscenium_process::{Command, Guard, Signal, WaitError};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let guard = Guard::start()?;
/// let child = guard.spawn(&Command::new("sleep").arg("1000"))?;
/// assert!(matches!(child.wait(Duration::from_millis(1)), Err(WaitError::TimedOut(_))));
/// child.kill()?;
/// assert_eq!(child.wait(Duration::from_secs(5))?.signal(), Some(Signal::KILL));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Child {
    pid: u32,
    pidfd: OwnedFd,
    status: OwnedFd,
    /// The host's end of the child's stdin, if that is [`Piped`](crate::Stdio::Piped). The child sees its end of file
    /// when this is dropped.
    pub stdin: Option<PipeWriter>,
    /// The host's end of the child's stdout, if that is piped. A child that fills the pipe (64 KiB) waits for a reader.
    pub stdout: Option<PipeReader>,
    /// The host's end of the child's stderr, if that is piped.
    pub stderr: Option<PipeReader>,
}

impl Child {
    pub(crate) fn of(pid: u32, pidfd: OwnedFd, status: OwnedFd, Ours { stdin, stdout, stderr }: Ours) -> Self {
        Self { pid, pidfd, status, stdin, stdout, stderr }
    }

    /// Its process id, as the host counts. Once it has ended the number may belong to another: send signals with
    /// [`Child::signal`].
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until it ends, for `limit` at most. The status stays: whoever asks again gets it at once.
    ///
    /// # Errors
    /// See [`WaitError`].
    pub fn wait(&self, limit: Duration) -> Result<ExitStatus, WaitError> {
        self.status_by(Deadline::after(limit))?.ok_or(WaitError::TimedOut(limit))
    }

    /// Its exit status, if it has ended. It does not wait, but for the guard's word when the pidfd is readable and that
    /// word is still on its way, which takes some 50 µs; it gives up after 5 s, and the guard is stopped then.
    ///
    /// # Errors
    /// See [`WaitError`].
    pub fn try_wait(&self) -> Result<Option<ExitStatus>, WaitError> {
        let now = Deadline::after(Duration::ZERO);
        match self.status_by(now)? {
            None if now.readable(self.pidfd()).map_err(WaitError::System)? => self.wait(WORD).map(Some),
            status => Ok(status),
        }
    }

    fn status_by(&self, deadline: Deadline) -> Result<Option<ExitStatus>, WaitError> {
        match Reply::look(self.status.as_fd(), deadline) {
            Ok(Some(Reply::Exited(status))) => Ok(Some(status)),
            Ok(None) => Ok(None),
            Ok(Some(_)) => Err(WaitError::System(io::ErrorKind::InvalidData.into())),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(WaitError::GuardGone),
            Err(error) => Err(WaitError::System(error)),
        }
    }

    /// Sends a signal, by the pidfd: it never reaches another process. The child alone gets it, not what it has forked.
    ///
    /// # Errors
    /// The process is as it was: see [`SignalError`].
    pub fn signal(&self, signal: Signal) -> Result<(), SignalError> {
        let sent = Sent::from_named_raw(signal.number()).ok_or(SignalError::Unsendable(signal))?;
        pidfd_send_signal(&self.pidfd, sent).map_err(|error| match error {
            Errno::SRCH => SignalError::Ended,
            Errno::PERM => SignalError::Forbidden,
            error => SignalError::System(error.into()),
        })
    }

    /// Sends SIGKILL, which ends it whatever it does, stopped or not.
    ///
    /// # Errors
    /// The process is as it was: see [`SignalError`].
    pub fn kill(&self) -> Result<(), SignalError> {
        self.signal(Signal::KILL)
    }

    /// Its pidfd, which becomes readable when it ends. For an adapter that wants to own one, there is
    /// [`Child::try_clone_pidfd`].
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Another descriptor for the same process, to be waited for where the child itself is not: by an async runtime.
    /// After it has become readable, [`Child::try_wait`] has the status.
    ///
    /// # Errors
    /// The host has no descriptor left.
    pub fn try_clone_pidfd(&self) -> io::Result<OwnedFd> {
        self.pidfd.try_clone()
    }

    /// A descriptor that becomes readable with the guard's word on its end, or when the guard is gone, some 50 µs after the
    /// pidfd, and stays so. From then on [`Child::wait`] does not wait: for who would block a thread for it otherwise. It
    /// is to be polled, not read.
    ///
    /// # Errors
    /// The host has no descriptor left.
    pub fn try_clone_word(&self) -> io::Result<OwnedFd> {
        self.status.try_clone()
    }
}
