//! What is wrong with a plan: all of it at once, before anything of it is started.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use proscenium_plugin_host::{Failover, Retries};

use crate::limits;
use crate::nearest::nearest;
use crate::plan::{Kind, Part, Plan, Port, Settings, WhenDown};
use crate::wiring::Wiring;

const LONGEST: Duration = Duration::from_millis(limits::DAY);
/// What a pipeline's folder and its orders call by these names.
const RESERVED: [&str; 2] = ["dead_letters", "control"];

/// Something that is wrong with a plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The part's place in [`Plan::parts`]: two parts may have one name, which is a fault too. None: the pipeline as a whole.
    pub nth: Option<usize>,
    /// The part's name.
    pub part: Option<String>,
    /// The field of [`Part`], of what its kind holds, or of [`Settings`] that is wrong: `from`, `library`, `window`. A
    /// parser can put its finger there.
    pub field: &'static str,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(part) = &self.part {
            write!(f, "`{}`, ", part.escape_debug())?;
        }
        write!(f, "{}: {}; {}", self.field, self.what, self.remedy)
    }
}

/// Whether a plan can be started, as far as that can be seen without opening anything.
///
/// Names are well-formed and unique; there is a source and a sink; each part's records come from somewhere; no record can
/// go in a circle; every number is within its limits. It follows that every part is reached from a source and that every
/// way ends in a sink, but for *routes*: one that nothing is attached to is no fault, its records become dead letters as
/// unroutable. A Rust stage with routes, one of which is taken, may leave its usual outlet to nobody as well.
///
/// # Errors
/// All that is wrong, in the order of the plan's fields and parts. With more than 1,000 parts only that.
pub fn check(plan: &Plan) -> Result<(), Vec<Fault>> {
    let mut faults = Faults { plan, found: Vec::new() };
    faults.settings();
    let parts = plan.parts.len();
    if parts > limits::PARTS {
        faults.of_all(
            "parts",
            format!("there are {parts} parts"),
            format!("{} are the limit: divide the pipeline", limits::PARTS),
        );
        return Err(faults.found);
    }
    let wiring = Wiring::of(plan);
    faults.ends();
    for (nth, part) in plan.parts.iter().enumerate() {
        faults.name(nth, part, &wiring);
        faults.from(nth, part, &wiring);
        faults.outlet(nth, part);
        faults.kind(nth, part, &wiring);
    }
    faults.rings(&wiring);
    if faults.found.is_empty() { Ok(()) } else { Err(faults.found) }
}

struct Faults<'a> {
    plan: &'a Plan,
    found: Vec<Fault>,
}

