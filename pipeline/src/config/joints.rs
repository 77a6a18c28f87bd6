//! Whether parts that are joined by their names make a pipeline.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::excerpt::quoted;
use super::findings::Findings;
use crate::limits::STAND_INS;
use crate::plan::Port;
use crate::wiring::rings;

/// What a part is to its neighbours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    Source,
    Stage,
    Sink,
}

/// A part, as far as its neighbours are concerned.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) name: String,
    pub(crate) span: Range<usize>,
    pub(crate) role: Role,
    pub(crate) routes: Vec<String>,
    pub(crate) from: Vec<(Port, Range<usize>)>,
    /// The stage that stands in for it.
    pub(crate) stand_in: Option<(String, Range<usize>)>,
}

/// Says all that is wrong between parts.
pub(crate) fn check(findings: &Findings<'_>, parts: &[Joined]) {
    let absent = BTreeSet::new();
    let joints = Joints::of(findings, parts, &absent);
    let before = findings.count();
    let edges = joints.edges();
    // Where a name leads nowhere, the part that was meant is not without a reader.
    let is_joined = findings.count() == before;
    joints.ends();
    if is_joined {
        joints.outlets(&edges);
    }
    joints.circles(&edges);
    joints.stand_ins();
}

/// Says what is wrong with names and stand-ins. `absent` are the names of stages that are described, but not enabled.
pub(crate) fn check_names(findings: &Findings<'_>, parts: &[Joined], absent: &BTreeSet<String>) {
    Joints::of(findings, parts, absent).stand_ins();
}

struct Joints<'a> {
    findings: &'a Findings<'a>,
    parts: &'a [Joined],
    absent: &'a BTreeSet<String>,
    by_name: BTreeMap<&'a str, usize>,
}

