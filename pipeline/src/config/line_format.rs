//! The format of earlier systems: one stage a line, seven fields with `|` between them.

mod piece;
mod print;
mod stage;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use proscenium_plugin_host::{Failover, Retries};

use self::piece::Piece;
pub use self::print::print;
use self::stage::Reader;
use super::diagnostic::Diagnostics;
use super::environment::Variables;
use super::findings::Findings;
use super::joints::{self, Joined, Role};
use super::name;
use super::places::{Place, Places};
use super::surroundings::{Ends, Surroundings};
use super::text::Text;
use crate::limits;
use crate::plan::{Kind, Part, Plan, PluginStage, Port, Settings, SinkStage};

pub(crate) const FIELDS: [&str; 7] =
    ["name", "library", "parameters", "enabled", "failover_policy", "max_retries", "timeout_ms"];

/// A line's stage, and where its name and its policy stand.
struct Line {
    name: String,
    name_span: Range<usize>,
    policy_span: Range<usize>,
    stage: PluginStage,
}

/// Reads a file in this format.
pub(crate) fn parse(file: &Path, text: &Text, surroundings: &Surroundings<'_>) -> Result<(Plan, Places), Diagnostics> {
    let findings = Findings::of(text);
    let reader = Reader {
        findings: &findings,
        variables: Variables::new(&findings, surroundings.environment),
        folder: file.parent().unwrap_or(Path::new("")),
        is_file: surroundings.is_file,
    };
    let mut stages: Vec<Line> = Vec::new();
    let mut absent = BTreeSet::new();
    for (start, line) in text.lines() {
        let piece = Piece { start, raw: line }.trimmed();
        if piece.raw.is_empty() {
            continue;
        }
        if let Some(comment) = piece.raw.strip_prefix('#') {
            check_header(&findings, comment, piece.span());
            continue;
        }
        // Two parts are the ends.
        if stages.len() + absent.len() + 2 >= limits::PARTS {
            let what = format!("there are more than {} stages", limits::PARTS - 2);
            findings.add(piece.span(), what, "998 stages at most", "make several pipelines of it");
            break;
        }
        match reader.line(piece) {
            Some((line, true)) => stages.push(line),
            Some((line, false)) => drop(absent.insert(line.name)),
            None => (),
        }
    }
    if stages.is_empty() && findings.count() == 0 {
        let end = text.text().len();
        findings.add(end..end, "there is no stage that is enabled", FIELDS.join("|"), "add a line, or enable one");
    }
    joints::check_names(&findings, &stages.iter().map(joined).collect::<Vec<_>>(), &absent);
    // The ends have no place.
    let mut places = Places::default();
    places.parts.push(Place::default());
    places.parts.extend(stages.iter().map(|line| Place {
        whole: line.name_span.clone(),
        keys: [("failover".to_owned(), line.policy_span.clone())].into(),
    }));
    findings.into_result((plan(file, stages, surroundings.ends), places))
}

/// A header that names the fields in another order belongs to another format.
fn check_header(findings: &Findings<'_>, comment: &str, span: Range<usize>) {
    let Some(fields) = comment.trim_start().strip_prefix("Format:") else { return };
    if !fields.split('|').map(str::trim).eq(FIELDS) {
        let what = "the header names other fields";
        findings.add(
            span,
            what,
            format!("# Format: {}", FIELDS.join("|")),
            "put the fields of all lines in this order",
        );
    }
}

/// The chain needs no check: only names and stand-ins can be wrong.
fn joined(line: &Line) -> Joined {
    let stand_in = match &line.stage.conduct.failover {
        Failover::FailoverTo(to) => Some((to.clone(), line.policy_span.clone())),
        _ => None,
    };
    let (name, span) = (line.name.clone(), line.name_span.clone());
    Joined { name, span, role: Role::Stage, routes: Vec::new(), from: Vec::new(), stand_in }
}

fn plan(file: &Path, stages: Vec<Line>, ends: &Ends) -> Plan {
    let names: BTreeSet<&str> = stages.iter().map(|line| &*line.name).collect();
    let source = unused(ends.source.kind(), &names);
    let sink = unused(ends.sink.kind(), &names);
    // A plan's names are unique, and both ends may be of one kind.
    let sink = if sink == source { unused(&format!("{sink}-sink"), &names) } else { sink };
    let mut parts = vec![Part { name: source, from: Vec::new(), kind: Kind::Source(Arc::clone(&ends.source)) }];
    let mut add = |name: String, kind| {
        let from = parts.last().map(|before| Port { part: before.name.clone(), route: None });
        parts.push(Part { name, from: from.into_iter().collect(), kind });
    };
    for line in stages {
        add(line.name, Kind::Plugin(line.stage));
    }
    let sink_stage = SinkStage { sink: Arc::clone(&ends.sink), when_down: None, retries: Retries::default() };
    add(sink, Kind::Sink(sink_stage));
    Plan { name: name::of_file(file), settings: Settings::default(), parts }
}

fn unused(name: &str, names: &BTreeSet<&str>) -> String {
    let numbered = (2..).map(|n| format!("{name}-{n}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| !names.contains(&**name)).unwrap_or_default()
}
