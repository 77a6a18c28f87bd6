//! Carries out a reload: its steps, and, when one fails, those that take it back.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use proscenium_plugin_host::{Plugin, Swap};
use proscenium_runtime::CallError;
use serde_json::Value;

use crate::conductor::{ANSWER, Conductor, ControlError, snapshots, swap_instances};
use crate::difference::{Change, difference};
use crate::house::{House, Kept, Room, plugin, usual};
use crate::plan::{Kind, Part, Plan};
use crate::plan_check::{Fault, check};
use crate::reload::{Side, Step, roll_back, steps};
use crate::sink_actor::SinkMsg;
use crate::stage_desk::StageMsg;
use crate::trouble::Trouble;

/// What a reload has changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReloadReport {
    /// What was done, in words, in its order.
    pub changes: Vec<String>,
    /// Settings that hold when the pipeline is started anew.
    pub at_start: Vec<&'static str>,
    /// How long the sources were held; none: they were not.
    pub held: Option<Duration>,
}

impl fmt::Display for ReloadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() && self.at_start.is_empty() {
            return f.write_str("nothing has changed");
        }
        f.write_str(&self.changes.join("; "))?;
        if let Some(held) = self.held {
            write!(f, "; sources were held for {held:?}")?;
        }
        if !self.at_start.is_empty() {
            write!(f, "; hold from the next start on: {}", self.at_start.join(", "))?;
        }
        Ok(())
    }
}

/// Why a pipeline was not changed. It goes on as it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReloadError {
    /// The plan is wrong.
    Plan(Vec<Fault>),
    /// A step has failed, and those before it were taken back.
    Step {
        /// Which.
        step: String,
        /// Why.
        why: String,
        /// What could not be taken back.
        stuck: Vec<String>,
    },
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReloadError::Plan(faults) => {
                let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
                f.write_str(&faults.join("\n"))
            }
            ReloadError::Step { step, why, stuck } if stuck.is_empty() => write!(f, "{step}: {why}"),
            ReloadError::Step { step, why, stuck } => {
                write!(f, "{step}: {why}; and this could not be taken back: {}", stuck.join("; "))
            }
        }
    }
}

impl std::error::Error for ReloadError {}

/// Parts that are not in the flow: prepared, or left over.
type Aside = BTreeMap<(Side, String), Room>;

impl Conductor {
    pub(crate) async fn reload(&mut self, house: &House, plan: Plan) -> Result<ReloadReport, ControlError> {
        if let Some(outcome) = self.book.ended() {
            return Err(ControlError::Ended(outcome));
        }
        if let Err(faults) = check(&plan) {
            return Err(ControlError::NotReloaded(Box::new(ReloadError::Plan(faults))));
        }
        let old = self.book.plan();
        self.book.course().is_changing = true;
        let done = self.change(house, &old, plan).await;
        self.book.course().is_changing = false;
        done.map_err(|why| ControlError::NotReloaded(Box::new(why)))
    }

    async fn change(&self, house: &House, old: &Plan, plan: Plan) -> Result<ReloadReport, ReloadError> {
        let mut work =
            Work { conductor: self, house, aside: Aside::new(), held: None, report: ReloadReport::default() };
        work.report.at_start = difference(old, &plan).at_start();
        let mut made = Vec::new();
        for step in steps(old, &plan) {
            let Err(why) = work.make(&step, &plan).await else {
                made.push(step);
                continue;
            };
            let mut stuck = Vec::new();
            for back in roll_back(&made) {
                if let Err(why) = work.make(&back, old).await {
                    stuck.push(format!("{}: {why}", words(&back)));
                }
            }
            house.connect(old);
            self.go_on(house);
            return Err(ReloadError::Step { step: words(&step), why, stuck });
        }
        let report = work.report;
        house.connect(&plan);
        self.book.set_plan(plan);
        self.book.course().sent_then = None; // A checkpoint that names the sources as they are is due, also if nothing comes.
        self.go_on(house);
        Ok(report)
    }
}

struct Work<'a> {
    conductor: &'a Conductor,
    house: &'a House,
    aside: Aside,
    held: Option<Instant>,
    report: ReloadReport,
}