impl<'a> Joints<'a> {
    /// Says which names are there twice; the first has it.
    fn of(findings: &'a Findings<'a>, parts: &'a [Joined], absent: &'a BTreeSet<String>) -> Self {
        let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, part) in parts.iter().enumerate() {
            if by_name.contains_key(&*part.name) {
                let what = format!("the name {} is there twice", quoted(&part.name));
                let remedy = "give one of them another name";
                findings.add(part.span.clone(), what, "a name of its own for each part", remedy);
            } else {
                by_name.insert(&part.name, at);
            }
        }
        Joints { findings, parts, absent, by_name }
    }

    fn names_of(&self, is: impl Fn(&Joined) -> bool) -> impl Iterator<Item = &'a str> {
        self.parts.iter().filter(move |part| is(part)).map(|part| &*part.name)
    }

    /// From where to where.
    fn edges(&self) -> Vec<(usize, usize)> {
        let mut edges = Vec::new();
        for (to, part) in self.parts.iter().enumerate() {
            if part.from.is_empty() && part.role != Role::Source {
                let what = format!("nothing stands before {}, so no records come to it", quoted(&part.name));
                let remedy = "put a source before it, or name one: `from = [\"…\"]`";
                self.findings.add(part.span.clone(), what, "a source or a stage before it", remedy);
            }
            let mut seen = BTreeSet::new();
            for (port, span) in &part.from {
                if !seen.insert(port) {
                    let what = format!("{} is there twice", quoted(&port.to_string()));
                    self.findings.add(span.clone(), what, "each outlet once", "remove one of them");
                } else if let Some(from) = self.outlet(port, span) {
                    edges.push((from, to));
                }
            }
        }
        edges
    }

    fn outlet(&self, port: &Port, span: &Range<usize>) -> Option<usize> {
        let add = |what: String, expected: &str, remedy: String| {
            self.findings.add(span.clone(), what, expected, remedy);
            None
        };
        let Some(&from) = self.by_name.get(&*port.part) else {
            let names = self.names_of(|part| part.role != Role::Sink);
            let remedy = self.findings.suggestion(&port.part, names);
            let remedy = remedy.unwrap_or_else(|| "add it, or name another".to_owned());
            return add(format!("there is no part {}", quoted(&port.part)), "the name of a source or a stage", remedy);
        };
        let part = &self.parts[from];
        if part.role == Role::Sink {
            let what = format!("{} is a sink: nothing comes out of it", quoted(&port.part));
            return add(what, "the name of a source or a stage", "name the part before the sink".to_owned());
        }
        match &port.route {
            Some(route) if !part.routes.contains(route) => {
                let what = format!("{} has no route {}", quoted(&port.part), quoted(route));
                let remedy = self.findings.suggestion(route, part.routes.iter().map(String::as_str));
                add(what, "one of the part's `routes`", remedy.unwrap_or_else(|| "add it to its `routes`".to_owned()))
            }
            _ => Some(from),
        }
    }

    fn ends(&self) {
        for (role, word) in [(Role::Source, "source"), (Role::Sink, "sink")] {
            if !self.parts.iter().any(|part| part.role == role) {
                let end = self.findings.source().len();
                let what = format!("the pipeline has no {word}");
                self.findings.add(end..end, what, "one at least", format!("add one: `[[{word}]]`"));
            }
        }
    }

    fn outlets(&self, edges: &[(usize, usize)]) {
        let taken: BTreeSet<usize> = edges.iter().map(|(from, _)| *from).collect();
        for (at, part) in self.parts.iter().enumerate() {
            let is_named = self.by_name.get(&*part.name) == Some(&at);
            if part.role != Role::Sink && is_named && !taken.contains(&at) {
                let what = format!("nothing takes the records of {}", quoted(&part.name));
                let remedy = format!("name it in the `from` of another part: `from = [{:?}]`", part.name);
                self.findings.add(part.span.clone(), what, "a stage or a sink behind it", remedy);
            }
        }
    }

    fn circles(&self, edges: &[(usize, usize)]) {
        let mut ways = vec![Vec::new(); self.parts.len()];
        for (from, to) in edges {
            ways[*from].push(*to);
        }
        for ring in rings(&ways) {
            let mut names: Vec<String> = ring.iter().take(5).map(|&at| quoted(&self.parts[at].name)).collect();
            if names.len() < ring.len() {
                names.push("…".to_owned());
            }
            names.push(names[0].clone());
            let what = format!("records would go in a circle: {}", names.join(" → "));
            let remedy = "take one of these names out of a `from`";
            let span = self.parts[ring[0]].span.clone();
            self.findings.add(span, what, "parts that lead from a source to a sink", remedy);
        }
    }

    fn stand_ins(&self) {
        let mut next: BTreeMap<usize, usize> = BTreeMap::new();
        for (at, part) in self.parts.iter().enumerate() {
            let Some((to, span)) = &part.stand_in else { continue };
            let stand_in = self.by_name.get(&**to).filter(|&&to| self.parts[to].role == Role::Stage);
            match stand_in {
                Some(&to) if to == at => {
                    let what = format!("{} cannot stand in for itself", quoted(&part.name));
                    self.findings.add(span.clone(), what, "the name of another stage", "name another, or DEAD_LETTER");
                }
                Some(&to) => {
                    next.insert(at, to);
                }
                None => self.no_stand_in(to, span),
            }
        }
        for &at in next.keys() {
            let Some((_, span)) = &self.parts[at].stand_in else { continue };
            let mut last = at;
            let deep = (0..=STAND_INS).take_while(|_| next.get(&last).map(|&to| last = to).is_some()).count();
            if deep > STAND_INS {
                let what = format!("the stand-ins of {} have no end", quoted(&self.parts[at].name));
                let expected = "a stage whose own stand-ins end after 8 at most";
                self.findings.add(span.clone(), what, expected, "give the last stage of the row another policy");
            }
        }
    }

    fn no_stand_in(&self, to: &str, span: &Range<usize>) {
        let what = if self.absent.contains(to) {
            format!("the stage {} is not enabled, so it cannot stand in", quoted(to))
        } else if self.by_name.contains_key(to) {
            format!("{} is no stage, so it cannot stand in", quoted(to))
        } else {
            format!("there is no stage {}", quoted(to))
        };
        let remedy = if self.absent.contains(to) {
            Some("enable it, or name another".to_owned())
        } else {
            self.findings.suggestion(to, self.names_of(|part| part.role == Role::Stage))
        };
        let remedy = remedy.unwrap_or_else(|| "add it, or name another".to_owned());
        self.findings.add(span.clone(), what, "the name of another stage of this file", remedy);
    }
}
