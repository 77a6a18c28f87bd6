//! Whether a batch that is alone is worked off on the processor of who gives it.
//!
//! With one batch under way nothing is done at the same time: who gave it waits. Worked off beside, it costs two wake-ups of
//! processors that sleep, and all its bytes travel from one to the other and back. So batches that come one by one, and are
//! awaited at once, are worked off here, as a call would be, while they are quick. Now and then some are not, which shows
//! whether more of them would be under way by now, and which of the two is quicker.

use std::time::Duration;

use proscenium_runtime::Now;

use crate::average::Average;

/// The longest that a runtime's worker is to be kept by a batch: by one, and on average.
pub(crate) const LONGEST: Duration = Duration::from_micros(100);
/// What is not awaited within this is not waited for by somebody who has nothing else to do.
const AT_ONCE: Duration = Duration::from_micros(50);
/// The slowest that may be quick enough here: beside, the wake-ups are in it.
const QUICK: Duration = Duration::from_micros(250);
/// So many in a row, beside, show that they come one by one.
const STEADY: u32 = 8;
/// The same, after one disappointment after the other.
const WARY: u32 = 8_192;
/// So many are worked off here until some are not.
const SPELL: u32 = 256;
/// So many show how long they take here.
const SAMPLES: u32 = 8;

#[derive(Debug)]
pub(crate) struct LoneCore {
    place: Place,
    /// How many in a row it takes.
    needed: u32,
    /// How long one takes beside.
    beside: Average,
    /// The one that is under way.
    current: Option<Lone>,
}

#[derive(Debug)]
enum Place {
    Beside {
        /// How many there were in a row that could have been worked off here.
        row: u32,
    },
    Here {
        /// Of the spell.
        left: u32,
        taken: u32,
        average: Average,
    },
    /// The process is not to be moved.
    Never,
}

#[derive(Clone, Copy, Debug)]
struct Lone {
    is_here: bool,
    handed: Now,
    /// When who gave it had its processor back.
    returned: Now,
    /// Whether it was awaited at once.
    is_awaited: Option<bool>,
    /// How long it took.
    took: Option<Duration>,
}

impl LoneCore {
    pub(crate) fn new() -> Self {
        LoneCore { place: Place::Beside { row: 0 }, needed: STEADY, beside: Average::default(), current: None }
    }

    /// A batch is handed over, alone or not. True: it is worked off here.
    pub(crate) fn handed(&mut self, is_alone: bool, now: Now) -> bool {
        // Nobody has awaited the one before, or it is not back.
        let is_odd = self.current.take().is_some();
        let is_here = match &mut self.place {
            Place::Never => return false,
            _ if !is_alone || is_odd => {
                self.place = Place::Beside { row: 0 };
                false
            }
            Place::Beside { row } => *row >= self.needed,
            Place::Here { left, .. } if *left > 0 => {
                *left -= 1;
                true
            }
            Place::Here { .. } => {
                self.place = Place::Beside { row: 0 };
                self.needed = STEADY;
                false
            }
        };
        if is_here && let Place::Beside { .. } = self.place {
            self.place = Place::Here { left: SPELL - 1, taken: 0, average: Average::default() };
        }
        self.current = is_alone.then_some(Lone { is_here, handed: now, returned: now, is_awaited: None, took: None });
        is_here
    }

    /// Whether one is under way that was alone.
    pub(crate) fn is_alone(&self) -> bool {
        self.current.is_some()
    }

    /// Who gave it goes on. A process that shares its processor may have been through with it before.
    pub(crate) fn returned(&mut self, now: Now) {
        if let Some(lone) = &mut self.current {
            lone.returned = now;
        }
    }

    /// Who gave it waits for it. True: it is worked off here, and the processor is to be left to it.
    pub(crate) fn awaited(&mut self, now: Now) -> bool {
        let Some(lone) = &mut self.current else { return false };
        lone.is_awaited = Some(now - lone.returned <= AT_ONCE);
        self.judge();
        self.is_lent()
    }

    /// Whether one is worked off here just now.
    pub(crate) fn is_lent(&self) -> bool {
        self.current.is_some_and(|lone| lone.is_here && lone.took.is_none())
    }

    /// What was under way has come back.
    pub(crate) fn completed(&mut self, now: Now) {
        let Some(lone) = &mut self.current else { return };
        lone.took = Some(now - lone.handed);
        self.judge();
    }

    /// As soon as all is known of one.
    fn judge(&mut self) {
        let Some(Lone { is_here, is_awaited: Some(is_awaited), took: Some(took), .. }) = self.current else { return };
        self.current = None;
        match &mut self.place {
            place if !is_awaited => *place = Place::Beside { row: 0 },
            Place::Here { taken, average, .. } if is_here => {
                *taken += 1;
                average.add(took);
                // Beside, the bytes that travel are paid for later, when they are read and written again.
                let limit = self.beside.get().map_or(LONGEST, |beside| (beside * 3 / 2).min(LONGEST));
                if *taken >= SAMPLES && average.get() > Some(limit) {
                    self.give_up(false);
                }
            }
            Place::Beside { row } if took <= QUICK => {
                *row += 1;
                self.beside.add(took);
            }
            place => *place = Place::Beside { row: 0 },
        }
    }

    /// The processor was left to it, and it is not through.
    pub(crate) fn in_vain(&mut self) {
        self.current = None;
        if let Place::Here { taken, .. } = self.place {
            // A spell that was as long as what it took to come to it has paid off.
            self.give_up(taken >= self.needed);
        }
    }

    fn give_up(&mut self, has_paid_off: bool) {
        self.needed = if has_paid_off { STEADY } else { (self.needed * 2).min(WARY) };
        self.place = Place::Beside { row: 0 };
    }

