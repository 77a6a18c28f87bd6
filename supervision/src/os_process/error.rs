//! What can go wrong with a process besides what it does itself.

use std::error::Error;
use std::{fmt, io};

use proscenium_process::{SpawnError, StartError, WaitError};
use proscenium_runtime::Exit;

/// Why a process did not start, or nobody knows how it ended. It travels as an [`Exit::Error`]; no process is left, but
/// what it had forked may be after a [`GuardGone`](OsProcessError::GuardGone).
///
/// ```
/// use proscenium_runtime::Exit;
/// use proscenium_supervision::OsProcessError;
///
/// fn tell(exit: &Exit) -> String {
///     match exit {
///         Exit::Code(code) => format!("it ended with {code}"),
///         Exit::Signal(number) => format!("signal {number} has ended it"),
///         exit => match OsProcessError::of(exit) {
///             Some(OsProcessError::Spawn(error)) => format!("it did not start: {error}"),
///             _ => exit.to_string(),
///         },
///     }
/// }
/// assert_eq!(tell(&Exit::Signal(9)), "signal 9 has ended it");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum OsProcessError {
    /// There is no guard to start it: also where the system has none.
    Guard(StartError),
    /// The guard could not start it.
    Spawn(SpawnError),
    /// The host could not watch it, mostly for lack of descriptors. It was killed at once.
    Watch(io::Error),
    /// The guard was killed, and the process with it. The next start has another guard.
    GuardGone,
    /// It has ended, and the system does not say how.
    NoStatus(WaitError),
}

impl OsProcessError {
    /// The one that an exit carries, if it does.
    #[must_use]
    pub fn of(exit: &Exit) -> Option<&Self> {
        match exit {
            Exit::Error(error) => error.downcast_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for OsProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guard(error) => fmt::Display::fmt(error, f),
            Self::Spawn(error) => fmt::Display::fmt(error, f),
            Self::Watch(error) => write!(
                f,
                "the process was started and killed, because the host could not watch it: {error}; it takes nine \
                 descriptors (see `ulimit -n`)"
            ),
            Self::GuardGone => write!(
                f,
                "somebody has killed the guard, and the process with it; what that had forked may live on. A restart \
                 begins with another guard"
            ),
            Self::NoStatus(error) => write!(f, "the process has ended, and nobody knows how: {error}"),
        }
    }
}

impl Error for OsProcessError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Guard(error) => error.source(),
            Self::Spawn(error) => error.source(),
            Self::Watch(error) => Some(error),
            Self::NoStatus(error) => Some(error),
            Self::GuardGone => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_without_guards_is_told_in_the_exit_of_the_start() {
        let exit = Exit::from(OsProcessError::Guard(StartError::NotHere));
        assert!(matches!(OsProcessError::of(&exit), Some(OsProcessError::Guard(StartError::NotHere))));
        let text = exit.to_string();
        assert!(text.contains("on Linux for x86-64") && text.contains(std::env::consts::OS), "{text}");
        assert!(OsProcessError::of(&Exit::Code(1)).is_none());
    }
}