impl Faults<'_> {
    fn of_all(&mut self, field: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        self.found.push(Fault { nth: None, part: None, field, what: what.into(), remedy: remedy.into() });
    }

    fn of(&mut self, nth: usize, field: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        let part = Some(self.plan.parts[nth].name.clone());
        self.found.push(Fault { nth: Some(nth), part, field, what: what.into(), remedy: remedy.into() });
    }

    fn settings(&mut self) {
        let Settings { chunk, window, linger, state, checkpoint_every, drain, intensity: _, record_limit } =
            &self.plan.settings;
        if let Some((what, remedy)) = ill_formed(&self.plan.name) {
            self.of_all("name", what, remedy);
        }
        for (field, of, number, limit) in [
            ("chunk", " records", chunk.records, &limits::CHUNK_RECORDS),
            ("chunk", " bytes", chunk.bytes, &limits::CHUNK_BYTES),
            ("window", " chunks", *window, &limits::WINDOW),
            ("record_limit", " bytes", *record_limit, &limits::RECORD_LIMIT),
        ] {
            if !limit.contains(&(number as u64)) {
                let remedy = format!("give it {} to {}{of}", limit.start(), limit.end());
                self.of_all(field, format!("it is {number}{of}"), remedy);
            }
        }
        if state.as_ref().is_some_and(|folder| folder.as_os_str().is_empty()) {
            self.of_all("state", "the folder's name is empty", "name a folder, or leave the setting out");
        }
        // Not to wait at all is what lingers by default.
        let linger = Some(*linger).filter(|linger| !linger.is_zero());
        let durations = [("linger", linger), ("checkpoint_every", Some(*checkpoint_every)), ("drain", Some(*drain))];
        for (field, duration) in durations {
            if let Some((what, remedy)) = duration.and_then(out_of_range) {
                self.of_all(field, what, remedy);
            }
        }
    }

    fn ends(&mut self) {
        let kinds = || self.plan.parts.iter().map(|part| &part.kind);
        let (has_source, has_sink) =
            (kinds().any(|kind| matches!(kind, Kind::Source(_))), kinds().any(|kind| matches!(kind, Kind::Sink(_))));
        if !has_source {
            self.of_all("parts", "there is no source", "add one: records have to come from somewhere");
        }
        if !has_sink {
            self.of_all("parts", "there is no sink", "add one: records have to end somewhere");
        }
    }

    fn name(&mut self, nth: usize, part: &Part, wiring: &Wiring<'_>) {
        if let Some((what, remedy)) = ill_formed(&part.name) {
            self.of(nth, "name", what, remedy);
        }
        if RESERVED.contains(&part.name.as_str()) {
            self.of(nth, "name", "the pipeline itself uses this name", "give the part another one");
        }
        if let Some(first) = wiring.places.get(part.name.as_str()).filter(|first| **first != nth) {
            let what = format!("part {} has this name already", first + 1);
            self.of(nth, "name", what, "give each part a name of its own");
        }
    }

    fn from(&mut self, nth: usize, part: &Part, wiring: &Wiring<'_>) {
        match (&part.kind, part.from.is_empty()) {
            (Kind::Source(_), false) => {
                self.of(nth, "from", "a source takes no records from other parts", "leave `from` out");
                return;
            }
            (Kind::Source(_), true) => return,
            (_, true) => self.of(nth, "from", "its records come from nowhere", "name the part that it follows"),
            (_, false) => (),
        }
        let mut seen = BTreeSet::new();
        for port in &part.from {
            if !seen.insert(port) {
                let what = format!("it takes `{port}` twice");
                self.of(nth, "from", what, "once is enough: its records would come twice");
                continue;
            }
            let found = wiring.places.get(port.part.as_str()).map(|at| &self.plan.parts[*at]);
            if let Some((what, remedy)) = self.no_port(port, found) {
                self.of(nth, "from", what, remedy);
            }
        }
    }

    /// Why no record comes out of there.
    fn no_port(&self, port: &Port, part: Option<&Part>) -> Option<(String, String)> {
        let Some(part) = part else {
            return Some((
                format!("there is no part `{}`", port.part.escape_debug()),
                self.meant(&port.part, |_| true),
            ));
        };
        if matches!(part.kind, Kind::Sink(_)) {
            let remedy = "take the records from the part before it".to_owned();
            return Some((format!("`{}` is a sink, where records end", part.name), remedy));
        }
        let route = port.route.as_ref().filter(|route| !part.routes().contains(route))?;
        let names = part.routes().iter().map(String::as_str);
        let remedy = match nearest(route, names) {
            Some(name) => format!("did you mean `{}/{name}`?", part.name),
            None if part.routes().is_empty() => format!("it has none: take `{}`", part.name),
            None => format!("its routes are: {}", part.routes().join(", ")),
        };
        Some((format!("`{}` has no route `{}`", part.name, route.escape_debug()), remedy))
    }

    /// The remedy for a name that no part has.
    fn meant(&self, name: &str, is_meant: impl Fn(&Part) -> bool) -> String {
        let parts = self.plan.parts.iter().filter(|part| is_meant(part));
        match nearest(name, parts.map(|part| part.name.as_str())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "name one that is there".to_owned(),
        }
    }

    fn outlet(&mut self, nth: usize, part: &Part) {
        let ports = || self.plan.parts.iter().flat_map(|other| &other.from).filter(|port| port.part == part.name);
        let takes_routes = matches!(part.kind, Kind::Rust(_)) && ports().any(|port| port.route.is_some());
        if !matches!(part.kind, Kind::Sink(_)) && !takes_routes && ports().all(|port| port.route.is_some()) {
            let remedy = format!("let a stage or a sink take `{}`; a null sink, if nothing comes there", part.name);
            self.of(nth, "from", "nobody takes what it passes on", remedy);
        }
    }

    fn kind(&mut self, nth: usize, part: &Part, wiring: &Wiring<'_>) {
        match &part.kind {
            Kind::Source(_) => (),
            Kind::Plugin(stage) => {
                if stage.library.as_os_str().is_empty() {
                    self.of(nth, "library", "the library's name is empty", "name the plugin's file");
                }
                self.range(nth, "timeout", Some(stage.timeout));
            }
            Kind::Rust(_) => (),
            Kind::Sink(stage) => {
                self.pauses(nth, &stage.retries);
                if let Some(WhenDown::SetAside(after)) = stage.when_down {
                    self.range(nth, "when_down", Some(after).filter(|after| !after.is_zero()));
                }
            }
        }
        let mut seen = BTreeSet::new();
        for route in part.routes() {
            if let Some((what, remedy)) = ill_formed(route) {
                self.of(nth, "routes", format!("the route `{}`: {what}", route.escape_debug()), remedy);
            }
            if !seen.insert(route) {
                let what = format!("two routes are called `{}`", route.escape_debug());
                self.of(nth, "routes", what, "give each a name of its own");
            }
        }
        let Some(conduct) = part.conduct() else { return };
        self.pauses(nth, &conduct.retries);
        if !limits::INSTANCES.contains(&(conduct.instances.get() as u64)) {
            let what = format!("it has {} instances", conduct.instances);
            self.of(nth, "instances", what, format!("give it 1 to {}", limits::INSTANCES.end()));
        }
        self.failover(nth, part, &conduct.failover, wiring);
    }

    fn failover(&mut self, nth: usize, part: &Part, failover: &Failover, wiring: &Wiring<'_>) {
        match failover {
            Failover::CircuitBreaker { failures, cooldown } => {
                if *failures == 0 {
                    self.of(nth, "failover", "the circuit opens after 0 failures", "give it 1 at least");
                }
                self.range(nth, "failover", Some(*cooldown));
            }
            Failover::FailoverTo(stage) if *stage == part.name => {
                self.of(nth, "failover", "what fails in it would go to itself", "name another stage");
            }
            Failover::FailoverTo(stage) => {
                let found = wiring.places.get(stage.as_str()).map(|at| &self.plan.parts[*at].kind);
                let what = match found {
                    None => format!("there is no stage `{}`", stage.escape_debug()),
                    Some(Kind::Source(_)) => format!("`{stage}` is a source"),
                    Some(Kind::Sink(_)) => format!("`{stage}` is a sink"),
                    Some(Kind::Plugin(_) | Kind::Rust(_)) => return,
                };
                let remedy = match found {
                    None => self.meant(stage, |other| other.conduct().is_some() && other.name != part.name),
                    Some(_) => "name a stage".to_owned(),
                };
                self.of(nth, "failover", what, remedy);
            }
            _ => (),
        }
    }

    fn pauses(&mut self, nth: usize, retries: &Retries) {
        self.range(nth, "retries", Some(retries.pause));
        self.range(nth, "retries", Some(retries.longest).filter(|longest| *longest != retries.pause));
        if retries.longest < retries.pause {
            let what =
                format!("the longest pause, {:?}, is shorter than the first, {:?}", retries.longest, retries.pause);
            self.of(nth, "retries", what, "make it as long at least");
        }
    }

    fn range(&mut self, nth: usize, field: &'static str, duration: Option<Duration>) {
        if let Some((what, remedy)) = duration.and_then(out_of_range) {
            self.of(nth, field, what, remedy);
        }
    }

    fn rings(&mut self, wiring: &Wiring<'_>) {
        let mut told = BTreeSet::new();
        for (field, fallbacks) in [("from", false), ("failover", true)] {
            for ring in wiring.rings(fallbacks).into_iter().filter(|ring| ring.len() > 1 || !fallbacks) {
                if ring.iter().any(|at| told.contains(at)) {
                    continue;
                }
                told.extend(ring.iter().copied());
                let names = ring.iter().chain(&ring[..1]).map(|at| self.plan.parts[*at].name.as_str());
                let circle = names.collect::<Vec<_>>().join(" → ");
                let failing = ring.iter().find(|at| fallbacks && wiring.fallbacks[**at].is_some());
                let (what, remedy) = match fallbacks {
                    false => (format!("records would go in a circle: {circle}"), "take one of these steps out"),
                    true => (
                        format!("what fails would go in a circle: {circle}"),
                        "fail over to a stage whose records do not come here again",
                    ),
                };
                self.of(*failing.unwrap_or(&ring[0]), field, what, remedy);
            }
        }
    }
}

/// Why a name is none, and what to do about it.
fn ill_formed(name: &str) -> Option<(String, String)> {
    let letters = "take letters from a to z, digits, `_`, `-` and `.`".to_owned();
    if name.is_empty() {
        return Some(("the name is empty".to_owned(), letters));
    }
    if let Some(letter) = name.chars().find(|letter| !may_stand(*letter)) {
        return Some((format!("a name has no `{}`", letter.escape_debug()), letters));
    }
    if name.starts_with(['-', '.']) {
        // Names become names of files, and words of a command.
        return Some((format!("a name does not begin with `{}`", &name[..1]), "begin with a letter or a digit".into()));
    }
    let len = name.len();
    let limit = limits::NAME;
    (len > limit).then(|| (format!("the name has {len} letters"), format!("{limit} are the limit: shorten it")))
}

/// Whether a letter may stand in a name.
pub(crate) fn may_stand(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_-.".contains(letter)
}

fn out_of_range(duration: Duration) -> Option<(String, String)> {
    let is_within = !duration.is_zero() && duration <= LONGEST;
    (!is_within).then(|| (format!("it is {duration:?}"), "give it more than 0, and a day at most".to_owned()))
}

#[cfg(test)]
mod tests;
