//! Who follows whom in a plan: names resolved to places in [`Plan::parts`], and rings found.

use std::collections::{BTreeMap, VecDeque};

use proscenium_plugin_host::Failover;

use crate::plan::{Conduct, Kind, Part, Plan};

impl Part {
    /// What becomes of what fails in it, and how many of it there are, if it is a stage.
    #[must_use]
    pub fn conduct(&self) -> Option<&Conduct> {
        match &self.kind {
            Kind::Plugin(stage) => Some(&stage.conduct),
            Kind::Rust(stage) => Some(&stage.conduct),
            Kind::Source(_) | Kind::Sink(_) => None,
        }
    }

    /// The routes that it may give a record.
    #[must_use]
    pub fn routes(&self) -> &[String] {
        match &self.kind {
            Kind::Plugin(stage) => &stage.routes,
            Kind::Rust(stage) => stage.code.routes(),
            Kind::Source(_) | Kind::Sink(_) => &[],
        }
    }
}

/// A plan's parts by name, and which follow which.
pub(crate) struct Wiring<'a> {
    /// Of parts with one name the first.
    pub(crate) places: BTreeMap<&'a str, usize>,
    /// For each part those that take its records, by any outlet.
    pub(crate) followers: Vec<Vec<usize>>,
    /// For each part the stage that takes what fails in it.
    pub(crate) fallbacks: Vec<Option<usize>>,
}

impl<'a> Wiring<'a> {
    pub(crate) fn of(plan: &'a Plan) -> Self {
        let mut places = BTreeMap::new();
        for (at, part) in plan.parts.iter().enumerate() {
            places.entry(part.name.as_str()).or_insert(at);
        }
        let mut followers = vec![Vec::new(); plan.parts.len()];
        for (at, part) in plan.parts.iter().enumerate() {
            for before in part.from.iter().filter_map(|port| places.get(port.part.as_str())) {
                followers[*before].push(at);
            }
        }
        let fallback = |part: &Part| match &part.conduct()?.failover {
            Failover::FailoverTo(stage) => {
                places.get(stage.as_str()).copied().filter(|at| plan.parts[*at].conduct().is_some())
            }
            _ => None,
        };
        let fallbacks = plan.parts.iter().map(fallback).collect();
        Wiring { places, followers, fallbacks }
    }

    /// The [`rings`] that records go round; with `fallbacks`, what fails and goes to another stage counts as a way.
    pub(crate) fn rings(&self, fallbacks: bool) -> Vec<Vec<usize>> {
        let mut ways = self.followers.clone();
        if fallbacks {
            ways.iter_mut().zip(&self.fallbacks).for_each(|(ways, fallback)| ways.extend(fallback));
        }
        rings(&ways)
    }
}

/// A shortest ring through a part for each knot of rings, in the order in which records go round it; a part is in one of
/// them at most. `ways` says for each part where one gets from it.
pub(crate) fn rings(ways: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut told = ends(ways);
    let mut rings = Vec::new();
    for start in 0..ways.len() {
        if told[start] {
            continue;
        }
        let mut reached_from = vec![None; ways.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for to in ways[at].iter().copied().filter(|to| !told[*to]) {
                if reached_from[to].is_none() {
                    reached_from[to] = Some(at);
                    queue.push_back(to);
                }
            }
        }
        let mut ring = Vec::new();
        let mut at = reached_from[start];
        while let Some(before) = at {
            ring.push(before);
            at = if before == start { None } else { reached_from[before] };
        }
        ring.reverse();
        for at in &ring {
            told[*at] = true;
        }
        told[start] = true;
        rings.extend(Some(ring).filter(|ring| !ring.is_empty()));
    }
    rings
}

/// The parts that are in no ring because no way through them comes from one: taken away one after the other.
fn ends(ways: &[Vec<usize>]) -> Vec<bool> {
    let mut before = vec![0_usize; ways.len()];
    for to in ways.iter().flatten() {
        before[*to] += 1;
    }
    let mut free: Vec<usize> = (0..before.len()).filter(|at| before[*at] == 0).collect();
    let mut gone = vec![false; before.len()];
    while let Some(at) = free.pop() {
        gone[at] = true;
        for to in &ways[at] {
            before[*to] -= 1;
            if before[*to] == 0 {
                free.push(*to);
            }
        }
    }
    gone
}
