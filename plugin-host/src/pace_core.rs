//! For how many completions the host lets itself be woken.
//!
//! A ring costs the plugin's process 5 to 10 µs, in which it could work. With several batches under way the host need not
//! hear of each at once: it waits for half of them, as long as they come fast. One that comes slowly all of a sudden
//! holds the results before it back until the host looks by itself, after [`LOOK`].

use std::time::Duration;

use proscenium_runtime::Now;

use crate::average::Average;

/// How late results may be for it.
pub(crate) const LOOK: Duration = Duration::from_millis(1);
/// What they may be late when all goes as it went lately.
const LATE: Duration = Duration::from_micros(250);

#[derive(Debug, Default)]
pub(crate) struct PaceCore {
    /// From when the process has been at it without a pause, or has completed something.
    busy: Option<Now>,
    /// How long an order takes.
    average: Average,
}

impl PaceCore {
    /// The process gets something to do.
    pub(crate) fn handed(&mut self, now: Now) {
        self.busy.get_or_insert(now);
    }

    /// It has completed so many, and has so many left.
    pub(crate) fn completed(&mut self, done: u32, left: u32, now: Now) {
        let Some(each) = std::num::NonZeroU32::new(done) else { return };
        if let Some(since) = std::mem::replace(&mut self.busy, (left > 0).then_some(now)) {
            self.average.add((now - since) / each.get());
        }
    }

    /// How many of those that are under way are to be waited for.
    pub(crate) fn wanted(&self, under_way: u32) -> u32 {
        let half = under_way.div_ceil(2).max(1);
        match self.average.get() {
            Some(average) if average * half <= LATE => half,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: u64) -> Now {
        Now::from(Duration::from_micros(us))
    }

    #[test]
    fn half_is_waited_for_while_they_come_fast_and_one_while_they_do_not() {
        let mut pace = PaceCore::default();
        assert_eq!(pace.wanted(8), 1, "nothing is known");
        pace.handed(at(0));
        pace.completed(2, 6, at(60));
        assert_eq!((pace.wanted(8), pace.wanted(7), pace.wanted(1), pace.wanted(0)), (4, 4, 1, 1));
        pace.completed(1, 5, at(5_060));
        assert_eq!(pace.wanted(8), 1, "one has taken 5 ms");
        for n in 0..100 {
            pace.completed(1, 5, at(5_090 + n * 30));
        }
        assert_eq!(pace.wanted(8), 4);
    }

    #[test]
    fn a_look_that_finds_nothing_is_no_sample() {
        let mut pace = PaceCore::default();
        pace.handed(at(0));
        (1..1_000).for_each(|us| pace.completed(0, 1, at(us)));
        pace.completed(1, 1, at(1_000));
        assert_eq!(pace.wanted(8), 1, "it took a millisecond");
    }

    #[test]
    fn a_pause_without_work_is_not_counted() {
        let mut pace = PaceCore::default();
        pace.handed(at(0));
        pace.completed(1, 0, at(30));
        pace.handed(at(1_000_000));
        pace.completed(1, 0, at(1_000_030));
        assert_eq!(pace.wanted(8), 4);
    }
}