    /// The process cannot be moved, or has more threads than one, which would be moved along.
    pub(crate) fn never(&mut self) {
        (self.place, self.current) = (Place::Never, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: u64) -> Now {
        Now::from(Duration::from_micros(us))
    }

    /// Batches, one after the other.
    struct Batches {
        core: LoneCore,
        now: u64,
    }

    impl Batches {
        fn new() -> Self {
            Batches { core: LoneCore::new(), now: 1_000 }
        }

        /// One that is awaited after so long, and has come back after so long here or beside. True: it was worked off here.
        fn one(&mut self, awaited: u64, here: u64, beside: u64) -> bool {
            let is_here = self.core.handed(true, at(self.now));
            // One that is worked off here may be through before who gave it goes on.
            let returned = self.now + if is_here { here } else { 1 };
            self.core.returned(at(returned));
            assert_eq!(self.core.awaited(at(returned + awaited)), is_here);
            assert_eq!(self.core.is_lent(), is_here);
            self.now += if is_here { here } else { beside };
            self.core.completed(at(self.now));
            assert!(!self.core.is_lent());
            self.now += 1_000;
            is_here
        }

        /// How many of so many quick ones are worked off here.
        fn quick(&mut self, count: u32) -> u32 {
            (0..count).map(|_| u32::from(self.one(2, 40, 90))).sum()
        }
    }

    #[test]
    fn what_comes_one_by_one_and_is_awaited_at_once_is_worked_off_here_but_for_a_look_now_and_then() {
        let mut batches = Batches::new();
        assert_eq!(batches.quick(STEADY), 0);
        assert_eq!(batches.quick(SPELL), SPELL);
        assert_eq!((batches.quick(STEADY), batches.quick(SPELL)), (0, SPELL));
    }

    #[test]
    fn what_is_not_alone_or_not_awaited_at_once_or_slow_is_worked_off_beside() {
        type Case = (&'static str, fn(&mut Batches));
        let cases: [Case; 5] = [
            ("not alone", |batches| {
                assert!(!batches.core.handed(false, at(batches.now)));
                batches.core.completed(at(batches.now + 40));
            }),
            ("awaited late", |batches| assert!(!batches.one(51, 40, 90))),
            ("back before it is awaited, and that late", |batches| {
                assert!(!batches.core.handed(true, at(batches.now)));
                batches.core.completed(at(batches.now + 10));
                assert!(!batches.core.awaited(at(batches.now + 51)));
            }),
            ("never awaited", |batches| {
                assert!(!batches.core.handed(true, at(batches.now)));
                batches.core.completed(at(batches.now + 40));
            }),
            ("slow", |batches| assert!(!batches.one(2, 40, 251))),
        ];
        for (name, case) in cases {
            let mut batches = Batches::new();
            assert_eq!(batches.quick(STEADY - 1), 0, "{name}");
            case(&mut batches);
            assert_eq!(batches.quick(STEADY), 0, "{name}");
            assert_eq!(batches.quick(1), 1, "{name}: and then here, as before");
        }
    }

    #[test]
    fn a_second_one_under_way_or_one_that_is_awaited_late_ends_it_at_once() {
        let mut batches = Batches::new();
        assert_eq!(batches.quick(STEADY + 1), 1);
        assert!(!batches.core.handed(false, at(batches.now)));
        assert_eq!(batches.quick(STEADY + 1), 1);
        assert!(batches.one(51, 40, 90), "it was handed over here");
        assert_eq!(batches.quick(STEADY + 1), 1);
    }

    #[test]
    fn one_that_is_not_through_takes_twice_as_many_each_time_until_it_pays_off() {
        let mut batches = Batches::new();
        let mut needed = STEADY;
        let in_vain = |batches: &mut Batches| {
            assert!(batches.core.handed(true, at(batches.now)) && batches.core.awaited(at(batches.now)));
            batches.core.in_vain();
            assert!(!batches.core.is_lent());
            batches.core.completed(at(batches.now + 5_000));
        };
        for _ in 0..20 {
            assert_eq!(batches.quick(needed + 1), 1);
            in_vain(&mut batches);
            needed = (needed * 2).min(WARY);
        }
        assert_eq!((needed, batches.quick(needed), batches.quick(SPELL)), (WARY, 0, SPELL));
        // Afterwards, as at first; one that was not through after enough that were changes nothing of that.
        for _ in 0..3 {
            assert_eq!((batches.quick(STEADY), batches.quick(STEADY)), (0, STEADY));
            in_vain(&mut batches);
        }
    }

    #[test]
    fn one_that_is_back_before_it_is_awaited_counts_if_that_is_at_once() {
        let mut batches = Batches::new();
        for _ in 0..STEADY {
            assert!(!batches.core.handed(true, at(batches.now)));
            batches.core.completed(at(batches.now + 1));
            batches.core.returned(at(batches.now + 2));
            assert!(!batches.core.awaited(at(batches.now + 10)));
        }
        assert_eq!(batches.quick(1), 1);
    }

    #[test]
    fn it_is_beside_where_that_is_much_quicker_or_keeps_the_worker_too_long() {
        for (here, beside) in [(91, 60), (101, 200)] {
            let mut batches = Batches::new();
            let spells: u32 = (0..STEADY + SAMPLES + 2 * STEADY).map(|_| u32::from(batches.one(2, here, beside))).sum();
            assert_eq!(spells, SAMPLES, "{here} µs here, {beside} beside");
            assert!(batches.one(2, here, beside), "it is tried again");
        }
    }

    #[test]
    fn never_is_never() {
        let mut batches = Batches::new();
        batches.core.never();
        assert_eq!(batches.quick(4 * SPELL), 0);
    }
}
