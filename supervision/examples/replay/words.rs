//! Requests and answers, as scripts and traces spell them.

use std::collections::HashMap;

use proscenium_supervision::restart_core::{Reply, RestartCore};
use proscenium_supervision::{ChildFlags, ChildId, ChildType, Place, Restart, Shutdown, SpecError, State};

use crate::script::{Attempt, Spec, attempts, show};
use crate::world::is_running;

/// A request to a supervisor.
#[derive(Clone, Debug)]
pub struct Request {
    kind: String,
    target: String,
    keys: String,
}

impl Request {
    pub fn new(kind: &str, target: &str, keys: &str) -> Self {
        Request { kind: kind.into(), target: target.into(), keys: keys.into() }
    }

    pub fn kind(&self) -> &str {
        &self.kind
    }

    pub fn target(&self) -> &str {
        &self.target
    }

    pub fn is_about_dynamic(&self) -> bool {
        self.target.contains('#')
    }

    /// Whom it goes to.
    pub fn supervisor(&self) -> &str {
        match self.kind.as_str() {
            "which_children" | "count_children" => &self.target,
            _ => self.target.rsplit_once(['/', '#']).map_or(&*self.target, |(above, _)| above),
        }
    }

    /// The child's name in there.
    pub fn id(&self) -> &str {
        self.target.rsplit_once('/').map_or(&*self.target, |(_, id)| id)
    }

    fn read_keys(&self) -> HashMap<&str, &str> {
        self.keys.split(' ').filter_map(|word| word.split_once('=')).collect()
    }

    /// Of `start_child`: what is to be started.
    pub fn spec(&self) -> Spec {
        let mut spec = Spec::of(false, self.target.clone(), &self.read_keys()).expect("the script was checked");
        spec.is_of_the_script = false;
        spec
    }

    /// Of `start_dynamic`: its own starts.
    pub fn starts(&self) -> Option<Vec<Attempt>> {
        attempts(self.read_keys().get("starts")?).ok()
    }

    pub fn result(&self, result: &str) -> String {
        format!("ret {} {} {result}", self.kind, self.target)
    }
}

/// An answer.
pub fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Running(_) => "ok pid".into(),
        Reply::Ignored => "ok undefined".into(),
        Reply::Done => "ok".into(),
        Reply::Failed(exit) => format!("error {}", show(exit)),
        Reply::NotFound => "error not_found".into(),
        Reply::AlreadyStarted(_) => "error already_started".into(),
        Reply::AlreadyPresent => "error already_present".into(),
        Reply::StillRunning => "error running".into(),
        Reply::StillRestarting => "error restarting".into(),
        Reply::Refused(SpecError::BadCombination { .. }) => "error bad_combination".into(),
        Reply::Refused(other) => format!("error {other}"),
        Reply::SimpleOneForOne => "error simple_one_for_one".into(),
    }
}

/// `is_stray`: it is about a dynamic process that lives and is nobody's child here.
pub fn childspec(core: &RestartCore, request: &Request, is_stray: bool) -> String {
    let found = match core.template() {
        Some(_) if request.is_about_dynamic() && is_stray => None,
        Some((id, flags)) if request.is_about_dynamic() || id.as_str() == request.id() => Some(*flags),
        Some(_) => None,
        None => {
            core.place_of(&ChildId::from(request.id())).and_then(|place| core.child(place)).map(|child| child.flags)
        }
    };
    let Some(ChildFlags { restart, significant, shutdown, child_type }) = found else {
        return request.result("error not_found");
    };
    let restart = match restart {
        Restart::Permanent => "permanent",
        Restart::Transient => "transient",
        Restart::Temporary => "temporary",
    };
    let shutdown = match shutdown {
        Shutdown::BrutalKill => "brutal_kill".into(),
        Shutdown::Infinity => "infinity".into(),
        Shutdown::Within(limit) => limit.as_millis().to_string(),
    };
    let kind = type_name(child_type);
    request.result(&format!("ok restart={restart} significant={significant} shutdown={shutdown} type={kind}"))
}

fn type_name(child_type: ChildType) -> &'static str {
    match child_type {
        ChildType::Worker => "worker",
        ChildType::Supervisor => "supervisor",
    }
}

/// The number of a dynamic child.
pub fn ordinal(path: &str) -> u64 {
    path.rsplit_once('#').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

/// `which_children`. `path` is that of a place.
pub fn list<'a>(core: &RestartCore, request: &Request, path: impl Fn(Place) -> &'a str) -> String {
    let mut line = format!("ret which_children {}", request.target());
    if core.template().is_none() {
        for (_, child) in core.children().rev() {
            let state = match child.state {
                State::Down => "undefined",
                State::Running(_) => "pid",
                State::Restarting => "restarting",
            };
            line += &format!(" {}:{state}:{}", child.id, type_name(child.flags.child_type));
        }
        return line;
    }
    let mut running: Vec<_> = core.children().filter(|(_, child)| is_running(child.state)).collect();
    running.sort_by_key(|(place, _)| ordinal(path(*place)));
    for (place, child) in running {
        line += &format!(" #{}:pid:{}", ordinal(path(place)), type_name(child.flags.child_type));
    }
    for (_, child) in core.children().filter(|(_, child)| !is_running(child.state)) {
        line += &format!(" #?:restarting:{}", type_name(child.flags.child_type));
    }
    line
}

/// `count_children`.
pub fn count(core: &RestartCore, request: &Request, is_alive: impl Fn(Place) -> bool) -> String {
    let is_dynamic = core.template().is_some();
    let has_process = |place, state| is_running(state) && (is_dynamic || is_alive(place));
    let active = core.children().filter(|(place, child)| has_process(*place, child.state)).count();
    let of = |kind| core.children().filter(|(_, child)| child.flags.child_type == kind).count();
    let (supervisors, workers) = (of(ChildType::Supervisor), of(ChildType::Worker));
    let specs = if is_dynamic { 1 } else { supervisors + workers };
    let target = request.target();
    format!("ret count_children {target} specs={specs} active={active} supervisors={supervisors} workers={workers}")
}
