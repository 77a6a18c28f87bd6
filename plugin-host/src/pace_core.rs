//! For how many completions the host lets itself be woken, and for how many orders it wakes the process.
//!
//! A ring costs the plugin's process 5 to 10 µs, in which it could work. With several batches under way the host need not
//! hear of each at once: it waits for half of them, as long as they come fast. And while results lie ready that nobody has
//! come for, their owners have something to do, and look for more when they come: then it is not woken at all, and the
//! process is only woken for half of what it can have. One that comes slowly all of a sudden, or an owner who does not
//! come, holds results back until the host looks by itself, after [`LOOK`]; where that was so, nobody is relied upon for
//! some time.

use std::time::Duration;

use proscenium_runtime::Now;

/// How late results may be for it.
pub(crate) const LOOK: Duration = Duration::from_millis(1);
/// What they may be late when all goes as it went lately.
const LATE: Duration = Duration::from_micros(250);
/// A new sample counts for this part.
const WEIGHT: u32 = 8;

#[derive(Debug, Default)]
pub(crate) struct PaceCore {
    /// From when the process has been at it without a pause, or has completed something.
    busy: Option<Now>,
    /// How long an order takes.
    average: Option<Duration>,
    /// For so many answers more nobody is relied upon to come.
    doubts: u32,
    /// The last answer was that nobody is to be woken.
    is_silent: bool,
    /// When that was.
    looked: Option<Now>,
    /// How often the process had little to do lately, less how often it had much.
    hunger: u32,
}

/// From so much hunger on the host is the slower side; twice as much is not counted.
const SLOWER: u32 = 16;

/// So many answers long.
const DOUBTS: u32 = 1_024;

impl PaceCore {
    /// The process gets something to do.
    pub(crate) fn handed(&mut self, now: Now) {
        self.busy.get_or_insert(now);
    }

    /// The process is handed one order more than those that are under way, of as many as there can be. Whether the host is
    /// the slower side: otherwise all that can be is under way most of the time.
    pub(crate) fn hands_over(&mut self, under_way: u32, depth: u32) -> bool {
        self.hunger = match under_way < depth.div_ceil(2) {
            true => (self.hunger + 1).min(2 * SLOWER),
            false => self.hunger.saturating_sub(1),
        };
        self.hunger >= SLOWER
    }

    /// It has completed so many, and has so many left.
    pub(crate) fn completed(&mut self, done: u32, left: u32, now: Now) {
        let Some(each) = std::num::NonZeroU32::new(done) else { return };
        let since = std::mem::replace(&mut self.busy, (left > 0).then_some(now));
        // While nobody is woken, orders and completions lie for a while.
        if let Some(since) = since.filter(|_| !self.is_silent) {
            let sample = (now - since) / each.get();
            let average = self.average.unwrap_or(sample);
            self.average = Some(average - average / WEIGHT + sample / WEIGHT);
        }
    }

    /// The host has found something by itself: late, if those who were relied upon have not come for long.
    pub(crate) fn found(&mut self, now: Now) {
        if self.is_silent && self.looked.is_some_and(|looked| now - looked > LATE) {
            self.doubts = DOUBTS;
        }
    }

    /// Who is to be woken now, with so many orders under way, of as many as there can be, and so many results that lie ready.
    pub(crate) fn wakes(&mut self, under_way: u32, depth: u32, unclaimed: usize, now: Now) -> Wakes {
        let half = under_way.div_ceil(2).max(1);
        let is_fast = self.average.is_some_and(|average| average * half <= LATE);
        self.looked = Some(now);
        self.is_silent = is_fast && under_way > 0 && unclaimed > 0 && self.doubts == 0;
        self.doubts = self.doubts.saturating_sub(1);
        let child = !self.is_silent || under_way >= depth.div_ceil(2);
        match self.is_silent {
            true => Wakes { host: None, child },
            false => Wakes { host: Some(if is_fast { half } else { 1 }), child },
        }
    }
}

