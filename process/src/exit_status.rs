//! How a process ended.
use std::fmt;

use crate::Signal;

/// How a process ended: by itself, with a code, or by a signal.
///
/// ```
/// use proscenium_process::{ExitStatus, Signal};
/// assert!(ExitStatus::Code(0).is_success());
/// let killed = ExitStatus::Signal { signal: Signal::KILL, core_dumped: false };
/// assert_eq!(killed.to_string(), "SIGKILL");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitStatus {
    /// It ended by itself; 0 is success by custom.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// Which one.
        signal: Signal,
        /// Whether it left an image of its memory.
        core_dumped: bool,
    },
}

impl ExitStatus {
    /// Whether it ended with the code 0.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }

    /// The code, if it ended by itself.
    pub fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal { .. } => None,
        }
    }

    /// The signal that ended it, if one did.
    pub fn signal(self) -> Option<Signal> {
        match self {
            Self::Code(_) => None,
            Self::Signal { signal, .. } => Some(signal),
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal { signal, core_dumped: false } => write!(f, "{signal}"),
            Self::Signal { signal, core_dumped: true } => write!(f, "{signal} (core dumped)"),
        }
    }
}
