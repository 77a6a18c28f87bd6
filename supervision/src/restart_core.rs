//! What a supervisor decides: OTP's `supervisor.erl` as a value, without processes and clocks.
//!
//! ```text
//!   what the mailbox has: Exited · TryAgain · Start, Terminate, … · End ──┐
//!                                                                         ├─▶ on ──▶ Start · Stop · TryAgain · Reply · End
//!   how an action went:   Started · Stopped ──────────────────────────────┘
//! ```
//!
//! A supervisor does one thing at a time: while it starts or stops a child it takes nothing from its mailbox. So after
//! [`Action::Start`] comes [`Event::Started`], after [`Action::Stop`] a [`Event::Stopped`] for each, and only when a call
//! to `on` has ordered neither comes what the mailbox has next.
//!
//! **Promises**: children start in order and stop in reverse; never more than `intensity` restarts in a period; a child
//! that was terminated is not restarted by itself.
//! **Bounds**: restarts by the window; one action under way, or one for each dynamic child at the end.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use proscenium_runtime::{Exit, Now};

use crate::child_spec::{ChildFlags, ChildId, ChildType, Restart};
pub use crate::children::{Child, Spec};
use crate::children::{Children, Counts, Mode, Place, State};
use crate::intensity::Window;
use crate::sup_flags::{AutoShutdown, SpecError, Strategy, SupFlags};
use crate::trouble::{PastExit, Troubles, Verdict};

/// What has happened. `S` is what a spec is to who carries the orders out.
#[derive(Clone, PartialEq, Debug)]
pub enum Event<S = (ChildId, ChildFlags)> {
    /// The supervisor begins: its children are to be started.
    Begin,
    /// The process of a child's n-th start has ended by itself.
    Exited {
        /// Whose.
        child: Place,
        /// Of which start.
        start: u32,
        /// Why.
        exit: Exit,
    },
    /// The same, and it is proven not to be the child's fault.
    Excused {
        /// Whose.
        child: Place,
        /// Of which start.
        start: u32,
        /// Why.
        exit: Exit,
    },
    /// A restart that failed is tried again.
    TryAgain(Place),
    /// The delay is over that was ordered after this start of the child.
    Waited(Place, u32),
    /// `start_child` with a spec.
    StartChild(S),
    /// `start_child` of a `simple_one_for_one` supervisor, with a spec of this child's own or that of all.
    StartDynamic(Option<S>),
    /// `terminate_child` by name.
    Terminate(ChildId),
    /// `terminate_child` of a dynamic child, if its process is still that of this start; `None`: whichever it is.
    TerminateDynamic(Place, Option<u32>),
    /// `restart_child`.
    Restart(ChildId),
    /// `delete_child`.
    Delete(ChildId),
    /// Other flags and specs: OTP's `code_change`.
    Change(SupFlags, Vec<S>),
    /// The supervisor is to end: its parent has, or it was asked to.
    End(Exit),
    /// A start is over.
    Started(Outcome),
    /// A child that was to be stopped has ended. A dynamic one that had no process any more, too.
    Stopped(Place),
}

impl<S> Event<S> {
    fn name(&self) -> &'static str {
        match self {
            Event::Begin => "the begin",
            Event::Exited { .. } | Event::Excused { .. } => "an exit",
            Event::TryAgain(_) | Event::Waited(..) => "a retry",
            Event::End(_) => "the end",
            Event::Started(_) => "the outcome of a start",
            Event::Stopped(_) => "the outcome of a stop",
            Event::StartChild(_)
            | Event::StartDynamic(_)
            | Event::Terminate(_)
            | Event::TerminateDynamic(..)
            | Event::Restart(_)
            | Event::Delete(_)
            | Event::Change(..) => "a request",
        }
    }
}

/// How a start went.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// The process runs.
    Running,
    /// It is not wanted now: OTP's `ignore`.
    Ignored,
    /// It failed.
    Failed(Exit),
}

