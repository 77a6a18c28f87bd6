//! How long to look again and again before going to sleep: as long as it paid off lately.

use std::time::Duration;

/// The longest spin. A sleep and the wake-up from it cost some tens of microseconds.
pub(crate) const LONGEST: Duration = Duration::from_micros(20);

/// The shortest spin that is worth trying.
const SHORTEST: Duration = Duration::from_micros(2);

/// After so many waits without a spin comes one with it, to see whether it would pay off by now.
const PROBE: u32 = 32;

/// What a spin was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spun {
    /// Something came within it.
    PaidOff,
    /// It was for nothing, and sleep followed.
    InVain,
}

/// Learns from each wait how long the next spin may be.
///
/// A spin that pays off doubles the limit, one in vain halves it, down to none at all. From there a spin of full length is
/// tried now and then. So a side that mostly sleeps spends less than a microsecond a wait on it.
#[derive(Debug)]
pub(crate) struct SpinCore {
    limit: Duration,
    /// Waits since the last spin.
    idle: u32,
    /// With one processor, who spins keeps the other side from doing what it waits for.
    off: bool,
}

impl SpinCore {
    pub(crate) fn new(processors: usize) -> Self {
        Self { limit: LONGEST, idle: 0, off: processors < 2 }
    }

    /// How long the wait that begins now may spin. The caller says with [`learn`](Self::learn) how it went, unless this is 0.
    pub(crate) fn limit(&mut self) -> Duration {
        if self.off {
            return Duration::ZERO;
        }
        if self.limit.is_zero() {
            self.idle += 1;
            if self.idle >= PROBE {
                self.idle = 0;
                return LONGEST;
            }
        }
        self.limit
    }

    pub(crate) fn learn(&mut self, spun: Spun) {
        self.limit = match spun {
            Spun::PaidOff => (self.limit * 2).clamp(SHORTEST, LONGEST),
            Spun::InVain if self.limit / 2 < SHORTEST => Duration::ZERO,
            Spun::InVain => self.limit / 2,
        };
    }
}
