use super::*;
use crate::random::{Random, with_seeds};

use Action::{Done, FailOver, NotTried, Skip, Stop, Try};

const fn at(ms: u64) -> Now {
    Now::from_millis(ms)
}

/// Pauses of 100, 200, 300, 300 ms.
fn retries(max: u32) -> Retries {
    Retries { max, pause: Duration::from_millis(100), longest: Duration::from_millis(300) }
}

/// A core, and a table's words for what happens.
struct Stage(RetryCore);

impl Stage {
    fn new(failover: Failover) -> Self {
        Stage(RetryCore::new(failover, retries(3), 100))
    }

    fn arrives(&mut self, ms: u64, id: Handle, key: impl Into<Option<KeyHash>>) -> Vec<Action> {
        self.0.on(Event::Arrived { id, key: key.into() }, at(ms))
    }

    fn succeeds(&mut self, ms: u64, id: Handle, key: impl Into<Option<KeyHash>>) -> Vec<Action> {
        self.0.on(Event::Succeeded { id, key: key.into() }, at(ms))
    }

    fn fails(&mut self, ms: u64, id: Handle, key: impl Into<Option<KeyHash>>, again: Again) -> Vec<Action> {
        self.0.on(Event::Failed { id, key: key.into(), again }, at(ms))
    }

    /// Arrives, is tried, and fails as usual.
    fn comes_and_fails(&mut self, ms: u64, id: Handle, key: impl Into<Option<KeyHash>>) -> Vec<Action> {
        let key = key.into();
        assert_eq!(self.arrives(ms, id, key), [Try(id)]);
        self.fails(ms, id, key, Again::AsPolicySays)
    }

    fn due(&mut self, ms: u64) -> Vec<Action> {
        self.0.on(Event::Due, at(ms))
    }
}

fn dead(id: Handle, tries: u32) -> Action {
    Action::DeadLetter { id, tries }
}

#[test]
fn a_record_is_tried_again_after_pauses_that_double_and_then_becomes_a_dead_letter() {
    let mut stage = Stage::new(Failover::RetryWithBackoff);
    assert_eq!(stage.comes_and_fails(0, 1, None), []);
    for (due, failed) in [(100, 110), (310, 310), (610, 700)] {
        assert_eq!(stage.0.next_due(), Some(at(due)));
        assert_eq!(stage.due(due - 1), []);
        assert_eq!(stage.due(due), [Try(1)]);
        assert_eq!(stage.0.next_due(), None);
        let end: &[Action] = if due == 610 { &[dead(1, 4)] } else { &[] };
        assert_eq!(stage.fails(failed, 1, None, Again::AsPolicySays), end);
    }
    assert!(stage.0.is_clear());
    assert_eq!(stage.0.room(), 100);
}

#[test]
fn each_policy_ends_a_failed_record_in_its_way_at_once() {
    for (failover, end) in [
        (Failover::SkipAndContinue, vec![Skip(1)]),
        (Failover::FailFast, vec![Action::Fail(1)]),
        (Failover::FailoverTo("other".into()), vec![FailOver(1)]),
        (Failover::DeadLetter, vec![dead(1, 1)]),
        (Failover::CircuitBreaker { failures: 2, cooldown: Duration::from_secs(1) }, vec![dead(1, 1)]),
        (Failover::StopPartition, vec![Stop(1)]),
    ] {
        let mut stage = Stage::new(failover.clone());
        assert_eq!(stage.comes_and_fails(0, 1, None), end, "{failover:?}");
        assert_eq!(stage.0.next_due(), None, "{failover:?}");
        let goes_on = !matches!(failover, Failover::FailFast | Failover::StopPartition);
        assert_eq!(stage.0.is_clear(), goes_on, "{failover:?}");
        assert_eq!(stage.arrives(1, 2, None), if goes_on { vec![Try(2)] } else { vec![] }, "{failover:?}");
    }
}

