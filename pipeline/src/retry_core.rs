//! A stage's records that have failed, and those that wait for them. Pure: tables and a simulation test it.
//!
//! It knows records by handles (the shell keeps them) and keys by hashes: two keys with one hash wait for each other, which
//! does no harm. While a record waits for its next try, its key waits: later records of that key, and results of those that
//! were under way already, queue behind it. All others pass, and records without a key wait for nobody.
//!
//! It rests on this: each handle is of one open record; the outcomes of *first* tries are told in the order in which the
//! records arrived. Those of later tries may come whenever they like.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use proscenium_plugin_host::{Failover, Retries};
use proscenium_runtime::Now;

use crate::circuit_core::CircuitCore;

/// A record, to the shell.
pub type Handle = u64;
/// A record's key, hashed.
pub type KeyHash = u64;

/// What has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The shell has a record for the stage.
    Arrived {
        /// Which.
        id: Handle,
        /// What orders it.
        key: Option<KeyHash>,
    },
    /// So many records were handed to the stage at once. Only while the core is [clear](RetryCore::is_clear).
    ArrivedMany(usize),
    /// The stage has processed it.
    Succeeded {
        /// Which.
        id: Handle,
        /// What orders it.
        key: Option<KeyHash>,
    },
    /// So many first tries have succeeded, one after the other. Only while the core is [clear](RetryCore::is_clear).
    SucceededMany(usize),
    /// The stage could not process it.
    Failed {
        /// Which.
        id: Handle,
        /// What orders it.
        key: Option<KeyHash>,
        /// What the failure says of another try.
        again: Again,
    },
    /// Time has passed; best when [`next_due`](RetryCore::next_due) says so, and harmless at other times.
    Due,
    /// Somebody lets a stopped stage go on.
    Resumed,
}

/// What a failure says of another try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Again {
    /// Nothing: the policy decides.
    AsPolicySays,
    /// It would not help: there is none, whatever the policy.
    Never,
}

/// What the shell does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Gives the record to the stage, and tells the outcome.
    Try(Handle),
    /// What the stage made of it goes on. It is over for the core, as with all below.
    Done(Handle),
    /// It becomes a dead letter, as failed.
    DeadLetter {
        /// Which.
        id: Handle,
        /// How often it was tried.
        tries: u32,
    },
    /// It becomes a dead letter that was not tried: the circuit is open.
    NotTried(Handle),
    /// It is left out, and counted.
    Skip(Handle),
    /// It goes to the stage that the policy names.
    FailOver(Handle),
    /// The pipeline stops with it: nothing more is tried, and it is not acknowledged.
    Fail(Handle),
    /// This instance has stopped, because of this record, which waits. Said once until it is resumed.
    Stop(Handle),
}

/// Whether records are tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Course {
    Running,
    /// Until it is resumed.
    Stopped,
    /// The pipeline stops.
    Over,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Waits {
    /// For its next try, then.
    Failed { due: Now },
    /// For its first, when this many first tries have been told.
    Fresh { behind: u64 },
    /// For the outcome of a try.
    Tried,
    /// For its turn to end so.
    Held(Action),
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    key: Option<KeyHash>,
    tries: u32,
    waits: Waits,
}

/// A stage's policy, and the records that wait because of it.
#[derive(Debug)]
pub struct RetryCore {
    failover: Failover,
    retries: Retries,
    most: usize,
    course: Course,
    circuit: CircuitCore,
    waiting: BTreeMap<Handle, Waiting>,
    /// By keys, in the order of arrival. Whoever is first is the only one of its key that may be tried.
    queues: BTreeMap<KeyHash, VecDeque<Handle>>,
    /// Those that are tried when the time has come. None of them is behind another.
    due: BTreeSet<(Now, Handle)>,
    /// First of their key, but behind first tries that are under way.
    blocked: BTreeSet<(u64, Handle)>,
    /// Records that were handed to the stage as they arrived, and of those the ones whose outcome was told.
    handed: u64,
    told: u64,
}

