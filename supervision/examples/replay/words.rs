//! Requests and answers, as scripts and traces spell them.

use std::collections::HashMap;

use proscenium_supervision::restart_core::Reply;
use proscenium_supervision::{ChildFlags, ChildType, Counts, Restart, Shutdown, SpecError, State};

use crate::script::{Attempt, Spec, attempts, show};

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
        Reply::MaxChildren(_) => "error max_children".into(),
    }
}

/// `get_childspec`.
pub fn childspec(request: &Request, found: Option<ChildFlags>) -> String {
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

/// A child as `which_children` sees it.
pub struct Line {
    /// The name; the path of a dynamic child.
    pub name: String,
    pub state: State,
    pub child_type: ChildType,
}

impl Line {
    fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }
}

/// `which_children`, of lines in start order.
pub fn list(request: &Request, is_dynamic: bool, lines: &[Line]) -> String {
    let mut text = format!("ret which_children {}", request.target());
    if !is_dynamic {
        for line in lines.iter().rev() {
            let state = match line.state {
                State::Down => "undefined",
                State::Running(_) => "pid",
                State::Restarting => "restarting",
                State::Quarantined => "quarantined",
            };
            text += &format!(" {}:{state}:{}", line.name, type_name(line.child_type));
        }
        return text;
    }
    let mut running: Vec<&Line> = lines.iter().filter(|line| line.is_running()).collect();
    running.sort_by_key(|line| ordinal(&line.name));
    for line in running {
        text += &format!(" #{}:pid:{}", ordinal(&line.name), type_name(line.child_type));
    }
    for line in lines.iter().filter(|line| !line.is_running()) {
        text += &format!(" #?:restarting:{}", type_name(line.child_type));
    }
    text
}

/// `count_children`.
pub fn count(request: &Request, counts: Counts) -> String {
    let Counts { specs, active, supervisors, workers, .. } = counts;
    let target = request.target();
    format!("ret count_children {target} specs={specs} active={active} supervisors={supervisors} workers={workers}")
}
