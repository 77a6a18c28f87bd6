//! The batches that a plugin has taken on, from when they are given until their results may be seen.
//!
//! Pure: what happens comes in as an [`Event`], what is to be done goes out as [`Action`]s. It decides what is handed to
//! the process and in which order, what is replayed when the process has ended, which record is to blame for that, what
//! is tried again, and when a result may go out. The bytes are elsewhere.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use proscenium_plugin_sdk::abi::ReturnCode;
use proscenium_runtime::Now;

use crate::end::{Class, KILL};
use crate::failover_core::{Failover, FailoverCore, Retries, Ruling, Why};
use crate::portion::Portion;

/// A batch, by its number: the `batch_id` of the interface, the same in every replay.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct BatchId(pub(crate) u64);

/// Whether results leave in the order of their batches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// Results leave as their batches came, and what stands behind a record that waits for its retry waits, too.
    #[default]
    Ordered,
    /// Each batch's results leave when they are there.
    Unordered,
}

/// How long a call may take, and what comes then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Patience {
    pub(crate) timeout: Duration,
    /// From the cancel flag to SIGKILL.
    pub(crate) grace: Duration,
}

/// What the plugin's spec says of batches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Terms {
    pub(crate) order: Order,
    pub(crate) patience: Patience,
    pub(crate) policy: Failover,
    pub(crate) retries: Retries,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// A batch of so many records; none: the plugin is to flush.
    Given { batch: BatchId, records: u32 },
    /// There is a process that serves.
    Ready,
    /// Nothing is handed out until the next `Ready`.
    Hold,
    /// The process is through with what it was handed first, and this is what it said.
    Done(Seen),
    /// The process must end for this.
    End(Class),
    /// The process has ended. `progress`: the record in work, counted within its portion.
    Ended { class: Class, progress: Option<u32> },
    /// Some time has passed.
    Tick,
    /// The spec has changed: the call in work keeps its limits, all behind it is by these.
    Renewed(Box<Terms>),
}

/// What the process made of a portion.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    /// Its verdicts hold; these records want to be given again, after that long.
    Verdicts(Vec<(u32, Duration)>),
    /// A code other than `PSC_OK`: there are no verdicts.
    Code(i32),
    /// What it wrote cannot be.
    Breach,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// To the process, behind what it has. `attempt`: how often the batch was replayed.
    Hand { batch: BatchId, portion: Portion, attempt: u32 },
    /// These records go on as they came in, with the reason.
    SetAside { batch: BatchId, portion: Portion, why: Why },
    /// The batch is settled, and its results may be seen.
    Release(BatchId),
    /// The process is asked to give up what it does, or no longer.
    Cancel(bool),
    /// The process must end, and the event for that will come.
    End(Class),
    /// The plugin ends with this code, and gives back what it has taken on.
    Fail { code: i32 },
    /// The plugin takes no more batches.
    Stop { code: i32 },
    /// A batch goes back to its owner as it was, because the plugin has stopped.
    GiveBack { batch: BatchId },
    /// A flush goes back to its owner: it has ended one process after the other.
    GiveUp { batch: BatchId },
    /// The process has ended of this. Excused: a record is under suspicion, or is to blame.
    Gone { class: Class, is_excused: bool },
}

/// A batch in flight.
#[derive(Debug)]
struct Flight {
    batch: BatchId,
    /// In order. The process has the one before, if it has any of this batch.
    todo: TodoList,
    handed: Option<Portion>,
    attempt: u32,
    /// How often a process ended over this batch since a record was proven to be the reason.
    ends: u32,
    /// How often it was tried as a whole.
    tries: u32,
    /// How often each record was, if it asked for that.
    asked: BTreeMap<u32, u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Todo {
    portion: Portion,
    not_before: Option<Now>,
}

impl From<Portion> for Todo {
    fn from(portion: Portion) -> Self {
        Todo { portion, not_before: None }
    }
}

/// What is still to be done, in order. Nearly always it is one thing, which takes no memory of its own.
#[derive(Debug, Default)]
struct TodoList {
    next: Option<Todo>,
    rest: VecDeque<Todo>,
}

impl TodoList {
    fn is_empty(&self) -> bool {
        self.next.is_none()
    }

    fn front(&self) -> Option<&Todo> {
        self.next.as_ref()
    }

    fn pop_front(&mut self) -> Option<Todo> {
        std::mem::replace(&mut self.next, self.rest.pop_front())
    }

    fn push_front(&mut self, todo: Todo) {
        if let Some(second) = self.next.replace(todo) {
            self.rest.push_front(second);
        }
    }

    fn extend(&mut self, todos: impl IntoIterator<Item = Todo>) {
        self.rest.extend(todos);
        if self.next.is_none() {
            self.next = self.rest.pop_front();
        }
    }
}

impl Flight {
    fn is_settled(&self) -> bool {
        self.handed.is_none() && self.todo.is_empty()
    }

