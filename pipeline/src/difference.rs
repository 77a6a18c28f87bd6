//! What lies between a pipeline that runs and the plan that it is to have: what a reload has to do.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use proscenium_plugin_host::{Failover, Retries};

use crate::plan::{Conduct, Kind, Part, Plan, Port, Settings, Share, WhenDown};

/// What has changed from one plan to another.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The parts that have changed: those of the new plan in its order, then those that are gone.
    pub parts: Vec<PartDifference>,
    /// The names of those that have not.
    pub unchanged: Vec<String>,
    /// The settings that have changed.
    pub settings: Vec<Setting>,
    /// The new plan's name, settings, and the order in which it names its parts.
    pub(crate) name: String,
    pub(crate) values: Settings,
    pub(crate) order: Vec<String>,
}

/// What has changed in a part.
#[derive(Clone, Debug)]
pub struct PartDifference {
    /// Its name. A part with another name is another part: the old one is removed, the new one added.
    pub part: String,
    /// What, each thing once.
    pub changes: Vec<Change>,
}

/// A change of a part, with what it is to be.
#[derive(Clone, Debug)]
pub enum Change {
    /// A plugin gets other parameters.
    Params(Vec<(String, String)>),
    /// A plugin becomes another library. That a file has other contents under the same name is not seen here.
    Swap {
        /// Which.
        library: PathBuf,
        /// With these parameters.
        params: Vec<(String, String)>,
    },
    /// What becomes of what fails, and how long it may take.
    Conduct {
        /// The policy.
        failover: Failover,
        /// Its pauses.
        retries: Retries,
        /// A batch's time, of a plugin.
        timeout: Option<Duration>,
    },
    /// It has another number of instances, or shares records out among them in another way.
    Scale {
        /// How many.
        instances: NonZeroUsize,
        /// How.
        share: Share,
    },
    /// What a sink does when it cannot write.
    WhenDown {
        /// As in the plan.
        when_down: Option<WhenDown>,
        /// Its pauses.
        retries: Retries,
    },
    /// Its records come from elsewhere, or are named in another order.
    Rewired(Vec<Port>),
    /// Another source or sink, other Rust code; a plugin with other routes or grants; or another kind of part altogether.
    Replace(Kind),
    /// It is new.
    Added(Part),
    /// It is gone.
    Removed,
}

/// A setting that has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setting {
    /// Its name in [`Settings`], or `name`.
    pub field: &'static str,
    /// When it holds.
    pub applies: Applies,
}

/// When a changed setting can hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applies {
    /// While records are under way.
    Running,
    /// When the pipeline is started anew.
    AtStart,
}

/// What a reload from `old` to `new` has to do. Both are plans that [`check`](crate::check) has nothing against: names are
/// unique. Parts are the same if their `Debug` texts are.
#[must_use]
pub fn difference(old: &Plan, new: &Plan) -> Difference {
    let before: BTreeMap<&str, &Part> = old.parts.iter().map(|part| (part.name.as_str(), part)).collect();
    let (mut parts, mut unchanged) = (Vec::new(), Vec::new());
    for part in &new.parts {
        let changes = match before.get(part.name.as_str()) {
            None => vec![Change::Added(part.clone())],
            Some(old) => changes(old, part),
        };
        match changes.is_empty() {
            true => unchanged.push(part.name.clone()),
            false => parts.push(PartDifference { part: part.name.clone(), changes }),
        }
    }
    let order: Vec<String> = new.parts.iter().map(|part| part.name.clone()).collect();
    for part in old.parts.iter().filter(|part| !order.contains(&part.name)) {
        parts.push(PartDifference { part: part.name.clone(), changes: vec![Change::Removed] });
    }
    let settings = settings(old, new);
    Difference { parts, unchanged, settings, name: new.name.clone(), values: new.settings.clone(), order }
}

fn changes(old: &Part, new: &Part) -> Vec<Change> {
    let mut changes = Vec::new();
    if !is_same(&old.kind, &new.kind) {
        match (&old.kind, &new.kind) {
            (Kind::Plugin(was), Kind::Plugin(is)) if was.routes == is.routes && was.grants == is.grants => {
                if was.library != is.library {
                    changes.push(Change::Swap { library: is.library.clone(), params: is.params.clone() });
                } else if was.params != is.params {
                    changes.push(Change::Params(is.params.clone()));
                }
                let (was, is) = ((&was.conduct, Some(was.timeout)), (&is.conduct, Some(is.timeout)));
                changes.extend(of_conduct(was, is));
            }
            (Kind::Rust(was), Kind::Rust(is)) if format!("{:?}", was.code) == format!("{:?}", is.code) => {
                changes.extend(of_conduct((&was.conduct, None), (&is.conduct, None)));
            }
            (Kind::Sink(was), Kind::Sink(is)) if format!("{:?}", was.sink) == format!("{:?}", is.sink) => {
                changes.push(Change::WhenDown { when_down: is.when_down, retries: is.retries });
            }
            (_, kind) => changes.push(Change::Replace(kind.clone())),
        }
    }
    if old.from != new.from {
        changes.push(Change::Rewired(new.from.clone()));
    }
    changes
}

