//! Who is woken for a batch, host or process, and for how many.
//!
//! A wake-up costs who rings 2 to 10 µs, and who is woken as much again. Two things save most of them while much is under way:
//!
//! - Where results lie ready whose owners have not come for them yet, the host is the slower one: somebody is on its way, and
//!   looks at everything when it comes. Until then the host is not woken, and the process only for two at once. That
//!   nobody comes shows after [`LOOK`]; then it is tried again after 64 batches, 128 and so on.
//! - Else the host waits for half of what is under way, as long as it comes fast. One that comes slowly all of a sudden
//!   holds the results before it back until the host looks by itself, after [`LOOK`].

use std::time::Duration;

use proscenium_runtime::Now;

use crate::average::Average;

/// How late results may be for it.
pub(crate) const LOOK: Duration = Duration::from_millis(1);
/// What they may be late when all goes as it went lately.
const LATE: Duration = Duration::from_micros(250);
/// Owners that come at all come more often than this.
const SELDOM: Duration = Duration::from_micros(500);
/// For so many a process that sleeps is woken while owners are on their way.
const SOME: u32 = 2;
/// After they were waited for in vain, they are not for so many batches, then for twice as many, and so on.
const FEWEST: u32 = 64;
const MOST: u32 = 8_192;

/// Who is to be woken for what is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wakes {
    /// The process, if it sleeps: at once.
    pub(crate) process: bool,
    /// The host: when so many are done.
    pub(crate) host: Option<u32>,
}

#[derive(Debug)]
pub(crate) struct PaceCore {
    /// From when the process has been at it without a pause, or has completed something.
    busy: Option<Now>,
    /// How long an order takes.
    average: Average,
    /// When somebody last looked.
    looked: Option<Now>,
    /// When it was last left to owners on their way to look.
    left: Option<Now>,
    /// For so many batches it is not.
    not_for: u32,
    /// If it is in vain again.
    then_for: u32,
    /// So often in a row they came.
    came: u32,
}

impl Default for PaceCore {
    fn default() -> Self {
        let average = Average::default();
        PaceCore { busy: None, average, looked: None, left: None, not_for: 0, then_for: FEWEST, came: 0 }
    }
}

impl PaceCore {
    /// The process gets something to do.
    pub(crate) fn handed(&mut self, now: Now) {
        self.busy.get_or_insert(now);
    }

    /// It has completed so many, and has so many left.
    pub(crate) fn completed(&mut self, done: u32, left: u32, now: Now) {
        self.not_for = self.not_for.saturating_sub(done);
        let Some(each) = std::num::NonZeroU32::new(done) else { return };
        if let Some(since) = std::mem::replace(&mut self.busy, (left > 0).then_some(now)) {
            self.average.add((now - since) / each.get());
        }
    }

    /// Somebody has looked: so many are under way, and so many results lie ready for owners who have not come.
    pub(crate) fn wakes(&mut self, under_way: u32, lying: usize, now: Now) -> Wakes {
        if self.left.take().is_some() {
            self.came += 1;
            if self.came == MOST {
                (self.came, self.then_for) = (0, FEWEST);
            }
        }
        // On a clock that a test has stopped [`LOOK`] never comes.
        let is_clock_still = self.looked.replace(now).is_none_or(|looked| looked >= now);
        if under_way == 0 || lying == 0 || self.not_for > 0 || is_clock_still {
            return Wakes { process: true, host: Some(self.wanted(under_way)) };
        }
        self.left = Some(now);
        Wakes { process: under_way >= SOME, host: None }
    }

    /// The host looks by itself, because it is time.
    pub(crate) fn looks(&mut self, now: Now) {
        if self.left.is_some_and(|left| now - left >= SELDOM) {
            self.left = None;
            (self.not_for, self.came) = (self.then_for, 0);
            self.then_for = (2 * self.then_for).min(MOST);
        }
    }

    /// How many of those that are under way are to be waited for.
    fn wanted(&self, under_way: u32) -> u32 {
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

    /// At the beginning.
    fn looked_at() -> PaceCore {
        let mut pace = PaceCore::default();
        assert_eq!(pace.wakes(0, 0, at(0)), Wakes { process: true, host: Some(1) });
        pace
    }

    #[test]
    fn while_owners_are_on_their_way_nobody_is_woken_but_the_process_for_two() {
        let mut pace = looked_at();
        let wakes = |process, host| Wakes { process, host };
        assert_eq!(pace.wakes(1, 0, at(1)), wakes(true, Some(1)), "nobody comes");
        assert_eq!(pace.wakes(1, 3, at(2)), wakes(false, None));
        assert_eq!(pace.wakes(2, 3, at(3)), wakes(true, None));
        assert_eq!(pace.wakes(0, 3, at(4)), wakes(true, Some(1)), "nothing is under way");
        assert_eq!(pace.wakes(1, 3, at(4)), wakes(true, Some(1)), "the clock stands");
    }

    #[test]
    fn owners_who_do_not_come_are_not_waited_for_so_soon_again() {
        let mut pace = looked_at();
        let mut now = 1;
        for batches in [64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 8_192] {
            assert_eq!(pace.wakes(1, 1, at(now)).host, None, "before {batches}");
            pace.looks(at(now + 400));
            assert_eq!(pace.wakes(1, 1, at(now + 450)).host, None, "somebody was there just before");
            pace.looks(at(now + 950));
            for batch in 0..batches {
                assert_eq!(pace.wakes(1, 1, at(now + 951)).host, Some(1), "{batch} of {batches}");
                pace.completed(1, 0, at(now + 960));
            }
            now += 1_000;
        }
    }

    #[test]
    fn owners_who_come_again_and_again_are_forgiven() {
        let mut pace = looked_at();
        let in_vain = |pace: &mut PaceCore, now| {
            assert_eq!(pace.wakes(1, 1, at(now)).host, None);
            pace.looks(at(now + 500));
            pace.not_for
        };
        assert_eq!(in_vain(&mut pace, 1), 64);
        pace.completed(64, 0, at(600));
        assert_eq!(in_vain(&mut pace, 1_000), 128);
        pace.completed(128, 0, at(1_600));
        (0..=u64::from(MOST)).for_each(|n| assert_eq!(pace.wakes(1, 1, at(2_000 + n)).host, None));
        assert_eq!(in_vain(&mut pace, 20_000), 64);
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
