//! A look at a pipeline.

use std::time::Duration;

use serde::Serialize;

use crate::book::{Book, Outcome};
use crate::house::{Room, stats};
use crate::stats::{Counts, Latencies};

/// How a pipeline is.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PipelineStatus {
    /// Its name.
    pub name: String,
    /// Its parts, in the order of its plan; then, if it keeps dead letters, `dead_letters`.
    pub parts: Vec<PartStatus>,
    /// Somebody has paused it.
    pub is_paused: bool,
    /// How it has ended.
    pub ended: Option<String>,
    /// The number of its last checkpoint; 0: there is none.
    pub checkpoint: u64,
    /// For how long sources were held for it.
    pub held: Duration,
}

/// How a part is.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PartStatus {
    /// Its name.
    pub name: String,
    /// What it is: `source`, `stage`, `plugin`, `sink`, `dead_letters`.
    pub kind: &'static str,
    /// How many instances it has.
    pub instances: usize,
    /// What it has counted: all instances together.
    pub counts: Counts,
    /// Of a source: chunks under way.
    pub under_way: usize,
    /// How long a chunk takes in a stage, or from its source into a sink: the half, and all but one in a hundred.
    pub p50: Option<Duration>,
    /// As `p50`.
    pub p99: Option<Duration>,
    /// What keeps it from reading or writing.
    pub trouble: Option<String>,
    /// Its policy has stopped it.
    pub is_stopped: bool,
}

pub(crate) fn status(book: &Book) -> PipelineStatus {
    let plan = book.plan();
    let mut parts = Vec::new();
    if let Some(house) = book.house.get() {
        let rooms = house.rooms();
        parts.extend(plan.parts.iter().filter_map(|part| Some(of_room(&part.name, rooms.get(&part.name)?))));
    }
    if let Some(letters) = book.letters_counted() {
        parts.push(PartStatus {
            counts: letters.counts(),
            trouble: letters.last_trouble(),
            ..PartStatus::named("dead_letters", "dead_letters")
        });
    }
    let course = book.course();
    PipelineStatus {
        name: plan.name.clone(),
        parts,
        is_paused: course.is_paused,
        ended: book.ended().as_ref().map(Outcome::to_string),
        checkpoint: course.checkpoint,
        held: course.held,
    }
}

fn of_room(name: &str, room: &Room) -> PartStatus {
    let all = stats(room);
    let mut latencies = Latencies::default();
    let mut counts = Counts::default();
    for stats in &all {
        latencies.merge(&stats.latencies());
        counts.merge(&stats.counts());
    }
    let (kind, under_way, is_stopped) = match room {
        Room::Source { own, .. } => ("source", own.desk.ledger.outstanding(), false),
        Room::Stage(stages) => {
            let of_processes = stages.iter().filter_map(|stage| stage.plugin.as_ref());
            counts.restarts += of_processes.map(|plugin| u64::from(plugin.restarts())).sum::<u64>();
            let kind = if stages.iter().any(|stage| stage.plugin.is_some()) { "plugin" } else { "stage" };
            (kind, 0, stages.iter().any(|stage| stage.desk.is_stopped()))
        }
        Room::Sink(_) => ("sink", 0, false),
    };
    PartStatus {
        instances: all.len(),
        counts,
        under_way,
        p50: latencies.quantile(0.5),
        p99: latencies.quantile(0.99),
        trouble: all.iter().find_map(|stats| stats.last_trouble()),
        is_stopped,
        ..PartStatus::named(name, kind)
    }
}

impl PartStatus {
    fn named(name: &str, kind: &'static str) -> Self {
        PartStatus {
            name: name.to_owned(),
            kind,
            instances: 1,
            counts: Counts::default(),
            under_way: 0,
            p50: None,
            p99: None,
            trouble: None,
            is_stopped: false,
        }
    }
}