#[test]
fn what_fails_for_good_is_never_tried_again() {
    let mut stage = Stage::new(Failover::RetryWithBackoff);
    assert_eq!(stage.arrives(0, 1, None), [Try(1)]);
    assert_eq!(stage.fails(0, 1, None, Again::Never), [dead(1, 1)]);
}

#[test]
fn a_key_waits_in_its_order_and_all_others_pass() {
    let mut stage = Stage::new(Failover::RetryWithBackoff);
    assert_eq!(stage.comes_and_fails(0, 1, 7), []);
    assert_eq!(stage.arrives(0, 2, 7), []);
    assert_eq!(stage.arrives(0, 3, 8), [Try(3)]);
    assert_eq!(stage.arrives(0, 4, None), [Try(4)]);
    assert_eq!(stage.arrives(0, 5, 7), []);
    assert_eq!(stage.succeeds(0, 3, 8), [Done(3)]);
    assert_eq!(stage.succeeds(0, 4, None), [Done(4)]);
    assert_eq!(stage.due(100), [Try(1)]);
    assert_eq!(stage.succeeds(101, 1, 7), [Done(1), Try(2)]);
    assert_eq!(stage.succeeds(102, 2, 7), [Done(2), Try(5)]);
    assert_eq!(stage.fails(103, 5, 7, Again::Never), [dead(5, 1)]);
    assert!(stage.0.is_clear());
}

#[test]
fn what_was_under_way_when_its_key_began_to_wait_is_done_in_its_turn() {
    let mut stage = Stage::new(Failover::RetryWithBackoff);
    for id in 1..=4 {
        assert_eq!(stage.arrives(0, id, 7), [Try(id)]);
    }
    assert_eq!(stage.succeeds(1, 1, 7), [Done(1)]);
    assert_eq!(stage.fails(1, 2, 7, Again::AsPolicySays), []);
    assert_eq!(stage.arrives(1, 5, 7), []);
    assert_eq!(stage.succeeds(1, 3, 7), [], "its result waits");
    assert_eq!(stage.due(101), [Try(2)]);
    assert_eq!(stage.succeeds(102, 2, 7), [Done(2), Done(3)], "4 is under way: 5 waits for it");
    assert_eq!(stage.fails(103, 4, 7, Again::AsPolicySays), []);
    assert_eq!(stage.due(203), [Try(4)]);
    assert_eq!(stage.succeeds(204, 4, 7), [Done(4), Try(5)]);
}

#[test]
fn a_record_behind_waits_until_those_handed_over_before_it_have_been_told() {
    let mut stage = Stage::new(Failover::RetryWithBackoff);
    for id in 1..=2 {
        assert_eq!(stage.arrives(0, id, 7), [Try(id)]);
    }
    assert_eq!(stage.fails(0, 1, 7, Again::AsPolicySays), []);
    assert_eq!(stage.arrives(0, 3, 7), []);
    assert_eq!(stage.due(100), [Try(1)]);
    assert_eq!(stage.succeeds(100, 1, 7), [Done(1)]);
    assert_eq!(stage.succeeds(101, 2, 7), [Done(2), Try(3)]);
}

#[test]
fn a_circuit_opens_tries_one_after_the_cooldown_and_closes_when_that_succeeds() {
    let mut stage = Stage::new(Failover::CircuitBreaker { failures: 2, cooldown: Duration::from_secs(1) });
    assert_eq!(stage.comes_and_fails(0, 1, None), [dead(1, 1)]);
    assert_eq!(stage.arrives(0, 2, None), [Try(2)]);
    assert_eq!(stage.succeeds(0, 2, None), [Done(2)], "in a row: it counts from zero again");
    assert_eq!(stage.comes_and_fails(0, 3, None), [dead(3, 1)]);
    assert_eq!(stage.arrives(5, 4, None), [Try(4)]);
    assert_eq!(stage.arrives(5, 5, None), [Try(5)]);
    assert_eq!(stage.fails(5, 4, None, Again::AsPolicySays), [dead(4, 1)]);
    assert_eq!(stage.arrives(6, 6, None), [NotTried(6)]);
    assert_eq!(stage.succeeds(7, 5, None), [Done(5)], "under way when it opened");
    assert_eq!(stage.arrives(1004, 7, None), [NotTried(7)], "that did not close it");
    assert_eq!(stage.arrives(1005, 8, None), [Try(8)]);
    assert_eq!(stage.arrives(1005, 9, None), [NotTried(9)], "one is tried");
    assert_eq!(stage.fails(1010, 8, None, Again::AsPolicySays), [dead(8, 1)]);
    assert_eq!(stage.arrives(2009, 10, None), [NotTried(10)]);
    assert_eq!(stage.arrives(2010, 11, None), [Try(11)]);
    assert_eq!(stage.succeeds(2011, 11, None), [Done(11)]);
    assert!(stage.0.is_clear());
    assert_eq!(stage.comes_and_fails(2012, 12, None), [dead(12, 1)]);
    assert_eq!(stage.arrives(2012, 13, None), [Try(13)], "closed as it was at first");
}