impl RetryCore {
    /// For records of which so many may be open in the stage at most.
    #[must_use]
    pub fn new(failover: Failover, retries: Retries, most: usize) -> Self {
        RetryCore {
            failover,
            retries,
            most,
            course: Course::Running,
            circuit: CircuitCore::new(),
            waiting: BTreeMap::new(),
            queues: BTreeMap::new(),
            due: BTreeSet::new(),
            blocked: BTreeSet::new(),
            handed: 0,
            told: 0,
        }
    }

    /// How many records may arrive now. With fewer than a chunk has, the stage takes no chunk, and what is upstream waits.
    /// None while the stage is stopped: what arrives all the same, of a chunk that was taken before, waits. So no more wait
    /// than there was said to be room for.
    #[must_use]
    pub fn room(&self) -> usize {
        let open = self.waiting.len() + (self.handed - self.told) as usize;
        if self.course == Course::Running { self.most.saturating_sub(open) } else { 0 }
    }

    /// Whether nothing waits and everything is tried: then records may arrive and succeed without a word for each.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.waiting.is_empty() && self.course == Course::Running && self.circuit.is_closed()
    }

    /// Whether it waits for [`Event::Resumed`].
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.course == Course::Stopped
    }

    /// When [`Event::Due`] will have something to do. A time that has passed means now.
    #[must_use]
    pub fn next_due(&self) -> Option<Now> {
        let is_running = self.course == Course::Running;
        self.due.first().filter(|_| is_running).map(|(due, _)| *due)
    }

    /// Something has happened; this is to be done, in this order.
    #[must_use = "an action that is not carried out leaves the core and the world apart"]
    pub fn on(&mut self, event: Event, now: Now) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Arrived { id, key } => self.arrived(id, key, now, &mut actions),
            Event::ArrivedMany(records) => {
                debug_assert!(self.is_clear(), "records arrive in bulk while others wait");
                self.handed += records as u64;
            }
            Event::Succeeded { id, key } => self.succeeded(id, key, now, &mut actions),
            Event::SucceededMany(records) => {
                debug_assert!(self.is_clear(), "records succeed in bulk while others wait");
                if records > 0 {
                    self.circuit.close();
                }
                self.tell(records, now, &mut actions);
            }
            Event::Failed { id, key, again } => self.failed(id, key, again, now, &mut actions),
            Event::Due => self.due(now, &mut actions),
            Event::Resumed => self.resumed(now, &mut actions),
        }
        actions
    }

    /// The stage's policy is another from now on. A circuit that was opened by the one before is closed, and a stage that
    /// it has stopped goes on.
    #[must_use = "an action that is not carried out leaves the core and the world apart"]
    pub fn renew(&mut self, failover: Failover, retries: Retries, now: Now) -> Vec<Action> {
        let mut actions = Vec::new();
        self.retries = retries;
        if self.failover != failover {
            self.failover = failover;
            self.circuit.close();
            self.resumed(now, &mut actions);
        }
        actions
    }

    fn arrived(&mut self, id: Handle, key: Option<KeyHash>, now: Now, actions: &mut Vec<Action>) {
        debug_assert!(!self.waiting.contains_key(&id), "a handle of two records");
        let must_wait = key.is_some_and(|key| self.queues.contains_key(&key)) || self.course != Course::Running;
        if must_wait {
            self.wait(id, Waiting { key, tries: 0, waits: Waits::Fresh { behind: self.handed } });
        } else if self.circuit.passes(id, now) {
            self.handed += 1;
            actions.push(Action::Try(id));
        } else {
            actions.push(Action::NotTried(id));
        }
    }

    fn succeeded(&mut self, id: Handle, key: Option<KeyHash>, now: Now, actions: &mut Vec<Action>) {
        self.circuit.succeeded(id);
        if self.waiting.contains_key(&id) {
            self.end(id, Action::Done(id), now, actions);
            return;
        }
        if self.is_behind(key) {
            self.wait_with_those_tried(id, Waiting { key, tries: 1, waits: Waits::Held(Action::Done(id)) });
        } else {
            actions.push(Action::Done(id));
        }
        self.tell(1, now, actions);
    }

    fn failed(&mut self, id: Handle, key: Option<KeyHash>, again: Again, now: Now, actions: &mut Vec<Action>) {
        let before = self.waiting.get(&id).copied();
        let key = before.map_or(key, |waiting| waiting.key);
        let tries = before.map_or(0, |waiting| waiting.tries).saturating_add(1);
        let is_tried_again = match again {
            Again::Never => false,
            Again::AsPolicySays => self.failover == Failover::RetryWithBackoff,
        };
        let pause = pause_before(&self.retries, tries).filter(|_| is_tried_again);
        let end = match pause {
            Some(pause) => Err(now + pause),
            None => self.ruling(id, tries, again, now, actions),
        };
        match (before, end) {
            (Some(_), Ok(action)) => self.end(id, action, now, actions),
            (None, Ok(action)) => {
                // What goes on elsewhere keeps its order. A dead letter has none.
                if matches!(action, Action::FailOver(_)) && self.is_behind(key) {
                    self.wait_with_those_tried(id, Waiting { key, tries, waits: Waits::Held(action) });
                } else {
                    actions.push(action);
                }
                self.tell(1, now, actions);
            }
            (Some(_), Err(due)) => {
                self.due.insert((due, id));
                self.waiting.insert(id, Waiting { key, tries, waits: Waits::Failed { due } });
            }
            (None, Err(due)) => {
                let waiting = Waiting { key, tries, waits: Waits::Failed { due } };
                if self.wait_with_those_tried(id, waiting) {
                    self.due.insert((due, id));
                }
                self.tell(1, now, actions);
            }
        }
    }

    /// How a record ends that is not tried again; or when it is, once the stage is resumed.
    fn ruling(
        &mut self,
        id: Handle,
        tries: u32,
        again: Again,
        now: Now,
        actions: &mut Vec<Action>,
    ) -> Result<Action, Now> {
        match &self.failover {
            Failover::SkipAndContinue => return Ok(Action::Skip(id)),
            Failover::FailoverTo(_) => return Ok(Action::FailOver(id)),
            Failover::FailFast => {
                self.course = Course::Over;
                return Ok(Action::Fail(id));
            }
            Failover::StopPartition => {
                if self.course == Course::Running {
                    self.course = Course::Stopped;
                    actions.push(Action::Stop(id));
                }
                if again != Again::Never {
                    return Err(now);
                }
            }
            Failover::CircuitBreaker { failures, cooldown } => {
                self.circuit.failed(id, *failures, now + *cooldown);
            }
            // The two that are left; and a policy that is added later sets aside as well: nothing is lost by it.
            _ => (),
        }
        Ok(Action::DeadLetter { id, tries })
    }

    /// Whether one of its key that arrived before it is not over.
    fn is_behind(&self, key: Option<KeyHash>) -> bool {
        let first = key.and_then(|key| self.queues.get(&key)?.front());
        first.is_some_and(|first| !self.is_fresh(*first))
    }

    /// Whether it was never tried, and arrived after those that were.
    fn is_fresh(&self, id: Handle) -> bool {
        matches!(self.waiting.get(&id), Some(Waiting { waits: Waits::Fresh { .. }, .. }))
    }

    /// At the end of its key's queue.
    fn wait(&mut self, id: Handle, waiting: Waiting) {
        if let Some(key) = waiting.key {
            self.queues.entry(key).or_default().push_back(id);
        }
        self.waiting.insert(id, waiting);
    }

    /// Behind those of its key that were tried, before those that were not: they arrived after it. True: it is the first.
    fn wait_with_those_tried(&mut self, id: Handle, waiting: Waiting) -> bool {
        self.waiting.insert(id, waiting);
        let Some(key) = waiting.key else { return true };
        let mut queue = self.queues.remove(&key).unwrap_or_default();
        let at = queue.iter().position(|id| self.is_fresh(*id)).unwrap_or(queue.len());
        queue.insert(at, id);
        if at == 0 {
            // The one that was first has not been tried: it waits for this one now.
            self.blocked.retain(|(_, blocked)| queue.get(1) != Some(blocked));
        }
        self.queues.insert(key, queue);
        at == 0
    }

    /// The outcomes of so many first tries were told.
    fn tell(&mut self, records: usize, now: Now, actions: &mut Vec<Action>) {
        self.told += records as u64;
        debug_assert!(self.told <= self.handed, "outcomes of more records than were handed over");
        while let Some((behind, id)) = self.blocked.first().copied().filter(|(behind, _)| *behind <= self.told) {
            self.blocked.remove(&(behind, id));
            self.advance(id, now, actions);
        }
    }

    /// A record that has waited is over; those of its key go on.
    fn end(&mut self, id: Handle, action: Action, now: Now, actions: &mut Vec<Action>) {
        actions.push(action);
        if let Some(next) = self.leave(id) {
            self.advance(next, now, actions);
        }
    }

    /// Takes out the first of a key, or one without. Returns who is first then.
    fn leave(&mut self, id: Handle) -> Option<Handle> {
        let key = self.waiting.remove(&id)?.key?;
        let queue = self.queues.get_mut(&key)?;
        queue.pop_front();
        let next = queue.front().copied();
        if next.is_none() {
            self.queues.remove(&key);
        }
        next
    }

    /// Somebody is first of its key, or has none, and its time may have come.
    fn advance(&mut self, first: Handle, now: Now, actions: &mut Vec<Action>) {
        let mut first = Some(first);
        while let Some(id) = first {
            let Some(waiting) = self.waiting.get(&id).copied() else { return };
            let over = match waiting.waits {
                Waits::Tried => return,
                Waits::Held(action) => action,
                // What a stopped stage has set aside here, it tries when it is resumed.
                Waits::Fresh { .. } if self.course != Course::Running => return,
                Waits::Fresh { behind } if self.told < behind => {
                    self.blocked.insert((behind, id));
                    return;
                }
                Waits::Failed { due } if now < due || self.course != Course::Running => {
                    self.due.insert((due, id));
                    return;
                }
                Waits::Fresh { .. } | Waits::Failed { .. } => {
                    let tries = waiting.tries;
                    if self.circuit.passes(id, now) {
                        self.waiting.entry(id).and_modify(|waiting| waiting.waits = Waits::Tried);
                        actions.push(Action::Try(id));
                        return;
                    }
                    if tries == 0 { Action::NotTried(id) } else { Action::DeadLetter { id, tries } }
                }
            };
            actions.push(over);
            first = self.leave(id);
        }
    }

    fn due(&mut self, now: Now, actions: &mut Vec<Action>) {
        while let Some((due, id)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            if self.course != Course::Running {
                return;
            }
            self.due.remove(&(due, id));
            self.advance(id, now, actions);
        }
    }

    fn resumed(&mut self, now: Now, actions: &mut Vec<Action>) {
        if self.course != Course::Stopped {
            return;
        }
        self.course = Course::Running;
        let is_first = |(id, waiting): &(&Handle, &Waiting)| {
            let queue = waiting.key.and_then(|key| self.queues.get(&key));
            matches!(waiting.waits, Waits::Fresh { .. }) && queue.is_none_or(|queue| queue.front() == Some(id))
        };
        let fresh: Vec<Handle> = self.waiting.iter().filter(is_first).map(|(id, _)| *id).collect();
        self.due(now, actions);
        for id in fresh {
            self.advance(id, now, actions);
        }
    }
}

/// Before the n-th try after the first, if there is one: as in the plugin's host.
fn pause_before(retries: &Retries, nth: u32) -> Option<Duration> {
    let factor = 1_u32.checked_shl(nth.saturating_sub(1)).unwrap_or(u32::MAX);
    (nth <= retries.max).then(|| retries.pause.saturating_mul(factor).min(retries.longest))
}

#[cfg(test)]
mod tests;
