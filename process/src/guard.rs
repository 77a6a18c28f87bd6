//! The host's side of a guard.
use std::io::{self, PipeReader, PipeWriter, Read, pipe};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};
use rustix::process::{Signal as Sent, pidfd_send_signal};

use crate::builder::GuardBuilder;
use crate::child::Child;
use crate::command::Command;
use crate::deadline::Deadline;
use crate::image::sealed;
use crate::launch::{GuardEnd, Launched};
use crate::program::{Prepared, prepare};
use crate::starting::{StartingGuard, sockets};
use crate::streams::{End, Streams};
use crate::turn::Turns;
use crate::wire::{MAX_EXTRAS, REPLY, Reply, Request, Step};
use crate::{SpawnError, StartError, StopError};

/// Between a guard's last closed socket and the news of its end.
const DYING: Duration = Duration::from_millis(100);

/// A small process that starts others on behalf of the host, and ends them with all their descendants when it is dropped
/// or the host ends, be it by SIGKILL.
///
/// Dropping does not wait; [`Guard::stop`] does. A thread may spawn while another does: requests take turns. Two guards
/// in one host share nothing.
///
/// ```
/// use proscenium_process::{Command, Guard, Stdio};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let guard = Guard::start()?;
/// guard.spawn(&Command::new("sleep").arg("1000"))?;
/// guard.stop(Duration::from_secs(5))?; // and the sleeper is gone
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "the guard ends when this is dropped"]
pub struct Guard {
    control: OwnedFd,
    pid: u32,
    pidfd: OwnedFd,
    in_namespace: bool,
    turns: Turns,
    end: Arc<GuardEnd>,
}

impl Guard {
    /// Starts a guard with the usual options.
    ///
    /// # Errors
    /// No process is left: see [`StartError`].
    pub fn start() -> Result<Self, StartError> {
        GuardBuilder::default().start()
    }

    /// Starts a guard with other options.
    ///
    /// ```
    /// use proscenium_process::{Guard, PidNamespace};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let guard = Guard::builder().pid_namespace(PidNamespace::IfAllowed).start()?;
    /// println!("a namespace: {}", guard.has_pid_namespace());
    /// # Ok(()) }
    /// ```
    pub fn builder() -> GuardBuilder {
        GuardBuilder::default()
    }

    pub(crate) fn start_with(builder: &GuardBuilder) -> Result<Self, StartError> {
        StartingGuard::begin(builder.clone()).wait()
    }

    pub(crate) fn of(control: OwnedFd, launched: Launched, in_namespace: bool) -> Self {
        let Launched { pid, pidfd, end } = launched;
        Self { control, pid, pidfd, in_namespace, turns: Turns::default(), end }
    }

    /// Starts a process, and waits until its program begins, within the command's limit. That takes less than a
    /// millisecond on an idle machine, and blocks the thread: on an async runtime, call it where blocking is allowed.
    ///
    /// # Errors
    /// No process is left: see [`SpawnError`].
    pub fn spawn(&self, command: &Command) -> Result<Child, SpawnError> {
        if command.descriptors.len() > MAX_EXTRAS {
            return Err(SpawnError::TooManyDescriptors { count: command.descriptors.len(), limit: MAX_EXTRAS });
        }
        let deadline = Deadline::after(command.spawn_limit);
        let prepared = prepare(command)?;
        let Streams { theirs: streams, ours } = Streams::of(command).map_err(SpawnError::Host)?;
        let directory = open_directory(command.current_dir.as_deref())?;
        let (status, theirs) = sockets().map_err(SpawnError::Host)?;
        let (failure, tell) = pipe().map_err(SpawnError::Host)?;
        let luggage = Luggage { status: theirs, directory, streams, tell };
        let spawn = Spawn { command, prepared: &prepared, deadline };

        let (pid, pidfd) = self.request(&spawn, luggage, &status)?;
        spawn.began(&pidfd, &failure)?;
        Ok(Child::of(pid, pidfd, status, ours))
    }

    /// Sends a request, and takes the answer. Our copies of what it takes along are closed in between, or else we would
    /// never see the guard close its own.
    fn request(&self, spawn: &Spawn<'_>, luggage: Luggage<'_>, status: &OwnedFd) -> Result<(u32, OwnedFd), SpawnError> {
        let _turn = self.turns.take(spawn.deadline).ok_or_else(|| spawn.timed_out("other spawns"))?;
        self.send(spawn, &luggage)?;
        drop(luggage);
        let answer = match Reply::receive(status.as_fd(), spawn.deadline) {
            // From now on the guard cannot answer, and kills what it starts for us. It may have answered just before.
            Ok(None) => {
                shutdown(status, Shutdown::Both).map_err(|error| SpawnError::Host(error.into()))?;
                match Reply::receive(status.as_fd(), Deadline::after(Duration::ZERO)) {
                    Ok(Some(answer)) => answer,
                    _ => return Err(spawn.timed_out("the guard's answer")),
                }
            }
            Ok(Some(answer)) => answer,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(self.no_answer()),
            Err(error) => return Err(SpawnError::Host(error)),
        };
        match answer {
            (Reply::Started { pid }, Some(pidfd)) => Ok((pid, pidfd)),
            // The kernel leaves a descriptor out when there is no room for it. The child ends when `status` is closed.
            (Reply::Started { .. }, None) => Err(SpawnError::Host(Errno::MFILE.into())),
            (Reply::Refused { step, error }, _) => Err(spawn.refused(step, error)),
            _ => Err(SpawnError::Host(io::ErrorKind::InvalidData.into())),
        }
    }

