//! Goal: whatever happens to a lane bounded in bytes, it counts right.
//! Method: random scripts of pushes, pops, restarts, retries, waits, cancelled waits and graceful stops, against a model
//! that adds up what is there. `SEED=<number>` replays one script.

use std::collections::{BTreeMap, VecDeque};

use super::super::sample::{Dice, play_all};
use super::*;

struct Item {
    number: u32,
    weight: usize,
    /// It did not ask for room.
    is_exempt: bool,
}

/// What should be in the lane.
struct Model {
    limit: usize,
    overflow: Overflow,
    queue: VecDeque<Item>,
    /// To be retried.
    retried: Option<u32>,
    line: VecDeque<(usize, usize)>,
    granted: BTreeMap<usize, usize>,
    woken: Vec<usize>,
}

impl Model {
    fn used(&self) -> usize {
        self.queue.iter().map(|item| item.weight).chain(self.granted.values().copied()).sum()
    }

    fn fits(&self, weight: usize) -> bool {
        self.used() == 0 || self.used() + weight <= self.limit
    }

    fn add(&mut self, number: u32, weight: usize, is_exempt: bool) {
        self.queue.push_back(Item { number, weight, is_exempt });
    }

    fn grant(&mut self) {
        while let Some((wait, weight)) = self.line.front().copied().filter(|(_, weight)| self.fits(*weight)) {
            self.line.pop_front();
            self.granted.insert(wait, weight);
            self.woken.push(wait);
        }
    }

    fn push(&mut self, number: u32, weight: usize) -> Result<Pushed<Entry<u32>>, Refused<Entry<u32>>> {
        if self.line.is_empty() && self.fits(weight) {
            self.add(number, weight, false);
            return Ok(Pushed::Queued);
        }
        match self.overflow {
            Overflow::Wait | Overflow::Fail => Err(Refused::Full(entry(number))),
            Overflow::DropNewest => Ok(Pushed::Dropped(entry(number))),
            Overflow::DropOldest => Ok(self.displace(number, weight)),
        }
    }

    fn displace(&mut self, number: u32, weight: usize) -> Pushed<Entry<u32>> {
        let before = self.used();
        let mut trial = self.queue.iter().map(|item| item.weight).filter(|weight| *weight > 0);
        let (mut freed, mut count) = (0, 0);
        loop {
            let Some(oldest) = trial.next() else { return Pushed::Dropped(entry(number)) };
            (freed, count) = (freed + oldest, count + 1);
            let left = before - freed;
            let is_his = self.line.is_empty() || weight <= freed || left == 0;
            if is_his && (left == 0 || left + weight <= self.limit) {
                break;
            }
        }
        drop(trial);
        let gone = (0..count).map(|_| {
            let at = self.queue.iter().position(|item| item.weight > 0).expect("it was there");
            self.queue.remove(at).map(|item| entry(item.number)).expect("it is there")
        });
        let gone = gone.collect();
        self.add(number, weight, false);
        self.grant();
        Pushed::Displaced(gone)
    }

    fn pop(&mut self) -> Option<u32> {
        let popped = self.retried.take().or_else(|| self.queue.pop_front().map(|item| item.number));
        self.grant();
        popped
    }

    /// Of what asked for room there is as much as the bound allows, or one alone.
    fn assert_bound(&self) {
        let asked = self.queue.iter().filter(|item| !item.is_exempt && item.weight > 0).map(|item| item.weight);
        let asked: Vec<usize> = asked.chain(self.granted.values().copied()).collect();
        assert!(asked.len() <= 1 || asked.iter().sum::<usize>() <= self.limit, "{asked:?} in {}", self.limit);
    }
}

struct Wait {
    reserve: Reserve<Home, u32, &'static str>,
    bell: Arc<Bell>,
    weight: usize,
}

struct Stage<'a> {
    home: &'a Arc<Home>,
    incarnation: u32,
    tenancy: Option<Tenancy<'a, u32, &'static str>>,
    model: Model,
    waits: BTreeMap<usize, Wait>,
    last: Option<u32>,
    count: u32,
}