    fn first(&mut self, portions: impl DoubleEndedIterator<Item = Portion>) {
        portions.rev().for_each(|portion| self.todo.push_front(portion.into()));
    }
}

/// What the process does just now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Work {
    Idle,
    Since(Now),
    Cancelled {
        at: Now,
    },
    /// It is being ended, over this batch if over any.
    Ending {
        class: Class,
        over: Option<BatchId>,
    },
}

#[derive(Debug)]
pub(crate) struct FlightCore {
    order: Order,
    /// How much a process may have at once.
    depth: usize,
    patience: Patience,
    /// Of the call in work.
    limits: Patience,
    failover: FailoverCore,
    serves: bool,
    /// In the order of their batches.
    flights: VecDeque<Flight>,
    /// What the process has, in the order in which it works.
    handed: VecDeque<BatchId>,
    work: Work,
    is_stopped: bool,
}

impl FlightCore {
    pub(crate) fn new(depth: usize, terms: Terms) -> Self {
        let Terms { order, patience, policy, retries } = terms;
        FlightCore {
            order,
            depth,
            patience,
            limits: patience,
            failover: FailoverCore::new(policy, retries),
            serves: false,
            flights: VecDeque::new(),
            handed: VecDeque::new(),
            work: Work::Idle,
            is_stopped: false,
        }
    }

    /// What is to be done about an event, behind what is in `actions`: a batch takes some events, and each would take a
    /// vector.
    pub(crate) fn on(&mut self, event: Event, now: Now, actions: &mut Vec<Action>) {
        match event {
            Event::Given { batch, records } => self.given(batch, records, now, actions),
            Event::Ready => self.serves = true,
            Event::Hold => self.serves = false,
            Event::Done(seen) => self.done(seen, now, actions),
            Event::End(class) => self.end(class, actions),
            Event::Ended { class, progress } => self.ended(class, progress, actions),
            Event::Tick => self.look_at_the_clock(now, actions),
            Event::Renewed(terms) => self.renew(*terms),
        }
        self.release(actions);
        self.hand_out(now, actions);
    }

    /// What the process works on, or has done first.
    pub(crate) fn in_work(&self) -> Option<(BatchId, Portion)> {
        let batch = *self.handed.front()?;
        let flight = self.flights.iter().find(|flight| flight.batch == batch)?;
        Some((batch, flight.handed?))
    }

    /// How much the process has.
    pub(crate) fn handed(&self) -> usize {
        self.handed.len()
    }

    /// Batches that were given and whose results have not left.
    pub(crate) fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// When the next `Tick` is wanted.
    pub(crate) fn next_tick(&self) -> Option<Now> {
        let call = match self.work {
            Work::Since(since) => Some(since + self.limits.timeout),
            Work::Cancelled { at } => Some(at + self.limits.grace),
            Work::Idle | Work::Ending { .. } => None,
        };
        let waits = |flight: &Flight| flight.todo.front().filter(|_| flight.handed.is_none())?.not_before;
        let retry = self.flights.iter().filter_map(waits).min().filter(|_| self.serves);
        [call, retry].into_iter().flatten().min()
    }

    /// How often a batch was replayed.
    pub(crate) fn attempt(&self, batch: BatchId) -> u32 {
        self.flights.iter().find(|flight| flight.batch == batch).map_or(0, |flight| flight.attempt)
    }

    /// What the process is being ended for, if it is.
    pub(crate) fn ending(&self) -> Option<Class> {
        match self.work {
            Work::Ending { class, .. } => Some(class),
            _ => None,
        }
    }

    /// Whether what the process does from now on counts for nothing: it lies, or has said that it is beyond use.
    pub(crate) fn is_broken(&self) -> bool {
        matches!(self.ending(), Some(Class::Violation | Class::Fatal))
    }

    /// What a process has ended of that is seen to have ended so: what it was being ended for, unless there is a better
    /// reason.
    pub(crate) fn class_of(&self, seen: Class) -> Class {
        match (self.ending(), seen) {
            // It was at its end already when its socket closed or its time was up; or it was stopped, and no call can keep
            // its time like that.
            (Some(Class::Channel | Class::Timeout), seen) if seen != Class::Killed(KILL) => seen,
            (Some(ending), _) => ending,
            (None, seen) => seen,
        }
    }

    /// The first of the batches whose results have not left.
    pub(crate) fn oldest(&self) -> Option<BatchId> {
        self.flights.front().map(|flight| flight.batch)
    }

    /// The plugin takes batches again.
    pub(crate) fn resume(&mut self) {
        self.is_stopped = false;
    }