/// Who is to be woken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wakes {
    /// The host, when so many orders are done.
    pub(crate) host: Option<u32>,
    /// The process, for what it was handed.
    pub(crate) child: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: u64) -> Now {
        Now::from(Duration::from_micros(us))
    }

    const fn host(wakes: Wakes) -> Option<u32> {
        wakes.host
    }

    #[test]
    fn half_is_waited_for_while_they_come_fast_and_one_while_they_do_not() {
        let mut pace = PaceCore::default();
        assert_eq!(pace.wakes(8, 8, 0, at(0)), Wakes { host: Some(1), child: true }, "nothing is known");
        pace.handed(at(0));
        pace.completed(2, 6, at(60));
        assert_eq!([8, 7, 1, 0].map(|under_way| host(pace.wakes(under_way, 8, 0, at(0)))), [4, 4, 1, 1].map(Some));
        pace.completed(1, 5, at(5_060));
        assert_eq!(host(pace.wakes(8, 8, 0, at(0))), Some(1), "one has taken 5 ms");
        for n in 0..100 {
            pace.completed(1, 5, at(5_090 + n * 30));
        }
        assert_eq!(host(pace.wakes(8, 8, 0, at(0))), Some(4));
    }

    #[test]
    fn nobody_is_woken_while_results_lie_ready_unless_their_owners_do_not_come() {
        let mut pace = PaceCore::default();
        assert_eq!(pace.wakes(8, 8, 3, at(0)), Wakes { host: Some(1), child: true }, "nothing is known");
        pace.handed(at(0));
        pace.completed(1, 7, at(30));
        for (under_way, depth, unclaimed, wakes) in [
            (8, 8, 3, Wakes { host: None, child: true }),
            (4, 8, 3, Wakes { host: None, child: true }),
            (3, 8, 3, Wakes { host: None, child: false }),
            (1, 2, 1, Wakes { host: None, child: true }),
            (8, 8, 0, Wakes { host: Some(4), child: true }),
            (0, 8, 3, Wakes { host: Some(1), child: true }),
        ] {
            assert_eq!(
                pace.wakes(under_way, depth, unclaimed, at(30)),
                wakes,
                "{under_way} of {depth}, {unclaimed} ready"
            );
        }
        pace.found(at(1_000));
        assert_eq!(
            host(pace.wakes(8, 8, 3, at(1_000))),
            None,
            "it was to be woken, and that others came late says nothing"
        );
        pace.found(at(1_250));
        assert_eq!(host(pace.wakes(8, 8, 3, at(1_250))), None, "they came a moment ago");
        pace.found(at(1_501));
        assert!((0..DOUBTS).all(|_| pace.wakes(1, 8, 3, at(1_501)) == Wakes { host: Some(1), child: true }));
        assert_eq!(host(pace.wakes(8, 8, 3, at(1_501))), None);
    }

    #[test]
    fn what_lay_while_nobody_was_woken_is_no_sample() {
        let mut pace = PaceCore::default();
        pace.handed(at(0));
        pace.completed(1, 7, at(30));
        assert_eq!(host(pace.wakes(7, 8, 1, at(30))), None);
        pace.completed(1, 6, at(10_000));
        assert_eq!(host(pace.wakes(6, 8, 0, at(10_000))), Some(3), "it takes no longer");
    }

    #[test]
    fn a_look_that_finds_nothing_is_no_sample() {
        let mut pace = PaceCore::default();
        pace.handed(at(0));
        (1..1_000).for_each(|us| pace.completed(0, 1, at(us)));
        pace.completed(1, 1, at(1_000));
        assert_eq!(host(pace.wakes(8, 8, 3, at(0))), Some(1), "it took a millisecond");
    }

    #[test]
    fn the_host_is_the_slower_side_if_the_process_mostly_has_little_to_do() {
        let mut pace = PaceCore::default();
        assert_eq!((0..20).filter(|_| pace.hands_over(0, 8)).count(), 5);
        // Woken for half of eight.
        assert!((0..100).all(|nth| pace.hands_over(nth % 4, 8)));
        assert!((0..100).filter(|nth| pace.hands_over(4 + nth % 4, 8)).count() < 20);
        assert!(!pace.hands_over(0, 8), "once");
        assert_eq!((0..20).filter(|_| pace.hands_over(0, 1)).count(), 6, "one at a time");
    }

    #[test]
    fn a_pause_without_work_is_not_counted() {
        let mut pace = PaceCore::default();
        pace.handed(at(0));
        pace.completed(1, 0, at(30));
        pace.handed(at(1_000_000));
        pace.completed(1, 0, at(1_000_030));
        assert_eq!(host(pace.wakes(8, 8, 0, at(0))), Some(4));
    }
}