/// By their texts: there is no other way to compare two sources, sinks or operators.
fn is_same(one: &Kind, other: &Kind) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

type WithTimeout<'a> = (&'a Conduct, Option<Duration>);

fn of_conduct((was, old_timeout): WithTimeout<'_>, (is, timeout): WithTimeout<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    if (&was.failover, was.retries, old_timeout) != (&is.failover, is.retries, timeout) {
        changes.push(Change::Conduct { failover: is.failover.clone(), retries: is.retries, timeout });
    }
    if (was.instances, was.share) != (is.instances, is.share) {
        changes.push(Change::Scale { instances: is.instances, share: is.share });
    }
    changes
}

fn settings(old: &Plan, new: &Plan) -> Vec<Setting> {
    let (was, is) = (&old.settings, &new.settings);
    let all = [
        ("name", old.name != new.name, Applies::AtStart),
        ("chunk", was.chunk != is.chunk, Applies::AtStart),
        ("window", was.window != is.window, Applies::AtStart),
        ("linger", was.linger != is.linger, Applies::AtStart),
        ("state", was.state != is.state, Applies::AtStart),
        ("checkpoint_every", was.checkpoint_every != is.checkpoint_every, Applies::Running),
        ("drain", was.drain != is.drain, Applies::Running),
        ("intensity", was.intensity != is.intensity, Applies::AtStart),
        ("record_limit", was.record_limit != is.record_limit, Applies::AtStart),
    ];
    all.into_iter().filter(|(_, differs, _)| *differs).map(|(field, _, applies)| Setting { field, applies }).collect()
}

impl Difference {
    /// Whether there is nothing to do, not even to name the parts in another order.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.settings.is_empty()
    }

    /// The settings that hold only when the pipeline is started anew.
    #[must_use]
    pub fn at_start(&self) -> Vec<&'static str> {
        let at_start = self.settings.iter().filter(|setting| setting.applies == Applies::AtStart);
        at_start.map(|setting| setting.field).collect()
    }

    /// The plan that it leads to, from the one that it was made of.
    #[must_use]
    pub fn apply(&self, old: &Plan) -> Plan {
        let mut parts: BTreeMap<&str, Part> = old.parts.iter().map(|part| (part.name.as_str(), part.clone())).collect();
        for PartDifference { part: name, changes } in &self.parts {
            for change in changes {
                if let Change::Added(part) = change {
                    parts.insert(name, part.clone());
                }
                if matches!(change, Change::Removed) {
                    parts.remove(name.as_str());
                }
                if let Some(part) = parts.get_mut(name.as_str()) {
                    change.apply(part);
                }
            }
        }
        let parts = self.order.iter().filter_map(|name| parts.remove(name.as_str())).collect();
        Plan { name: self.name.clone(), settings: self.values.clone(), parts }
    }
}

impl Change {
    /// Makes it in a part of a plan. One that is added or removed is as it is.
    pub fn apply(&self, part: &mut Part) {
        match self {
            Change::Rewired(from) => part.from.clone_from(from),
            Change::Replace(kind) => part.kind = kind.clone(),
            Change::Added(_) | Change::Removed => (),
            Change::Params(_)
            | Change::Swap { .. }
            | Change::Conduct { .. }
            | Change::Scale { .. }
            | Change::WhenDown { .. } => self.apply_to(&mut part.kind),
        }
    }

    fn apply_to(&self, kind: &mut Kind) {
        match (self, &mut *kind) {
            (Change::Params(params), Kind::Plugin(stage)) => stage.params.clone_from(params),
            (Change::Swap { library, params }, Kind::Plugin(stage)) => {
                stage.library.clone_from(library);
                stage.params.clone_from(params);
            }
            (Change::WhenDown { when_down, retries }, Kind::Sink(stage)) => {
                stage.when_down = *when_down;
                stage.retries = *retries;
            }
            _ => (),
        }
        if let (Change::Conduct { timeout: Some(timeout), .. }, Kind::Plugin(stage)) = (self, &mut *kind) {
            stage.timeout = *timeout;
        }
        let conduct = match kind {
            Kind::Plugin(stage) => &mut stage.conduct,
            Kind::Rust(stage) => &mut stage.conduct,
            Kind::Source(_) | Kind::Sink(_) => return,
        };
        match self {
            Change::Conduct { failover, retries, .. } => {
                conduct.failover.clone_from(failover);
                conduct.retries = *retries;
            }
            Change::Scale { instances, share } => {
                conduct.instances = *instances;
                conduct.share = *share;
            }
            _ => (),
        }
    }
}