#[test]
fn while_a_circuit_is_open_what_waits_for_another_try_becomes_a_dead_letter_when_due() {
    let mut stage = Stage::new(Failover::RetryWithBackoff);
    assert_eq!(stage.comes_and_fails(0, 1, 7), []);
    assert_eq!(stage.arrives(0, 2, 7), []);
    let circuit = Failover::CircuitBreaker { failures: 1, cooldown: Duration::from_secs(1) };
    assert_eq!(stage.0.renew(circuit, retries(3), at(0)), []);
    assert_eq!(stage.comes_and_fails(0, 3, None), [dead(3, 1)]);
    assert_eq!(stage.due(100), [dead(1, 1), NotTried(2)]);
}

#[test]
fn a_stopped_partition_takes_nothing_until_resumed_and_then_tries_what_stopped_it() {
    let mut stage = Stage::new(Failover::StopPartition);
    for (id, key) in [(1, Some(7)), (2, Some(7)), (3, None)] {
        assert_eq!(stage.arrives(0, id, key), [Try(id)]);
    }
    assert_eq!(stage.fails(0, 1, 7, Again::AsPolicySays), [Stop(1)]);
    assert_eq!((stage.0.room(), stage.0.is_stopped(), stage.0.next_due()), (0, true, None));
    assert_eq!(stage.succeeds(0, 2, 7), []);
    assert_eq!(stage.fails(0, 3, None, Again::AsPolicySays), [], "it has stopped already");
    assert_eq!(stage.arrives(0, 4, None), []);
    assert_eq!(stage.arrives(0, 5, 8), []);
    assert_eq!(stage.due(1_000_000), []);
    assert_eq!(stage.0.on(Event::Resumed, at(2_000_000)), [Try(1), Try(3), Try(4), Try(5)]);
    assert_eq!(stage.succeeds(2_000_001, 1, 7), [Done(1), Done(2)]);
    assert_eq!(stage.fails(2_000_001, 3, None, Again::Never), [Stop(3), dead(3, 2)]);
    assert_eq!(stage.succeeds(2_000_001, 5, 8), [Done(5)]);
    assert_eq!(stage.succeeds(2_000_001, 4, None), [Done(4)]);
    assert_eq!(stage.0.on(Event::Resumed, at(2_000_002)), []);
    assert!(stage.0.is_clear());
}

#[test]
fn another_policy_closes_the_circuit_and_lets_a_stopped_stage_go_on() {
    let mut stage = Stage::new(Failover::CircuitBreaker { failures: 1, cooldown: Duration::from_secs(1) });
    assert_eq!(stage.comes_and_fails(0, 1, None), [dead(1, 1)]);
    assert_eq!(stage.arrives(0, 2, None), [NotTried(2)]);
    assert_eq!(stage.0.renew(Failover::StopPartition, retries(0), at(1)), []);
    assert_eq!(stage.comes_and_fails(1, 3, None), [Stop(3)]);
    assert_eq!(stage.0.renew(Failover::StopPartition, retries(1), at(2)), [], "only its pauses have changed");
    assert_eq!(stage.0.renew(Failover::DeadLetter, retries(1), at(2)), [Try(3)]);
    assert_eq!(stage.fails(2, 3, None, Again::AsPolicySays), [dead(3, 2)]);
}

