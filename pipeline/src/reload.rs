//! The work of a reload, step by step, and how each step is taken back.

use crate::difference::{Applies, Change, difference};
use crate::plan::{Kind, Part, Plan, Port, Settings, Share};

/// Of a part that is replaced there are two for a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    /// The one that ran before the reload.
    Old,
    /// The one that runs after it.
    New,
}

/// One step. Each has its [opposite](Step::undo).
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a reload has few steps")]
pub enum Step {
    /// Starts a part beside the pipeline. It takes no records, and opens nothing that another part may have open: a source
    /// or a sink is opened when it is attached.
    Prepare(Side, Part),
    /// Ends a part that is not attached.
    Discard(Side, Part),
    /// Changes a part while it runs.
    Alter {
        /// Which.
        part: String,
        /// How.
        change: Change,
        /// What takes it back.
        back: Change,
    },
    /// Pauses the sources, and waits until no record is under way.
    Drain,
    /// Lets the sources go on.
    Resume,
    /// Takes a part out of the flow, without ending it: a source or a sink is closed where it stands.
    Detach(Side, Part),
    /// Puts a prepared part into the flow.
    Attach(Side, Part),
    /// Joins a part to others.
    Rewire {
        /// Which.
        part: String,
        /// Where its records have come from.
        old: Vec<Port>,
        /// Where they come from now.
        new: Vec<Port>,
    },
    /// Makes settings hold; only those that need no new start differ.
    Set {
        /// Those that held.
        old: Settings,
        /// Those that hold now.
        new: Settings,
    },
}

impl Step {
    /// What takes it back.
    #[must_use]
    pub fn undo(&self) -> Step {
        match self.clone() {
            Step::Prepare(side, part) => Step::Discard(side, part),
            Step::Discard(side, part) => Step::Prepare(side, part),
            Step::Alter { part, change, back } => Step::Alter { part, change: back, back: change },
            Step::Drain => Step::Resume,
            Step::Resume => Step::Drain,
            Step::Detach(side, part) => Step::Attach(side, part),
            Step::Attach(side, part) => Step::Detach(side, part),
            Step::Rewire { part, old, new } => Step::Rewire { part, old: new, new: old },
            Step::Set { old, new } => Step::Set { old: new, new: old },
        }
    }
}

/// What takes back the steps that were made, if the next one fails.
#[must_use]
pub fn roll_back(made: &[Step]) -> Vec<Step> {
    made.iter().rev().map(Step::undo).collect()
}

/// The steps from one plan to another, in their order: what may fail and what takes long comes first, while records flow;
/// then, only if parts are joined otherwise, replaced or scaled, one drain and the switch; what is left over is ended last,
/// when nothing can fail that would need it back.
///
/// A stage that only gets parameters, a library or a policy is altered while records flow. More or fewer instances need a
/// drain, since a key may belong to another instance then, and its state with it; not with a plugin that shares out in
/// turns before and after.
///
/// Of settings those that hold only [at a start](crate::Difference::at_start) are not in it.
#[must_use]
pub fn steps(old: &Plan, new: &Plan) -> Vec<Step> {
    let difference = difference(old, new);
    let (mut prepared, mut altered, mut switched, mut left) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut detached, mut attached) = (Vec::new(), Vec::new());
    let part = |plan: &Plan, name: &str| plan.parts.iter().find(|part| part.name == name).cloned();
    for changed in &difference.parts {
        let (was, is) = (part(old, &changed.part), part(new, &changed.part));
        let is_another = |change: &Change| matches!(change, Change::Replace(_) | Change::Added(_) | Change::Removed);
        if changed.changes.iter().any(is_another) {
            if let Some(is) = is {
                prepared.push(Step::Prepare(Side::New, is.clone()));
                attached.push(Step::Attach(Side::New, is));
            }
            if let Some(was) = was {
                detached.push(Step::Detach(Side::Old, was.clone()));
                left.push(Step::Discard(Side::Old, was));
            }
            continue;
        }
        let (Some(was), Some(is)) = (was, is) else { continue };
        let backs = difference_back(&is, &was);
        for change in &changed.changes {
            if let Change::Rewired(from) = change {
                switched.push(Step::Rewire { part: is.name.clone(), old: was.from.clone(), new: from.clone() });
                continue;
            }
            let Some(back) = backs.iter().find(|back| is_of_one_sort(back, change)) else { continue };
            let step = Step::Alter { part: is.name.clone(), change: change.clone(), back: back.clone() };
            if needs_drain(change, &was) { switched.push(step) } else { altered.push(step) }
        }
    }
    // Consumers first: nobody is given records by a part that has gone.
    detached.reverse();
    if difference.settings.iter().any(|setting| setting.applies == Applies::Running) {
        altered.push(Step::Set { old: old.settings.clone(), new: running(&old.settings, &new.settings) });
    }
    let mut switch = detached;
    switch.extend(attached);
    switch.extend(switched);
    if !switch.is_empty() {
        switch.insert(0, Step::Drain);
        switch.push(Step::Resume);
    }
    [prepared, altered, switch, left].concat()
}

fn difference_back(from: &Part, to: &Part) -> Vec<Change> {
    let plan = |part: &Part| Plan { name: String::new(), settings: Settings::default(), parts: vec![part.clone()] };
    difference(&plan(from), &plan(to)).parts.into_iter().flat_map(|part| part.changes).collect()
}

fn is_of_one_sort(one: &Change, other: &Change) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

fn needs_drain(change: &Change, was: &Part) -> bool {
    let Change::Scale { share, .. } = change else { return false };
    let shared_in_turns = was.conduct().is_some_and(|conduct| conduct.share == Share::InTurns);
    !(matches!(was.kind, Kind::Plugin(_)) && shared_in_turns && *share == Share::InTurns)
}

/// The old ones with those that can be changed while records flow.
fn running(old: &Settings, new: &Settings) -> Settings {
    Settings { checkpoint_every: new.checkpoint_every, drain: new.drain, ..old.clone() }
}

#[cfg(test)]
mod tests;