impl Work<'_> {
    async fn make(&mut self, step: &Step, target: &Plan) -> Result<(), String> {
        match step {
            Step::Prepare(side, part) => {
                let room = self.house.open(target, part, Kept::NOTHING).await.map_err(|error| error.why)?;
                self.aside.insert((*side, part.name.clone()), room);
            }
            Step::Discard(side, part) => {
                if let Some(room) = self.aside.remove(&(*side, part.name.clone())) {
                    self.house.close(&room).await;
                }
            }
            Step::Alter { part, change, .. } => {
                self.alter(target, part, change).await?;
                self.report.changes.push(words(step));
            }
            Step::Drain => self.drain_for(target).await?,
            Step::Resume => {
                self.house.connect(target);
                self.conductor.go_on(self.house);
                self.report.held = self.held.take().map(|since| since.elapsed());
            }
            Step::Detach(side, part) => {
                let taken = self.house.detach(&part.name);
                if let Some(room) = taken {
                    if let Err(why) = finish(&room).await {
                        // It stays where it was: without it, its records would go nowhere, and count as written.
                        self.house.attach(&part.name, room);
                        return Err(why);
                    }
                    self.aside.insert((*side, part.name.clone()), room);
                }
                self.report.changes.push(words(step));
            }
            Step::Attach(side, part) => {
                if let Some(room) = self.aside.remove(&(*side, part.name.clone())) {
                    self.inherit(*side, part, &room);
                    self.house.attach(&part.name, room);
                }
                self.report.changes.push(words(step));
            }
            Step::Rewire { .. } => self.report.changes.push(words(step)),
            Step::Set { .. } => (),
        }
        Ok(())
    }

    /// A source that takes the place of another of its kind goes on where that one stands: else all would come again.
    fn inherit(&self, side: Side, part: &Part, room: &Room) {
        if let (Side::New, Room::Source { own: new, .. }) = (side, room)
            && let Some(Room::Source { own: old, .. }) = self.aside.get(&(Side::Old, part.name.clone()))
            && new.desk.spec.kind() == old.desk.spec.kind()
        {
            new.desk.starts_at(old.desk.position());
        }
    }

    /// A sink that leaves finishes what it has, which a checkpoint must know of: else the program, if it dies before the
    /// next one, starts from the last one, and all since then comes twice.
    async fn drain_for(&mut self, target: &Plan) -> Result<(), String> {
        let running = self.conductor.book.plan();
        let leaves = |part: &&Part| matches!(part.kind, Kind::Sink(_));
        let stays = |sink: &Part| {
            let change = difference(&running, target).parts.into_iter().find(|change| change.part == sink.name);
            let changes = change.map_or(Vec::new(), |change| change.changes);
            !changes.iter().any(|change| matches!(change, Change::Replace(_) | Change::Removed))
        };
        if running.parts.iter().filter(leaves).all(stays) {
            return self.drain().await;
        }
        self.held = Some(Instant::now());
        self.conductor.checkpoint(self.house, Instant::now()).await.map_err(|error| error.to_string())
    }

    async fn drain(&mut self) -> Result<(), String> {
        self.held = Some(Instant::now());
        let limit = self.conductor.book.plan().settings.drain;
        self.conductor.hold(self.house, limit).await.map_err(|error| error.to_string())
    }

    async fn alter(&mut self, target: &Plan, name: &str, change: &Change) -> Result<(), String> {
        let swapped = |done: Result<_, ControlError>| done.map(drop).map_err(|why| why.to_string());
        match change {
            Change::Params(params) => {
                swapped(swap_instances(self.house, name, &Swap::same().params(params.clone())).await)
            }
            Change::Swap { library, params } => {
                swapped(swap_instances(self.house, name, &Swap::to(library).params(params.clone())).await)
            }
            Change::Conduct { .. } => self.conduct(target, name).await,
            Change::Scale { .. } => self.scale(target, name).await,
            Change::WhenDown { when_down, retries } => {
                if let Some(Room::Sink(sink)) = self.house.room(name) {
                    sink.desk.renew(usual(*when_down, target), *retries);
                }
                Ok(())
            }
            Change::Rewired(_) | Change::Replace(_) | Change::Added(_) | Change::Removed => Ok(()),
        }
    }

    /// Another policy, other limits: nothing is stopped for it.
    async fn conduct(&self, target: &Plan, name: &str) -> Result<(), String> {
        let (Some(part), Some(Room::Stage(stages))) = (part(target, name), self.house.room(name)) else {
            return Ok(());
        };
        if let Kind::Plugin(stage) = &part.kind {
            let specs = stages.iter().filter_map(|room| room.plugin_child.clone());
            let specs = specs.fold(self.house.flags(target), |supervisor, child| {
                supervisor.child(Plugin::spec(child, plugin(stage, &target.settings)))
            });
            self.house.supervisor.change(specs).await.map_err(|why| why.to_string())?;
        }
        let conduct = part.conduct().cloned().unwrap_or_default();
        for stage in &stages {
            drop(stage.actor.tell_now(StageMsg::Renew(Box::new(conduct.clone()))));
        }
        self.house.connect(&self.joined(target, name)); // The stand-in may be another.
        Ok(())
    }

    /// The plan as its parts are joined now, with this part as it is to be. Parts that are new have not been put in before
    /// the sources are held, and what went to them would be lost.
    fn joined(&self, target: &Plan, name: &str) -> Plan {
        let mut plan = (*self.conductor.book.plan()).clone();
        if let (Some(now), Some(then)) = (plan.parts.iter_mut().find(|part| part.name == name), part(target, name)) {
            now.kind = then.kind.clone();
        }
        plan
    }

    /// More instances, or fewer. A key may belong to another one then, and what is known of it with it.
    async fn scale(&mut self, target: &Plan, name: &str) -> Result<(), String> {
        let Some(part) = part(target, name) else { return Ok(()) };
        let is_held_here = self.held.is_none();
        if is_held_here {
            self.drain().await?;
        }
        // Held for this alone, others are joined as they were.
        let joined = if is_held_here { self.joined(target, name) } else { target.clone() };
        let scaled = self.scaled(&joined, part).await;
        if is_held_here {
            self.report.held = self.held.take().map(|since| since.elapsed());
            self.conductor.go_on(self.house);
        }
        scaled
    }

    async fn scaled(&self, target: &Plan, part: &Part) -> Result<(), String> {
        if let (Kind::Plugin(stage), Some(Room::Stage(mut rooms))) = (&part.kind, self.house.room(&part.name)) {
            // The processes that stay keep what they know.
            let count = stage.conduct.instances.get();
            let surplus = rooms.split_off(rooms.len().min(count));
            rooms.extend(self.house.open_instances(target, part, rooms.len()..count, Kept::NOTHING).await?);
            self.house.rooms().insert(part.name.clone(), Room::Stage(rooms));
            self.house.connect(target);
            self.house.close(&Room::Stage(surplus)).await;
            return Ok(());
        }
        let states = snapshots(self.house).map_err(|(part, why)| format!("`{part}`: {why}"))?;
        let kept = Kept { stages: &states, ..Kept::NOTHING };
        let opened = self.house.open(target, part, kept).await.map_err(|error| error.why)?;
        let old = self.house.rooms().insert(part.name.clone(), opened);
        if let Some(old) = old {
            self.house.connect(target);
            self.house.close(&old).await;
        }
        Ok(())
    }
}