/// What is to be done, in this order.
#[derive(Clone, PartialEq, Debug)]
#[must_use = "an action that is not carried out leaves the core and the world apart"]
pub enum Action {
    /// Start this child; `start` tells its process from those before.
    Start {
        /// Whom.
        child: Place,
        /// The how many-th start of the child this is.
        start: u32,
    },
    /// Stop these children as their `shutdown` says, all at once.
    Stop(Vec<Place>),
    /// The spec is gone, and the place will not be used again.
    Forget(Place),
    /// The child is down, and nothing is about to start it: whoever waits for it waits in vain.
    Retire(Place),
    /// The child has another spec, from its next start on.
    Renew(Place),
    /// Put [`Event::TryAgain`] at the end of the mailbox, so that what waits there is heard first.
    TryAgain(Place),
    /// Tell [`Event::Waited`] of this start of the child after so long.
    Wait(Place, u32, Duration),
    /// Answer the request.
    Reply(Reply),
    /// All children were started, or ignored.
    Ready,
    /// A child did not start, so the supervisor does not: those before it have been stopped. It ends.
    StartFailed(Place, Exit),
    /// All children have been stopped: the supervisor ends.
    End(Exit),
    /// Something to tell of.
    Report(Report),
}

/// An answer to a request.
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    /// It runs.
    Running(Place),
    /// Its start ignored it.
    Ignored,
    /// Done.
    Done,
    /// The start failed.
    Failed(Exit),
    /// There is no such child.
    NotFound,
    /// The child has a process.
    AlreadyStarted(Place),
    /// There is a spec of that name.
    AlreadyPresent,
    /// Not while the child runs.
    StillRunning,
    /// Not while its restart is tried again.
    StillRestarting,
    /// Its spec does not go with the supervisor.
    Refused(SpecError),
    /// Not with the one spec of a `simple_one_for_one` supervisor.
    SimpleOneForOne,
    /// There are so many dynamic children, and there may be no more.
    MaxChildren(usize),
}

/// What OTP's supervisor reports.
#[derive(Clone, PartialEq, Debug)]
pub enum Report {
    /// A child ended that is to be restarted, or with a crash.
    ChildTerminated(ChildId, Exit),
    /// A restart failed, or a start when the supervisor began.
    StartError(ChildId, Exit),
    /// This child's restart was one too many.
    ReachedMaxRestartIntensity(ChildId),
    /// This child's restart was one too many, and it is set aside.
    Quarantined(ChildId),
}

/// What the core is in the middle of.
#[derive(Debug)]
enum Job {
    Idle,
    /// Starts these, the first of them now.
    Starting(VecDeque<Place>, Why),
    /// Stops these one after the other, the first of them now; then this.
    Stopping(VecDeque<Place>, Then),
    /// Stops dynamic children, so many still; then ends.
    StoppingAll(usize, Exit),
    /// It has ended.
    Over,
}

/// Why children are started, and so what follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Why {
    Begin,
    Restart,
    StartChild,
    RestartChild,
}

/// What follows when children are stopped.
#[derive(Clone, PartialEq, Debug)]
enum Then {
    /// Those from this place on are started, all but temporary ones, which are gone.
    StartFrom(Place),
    /// The same after a delay, which is this child's.
    Wait(Place, Duration),
    /// `terminate_child` is done.
    Reply,
    StartFailed(Place, Exit),
    End(Exit),
}

/// The state of a supervisor.
#[derive(Debug)]
pub struct RestartCore<S = (ChildId, ChildFlags)> {
    flags: SupFlags,
    /// Of a `simple_one_for_one` supervisor: what all children are.
    template: Option<S>,
    children: Children<S>,
    window: Window,
    troubles: Troubles,
    job: Job,
}

impl<S: Spec + Clone> RestartCore<S> {
    /// A supervisor of these children, in start order.
    ///
    /// # Errors
    /// The specs do not go together.
    pub fn new(flags: SupFlags, specs: Vec<S>) -> Result<Self, SpecError> {
        check(&flags, &specs)?;
        let mut children = Children::with_room_for(specs.len());
        let mut template = None;
        for spec in specs {
            if flags.strategy == Strategy::SimpleOneForOne {
                template = Some(spec);
            } else {
                children.add(spec);
            }
        }
        let window = Window::new(flags.intensity, flags.period);
        Ok(RestartCore { flags, template, children, window, troubles: Troubles::new(0), job: Job::Idle })
    }

    /// What chance is taken from, where something is by chance: the jitter of a delay.
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> Self {
        self.troubles = Troubles::new(seed);
        self
    }