#[test]
fn with_as_many_open_as_it_may_have_there_is_no_room() {
    let mut core = RetryCore::new(Failover::RetryWithBackoff, retries(3), 3);
    assert_eq!(core.on(Event::ArrivedMany(2), at(0)), []);
    assert_eq!(core.room(), 1);
    assert_eq!(core.on(Event::SucceededMany(1), at(0)), []);
    assert_eq!(core.on(Event::Failed { id: 2, key: Some(7), again: Again::AsPolicySays }, at(0)), []);
    assert_eq!(core.on(Event::Arrived { id: 3, key: Some(7) }, at(0)), []);
    assert_eq!(core.on(Event::Arrived { id: 4, key: None }, at(0)), [Try(4)]);
    assert_eq!((core.room(), core.waiting.len()), (0, 2));
    assert_eq!(core.on(Event::Succeeded { id: 4, key: None }, at(0)), [Done(4)]);
    assert_eq!(core.room(), 1);
}

/// A shell that keeps account of everything by itself.
struct Shell {
    random: Random,
    core: RetryCore,
    most: usize,
    now: u64,
    keys: Vec<Option<KeyHash>>,
    /// Those whose end is not known, by keys, in the order of arrival.
    open: Vec<Handle>,
    /// What the stage has in hand: first tries in their order, others as they come.
    first_tries: VecDeque<Handle>,
    later_tries: Vec<Handle>,
    /// Since when a record that failed may be tried, and how often it was tried.
    earliest: BTreeMap<Handle, u64>,
    tries: BTreeMap<Handle, u32>,
    is_over: bool,
}

impl Shell {
    fn arrive(&mut self) {
        let id = self.keys.len() as Handle;
        let key = self.random.percent(80).then(|| self.random.below(4));
        self.keys.push(key);
        self.open.push(id);
        let actions = self.core.on(Event::Arrived { id, key }, at(self.now));
        self.carry_out(&actions);
    }

    fn tell(&mut self) {
        let later = self.later_tries.len() as u64;
        let id = if later > 0 && (self.first_tries.is_empty() || self.random.percent(40)) {
            self.later_tries.swap_remove(self.random.below(later) as usize)
        } else if let Some(id) = self.first_tries.pop_front() {
            id
        } else {
            return;
        };
        let key = self.keys[id as usize];
        let event = match self.random.below(100) {
            0..60 => Event::Succeeded { id, key },
            60..95 => Event::Failed { id, key, again: Again::AsPolicySays },
            _ => Event::Failed { id, key, again: Again::Never },
        };
        if let Event::Failed { again, .. } = event {
            let tries = self.tries[&id];
            let pauses = again != Again::Never && self.core.failover == Failover::RetryWithBackoff;
            let pause = pause_before(&self.core.retries, tries).filter(|_| pauses).unwrap_or_default();
            self.earliest.insert(id, self.now + pause.as_millis() as u64);
        }
        let actions = self.core.on(event, at(self.now));
        self.carry_out(&actions);
    }

    fn carry_out(&mut self, actions: &[Action]) {
        for action in actions {
            match *action {
                Try(id) => {
                    assert!(self.open.contains(&id), "{id} is tried after its end");
                    assert!(
                        !self.first_tries.contains(&id) && !self.later_tries.contains(&id),
                        "{id} is tried twice at once"
                    );
                    assert!(self.earliest.get(&id).is_none_or(|earliest| *earliest <= self.now), "{id} is tried early");
                    let tries = self.tries.entry(id).or_default();
                    *tries += 1;
                    if *tries == 1 && !self.core.waiting.contains_key(&id) {
                        self.first_tries.push_back(id);
                    } else {
                        self.later_tries.push(id);
                    }
                }
                Done(id) | FailOver(id) => {
                    let key = self.keys[id as usize];
                    let mut before = self.open.iter().take_while(|open| **open != id);
                    let overtaken = before.find(|open| key.is_some() && self.keys[**open as usize] == key);
                    assert_eq!(overtaken, None, "{id} is done before an older one of its key");
                    self.end(id);
                }
                Action::DeadLetter { id, tries } => {
                    assert_eq!(tries, self.tries[&id], "{id}");
                    self.end(id);
                }
                NotTried(id) => {
                    assert!(!self.tries.contains_key(&id));
                    self.end(id);
                }
                Skip(id) => self.end(id),
                Action::Fail(id) => {
                    self.end(id);
                    self.is_over = true;
                }
                Stop(_) => assert!(self.core.is_stopped()),
            }
        }
        assert!(self.core.waiting.len() <= self.most, "{} of {} wait", self.core.waiting.len(), self.most);
        assert_eq!(self.core.waiting.len() + self.first_tries.len(), self.open.len(), "a record is in no account");
    }

