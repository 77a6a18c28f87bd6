//! Random days of a plugin, against what anybody would say of them: each record is settled once, in order, and only who
//! is to blame is set aside.

use std::collections::BTreeMap;

use super::*;
use crate::random::Random;

/// Enough for all that a day does to happen in each order; more with `SCRIPTS=`.
const SCRIPTS: u64 = 3_000;

/// What the process says of the record in work when it ends.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Honesty {
    True,
    Silent,
    Lies,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Fate {
    Settled,
    Aside,
}

struct Day {
    core: FlightCore,
    random: Random,
    now: u64,
    honesty: Honesty,
    poison: BTreeMap<(u64, u32), Class>,
    sizes: Vec<u32>,
    /// What the process has, in order.
    process: VecDeque<(BatchId, Portion)>,
    serves: bool,
    fates: BTreeMap<(u64, u32), Fate>,
    released: Vec<u64>,
    /// Ends by poison, by batch and record.
    ends: BTreeMap<(u64, u32), u32>,
}

impl Day {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let order = if random.below(2) == 0 { Order::Ordered } else { Order::Unordered };
        let depth = 1 + random.below(4) as usize;
        let honesty = [Honesty::True, Honesty::Silent, Honesty::Lies][random.below(3) as usize];
        let patience = Patience { timeout: Duration::from_secs(1), grace: Duration::from_millis(100) };
        let terms = Terms { order, patience, policy: Failover::default(), retries: Retries::default() };
        let core = FlightCore::new(depth, terms);
        Day {
            core,
            random,
            now: 0,
            honesty,
            poison: BTreeMap::new(),
            sizes: Vec::new(),
            process: VecDeque::new(),
            serves: false,
            fates: BTreeMap::new(),
            released: Vec::new(),
            ends: BTreeMap::new(),
        }
    }

    fn on(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.core.on(event, Now::from_millis(self.now), &mut actions);
        for action in actions {
            match action {
                Action::Hand { batch, portion, .. } => {
                    assert!(self.serves, "handed to nobody");
                    self.process.push_back((batch, portion));
                    assert!(self.process.len() <= self.core.depth);
                }
                Action::SetAside { batch, portion, .. } => {
                    portion.records().for_each(|record| self.settle(batch, record, Fate::Aside));
                }
                Action::Release(BatchId(batch)) => self.released.push(batch),
                Action::Gone { .. } => self.serves = false,
                Action::End(_)
                | Action::Cancel(_)
                | Action::Fail { .. }
                | Action::Stop { .. }
                | Action::GiveBack { .. }
                | Action::GiveUp { .. } => {
                    unreachable!("{action:?}: nothing on such a day asks for it")
                }
            }
        }
    }

    fn settle(&mut self, batch: BatchId, record: u32, fate: Fate) {
        let before = self.fates.insert((batch.0, record), fate);
        assert_eq!(before, None, "record {record} of {batch:?} is settled twice");
    }

    fn give(&mut self) {
        let (batch, records) = (self.sizes.len() as u64, 1 + self.random.below(12) as u32);
        self.sizes.push(records);
        while self.random.below(3) == 0 {
            let class = [Class::Crash(11), Class::Exit(0), Class::OutOfMemory][self.random.below(3) as usize];
            self.poison.insert((batch, self.random.below(u64::from(records)) as u32), class);
        }
        self.on(Event::Given { batch: BatchId(batch), records });
    }

    fn start(&mut self) {
        if !self.serves {
            self.serves = true;
            self.process.clear();
            self.on(Event::Ready);
        }
    }

    fn end(&mut self, class: Class, progress: Option<u32>) {
        self.process.clear();
        self.on(Event::Ended { class, progress });
    }

    fn work(&mut self) {
        let Some(&(batch, portion)) = self.process.front() else { return };
        assert_eq!(self.core.in_work(), Some((batch, portion)));
        let poisonous = |record: &u32| self.poison.contains_key(&(batch.0, *record));
        if let Some(record) = portion.records().find(poisonous) {
            *self.ends.entry((batch.0, record)).or_default() += 1;
            let progress = match self.honesty {
                Honesty::True => Some(record - portion.first),
                Honesty::Silent => None,
                Honesty::Lies => Some(self.random.below(u64::from(portion.count)) as u32),
            };
            return self.end(self.poison[&(batch.0, record)], progress);
        }
        self.process.pop_front();
        let mut again = Vec::new();
        for record in portion.records() {
            match self.random.below(20) == 0 {
                true => again.push((record, Duration::from_millis(self.random.below(50)))),
                false => self.settle(batch, record, Fate::Settled),
            }
        }
        self.on(Event::Done(Seen::Verdicts(again)));
    }

    fn pass_time(&mut self) {
        self.now += self.random.below(40);
        let tick = self.core.next_tick().map(Now::as_millis);
        if tick.is_some_and(|tick| tick <= self.now) && self.process.is_empty() {
            self.on(Event::Tick);
        }
    }

    fn run(&mut self) {
        for _ in 0..60 {
            match self.random.below(10) {
                0 | 1 => self.give(),
                2 => self.start(),
                3 if self.serves && self.random.below(3) == 0 => self.end(Class::Killed(9), Some(0)),
                4 => self.pass_time(),
                _ if self.serves => self.work(),
                _ => self.start(),
            }
        }
        // A quiet evening: all that was given must come to its end, within a bound.
        for _ in 0..100_000 {
            if self.core.in_flight() == 0 {
                return;
            }
            self.start();
            self.pass_time();
            self.work();
        }
        panic!("{} batches do not come to an end", self.core.in_flight());
    }

    fn judge(&self) {
        let given: Vec<u64> = (0..self.sizes.len() as u64).collect();
        let mut released = self.released.clone();
        if self.core.order == Order::Unordered {
            released.sort_unstable();
        }
        assert_eq!(released, given, "released");
        let limit = if self.honesty == Honesty::Lies { 3 } else { 2 };
        for (batch, &records) in self.sizes.iter().enumerate() {
            for record in 0..records {
                let place = (batch as u64, record);
                let fate = self.fates.get(&place).copied();
                let is_poison = self.poison.contains_key(&place);
                assert!(fate.is_some(), "{place:?} is not settled");
                assert!(!is_poison || fate == Some(Fate::Aside), "{place:?} is poison, and goes on");
                let ends = self.ends.get(&place).copied().unwrap_or(0);
                assert!(ends <= limit, "{place:?} has ended {ends} processes");
            }
        }
    }
}

#[test]
fn each_record_is_settled_once_and_poison_is_found_in_two_ends() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..number("SCRIPTS").unwrap_or(SCRIPTS) + 1,
    };
    for seed in seeds {
        let day = std::panic::catch_unwind(|| {
            let mut day = Day::new(seed);
            day.run();
            day.judge();
        });
        assert!(day.is_ok(), "again with SEED={seed}");
    }
}