    fn send(&self, spawn: &Spawn<'_>, luggage: &Luggage<'_>) -> Result<(), SpawnError> {
        let blob = sealed("proscenium-spawn", &spawn.prepared.blob, MemfdFlags::empty()).map_err(SpawnError::Host)?;
        let [stdin, stdout, stderr] = luggage.streams.each_ref().map(AsFd::as_fd);
        let (status, directory, tell) = (luggage.status.as_fd(), luggage.directory.as_fd(), luggage.tell.as_fd());
        let mut fds = vec![status, blob.as_fd(), directory, stdin, stdout, stderr, tell];
        fds.extend(spawn.command.descriptors.iter().map(AsFd::as_fd));
        fds.extend(spawn.command.control_group.iter().map(AsFd::as_fd));
        spawn.request().send(self.control.as_fd(), &fds, spawn.deadline).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => spawn.timed_out("room in the guard's socket"),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => SpawnError::GuardGone,
            _ => SpawnError::Host(error),
        })
    }

    /// Why the guard has closed a status socket without a word.
    fn no_answer(&self) -> SpawnError {
        // A guard that dies closes its sockets a moment before it is dead, and one without room closes them, too.
        match Deadline::after(DYING).readable(self.control.as_fd()) {
            Ok(false) => {
                let source = Errno::MFILE.into();
                SpawnError::Refused { doing: Step::REQUEST.doing(), source }
            }
            _ => SpawnError::GuardGone,
        }
    }

    /// Ends every descendant of this guard's children, then the guard, and waits for that.
    ///
    /// # Errors
    /// [`StopError::TimedOut`], and the guard goes on by itself; [`StopError::Survivors`], and it has ended.
    pub fn stop(self, limit: Duration) -> Result<(), StopError> {
        let end = Arc::clone(&self.end);
        drop(self);
        match end.wait(Deadline::after(limit)) {
            Some(true) => Ok(()),
            Some(false) => Err(StopError::Survivors),
            None => Err(StopError::TimedOut(limit)),
        }
    }

    /// Its next word on itself. None: not before the deadline.
    pub(crate) fn hear(&self, deadline: Deadline) -> io::Result<Option<(Reply, Option<OwnedFd>)>> {
        Reply::receive(self.control.as_fd(), deadline)
    }

    /// The guard's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// A pidfd of the guard. It becomes readable when the guard has ended, which it does not do while this lives unless
    /// somebody kills it.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Whether the children live in a pid namespace of their own.
    pub fn has_pid_namespace(&self) -> bool {
        self.in_namespace
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Not only closed: a process that the host has forked without exec may hold a copy. A socket whose other end is
        // gone has nothing to shut down.
        let _ = shutdown(&self.control, Shutdown::Both);
        // Nothing is to be lost here, and one that was stopped would sleep through it.
        let _ = pidfd_send_signal(&self.pidfd, Sent::CONT);
    }
}

/// What the request takes along, besides what the command owns.
struct Luggage<'a> {
    status: OwnedFd,
    directory: OwnedFd,
    streams: [End<'a>; 3],
    tell: PipeWriter,
}

/// A spawn under way.
struct Spawn<'a> {
    command: &'a Command,
    prepared: &'a Prepared,
    deadline: Deadline,
}

impl Spawn<'_> {
    fn request(&self) -> Request {
        Request {
            arguments: self.prepared.arguments,
            variables: self.prepared.variables,
            extras: self.command.descriptors.len() as u32,
            blob: self.prepared.blob.len() as u32,
            has_group: self.command.control_group.is_some(),
        }
    }

    /// Waits for the exec, which closes the pipe; a child that fails before says so on it.
    fn began(&self, pidfd: &OwnedFd, failure: &PipeReader) -> Result<(), SpawnError> {
        let told = self.deadline.readable(failure.as_fd()).and_then(|told| {
            let mut bytes = Vec::new();
            let read = if told { (&*failure).take(REPLY as u64).read_to_end(&mut bytes) } else { Ok(0) };
            read.map(|_| told.then_some(bytes))
        });
        let error = match told {
            Ok(Some(bytes)) if bytes.is_empty() => return Ok(()),
            Ok(Some(bytes)) => match Reply::from_bytes(&bytes) {
                Some(Reply::Refused { step, error }) => self.refused(step, error),
                _ => SpawnError::Host(io::ErrorKind::InvalidData.into()),
            },
            Ok(None) => self.timed_out("the program's first instruction"),
            Err(error) => SpawnError::Host(error),
        };
        // It may have ended by itself, which is as well.
        let _ = pidfd_send_signal(pidfd, Sent::KILL);
        Err(error)
    }

    fn refused(&self, step: Step, error: i32) -> SpawnError {
        let source = io::Error::from_raw_os_error(error);
        match step {
            Step::EXEC => SpawnError::Exec { program: self.prepared.program.clone(), source },
            Step::GROUP => SpawnError::ControlGroup(source),
            Step::DIRECTORY => SpawnError::Directory { directory: self.command.current_dir.clone(), source },
            step => SpawnError::Refused { doing: step.doing(), source },
        }
    }

    fn timed_out(&self, waiting_for: &'static str) -> SpawnError {
        let program = self.command.program.clone();
        SpawnError::TimedOut { program, waited: self.command.spawn_limit, waiting_for }
    }
}

fn open_directory(directory: Option<&Path>) -> Result<OwnedFd, SpawnError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, directory.unwrap_or(Path::new(".")), flags, Mode::empty())
        .map_err(|error| SpawnError::Directory { directory: directory.map(Path::to_owned), source: error.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_guard_ends_though_somebody_holds_a_copy_of_its_socket() {
        let guard = Guard::start().unwrap();
        let copy = guard.control.try_clone().unwrap();
        let of_guard = guard.pidfd.try_clone().unwrap();
        drop(guard);
        assert!(Deadline::after(Duration::from_secs(20)).readable(of_guard.as_fd()).unwrap());
        drop(copy);
    }
}