/// A part leaves the flow: a sink finishes what it has open.
async fn finish(room: &Room) -> Result<(), String> {
    let Room::Sink(sink) = room else { return Ok(()) };
    said(sink.actor.call(SinkMsg::Prepare).within(ANSWER).await)?;
    said(sink.actor.call(SinkMsg::Commit).within(ANSWER).await)?;
    said(sink.actor.call(SinkMsg::Close).within(ANSWER).await)
}

fn said<T>(answer: Result<Result<T, Trouble>, CallError>) -> Result<T, String> {
    answer.map_err(|why| why.to_string())?.map_err(|why| why.to_string())
}

fn part<'a>(plan: &'a Plan, name: &str) -> Option<&'a Part> {
    plan.parts.iter().find(|part| part.name == name)
}

/// A step, for people.
fn words(step: &Step) -> String {
    match step {
        Step::Prepare(_, part) => format!("start `{}`", part.name),
        Step::Discard(_, part) => format!("end `{}`", part.name),
        Step::Alter { part, change, .. } => match change {
            Change::Params(_) => format!("`{part}` has other parameters"),
            Change::Swap { library, .. } => format!("`{part}` is swapped to {}", library.display()),
            Change::Conduct { .. } => format!("`{part}` has another policy"),
            Change::Scale { instances, .. } => format!("`{part}` has {instances} instances"),
            Change::WhenDown { .. } => format!("`{part}` has another policy for when it is down"),
            other => format!("`{part}`: {other:?}"),
        },
        Step::Drain => "hold the sources until nothing is under way".to_owned(),
        Step::Resume => "let the sources go on".to_owned(),
        Step::Detach(_, part) => format!("`{}` is taken out", part.name),
        Step::Attach(_, part) => format!("`{}` is put in", part.name),
        Step::Rewire { part, .. } => format!("`{part}` has its records from elsewhere"),
        Step::Set { .. } => "other settings".to_owned(),
    }
}

impl Kept<'static> {
    /// For parts that begin anew.
    pub(crate) const NOTHING: Kept<'static> =
        Kept { sources: &BTreeMap::new(), stages: &BTreeMap::<String, Value>::new(), sinks: &BTreeMap::new() };
}