    fn given(&mut self, batch: BatchId, records: u32, now: Now, actions: &mut Vec<Action>) {
        let whole = Portion::whole(records);
        let is_asked = self.failover.lets_pass(now);
        let todo = TodoList { next: is_asked.then_some(whole.into()), rest: VecDeque::new() };
        if !is_asked {
            actions.push(Action::SetAside { batch, portion: whole, why: Why::CircuitOpen });
        }
        let asked = BTreeMap::new();
        self.flights.push_back(Flight { batch, todo, handed: None, attempt: 0, ends: 0, tries: 0, asked });
    }

    fn renew(&mut self, terms: Terms) {
        let Terms { order, patience, policy, retries } = terms;
        (self.order, self.patience) = (order, patience);
        self.failover.renew(policy, retries);
    }

    fn flight(&mut self, batch: BatchId) -> Option<&mut Flight> {
        self.flights.iter_mut().find(|flight| flight.batch == batch)
    }

    fn done(&mut self, seen: Seen, now: Now, actions: &mut Vec<Action>) {
        if seen == Seen::Breach {
            return self.end(Class::Violation, actions);
        }
        let Some(batch) = self.handed.pop_front() else { return };
        if let Work::Cancelled { .. } = self.work {
            actions.push(Action::Cancel(false));
        }
        let was_cancelled = matches!(self.work, Work::Cancelled { .. });
        self.work = match self.work {
            // It was quicker than its end. Whatever it was ended over, it has done.
            Work::Ending { class, .. } => Work::Ending { class, over: None },
            _ if self.handed.is_empty() => Work::Idle,
            _ => Work::Since(now),
        };
        self.limits = self.patience;
        let Some(portion) = self.flight(batch).and_then(|flight| flight.handed.take()) else { return };
        match seen {
            Seen::Verdicts(again) => {
                self.failover.succeeded();
                self.asked_again(batch, again, now, actions);
            }
            Seen::Code(code) => match ReturnCode::new(code) {
                Some(ReturnCode::Fatal | ReturnCode::NoMem) => {
                    self.put_back(batch, portion, true);
                    self.end(Class::Fatal, actions);
                }
                // As a time-out, without the kill.
                Some(ReturnCode::Cancelled) if was_cancelled => self.suspect(batch, portion, None, actions),
                Some(ReturnCode::NoSpace) => match portion.halves() {
                    Some(halves) => self.first(batch, halves.into_iter()),
                    None => actions.push(Action::SetAside { batch, portion, why: Why::TooLarge }),
                },
                Some(ReturnCode::Unsupported) => {
                    actions.push(Action::SetAside { batch, portion, why: Why::Unsupported });
                }
                _ => self.failed(batch, portion, code, now, actions),
            },
            Seen::Breach => {}
        }
    }

    fn asked_again(&mut self, batch: BatchId, again: Vec<(u32, Duration)>, now: Now, actions: &mut Vec<Action>) {
        let retries = *self.failover.retries();
        let Some(flight) = self.flight(batch) else { return };
        let mut waiting = Vec::new();
        for (record, after) in again {
            let tries = flight.asked.entry(record).or_default();
            *tries += 1;
            let portion = Portion::single(record);
            match *tries <= retries.max {
                true => waiting.push(Todo { portion, not_before: Some(now + after.min(retries.longest)) }),
                false => actions.push(Action::SetAside { batch, portion, why: Why::RetriesUsedUp }),
            }
        }
        // Behind what the batch has still to do, in order of their times.
        waiting.sort_by_key(|todo| todo.not_before);
        flight.todo.extend(waiting);
    }

    fn failed(&mut self, batch: BatchId, portion: Portion, code: i32, now: Now, actions: &mut Vec<Action>) {
        let Some(flight) = self.flight(batch) else { return };
        flight.tries += 1;
        let tries = flight.tries;
        match self.failover.failed(code, ReturnCode::new(code) == Some(ReturnCode::Retry), tries, now) {
            Ruling::TryAgain(then) => {
                if let Some(flight) = self.flight(batch) {
                    flight.attempt += 1;
                    flight.todo.push_front(Todo { portion, not_before: Some(then) });
                }
            }
            Ruling::SetAside(why) => actions.push(Action::SetAside { batch, portion, why }),
            Ruling::Fail => {
                self.put_back(batch, portion, false);
                actions.push(Action::Fail { code });
            }
            Ruling::Stop => {
                self.put_back(batch, portion, false);
                self.is_stopped = true;
                actions.push(Action::Stop { code });
            }
        }
    }

    fn put_back(&mut self, batch: BatchId, portion: Portion, is_in_work: bool) {
        if let Some(flight) = self.flight(batch) {
            if is_in_work {
                flight.handed = Some(portion);
                self.handed.push_front(batch);
            } else {
                flight.todo.push_front(portion.into());
            }
        }
    }

