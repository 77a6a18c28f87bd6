//! What a supervisor does, as its manual tells it: one thing after the other, everything counted from a list of all that ever
//! was. No jobs, no bounds, no haste.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use proscenium_runtime::Exit;
use proscenium_supervision::restart_core::Outcome;
use proscenium_supervision::{AutoShutdown, Backoff, ChildFlags, ChildSpec, Quarantine, Restart, Strategy, SupFlags};

/// A child's spec, in plain numbers.
#[derive(Clone, Debug)]
pub struct Kid {
    pub id: &'static str,
    pub restart: Restart,
    pub significant: bool,
    /// The first delay and the longest, in milliseconds.
    pub backoff: Option<(u64, u64)>,
    /// So many in so many seconds, and then for so many.
    pub quarantine: Option<(usize, u64, Option<u64>)>,
    pub excuses: Option<(usize, u64)>,
}

impl Kid {
    pub fn spec(&self) -> ChildSpec<()> {
        let flags = ChildFlags { restart: self.restart, significant: self.significant, ..ChildFlags::worker() };
        let mut spec = ChildSpec::of(self.id, ()).flags(flags);
        if let Some((first, longest)) = self.backoff {
            spec = spec.backoff(Backoff::exponential(Duration::from_millis(first), Duration::from_millis(longest)));
        }
        if let Some((count, period, cooldown)) = self.quarantine {
            let quarantine = Quarantine::after(count, Duration::from_secs(period));
            let cooldown = cooldown.map(Duration::from_secs);
            spec = spec.quarantine(cooldown.map_or(quarantine, |cooldown| quarantine.retry_after(cooldown)));
        }
        if let Some((count, period)) = self.excuses {
            spec = spec.excuses(count, Duration::from_secs(period));
        }
        spec
    }

    pub fn goes_with(&self, flags: &SupFlags) -> bool {
        let is_lone = matches!(flags.strategy, Strategy::OneForOne | Strategy::SimpleOneForOne);
        let has_policy = self.backoff.is_some() || self.quarantine.is_some() || self.excuses.is_some();
        let can_be_significant = flags.auto_shutdown != AutoShutdown::Never && self.restart != Restart::Permanent;
        (!self.significant || can_be_significant)
            && (is_lone || self.quarantine.is_none())
            && (self.restart != Restart::Temporary || !has_policy)
    }
}

