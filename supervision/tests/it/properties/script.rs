//! Random scripts, and how they are cut down.

use proscenium_runtime::Exit;
use proscenium_supervision::{AutoShutdown, Restart, Strategy, SupFlags};

use super::model::{Kid, Told};
use crate::random::Random;

const STEPS: u64 = 60;

#[derive(Clone, Debug)]
pub struct Script {
    pub flags: SupFlags,
    pub kids: Vec<Kid>,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub enum Step {
    /// One of those that live ends, excused or not.
    Exit(usize, Exit, bool),
    /// One ends while the next start or stop is under way.
    Dying(usize, Exit),
    /// The next start goes so.
    Fate(Fate),
    /// Milliseconds.
    Pass(u64),
    /// The supervisor takes so many messages.
    Take(usize),
    /// A request, or the end, into the mailbox.
    Ask(Told),
    /// An exit that was heard is told again.
    Again(usize),
    /// A delay is over: sooner or later than it was to be, and perhaps twice.
    Fire(usize, bool),
}

#[derive(Clone, Debug)]
pub enum Fate {
    Runs,
    IsIgnored,
    Fails,
    FailsAndTells,
}

impl Random {
    fn exit(&mut self) -> Exit {
        self.of(&[Exit::Normal, Exit::Shutdown, Exit::custom("boom"), Exit::custom("crash"), Exit::Killed])
    }

    fn flags(&mut self, strategy: Strategy) -> SupFlags {
        let auto_shutdown = [AutoShutdown::Never, AutoShutdown::AnySignificant, AutoShutdown::AllSignificant];
        let (intensity, period) = (self.below(7) as usize, 1 + self.below(5));
        let is_limited = strategy == Strategy::SimpleOneForOne && self.one_in(3);
        let max_children = is_limited.then(|| 1 + self.below(4) as usize);
        SupFlags { strategy, intensity, period, auto_shutdown: self.of(&auto_shutdown), max_children }
    }

    /// One that goes with the supervisor, or, now and then for a request, one that may not.
    fn kid(&mut self, id: &'static str, flags: &SupFlags) -> Kid {
        loop {
            let kid = Kid {
                id,
                restart: self.of(&[Restart::Permanent, Restart::Transient, Restart::Temporary]),
                significant: self.one_in(3),
                backoff: self.one_in(3).then(|| (1 + self.below(900), 1 + self.below(4_000))),
                quarantine: self.one_in(4).then(|| {
                    let cooldown = self.one_in(2).then(|| 1 + self.below(9));
                    (self.below(3) as usize, 1 + self.below(5), cooldown)
                }),
                excuses: self.one_in(4).then(|| (self.below(3) as usize, 1 + self.below(5))),
            };
            if kid.goes_with(flags) {
                return kid;
            }
        }
    }

    fn told(&mut self, script: &Script) -> Told {
        let id = self.of(&IDS);
        match self.below(30) {
            0..=4 => Told::StartDynamic(None),
            5 => Told::StartDynamic(Some(self.kid_like_all(id, &script.flags, script))),
            6..=9 => Told::StartChild(self.kid(id, &script.flags)),
            10 => {
                let flags = self.flags(script.flags.strategy);
                match self.one_in(2) {
                    true => Told::StartChild(self.kid(id, &flags)),
                    false => Told::StartDynamic(Some(self.kid_like_all(id, &flags, script))),
                }
            }
            11..=14 => Told::Terminate(id),
            15..=17 => Told::Terminate("a"),
            18..=23 => Told::Restart(id),
            24..=26 => Told::Delete(id),
            27 | 28 => self.change(script),
            _ => Told::End(self.exit()),
        }
    }

    /// A dynamic child's own spec. A change may give it that of all, and what it has counted is then to go on.
    fn kid_like_all(&mut self, id: &'static str, flags: &SupFlags, script: &Script) -> Kid {
        let template = script.kids.first().map_or((None, None), |kid| (kid.quarantine, kid.excuses));
        Kid { quarantine: template.0, excuses: template.1, ..self.kid(id, flags) }
    }

    /// The period stays, and what each child has counted for itself, so that the lists of the model stay right; and who is
    /// temporary stays so.
    fn change(&mut self, script: &Script) -> Told {
        let strategy = match script.flags.strategy {
            Strategy::SimpleOneForOne => Strategy::SimpleOneForOne,
            _ => self.of(&[Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne]),
        };
        let flags = SupFlags { period: script.flags.period, ..self.flags(strategy) };
        let mut kids = Vec::new();
        for old in &script.kids {
            let mut kid = self.kid(old.id, &script.flags);
            (kid.quarantine, kid.excuses) = (old.quarantine, old.excuses);
            if (old.restart == Restart::Temporary) != (kid.restart == Restart::Temporary) {
                kid.restart = old.restart;
            }
            if strategy == Strategy::SimpleOneForOne || self.one_in(2) {
                kids.push(kid);
            }
        }
        Told::Change(flags, kids)
    }

    fn step(&mut self, script: &Script) -> Step {
        match self.below(22) {
            0..=5 => Step::Exit(self.below(9) as usize, self.exit(), self.one_in(4)),
            6 => Step::Dying(self.below(9) as usize, self.exit()),
            7 | 8 => Step::Fate(self.of(&[Fate::Runs, Fate::IsIgnored, Fate::Fails, Fate::Fails, Fate::FailsAndTells])),
            9 | 10 => Step::Pass(self.of(&[1, 300, 999, 1_000, 1_001, 2_500, 5_999, 20_000])),
            11..=14 => Step::Take(1 + self.below(6) as usize),
            15..=18 => Step::Ask(self.told(script)),
            19 if self.one_in(2) => {
                let start = self.one_in(2).then(|| 1 + self.below(3) as u32);
                Step::Ask(Told::TerminateDynamic(self.below(3) as usize, start))
            }
            19 | 20 => Step::Fire(self.below(4) as usize, self.one_in(3)),
            _ => Step::Again(self.below(9) as usize),
        }
    }
}

const IDS: [&str; 6] = ["a", "b", "c", "d", "e", "x"];

impl Script {
    pub fn random(seed: u64) -> Script {
        let mut random = Random::of_seed(seed);
        let strategies = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::SimpleOneForOne];
        let strategy = random.of(&strategies);
        let flags = random.flags(strategy);
        let count = if strategy == Strategy::SimpleOneForOne { 1 } else { random.below(6) as usize };
        let kids = IDS[..count].iter().map(|id| random.kid(id, &flags)).collect();
        let mut script = Script { flags, kids, steps: Vec::new() };
        for _ in 0..random.below(STEPS) {
            let step = random.step(&script);
            script.steps.push(step);
        }
        script
    }

    /// As few steps and children as still show it.
    pub fn cut_down(mut self, shows: impl Fn(&Script) -> bool) -> Script {
        let mut chunk = self.steps.len();
        while chunk > 0 {
            let mut at = 0;
            while at < self.steps.len() {
                let mut fewer = self.clone();
                fewer.steps.drain(at..(at + chunk).min(self.steps.len()));
                if shows(&fewer) {
                    self = fewer;
                } else {
                    at += chunk;
                }
            }
            chunk /= 2;
        }
        for at in (0..self.kids.len()).rev() {
            let mut fewer = self.clone();
            fewer.kids.remove(at);
            if fewer.flags.strategy != Strategy::SimpleOneForOne && shows(&fewer) {
                self = fewer;
            }
        }
        self
    }
}