    fn first(&mut self, batch: BatchId, portions: impl DoubleEndedIterator<Item = Portion>) {
        if let Some(flight) = self.flight(batch) {
            flight.first(portions);
        }
    }

    /// The process is to end, once.
    fn end(&mut self, class: Class, actions: &mut Vec<Action>) {
        if !matches!(self.work, Work::Ending { .. }) {
            self.work = Work::Ending { class, over: self.handed.front().copied() };
            self.serves = false;
            actions.push(Action::End(class));
        }
    }

    fn ended(&mut self, seen: Class, progress: Option<u32>, actions: &mut Vec<Action>) {
        let class = self.class_of(seen);
        let over = match self.work {
            Work::Ending { over, .. } => over,
            _ => self.handed.front().copied(),
        };
        self.serves = false;
        self.work = Work::Idle;
        self.handed.clear();
        let mut blamed = None;
        for flight in &mut self.flights {
            let Some(portion) = flight.handed.take() else { continue };
            flight.attempt += 1;
            let is_over_it = Some(flight.batch) == over && class.is_of_a_record();
            flight.ends += u32::from(is_over_it && portion.count == 0);
            if is_over_it && portion.count > 0 {
                blamed = Some((flight.batch, portion));
            } else if flight.ends > self.failover.retries().max && portion.count == 0 {
                actions.push(Action::GiveUp { batch: flight.batch });
            } else {
                flight.todo.push_front(portion.into());
            }
        }
        if let Some((batch, portion)) = blamed {
            self.suspect(batch, portion, progress, actions);
        }
        let given_up = |flight: &Flight| actions.contains(&Action::GiveUp { batch: flight.batch });
        self.flights.retain(|flight| !given_up(flight));
        actions.push(Action::Gone { class, is_excused: blamed.is_some() });
    }

    /// A process has ended, or given up, over this portion. A record is to blame only if it was alone then, and if it was
    /// not the first time.
    fn suspect(&mut self, batch: BatchId, portion: Portion, progress: Option<u32>, actions: &mut Vec<Action>) {
        let Some(flight) = self.flight(batch) else { return };
        flight.ends += 1;
        if portion.is_suspect {
            flight.ends = 0;
            actions.push(Action::SetAside { batch, portion, why: Why::Poison });
            return;
        }
        // To be lied to once costs one end more; then nothing is believed.
        match progress.filter(|&nth| nth < portion.count && flight.ends == 1) {
            Some(nth) => flight.first(portion.around(nth)),
            None => flight.first(portion.singly()),
        }
    }

    fn look_at_the_clock(&mut self, now: Now, actions: &mut Vec<Action>) {
        match self.work {
            Work::Since(since) if now >= since + self.limits.timeout => {
                self.work = Work::Cancelled { at: now };
                actions.push(Action::Cancel(true));
            }
            Work::Cancelled { at } if now >= at + self.limits.grace => self.end(Class::Timeout, actions),
            Work::Idle | Work::Since(_) | Work::Cancelled { .. } | Work::Ending { .. } => {}
        }
    }

    fn release(&mut self, actions: &mut Vec<Action>) {
        if self.is_stopped {
            // What the process has is let through.
            self.flights.retain(|flight| {
                let is_stuck = flight.handed.is_none() && !flight.todo.is_empty();
                actions.extend(is_stuck.then_some(Action::GiveBack { batch: flight.batch }));
                !is_stuck
            });
        }
        match self.order {
            Order::Ordered => {
                while self.flights.front().is_some_and(Flight::is_settled) {
                    actions.extend(self.flights.pop_front().map(|flight| Action::Release(flight.batch)));
                }
            }
            Order::Unordered => self.flights.retain(|flight| {
                let is_settled = flight.is_settled();
                actions.extend(is_settled.then_some(Action::Release(flight.batch)));
                !is_settled
            }),
        }
    }

    fn hand_out(&mut self, now: Now, actions: &mut Vec<Action>) {
        if !self.serves || self.is_stopped {
            return;
        }
        for flight in &mut self.flights {
            if self.handed.len() >= self.depth {
                return;
            }
            if let (None, Some(&Todo { portion, not_before })) = (flight.handed, flight.todo.front())
                && not_before.is_none_or(|then| then <= now)
            {
                flight.todo.pop_front();
                flight.handed = Some(portion);
                if self.handed.is_empty() {
                    (self.work, self.limits) = (Work::Since(now), self.patience);
                }
                self.handed.push_back(flight.batch);
                let (batch, attempt) = (flight.batch, flight.attempt);
                actions.push(Action::Hand { batch, portion, attempt });
            }
            // What stands behind it would be worked on before it.
            if self.order == Order::Ordered && !flight.todo.is_empty() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tables;
