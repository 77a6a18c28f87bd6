//! What a child can have beyond OTP: a delay before its restarts, a quarantine of its own, exits that are excused, a limit
//! for its start. Off by default: without them a supervisor does what OTP's does.

use std::time::Duration;

/// How long a restart waits: longer each time, until the child has kept up for as long as the longest delay.
///
/// While one child waits, the supervisor goes on with the others; under `one_for_all` and `rest_for_one` those that are
/// restarted with it are stopped at once, and wait with it. The delay is no part of OTP's intensity, which counts as usual.
///
/// ```
/// use proscenium_supervision::Backoff;
/// use std::time::Duration;
///
/// let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(30)).jitter(0.2);
/// # let _ = backoff;
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
#[must_use = "it is for a child spec"]
pub struct Backoff {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
    jitter: f64,
}

impl Backoff {
    /// `first`, twice that, four times that, and so on up to `longest`.
    pub fn exponential(first: Duration, longest: Duration) -> Self {
        Backoff { first, longest, jitter: 0.0 }
    }

    /// The same each time.
    pub fn constant(delay: Duration) -> Self {
        Backoff::exponential(delay, delay)
    }

    /// Each delay is shorter by up to this share of it (0 to 1), by chance, so that many children do not come back at once.
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = share.clamp(0.0, 1.0);
        self
    }

    /// The delay before restart `attempt`, the first being 0; `chance` is from 0 to 1.
    pub(crate) fn delay(&self, attempt: u32, chance: f64) -> Duration {
        let doubled = 2u32.checked_pow(attempt).and_then(|factor| self.first.checked_mul(factor));
        doubled.unwrap_or(self.longest).min(self.longest).mul_f64(1.0 - self.jitter * chance)
    }
}

/// So many within so long, counted as OTP counts restarts: in whole seconds, the edge included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Allowance {
    pub(crate) count: usize,
    /// In seconds.
    pub(crate) period: u64,
}

impl Allowance {
    pub(crate) fn new(count: usize, period: Duration) -> Self {
        Allowance { count, period: whole_seconds(period) }
    }
}

/// OTP counts in whole seconds; a period between two counts as the longer.
pub(crate) fn whole_seconds(period: Duration) -> u64 {
    period.as_secs() + u64::from(period.subsec_nanos() > 0)
}

/// A child that restarts too often is set aside alone, and its supervisor goes on.
///
/// Such a child has an intensity of its own, and its restarts are no part of the supervisor's. One too many, and it is
/// [`State::Quarantined`](crate::State): it has no process, what is sent to it waits in its mailbox, bounded as ever. It
/// starts again after the time given with [`retry_after`](Quarantine::retry_after), with
/// [`restart_child`](crate::SupervisorRef::restart_child), or never. For `one_for_one` and dynamic children: under the
/// other strategies the siblings cannot do without it.
///
/// ```
/// use proscenium_supervision::Quarantine;
/// use std::time::Duration;
///
/// let quarantine = Quarantine::after(5, Duration::from_secs(10)).retry_after(Duration::from_secs(60));
/// # let _ = quarantine;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "it is for a child spec"]
pub struct Quarantine {
    pub(crate) allowance: Allowance,
    pub(crate) cooldown: Option<Duration>,
}

impl Quarantine {
    /// One restart more than `intensity` within `period` sets the child aside.
    pub fn after(intensity: usize, period: Duration) -> Self {
        Quarantine { allowance: Allowance::new(intensity, period), cooldown: None }
    }

    /// It is tried again after so long. Default: not by itself.
    pub fn retry_after(mut self, cooldown: Duration) -> Self {
        self.cooldown = Some(cooldown);
        self
    }
}

/// All of it, for one child.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Policy {
    pub(crate) backoff: Option<Backoff>,
    pub(crate) quarantine: Option<Quarantine>,
    /// Exits that are not its fault, which its supervisor does not hold against it.
    pub(crate) excuses: Option<Allowance>,
    pub(crate) start_within: Option<Duration>,
}

impl Policy {
    /// Of most children.
    pub(crate) const NONE: Policy = Policy { backoff: None, quarantine: None, excuses: None, start_within: None };

    /// Whether its restarts wait.
    #[must_use]
    pub fn has_backoff(&self) -> bool {
        self.backoff.is_some()
    }

    /// Whether it is set aside when it restarts too often.
    #[must_use]
    pub fn has_quarantine(&self) -> bool {
        self.quarantine.is_some()
    }

    /// Some of it is for children that are restarted.
    pub(crate) fn is_about_restarts(&self) -> bool {
        self.backoff.is_some() || self.quarantine.is_some() || self.excuses.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_between_two_seconds_counts_as_the_longer() {
        let rows = [(0, 0), (1, 1), (999, 1), (1_000, 1), (1_001, 2), (5_000, 5)];
        for (ms, secs) in rows {
            assert_eq!(whole_seconds(Duration::from_millis(ms)), secs, "{ms} ms");
        }
    }

    #[test]
    fn delays_double_up_to_the_longest_and_jitter_only_shortens() {
        let ms = Duration::from_millis;
        let backoff = Backoff::exponential(ms(100), ms(1_000));
        let delays: Vec<_> = (0..6).map(|attempt| backoff.delay(attempt, 0.9)).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1_000, 1_000].map(ms));
        assert_eq!(backoff.delay(u32::MAX, 0.0), ms(1_000));
        assert_eq!(backoff.jitter(0.5).delay(1, 1.0), ms(100));
        assert_eq!(backoff.jitter(0.5).delay(1, 0.0), ms(200));
        assert_eq!(backoff.jitter(7.0).delay(0, 1.0), Duration::ZERO, "no share is greater than one");
        assert_eq!(Backoff::constant(ms(30)).delay(9, 0.0), ms(30));
    }
}