    fn end(&mut self, id: Handle) {
        let at = self.open.iter().position(|open| *open == id);
        self.open.remove(at.unwrap_or_else(|| panic!("{id} ends twice")));
    }

    fn tick(&mut self, until: u64) {
        match self.core.next_due() {
            Some(due) if due.as_millis() <= until => {
                self.now = self.now.max(due.as_millis());
                let actions = self.core.on(Event::Due, at(self.now));
                assert!(!actions.is_empty(), "woken for nothing");
                self.carry_out(&actions);
                assert!(self.core.next_due().is_none_or(|next| next > at(self.now)), "something due is left");
            }
            _ => {
                self.now = until;
                assert_eq!(self.core.on(Event::Due, at(until)), [], "next_due has forgotten it");
            }
        }
    }

    fn step(&mut self) {
        match self.random.below(10) {
            0..4 if self.core.room() > 0 => self.arrive(),
            0..7 => self.tell(),
            7..9 => {
                let until = self.now + self.random.below(120);
                self.tick(until);
            }
            _ if self.core.is_stopped() => {
                let actions = self.core.on(Event::Resumed, at(self.now));
                self.carry_out(&actions);
            }
            _ => (),
        }
    }

    /// Nothing arrives any more: all that is open comes to its end, by outcomes, timers and resumptions alone.
    fn finish(&mut self) {
        while !self.open.is_empty() && !self.is_over {
            if !self.first_tries.is_empty() || !self.later_tries.is_empty() {
                self.tell();
            } else if self.core.is_stopped() {
                let actions = self.core.on(Event::Resumed, at(self.now));
                self.carry_out(&actions);
            } else {
                let due = self.core.next_due().unwrap_or_else(|| panic!("{:?} wait for nothing", self.open));
                self.tick(due.as_millis().max(self.now));
            }
        }
    }
}

fn policy(random: &mut Random) -> Failover {
    match random.below(12) {
        0..5 => Failover::RetryWithBackoff,
        5 => Failover::SkipAndContinue,
        6 => Failover::FailFast,
        7 => Failover::FailoverTo("other".into()),
        8 => Failover::DeadLetter,
        9 => Failover::StopPartition,
        _ => Failover::CircuitBreaker {
            failures: 1 + random.below(3) as u32,
            cooldown: Duration::from_millis(1 + random.below(300)),
        },
    }
}

#[test]
fn in_any_course_of_events_keys_keep_their_order_and_each_record_ends_once() {
    with_seeds(3_000, |seed| {
        let mut random = Random::new(seed);
        let most = 1 + random.below(20) as usize;
        let max = random.below(4) as u32;
        let core = RetryCore::new(policy(&mut random), retries(max), most);
        let mut shell = Shell {
            random,
            core,
            most,
            now: 0,
            keys: Vec::new(),
            open: Vec::new(),
            first_tries: VecDeque::new(),
            later_tries: Vec::new(),
            earliest: BTreeMap::new(),
            tries: BTreeMap::new(),
            is_over: false,
        };
        for _ in 0..200 {
            if shell.is_over {
                return;
            }
            shell.step();
        }
        shell.finish();
        assert!(shell.is_over || shell.core.waiting.is_empty());
    });
}