    /// The supervisor's own flags.
    #[must_use]
    pub fn flags(&self) -> &SupFlags {
        &self.flags
    }

    /// The restarts that its intensity counts now.
    #[must_use]
    pub fn restarts(&self, now: Now) -> usize {
        self.window.count(now)
    }

    /// The one spec of a `simple_one_for_one` supervisor.
    #[must_use]
    pub fn template(&self) -> Option<&S> {
        self.template.as_ref()
    }

    /// The children in start order.
    pub fn children(&self) -> impl DoubleEndedIterator<Item = (Place, &Child<S>)> {
        self.children.iter()
    }

    /// It has ended, and its children have been stopped before.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.job, Job::Over)
    }

    /// How many there are. Whether a process lives, its exit unseen, is for the world to say.
    pub fn count(&self, is_alive: impl Fn(Place) -> bool) -> Counts {
        let of = |kind| self.children.iter().filter(|(_, child)| child.flags().child_type == kind).count();
        let (supervisors, workers) = (of(ChildType::Supervisor), of(ChildType::Worker));
        let has_process = |(place, child): &(Place, &Child<S>)| {
            child.mode == Mode::Running && (self.is_dynamic() || is_alive(*place))
        };
        Counts {
            specs: if self.is_dynamic() { 1 } else { supervisors + workers },
            active: self.children.iter().filter(has_process).count(),
            supervisors,
            workers,
        }
    }

    /// The child at this place.
    #[must_use]
    pub fn child(&self, place: Place) -> Option<&Child<S>> {
        self.children.get(place)
    }

    /// The last exits of this child, and starts of it that failed, oldest first: 20 at most.
    pub fn exits(&self, child: Place) -> impl Iterator<Item = &PastExit> {
        self.troubles.exits(child)
    }

    /// What the child is called in reports, in trees and in paths: its name, and of a dynamic child, which shares that with
    /// others, its place behind it.
    #[must_use]
    pub fn called(&self, child: Place) -> Option<ChildId> {
        let name = self.children.get(child)?.id();
        Some(if self.is_dynamic() { ChildId::from(format!("{name}{child}")) } else { name.clone() })
    }

    /// The place of the child of this name.
    #[must_use]
    pub fn place_of(&self, id: &ChildId) -> Option<Place> {
        self.children.place_of(id)
    }

    /// Takes what has happened, and says what is to be done.
    ///
    /// # Panics
    /// When something else is told than what it waits for: see the module's doc.
    #[must_use = "an action that is not carried out leaves the core and the world apart"]
    pub fn on(&mut self, event: Event<S>, now: Now) -> Vec<Action> {
        let mut out = Vec::new();
        let is_outcome = matches!(event, Event::Started(_) | Event::Stopped(_));
        assert_eq!(
            is_outcome,
            !matches!(self.job, Job::Idle),
            "{} while the supervisor is at {:?}",
            event.name(),
            self.job
        );
        match event {
            Event::Begin => self.begin(&mut out),
            Event::Exited { child, start, exit } => {
                self.exited(child, PastExit { at: now, start, exit }, false, &mut out);
            }
            Event::Excused { child, start, exit } => {
                self.exited(child, PastExit { at: now, start, exit }, true, &mut out);
            }
            Event::TryAgain(child) => {
                if self.mode(child) == Some(Mode::Restarting) {
                    self.restart(child, false, now, &mut out);
                }
            }
            Event::Waited(child, start) => self.waited(child, start, &mut out),
            Event::StartChild(spec) => self.start_child(spec, &mut out),
            Event::StartDynamic(spec) => self.start_dynamic(spec, &mut out),
            Event::Terminate(id) => match self.children.place_of(&id) {
                Some(child) => self.terminate(child, &mut out),
                None => out.push(Action::Reply(self.unknown())),
            },
            Event::TerminateDynamic(child, start) => match (self.state(child), start) {
                // The one that is meant is gone already.
                (Some(State::Running(now)), Some(start)) if now != start => out.push(Action::Reply(Reply::Done)),
                _ => self.terminate(child, &mut out),
            },
            Event::Restart(id) => self.restart_child(&id, &mut out),
            Event::Delete(id) => self.delete(&id, &mut out),
            Event::Change(flags, specs) => self.change(flags, specs, &mut out),
            Event::End(exit) => self.end(exit, &mut out),
            Event::Started(outcome) => self.started(outcome, now, &mut out),
            Event::Stopped(child) => self.stopped(child, &mut out),
        }
        out
    }

    fn is_dynamic(&self) -> bool {
        self.template.is_some()
    }

    fn state(&self, child: Place) -> Option<State> {
        self.children.get(child).map(Child::state)
    }

    fn report(&self, child: Place, out: &mut Vec<Action>, report: impl FnOnce(ChildId) -> Report) {
        if let Some(name) = self.called(child) {
            out.push(Action::Report(report(name)));
        }
    }

    fn mode(&self, child: Place) -> Option<Mode> {
        self.children.get(child).map(|child| child.mode)
    }

    fn set(&mut self, child: Place, mode: Mode) {
        if let Some(child) = self.children.get_mut(child) {
            child.mode = mode;
        }
    }

    /// What a request by name hears where there is no such name.
    fn unknown(&self) -> Reply {
        if self.is_dynamic() { Reply::SimpleOneForOne } else { Reply::NotFound }
    }

    // ---- starts ----

    fn begin(&mut self, out: &mut Vec<Action>) {
        let all = self.children.iter().map(|(place, _)| place).collect();
        self.start_all(all, Why::Begin, out);
    }

    /// Orders the first start, or says that there is nothing to start any more.
    fn start_all(&mut self, rest: VecDeque<Place>, why: Why, out: &mut Vec<Action>) {
        self.job = Job::Idle;
        let Some(&first) = rest.front() else {
            if why == Why::Begin {
                out.push(Action::Ready);
            }
            return;
        };
        let Some(child) = self.children.get_mut(first) else { return };
        child.starts += 1;
        out.push(Action::Start { child: first, start: child.starts });
        self.job = Job::Starting(rest, why);
    }

    fn started(&mut self, outcome: Outcome, now: Now, out: &mut Vec<Action>) {
        let Job::Starting(mut rest, why) = std::mem::replace(&mut self.job, Job::Idle) else {
            panic!("a start is over that nobody has ordered")
        };
        let Some(child) = rest.pop_front() else { return };
        match outcome {
            Outcome::Running => self.set(child, Mode::Running),
            Outcome::Ignored => self.retire(child, out),
            Outcome::Failed(exit) => return self.failed(child, exit, why, now, out),
        }
        match (why, outcome) {
            (Why::Begin | Why::Restart, _) => self.start_all(rest, why, out),
            (Why::StartChild | Why::RestartChild, Outcome::Ignored) => out.push(Action::Reply(Reply::Ignored)),
            (Why::StartChild | Why::RestartChild, _) => out.push(Action::Reply(Reply::Running(child))),
        }
    }

    fn failed(&mut self, child: Place, exit: Exit, why: Why, now: Now, out: &mut Vec<Action>) {
        let start = self.children.get(child).map_or(0, |child| child.starts);
        self.troubles.add(child, PastExit { at: now, start, exit: exit.clone() });
        match why {
            Why::Begin => {
                self.report(child, out, |id| Report::StartError(id, exit.clone()));
                self.stop_in_turn(self.in_stop_order(), Then::StartFailed(child, exit), out);
            }
            // It is this one that is tried again, not the one whose exit began the round.
            Why::Restart => {
                self.set(child, Mode::Restarting);
                self.report(child, out, |id| Report::StartError(id, exit));
                out.push(Action::TryAgain(child));
            }
            Why::StartChild => {
                self.forget(child, out);
                out.push(Action::Reply(Reply::Failed(exit)));
            }
            Why::RestartChild => {
                match self.mode(child) {
                    Some(Mode::Quarantined) => self.set_aside(child, out), // Its time is counted from the last start on.
                    _ => out.push(Action::Retire(child)),
                }
                out.push(Action::Reply(Reply::Failed(exit)));
            }
        }
    }

    // ---- exits ----

    fn exited(&mut self, child: Place, past: PastExit, is_excused: bool, out: &mut Vec<Action>) {
        let PastExit { at: now, start, ref exit, .. } = past;
        if self.state(child) != Some(State::Running(start)) {
            return; // Of a process that was replaced, or stopped.
        }
        let Some(flags) = self.children.get(child).map(Child::flags) else { return };
        let crashed = !exit.is_orderly();
        if crashed || flags.restart == Restart::Permanent {
            self.report(child, out, |id| Report::ChildTerminated(id, exit.clone()));
        }
        self.troubles.add(child, past);
        match flags.restart {
            Restart::Permanent => self.restart(child, is_excused, now, out),
            Restart::Transient if crashed => self.restart(child, is_excused, now, out),
            Restart::Transient | Restart::Temporary => {
                self.retire(child, out);
                if flags.significant && self.shuts_down() {
                    self.end(Exit::Shutdown, out);
                }
            }
        }
    }

    /// A significant child has ended for good.
    fn shuts_down(&self) -> bool {
        match self.flags.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant if self.is_dynamic() => self.children.is_empty(),
            AutoShutdown::AllSignificant => {
                !self.children.iter().any(|(_, child)| child.flags().significant && child.mode != Mode::Down)
            }
        }
    }

    /// The child is to be restarted, if that is not one restart too many.
    fn restart(&mut self, child: Place, is_excused: bool, now: Now, out: &mut Vec<Action>) {
        let Some(policy) = self.children.get(child).map(|child| *child.spec.policy()) else { return };
        match self.troubles.judge(child, &policy, is_excused, now) {
            Verdict::Own => {}
            Verdict::Quarantine => {
                self.report(child, out, Report::Quarantined);
                return self.set_aside(child, out);
            }
            Verdict::Supervisor if self.window.add(now) => {}
            Verdict::Supervisor => {
                self.report(child, out, Report::ReachedMaxRestartIntensity);
                self.rest(child, out);
                return self.end(Exit::Shutdown, out);
            }
        }
        let delay = policy.backoff.filter(|_| !is_excused).map(|backoff| self.troubles.delay(child, &backoff, now));
        self.round(child, delay, out);
    }

    /// Stops those that are restarted with it; then starts them, and it, at once or after a delay.
    fn round(&mut self, child: Place, delay: Option<Duration>, out: &mut Vec<Action>) {
        let first = match (self.flags.strategy, delay) {
            (Strategy::OneForOne | Strategy::SimpleOneForOne, None) => {
                return self.start_all(VecDeque::from([child]), Why::Restart, out);
            }
            (Strategy::OneForOne | Strategy::SimpleOneForOne, Some(delay)) => return self.wait(child, delay, out),
            (Strategy::RestForOne, _) => child,
            (Strategy::OneForAll, _) => self.children.iter().next().map_or(child, |(first, _)| first),
        };
        self.set(child, Mode::Down);
        let affected = self.children.from(first).rev().collect();
        let then = delay.map_or(Then::StartFrom(first), |delay| Then::Wait(child, delay));
        self.stop_in_turn(affected, then, out);
    }

    /// Its restart, counted already, waits.
    fn wait(&mut self, child: Place, delay: Duration, out: &mut Vec<Action>) {
        self.set(child, Mode::Delayed);
        let start = self.children.get(child).map_or(0, |child| child.starts);
        out.push(Action::Wait(child, start, delay));
    }

    /// Until its time is over, if that was said.
    fn set_aside(&mut self, child: Place, out: &mut Vec<Action>) {
        let quarantine = self.children.get(child).and_then(|child| child.spec.policy().quarantine);
        if let Some(cooldown) = quarantine.and_then(|quarantine| quarantine.cooldown) {
            self.wait(child, cooldown, out);
        }
        self.set(child, Mode::Quarantined);
    }

    /// A delay is over. Meanwhile the child may have been started, terminated, or deleted.
    fn waited(&mut self, child: Place, start: u32, out: &mut Vec<Action>) {
        let Some(known) = self.children.get(child).filter(|child| child.starts == start) else { return };
        if matches!(known.mode, Mode::Delayed | Mode::Quarantined) {
            self.round(child, None, out);
        }
    }

    /// The child has ended for good as far as the supervisor is concerned: a spec that is to stay stays.
    fn retire(&mut self, child: Place, out: &mut Vec<Action>) {
        self.rest(child, out);
        if self.children.get(child).is_some() {
            out.push(Action::Retire(child));
        }
    }

    /// The child is down, and may be started again soon. Temporary children are not kept for that.
    fn rest(&mut self, child: Place, out: &mut Vec<Action>) {
        let Some(known) = self.children.get_mut(child) else { return };
        known.mode = Mode::Down;
        if known.flags().restart == Restart::Temporary || self.template.is_some() {
            self.forget(child, out);
        }
    }

    /// What becomes of a child that was stopped, or was down anyway.
    fn settle(&mut self, child: Place, then: &Then, out: &mut Vec<Action>) {
        match then {
            Then::Reply => self.retire(child, out),
            Then::StartFrom(_) | Then::Wait(..) | Then::End(_) => self.rest(child, out),
            Then::StartFailed(..) => self.set(child, Mode::Down), // All go with the supervisor, which is to name the one that failed.
        }
    }

    fn forget(&mut self, child: Place, out: &mut Vec<Action>) {
        self.children.remove(child);
        self.troubles.forget(child);
        out.push(Action::Forget(child));
    }

    // ---- stops ----

    /// All of them, those started last first.
    fn in_stop_order(&self) -> VecDeque<Place> {
        self.children.iter().rev().map(|(place, _)| place).collect()
    }

    /// Stops those of them that run, one after the other.
    fn stop_in_turn(&mut self, mut rest: VecDeque<Place>, then: Then, out: &mut Vec<Action>) {
        while let Some(&child) = rest.front() {
            if matches!(self.state(child), Some(State::Running(_))) {
                out.push(Action::Stop(vec![child]));
                self.job = Job::Stopping(rest, then);
                return;
            }
            rest.pop_front();
            self.settle(child, &then, out);
        }
        self.job = Job::Idle;
        match then {
            Then::StartFrom(first) => {
                let again = self.children.from(first).collect();
                self.start_all(again, Why::Restart, out);
            }
            Then::Wait(child, delay) => self.wait(child, delay, out),
            Then::Reply => out.push(Action::Reply(Reply::Done)),
            Then::StartFailed(child, exit) => {
                self.job = Job::Over;
                out.push(Action::StartFailed(child, exit));
            }
            Then::End(exit) => {
                self.job = Job::Over;
                out.push(Action::End(exit));
            }
        }
    }

    fn stopped(&mut self, child: Place, out: &mut Vec<Action>) {
        match std::mem::replace(&mut self.job, Job::Idle) {
            Job::Stopping(mut rest, then) => {
                rest.pop_front();
                self.settle(child, &then, out);
                self.stop_in_turn(rest, then, out);
            }
            Job::StoppingAll(left, exit) => {
                self.set(child, Mode::Down);
                self.stop_dynamic(left - 1, exit, out);
            }
            job => panic!("{child:?} was stopped while the supervisor is at {job:?}"),
        }
    }

    fn end(&mut self, exit: Exit, out: &mut Vec<Action>) {
        if !self.is_dynamic() {
            return self.stop_in_turn(self.in_stop_order(), Then::End(exit), out);
        }
        let running = self.children.iter().filter(|(_, child)| child.mode == Mode::Running);
        let running: Vec<Place> = running.map(|(place, _)| place).collect();
        let count = running.len();
        if count > 0 {
            out.push(Action::Stop(running));
        }
        self.stop_dynamic(count, exit, out);
    }

    fn stop_dynamic(&mut self, left: usize, exit: Exit, out: &mut Vec<Action>) {
        if left > 0 {
            self.job = Job::StoppingAll(left, exit);
            return;
        }
        self.job = Job::Over;
        out.push(Action::End(exit));
    }

    // ---- requests ----

    fn start_child(&mut self, spec: S, out: &mut Vec<Action>) {
        if let Err(error) = self.flags.check(spec.id(), &spec.flags(), spec.policy()) {
            return out.push(Action::Reply(Reply::Refused(error)));
        }
        let known = self.children.place_of(spec.id());
        let refused = match known.and_then(|child| Some((child, self.state(child)?))) {
            _ if self.is_dynamic() => Reply::SimpleOneForOne,
            Some((child, State::Running(_))) => Reply::AlreadyStarted(child),
            Some(_) => Reply::AlreadyPresent,
            None => {
                let child = self.children.add(spec);
                return self.start_all(VecDeque::from([child]), Why::StartChild, out);
            }
        };
        out.push(Action::Reply(refused));
    }

    fn start_dynamic(&mut self, spec: Option<S>, out: &mut Vec<Action>) {
        let Some(template) = &self.template else { return out.push(Action::Reply(Reply::NotFound)) };
        let spec = spec.unwrap_or_else(|| template.clone());
        if let Err(error) = self.flags.check(spec.id(), &spec.flags(), spec.policy()) {
            return out.push(Action::Reply(Reply::Refused(error)));
        }
        // One that is being restarted counts.
        if let Some(limit) = self.flags.max_children.filter(|limit| self.children.len() >= *limit) {
            return out.push(Action::Reply(Reply::MaxChildren(limit)));
        }
        let child = self.children.add_nameless(spec);
        self.start_all(VecDeque::from([child]), Why::StartChild, out);
    }

    fn terminate(&mut self, child: Place, out: &mut Vec<Action>) {
        self.stop_in_turn(VecDeque::from([child]), Then::Reply, out);
    }

    fn restart_child(&mut self, id: &ChildId, out: &mut Vec<Action>) {
        match self.children.place_of(id).map(|child| (child, self.state(child))) {
            Some((child, Some(State::Down | State::Quarantined))) => {
                self.start_all(VecDeque::from([child]), Why::RestartChild, out);
            }
            other => out.push(Action::Reply(self.not_down(other.and_then(|(_, state)| state)))),
        }
    }

    fn delete(&mut self, id: &ChildId, out: &mut Vec<Action>) {
        match self.children.place_of(id).map(|child| (child, self.state(child))) {
            Some((child, Some(State::Down | State::Quarantined))) => {
                self.forget(child, out);
                out.push(Action::Reply(Reply::Done));
            }
            other => out.push(Action::Reply(self.not_down(other.and_then(|(_, state)| state)))),
        }
    }

    /// Processes stay as they are; a spec is for the next start. Children that are not named stay, new ones are not started.
    fn change(&mut self, flags: SupFlags, specs: Vec<S>, out: &mut Vec<Action>) {
        let stays = (flags.strategy == Strategy::SimpleOneForOne) == self.is_dynamic();
        let checked = if stays { check(&flags, &specs) } else { Err(SpecError::OtherKind) };
        if let Err(error) = checked {
            return out.push(Action::Reply(Reply::Refused(error)));
        }
        self.window.change(flags.intensity, flags.period);
        self.flags = flags;
        for spec in specs {
            if let Some(template) = &mut self.template {
                let old = std::mem::replace(template, spec);
                for (place, child) in self.children.iter_mut() {
                    child.spec = child.spec.renewed(&old, template);
                    out.push(Action::Renew(place));
                }
            } else if let Some(known) = self.children.place_of(spec.id()) {
                if let Some(child) = self.children.get_mut(known) {
                    child.spec = spec;
                }
                out.push(Action::Renew(known));
            } else {
                self.children.add(spec);
            }
        }
        out.push(Action::Reply(Reply::Done));
    }

    /// Why a child that is to be down is not.
    fn not_down(&self, state: Option<State>) -> Reply {
        match state {
            Some(State::Running(_)) => Reply::StillRunning,
            Some(State::Restarting) => Reply::StillRestarting,
            Some(State::Down | State::Quarantined) | None => self.unknown(),
        }
    }
}

/// Whether these specs go together, and with the flags.
fn check<S: Spec>(flags: &SupFlags, specs: &[S]) -> Result<(), SpecError> {
    if flags.period == 0 {
        return Err(SpecError::ZeroPeriod);
    }
    let mut ids = HashSet::with_capacity(specs.len());
    for spec in specs {
        flags.check(spec.id(), &spec.flags(), spec.policy())?;
        if !ids.insert(spec.id()) {
            return Err(SpecError::DuplicateChildName(spec.id().clone()));
        }
    }
    match flags.strategy {
        Strategy::SimpleOneForOne if specs.len() != 1 => Err(SpecError::NotOneSpec(specs.len())),
        _ => Ok(()),
    }
}
