//! Time as cores see it.

use std::fmt;
use std::time::Duration;

/// The time since the node's start. It follows a paused tokio clock, so that decisions can be replayed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Now(Duration);

impl Now {
    /// So many milliseconds after the start: for tables of decisions.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Now(Duration::from_millis(ms))
    }

    /// The time since the node's start as a duration.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// Whole seconds, rounded down: the unit in which OTP counts restarts.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// Whole milliseconds, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0.as_millis() as u64
    }
}

impl From<Duration> for Now {
    fn from(since_start: Duration) -> Self {
        Now(since_start)
    }
}

impl std::ops::Add<Duration> for Now {
    type Output = Now;

    /// A time beyond what a duration can hold is the last one.
    fn add(self, span: Duration) -> Now {
        Now(self.0.saturating_add(span))
    }
}

impl std::ops::Sub for Now {
    type Output = Duration;

    /// Zero when `earlier` is later.
    fn sub(self, earlier: Now) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after the start", self.0)
    }
}
