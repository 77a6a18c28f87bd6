//! Signals by name and by number.
use std::fmt;

/// A signal of Linux, by its number.
///
/// ```
/// use proscenium_process::Signal;
/// assert_eq!(Signal::KILL.to_string(), "SIGKILL");
/// assert_eq!(Signal::from_number(34).map(Signal::number), Some(34));
/// assert_eq!(Signal::from_number(65), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(i32);

impl Signal {
    /// The terminal is gone; by custom, read the configuration again.
    pub const HUP: Self = Self(1);
    /// Interrupted from the keyboard.
    pub const INT: Self = Self(2);
    /// As [`Signal::INT`], with a core dump.
    pub const QUIT: Self = Self(3);
    /// The process has aborted itself.
    pub const ABRT: Self = Self(6);
    /// Ends the process, whatever it does: it cannot be handled, ignored or blocked.
    pub const KILL: Self = Self(9);
    /// For the program's own use.
    pub const USR1: Self = Self(10);
    /// Touched memory that it may not touch.
    pub const SEGV: Self = Self(11);
    /// For the program's own use.
    pub const USR2: Self = Self(12);
    /// Wrote to a pipe that nobody reads.
    pub const PIPE: Self = Self(13);
    /// Asks the process to end.
    pub const TERM: Self = Self(15);
    /// Lets a stopped process go on.
    pub const CONT: Self = Self(18);
    /// Stops the process until [`Signal::CONT`]: it cannot be handled, ignored or blocked.
    pub const STOP: Self = Self(19);

    /// The signal with this number, 1 to 64.
    pub const fn from_number(number: i32) -> Option<Self> {
        if matches!(number, 1..=64) { Some(Self(number)) } else { None }
    }

    /// Its number.
    pub const fn number(self) -> i32 {
        self.0
    }

    fn name(self) -> Option<&'static str> {
        const NAMES: [&str; 31] = [
            "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
            "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
            "WINCH", "IO", "PWR", "SYS",
        ];
        usize::try_from(self.0 - 1).ok().and_then(|at| NAMES.get(at)).copied()
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "SIG{name}"),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
