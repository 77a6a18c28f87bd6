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
    pub(crate) fn new(processors: u32) -> Self {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LONGEST, PROBE, SpinCore, Spun};

    #[test]
    fn it_spins_as_long_as_that_pays_off() {
        let mut spin = SpinCore::new(2);
        let micros = |spin: &mut SpinCore, spun| {
            spin.learn(spun);
            spin.limit().as_nanos() as u64
        };
        assert_eq!(spin.limit(), LONGEST);
        for (row, (spun, limit)) in [
            (Spun::PaidOff, 20_000),
            (Spun::InVain, 10_000),
            (Spun::InVain, 5_000),
            (Spun::PaidOff, 10_000),
            (Spun::InVain, 5_000),
            (Spun::InVain, 2_500),
            (Spun::PaidOff, 5_000),
            (Spun::InVain, 2_500),
            (Spun::InVain, 0),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(micros(&mut spin, spun), limit, "row {row}");
        }
    }

    #[test]
    fn who_mostly_sleeps_spins_less_than_a_microsecond_a_wait() {
        let mut spin = SpinCore::new(8);
        let waits = 100 * PROBE;
        let mut spun = Duration::ZERO;
        for _ in 0..waits {
            let limit = spin.limit();
            spun += limit;
            if !limit.is_zero() {
                spin.learn(Spun::InVain);
            }
        }
        assert!(spun / waits < Duration::from_micros(1), "{spun:?} in {waits} waits");
        // And it notices when things are different: two probes are enough.
        for _ in 0..2 * PROBE {
            if !spin.limit().is_zero() {
                spin.learn(Spun::PaidOff);
            }
        }
        assert_eq!(spin.limit(), LONGEST);
    }

    #[test]
    fn one_processor_is_not_for_spinning() {
        let mut spin = SpinCore::new(1);
        assert!((0..10 * PROBE).all(|_| spin.limit().is_zero()));
    }
}