impl Stage<'_> {
    fn number(&mut self) -> u32 {
        self.count += 1;
        self.count
    }

    fn step(&mut self, dice: &mut Dice) {
        let limit = self.model.limit;
        let weight = [1, 1, 2, 3, limit / 3 + 1, limit, limit + 1, 3 * limit][dice.roll(8)];
        let number = self.number();
        match dice.roll(16) {
            0..4 => assert_eq!(self.home.0.push_slowly(entry(number), weight), self.model.push(number, weight)),
            4 => {
                assert_eq!(self.home.0.push_self(entry(number), weight), Ok(()));
                self.model.add(number, weight, true);
            }
            5 => {
                assert_eq!(self.home.0.push_exempt(entry(SIGNAL + number), weight), Ok(()));
                self.model.add(SIGNAL + number, 0, true);
            }
            6..11 => self.pop(),
            11 => self.restart(dice.roll(4)),
            12 => self.wait(number as usize, weight),
            13 | 14 => self.go_on(dice),
            _ => self.cancel(dice),
        }
    }

    fn pop(&mut self) {
        let popped = self.tenancy.as_mut().and_then(|tenancy| next(tenancy).ok());
        assert_eq!(popped, self.model.pop());
        self.last = popped;
    }

    /// 0: it was fenced off; 1: it stopped gracefully; 2: what it had in hand is retried.
    fn restart(&mut self, how: usize) {
        let lane = &self.home.0;
        match how {
            0 => assert!(lane.fence(self.incarnation)),
            1 => {
                lane.drain();
                self.model.woken.extend(self.model.line.drain(..).map(|(wait, _)| wait));
            }
            _ => (),
        }
        self.tenancy = None;
        if let Some(last) = self.last.take().filter(|_| how == 2 && self.model.retried.is_none()) {
            lane.push_front(entry(last)).unwrap();
            self.model.retried = Some(last);
        }
        self.incarnation = attach(lane);
        self.tenancy = Some(self.home.0.enter(self.incarnation, None));
    }

    fn wait(&mut self, name: usize, weight: usize) {
        let bell = Arc::new(Bell::default());
        let wait = Wait { reserve: Reserve::new(self.home.clone(), weight), bell, weight };
        self.waits.insert(name, wait);
        self.look(name);
    }

    /// Polls a wait; with room it is filled.
    fn look(&mut self, name: usize) {
        let Some(wait) = self.waits.get_mut(&name) else { return };
        let (model, weight) = (&mut self.model, wait.weight);
        if !model.granted.contains_key(&name) && model.line.iter().all(|(other, _)| *other != name) {
            // New, or sent away by a graceful stop.
            if model.line.is_empty() && model.fits(weight) {
                model.granted.insert(name, weight);
            } else {
                model.line.push_back((name, weight));
            }
        }
        let has_room = wait.reserve.poll(&Waker::from(wait.bell.clone())).is_ready();
        assert_eq!(has_room, model.granted.contains_key(&name), "wait {name} of {weight}");
    }

    fn any_wait(&self, dice: &mut Dice) -> Option<usize> {
        let nth = dice.roll(self.waits.len().max(1));
        self.waits.keys().nth(nth).copied()
    }

    fn go_on(&mut self, dice: &mut Dice) {
        let Some(name) = self.any_wait(dice) else { return };
        self.look(name);
        if let Some(weight) = self.model.granted.remove(&name) {
            let number = self.number();
            self.model.add(number, weight, false);
            let wait = self.waits.remove(&name).expect("it was chosen");
            assert_eq!(wait.reserve.fill(entry(number)), Ok(()));
        }
    }

    fn cancel(&mut self, dice: &mut Dice) {
        let Some(name) = self.any_wait(dice) else { return };
        drop(self.waits.remove(&name));
        self.model.line.retain(|(other, _)| *other != name);
        self.model.granted.remove(&name);
        self.model.grant();
    }

    fn check(&mut self) {
        let model = &mut self.model;
        model.assert_bound();
        assert_eq!(self.home.0.bytes(), Some(model.used()));
        assert_eq!(self.home.0.len(), model.queue.len() + usize::from(model.retried.is_some()));
        for (name, wait) in &self.waits {
            assert_eq!(wait.bell.rung() > 0, model.woken.contains(name), "wait {name}");
        }
        model.woken.clear();
    }
}

fn play(seed: u64) {
    let mut dice = Dice(seed);
    let overflow =
        [Overflow::Wait, Overflow::Wait, Overflow::Fail, Overflow::DropNewest, Overflow::DropOldest][dice.roll(5)];
    let limit = [1, 2, 7, 10, 100][dice.roll(5)];
    let home = Arc::new(Home(Queue::in_bytes(limit, overflow)));
    let incarnation = attach(&home.0);
    let model = Model {
        limit,
        overflow,
        queue: VecDeque::new(),
        retried: None,
        line: VecDeque::new(),
        granted: BTreeMap::new(),
        woken: Vec::new(),
    };
    let tenancy = Some(home.0.enter(incarnation, None));
    let mut stage = Stage { home: &home, incarnation, tenancy, model, waits: BTreeMap::new(), last: None, count: 0 };
    for _ in 0..dice.roll(250) {
        stage.step(&mut dice);
        stage.check();
    }
    stage.waits.clear();
    stage.model.line.clear();
    stage.model.granted.clear();
    while stage.last.is_some() || !stage.model.queue.is_empty() {
        stage.pop();
    }
    assert_eq!(home.0.bytes(), Some(0), "nothing is left");
}

/// Catches each of these: `push_slowly` that does not look at the line; a grant of what does not fit; a cancelled wait that
/// gives back 1, or grants nothing; `displace` without a look at who waits; a permit that is noted with weight 1;
/// `take_first` that takes a signal for a message; a retry that is counted; `displace` that frees more than it takes, and
/// grants nothing.
#[test]
fn the_account_is_right_whatever_happens() {
    play_all(4_000, play);
}
