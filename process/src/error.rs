//! What can go wrong, what is left then, and what to do.
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use std::{error, fmt, io};

use crate::Signal;

/// Why there is no guard. In every case no process is left.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// There is none for this system or processor.
    NotHere,
    /// The host lacks what it needs: descriptors, memory, a thread, a kernel with pidfds (Linux 5.4).
    Host(io::Error),
    /// The guard's program could be executed neither from memory nor from a file in the folder for temporary files.
    NoImage {
        /// What became of the try from memory.
        memory: io::Error,
        /// What became of the try from a file.
        file: io::Error,
        /// The folder of the file.
        folder: PathBuf,
    },
    /// The guard came up, and the system refused something that it needs.
    Refused {
        /// What it was about to do.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The guard did not say that it is ready.
    TimedOut(Duration),
    /// The guard ended before it was ready. Somebody has killed it, or a sandbox has.
    Died,
}

/// Why a process was not started. In every case none is left; after `TimedOut` it may have run for a moment.
#[derive(Debug)]
#[non_exhaustive]
pub enum SpawnError {
    /// There is no such program.
    NotFound {
        /// As the command names it.
        program: OsString,
        /// The `PATH` that was searched, unless the command names a path.
        searched: Option<OsString>,
    },
    /// The program, an argument or a variable has a zero byte in it, or a variable's name an equals sign.
    Malformed(OsString),
    /// Arguments and environment take more than the system allows.
    TooLong {
        /// How many bytes they take.
        bytes: usize,
        /// How many they may.
        limit: usize,
    },
    /// The command has more descriptors than a child may get.
    TooManyDescriptors {
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The child cannot work in this directory.
    Directory {
        /// The host's own is meant by none.
        directory: Option<PathBuf>,
        /// What the system said.
        source: io::Error,
    },
    /// The child cannot be born in the command's control group.
    ControlGroup(io::Error),
    /// The host lacks what the spawn needs, mostly descriptors.
    Host(io::Error),
    /// The program is there, and the system does not execute it.
    Exec {
        /// Its path.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The guard could not do it.
    Refused {
        /// What it was about to do.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The guard has not answered, or the program has not begun, within the command's limit.
    TimedOut {
        /// As the command names it.
        program: OsString,
        /// The limit.
        waited: Duration,
        /// What was waited for in the end.
        waiting_for: &'static str,
    },
    /// The guard is gone, and its children with it. Start another.
    GuardGone,
}

/// Why there is no exit status.
#[derive(Debug)]
#[non_exhaustive]
pub enum WaitError {
    /// The process lives. Wait again, or kill it.
    TimedOut(Duration),
    /// The guard ended before the process did, which has been killed since. Nobody knows its exit status.
    GuardGone,
    /// The system did not let us wait. The process is as it was.
    System(io::Error),
}

/// Why a signal was not sent. The process is as it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum SignalError {
    /// The process has ended.
    Ended,
    /// A signal that cannot be sent from here: one for real-time use.
    Unsendable(Signal),
    /// The process has changed its user, so that the host may not signal it.
    Forbidden,
    /// Something else.
    System(io::Error),
}

/// Why a guard was not seen to stop. It goes on by itself, for 10 s at most.
#[derive(Debug)]
#[non_exhaustive]
pub enum StopError {
    /// It was still ending processes when the limit was over.
    TimedOut(Duration),
    /// It has ended, but not all processes below it: they do not die of SIGKILL (they wait for a device or a file
    /// server), or belong to another user. Or somebody has killed the guard.
    Survivors,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHere => write!(
                f,
                "processes under a guard are there on Linux for x86-64, AArch64 and 64-bit RISC-V only, and this is {} \
                 on {}; use std::process, and see to orphans yourself",
                std::env::consts::OS,
                std::env::consts::ARCH
            ),
            Self::Host(source) => write!(
                f,
                "the host could not start its guard: {source}; it takes four descriptors, a thread, and Linux 5.4"
            ),
            Self::NoImage { memory, file, folder } => write!(
                f,
                "the guard's program can be executed neither from memory ({memory}) nor from {} ({file}); allow one of \
                 them: set vm.memfd_noexec to 1 or 0, or TMPDIR to a folder that is not mounted noexec",
                folder.display()
            ),
            Self::Refused { doing, source } => write!(f, "the guard could not {doing}: {source}"),
            Self::TimedOut(limit) => {
                write!(f, "the guard was not ready within {limit:?}; raise `start_limit` if the machine is that busy")
            }
            Self::Died => write!(
                f,
                "the guard was ended before it was ready; look whether a sandbox or the system's log has the reason"
            ),
        }
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { program, searched: Some(path) } => write!(
                f,
                "there is no program {} in PATH ({}); install it, or give its path",
                program.display(),
                path.display()
            ),
            Self::NotFound { program, searched: None } => {
                write!(f, "there is no file {}; install it, or mend the path", program.display())
            }
            Self::Malformed(text) => write!(
                f,
                "{text:?} has a zero byte in it, or is a variable's name that is empty or has an equals sign; take it out"
            ),
            Self::TooLong { bytes, limit } => write!(
                f,
                "arguments and environment take {bytes} bytes, where {limit} may be; pass them in a file or at stdin"
            ),
            Self::TooManyDescriptors { count, limit } => {
                write!(f, "{count} descriptors for one child, where {limit} may be; send more over a socket")
            }
            Self::Directory { directory: Some(directory), source } => {
                write!(f, "{} cannot be the working directory: {source}", directory.display())
            }
            Self::Directory { directory: None, source } => {
                write!(
                    f,
                    "the host's own working directory cannot be the child's: {source}; name one with `current_dir`"
                )
            }
            Self::ControlGroup(source) => write!(
                f,
                "the child cannot begin in its control group: {source}; it takes Linux 5.7, and the folder of a group of version \
                 2 that the host may write to"
            ),
            Self::Host(source) => {
                write!(
                    f,
                    "the host lacks what a spawn needs: {source}; it takes up to ten descriptors (see `ulimit -n`)"
                )
            }
            Self::Exec { program, source } if source.kind() == io::ErrorKind::NotFound => write!(
                f,
                "{} is there, but not what executes it: the interpreter in its first line, or its loader",
                program.display()
            ),
            Self::Exec { program, source } => write!(f, "{} cannot be executed: {source}", program.display()),
            Self::Refused { doing, source } => write!(f, "the guard could not {doing}: {source}"),
            Self::TimedOut { program, waited, waiting_for } => write!(
                f,
                "{} had not begun within {waited:?}, and waited for {waiting_for}; look whether the guard is stopped or the program's disk hangs, or \
                 raise `spawn_limit`",
                program.display()
            ),
            Self::GuardGone => write!(f, "the guard is gone, and its children with it; start another"),
        }
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(limit) => write!(f, "the process has not ended within {limit:?}; wait again, or kill it"),
            Self::GuardGone => write!(
                f,
                "the guard is gone, which has taken the process along; its exit status is unknown. Start another guard"
            ),
            Self::System(source) => write!(f, "cannot wait for the process: {source}"),
        }
    }
}

impl fmt::Display for SignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => write!(f, "the process has ended already"),
            Self::Unsendable(signal) => write!(f, "{signal} is for real-time use and cannot be sent; use SIGUSR1"),
            Self::Forbidden => write!(f, "the process belongs to another user by now, so it may not be signalled"),
            Self::System(source) => write!(f, "the signal was not sent: {source}"),
        }
    }
}

impl fmt::Display for StopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(limit) => {
                write!(f, "the guard was still ending processes after {limit:?}; it goes on by itself")
            }
            Self::Survivors => write!(
                f,
                "not every process is gone: look with `ps` for those in state D or of another user; or the guard was killed"
            ),
        }
    }
}

impl error::Error for StartError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Host(source) | Self::Refused { source, .. } | Self::NoImage { file: source, .. } => Some(source),
            _ => None,
        }
    }
}

impl error::Error for SpawnError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Directory { source, .. }
            | Self::ControlGroup(source)
            | Self::Host(source)
            | Self::Exec { source, .. }
            | Self::Refused { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl error::Error for WaitError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::System(source) => Some(source),
            _ => None,
        }
    }
}

impl error::Error for SignalError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::System(source) => Some(source),
            _ => None,
        }
    }
}

impl error::Error for StopError {}