/// What a supervisor is told. Children are numbered in the order in which they came.
#[derive(Clone, Debug)]
pub enum Told {
    Begin,
    Exited {
        child: usize,
        start: u32,
        exit: Exit,
        is_excused: bool,
    },
    TryAgain(usize),
    Waited(usize, u32),
    StartChild(Kid),
    /// With the spec of all, or one of its own.
    StartDynamic(Option<Kid>),
    Terminate(&'static str),
    TerminateDynamic(usize, Option<u32>),
    Restart(&'static str),
    Delete(&'static str),
    Change(SupFlags, Vec<Kid>),
    End(Exit),
}

/// What it does then.
#[derive(Clone, PartialEq, Debug)]
pub enum Line {
    Start(usize, u32),
    Stop(Vec<usize>),
    Forget(usize),
    Retire(usize),
    Renew(usize),
    Again(usize),
    Wait(usize, u32, Duration),
    Reply(String),
    Ready,
    StartFailed(usize),
    End(Exit),
    Report(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Is {
    Down,
    Up,
    Retrying,
    Waiting,
    Aside,
}

#[derive(Clone, Debug)]
pub struct Child {
    pub kid: Kid,
    pub is: Is,
    pub starts: u32,
    /// When, of which start, why.
    pub exits: Vec<(u64, u32, Exit)>,
    own: Vec<u64>,
    excused: Vec<u64>,
    attempts: u32,
    due: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Begin,
    Restart,
    StartChild,
    RestartChild,
}

pub struct Model {
    pub flags: SupFlags,
    pub template: Option<Kid>,
    pub children: BTreeMap<usize, Child>,
    pub is_over: bool,
    next: usize,
    counted: Vec<u64>,
    now: u64,
    fates: VecDeque<Outcome>,
    lines: Vec<Line>,
}

/// One more, and whether there are not too many now: whole seconds, the edge included.
fn fits(all: &mut Vec<u64>, count: usize, period: u64, now: u64) -> bool {
    all.push(now / 1_000);
    all.iter().filter(|at| **at + period >= now / 1_000).count() <= count
}

impl Model {
    pub fn new(flags: SupFlags, kids: &[Kid]) -> Model {
        let mut model = Model {
            flags,
            template: None,
            children: BTreeMap::new(),
            is_over: false,
            next: 0,
            counted: Vec::new(),
            now: 0,
            fates: VecDeque::new(),
            lines: Vec::new(),
        };
        for kid in kids {
            match flags.strategy {
                Strategy::SimpleOneForOne => model.template = Some(kid.clone()),
                _ => drop(model.add(kid)),
            }
        }
        model
    }

    /// `fates`: how the starts went that follow from it.
    pub fn on(&mut self, told: &Told, now: u64, fates: Vec<Outcome>) -> Vec<Line> {
        self.now = now;
        self.fates = fates.into();
        match told {
            Told::Begin => self.start(self.children.keys().copied().collect(), Why::Begin),
            Told::Exited { child, start, exit, is_excused } => self.exited(*child, *start, exit, *is_excused),
            Told::TryAgain(child) if self.is(*child) == Some(Is::Retrying) => self.restart(*child, false),
            Told::Waited(child, start) if self.children.get(child).is_some_and(|child| child.starts == *start) => {
                if let Some(Is::Waiting | Is::Aside) = self.is(*child) {
                    self.round(*child, None);
                }
            }
            Told::TryAgain(_) | Told::Waited(..) => {}
            Told::StartChild(kid) => self.start_child(kid),
            Told::StartDynamic(kid) => self.start_dynamic(kid.as_ref()),
            Told::Terminate(id) => match self.known(id) {
                Some(child) => self.terminate(child),
                None => self.reply(self.unknown()),
            },
            Told::TerminateDynamic(child, start) => match (self.children.get(child), start) {
                (Some(known), Some(start)) if known.is == Is::Up && known.starts != *start => self.reply("Done"),
                _ => self.terminate(*child),
            },
            Told::Restart(id) => self.when_down(id, |model, child| model.start(vec![child], Why::RestartChild)),
            Told::Delete(id) => self.when_down(id, |model, child| {
                model.forget(child);
                model.reply("Done");
            }),
            Told::Change(flags, kids) => self.change(*flags, kids),
            Told::End(exit) => self.end(exit),
        }
        assert!(self.fates.is_empty(), "the model starts fewer: {:?}", self.lines);
        std::mem::take(&mut self.lines)
    }

    /// What its intensity counts now.
    pub fn restarts(&self) -> usize {
        self.counted.iter().filter(|at| **at + self.flags.period >= self.now / 1_000).count()
    }

    fn add(&mut self, kid: &Kid) -> usize {
        let (is, exits, own, excused) = (Is::Down, Vec::new(), Vec::new(), Vec::new());
        let child = Child { kid: kid.clone(), is, starts: 0, exits, own, excused, attempts: 0, due: 0 };
        self.children.insert(self.next, child);
        self.next += 1;
        self.next - 1
    }

    fn say(&mut self, line: Line) {
        self.lines.push(line);
    }

    fn reply(&mut self, reply: &str) {
        self.say(Line::Reply(reply.into()));
    }

    fn report(&mut self, child: usize, report: &str) {
        let id = self.children[&child].kid.id;
        let name = if self.template.is_some() { format!("{id}#{child}") } else { id.to_owned() };
        self.say(Line::Report(format!("{report} {name}")));
    }

    fn child(&mut self, child: usize) -> &mut Child {
        self.children.get_mut(&child).expect("it is there")
    }

    fn is(&self, child: usize) -> Option<Is> {
        self.children.get(&child).map(|child| child.is)
    }

    fn known(&self, id: &str) -> Option<usize> {
        let named = self.children.iter().find(|(_, child)| self.template.is_none() && child.kid.id == id);
        named.map(|(child, _)| *child)
    }

    fn unknown(&self) -> &'static str {
        if self.template.is_some() { "SimpleOneForOne" } else { "NotFound" }
    }

    fn forget(&mut self, child: usize) {
        self.children.remove(&child);
        self.say(Line::Forget(child));
    }

    /// A temporary child has no spec that stays, nor has a dynamic one.
    fn down(&mut self, child: usize) {
        self.child(child).is = Is::Down;
        if self.children[&child].kid.restart == Restart::Temporary || self.template.is_some() {
            self.forget(child);
        }
    }

    fn down_for_good(&mut self, child: usize) {
        self.down(child);
        if self.children.contains_key(&child) {
            self.say(Line::Retire(child));
        }
    }

    fn start(&mut self, children: Vec<usize>, why: Why) {
        for child in children {
            self.child(child).starts += 1;
            self.say(Line::Start(child, self.children[&child].starts));
            let reply = match self.fates.pop_front().expect("the model starts more") {
                Outcome::Running => {
                    self.child(child).is = Is::Up;
                    "Running".to_owned()
                }
                Outcome::Ignored => {
                    self.down_for_good(child);
                    "Ignored".to_owned()
                }
                Outcome::Failed(exit) => match self.failed(child, &exit, why) {
                    Some(reply) => reply,
                    None => return,
                },
            };
            if matches!(why, Why::StartChild | Why::RestartChild) {
                self.reply(&reply);
            }
        }
        if why == Why::Begin {
            self.say(Line::Ready);
        }
    }

    /// What a request hears. None: those behind it are not started.
    fn failed(&mut self, child: usize, exit: &Exit, why: Why) -> Option<String> {
        let (now, known) = (self.now, self.child(child));
        known.exits.push((now, known.starts, exit.clone()));
        match why {
            Why::Begin => {
                self.report(child, "StartError");
                let running = self.children.iter().rev().filter(|(_, child)| child.is == Is::Up);
                for child in running.map(|(child, _)| *child).collect::<Vec<_>>() {
                    self.say(Line::Stop(vec![child]));
                }
                self.children.values_mut().for_each(|child| child.is = Is::Down);
                self.say(Line::StartFailed(child));
                self.is_over = true;
                return None;
            }
            Why::Restart => {
                self.child(child).is = Is::Retrying;
                self.report(child, "StartError");
                self.say(Line::Again(child));
                return None;
            }
            Why::StartChild => self.forget(child),
            Why::RestartChild if self.is(child) == Some(Is::Aside) => self.aside(child),
            Why::RestartChild => self.say(Line::Retire(child)),
        }
        Some(format!("Failed {exit}"))
    }

    fn exited(&mut self, child: usize, start: u32, exit: &Exit, is_excused: bool) {
        let now = self.now;
        let Some(known) = self.children.get_mut(&child) else { return };
        if known.is != Is::Up || known.starts != start {
            return;
        }
        known.exits.push((now, start, exit.clone()));
        let Kid { restart, significant, .. } = known.kid;
        let crashed = !matches!(exit, Exit::Normal | Exit::Shutdown);
        if crashed || restart == Restart::Permanent {
            self.report(child, "ChildTerminated");
        }
        if restart == Restart::Permanent || (restart == Restart::Transient && crashed) {
            return self.restart(child, is_excused);
        }
        self.down_for_good(child);
        let lives = |child: &Child| child.is != Is::Down && (child.kid.significant || self.template.is_some());
        let is_last = !self.children.values().any(lives);
        let ends = match self.flags.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => is_last,
        };
        if significant && ends {
            self.end(&Exit::Shutdown);
        }
    }

    fn restart(&mut self, child: usize, is_excused: bool) {
        let (now, SupFlags { intensity, period, .. }) = (self.now, self.flags);
        let known = self.children.get_mut(&child).expect("it is there");
        let Kid { backoff, quarantine, excuses, .. } = known.kid;
        let is_forgiven =
            is_excused && excuses.is_some_and(|(count, period)| fits(&mut known.excused, count, period, now));
        if !is_forgiven && let Some((count, period, _)) = quarantine {
            if !fits(&mut known.own, count, period, now) {
                self.report(child, "Quarantined");
                return self.aside(child);
            }
        } else if !is_forgiven && !fits(&mut self.counted, intensity, period, now) {
            self.report(child, "ReachedMaxRestartIntensity");
            self.down(child);
            return self.end(&Exit::Shutdown);
        }
        let delay = backoff.filter(|_| !is_excused).map(|(first, longest)| {
            let known = self.child(child);
            if now.saturating_sub(known.due) >= longest {
                known.attempts = 0;
            }
            let delay = (first << known.attempts.min(30)).min(longest);
            known.attempts += 1;
            known.due = now + delay;
            Duration::from_millis(delay)
        });
        self.round(child, delay);
    }

    fn aside(&mut self, child: usize) {
        let known = self.child(child);
        known.is = Is::Aside;
        let (starts, cooldown) = (known.starts, known.kid.quarantine.and_then(|(_, _, cooldown)| cooldown));
        if let Some(cooldown) = cooldown {
            self.say(Line::Wait(child, starts, Duration::from_secs(cooldown)));
        }
    }

    /// Who is restarted together with it stops first, latest first; then all start, in order, or wait for its delay.
    fn round(&mut self, child: usize, delay: Option<Duration>) {
        let together: Vec<usize> = match self.flags.strategy {
            Strategy::OneForOne | Strategy::SimpleOneForOne => vec![child],
            Strategy::RestForOne => self.children.range(child..).map(|(child, _)| *child).collect(),
            Strategy::OneForAll => self.children.keys().copied().collect(),
        };
        if matches!(self.flags.strategy, Strategy::RestForOne | Strategy::OneForAll) {
            self.child(child).is = Is::Down;
            together.iter().rev().for_each(|child| self.stop(*child));
        }
        if let Some(delay) = delay {
            self.child(child).is = Is::Waiting;
            return self.say(Line::Wait(child, self.children[&child].starts, delay));
        }
        self.start(together.into_iter().filter(|child| self.children.contains_key(child)).collect(), Why::Restart);
    }

    fn stop(&mut self, child: usize) {
        if self.is(child) == Some(Is::Up) {
            self.say(Line::Stop(vec![child]));
        }
        self.down(child);
    }

    fn end(&mut self, exit: &Exit) {
        self.is_over = true;
        if self.template.is_none() {
            let all: Vec<usize> = self.children.keys().rev().copied().collect();
            all.into_iter().for_each(|child| self.stop(child));
        } else {
            let mut running: Vec<usize> = Vec::new();
            for (child, known) in self.children.iter_mut().filter(|(_, known)| known.is == Is::Up) {
                known.is = Is::Down;
                running.push(*child);
            }
            if !running.is_empty() {
                self.say(Line::Stop(running));
            }
        }
        self.say(Line::End(exit.clone()));
    }

    fn start_child(&mut self, kid: &Kid) {
        if !kid.goes_with(&self.flags) {
            return self.reply("Refused");
        }
        if self.template.is_some() {
            return self.reply("SimpleOneForOne");
        }
        match self.known(kid.id) {
            Some(child) if self.is(child) == Some(Is::Up) => self.reply("AlreadyStarted"),
            Some(_) => self.reply("AlreadyPresent"),
            None => {
                let child = self.add(kid);
                self.start(vec![child], Why::StartChild);
            }
        }
    }

    fn start_dynamic(&mut self, kid: Option<&Kid>) {
        let Some(kid) = self.template.clone().map(|template| kid.cloned().unwrap_or(template)) else {
            return self.reply("NotFound");
        };
        if !kid.goes_with(&self.flags) {
            return self.reply("Refused");
        }
        if self.flags.max_children.is_some_and(|limit| self.children.len() >= limit) {
            return self.reply("MaxChildren");
        }
        let child = self.add(&kid);
        self.start(vec![child], Why::StartChild);
    }

    fn terminate(&mut self, child: usize) {
        if self.children.contains_key(&child) {
            if self.is(child) == Some(Is::Up) {
                self.say(Line::Stop(vec![child]));
            }
            self.down_for_good(child);
        }
        self.reply("Done");
    }

    fn when_down(&mut self, id: &str, then: impl FnOnce(&mut Model, usize)) {
        match self.known(id).map(|child| (child, self.children[&child].is)) {
            Some((child, Is::Down | Is::Aside)) => then(self, child),
            Some((_, Is::Up)) => self.reply("StillRunning"),
            Some((_, Is::Retrying | Is::Waiting)) => self.reply("StillRestarting"),
            None => self.reply(self.unknown()),
        }
    }

    fn change(&mut self, flags: SupFlags, kids: &[Kid]) {
        let is_dynamic = flags.strategy == Strategy::SimpleOneForOne;
        let stays = is_dynamic == self.template.is_some() && (!is_dynamic || kids.len() == 1);
        let ids: std::collections::BTreeSet<&str> = kids.iter().map(|kid| kid.id).collect();
        if !stays || ids.len() < kids.len() || !kids.iter().all(|kid| kid.goes_with(&flags)) {
            return self.reply("Refused");
        }
        self.flags = flags;
        for kid in kids {
            if self.template.is_some() {
                self.template = Some(kid.clone());
                for child in self.children.keys().copied().collect::<Vec<_>>() {
                    self.child(child).kid = kid.clone();
                    self.say(Line::Renew(child));
                }
            } else if let Some(child) = self.known(kid.id) {
                self.child(child).kid = kid.clone();
                self.say(Line::Renew(child));
            } else {
                self.add(kid);
            }
        }
        self.reply("Done");
    }
}
