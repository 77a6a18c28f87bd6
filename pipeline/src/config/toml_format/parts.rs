//! The tables `[[source]]`, `[[stage]]` and `[[sink]]`.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::time::Duration;

use proscenium_plugin_host::sandbox::{Grants, Syscall};
use proscenium_plugin_host::{Failover, Retries};
use toml::de::{DeTable, DeValue};

use crate::config::excerpt::quoted;
use crate::config::joints::{Joined, Role};
use crate::config::keys::{Keys, Reading, described};
use crate::config::places::Place;
use crate::config::{library, name, policy};
use crate::limits;
use crate::plan::{Conduct, Kind, Part, PluginStage, Port, Share, SinkStage, WhenDown};

/// How long a sink may be down before its records are set aside.
const SET_ASIDE_AFTER: Duration = Duration::from_secs(5);

/// All parts in the order of the file, and how they are joined; the latter only if each has a name.
pub(super) fn read<'a>(
    keys: &mut Keys<'a>,
    reading: &'a Reading<'a>,
    places: &mut Vec<Place>,
) -> (Vec<Part>, Option<Vec<Joined>>) {
    let mut tables = Vec::new();
    let mut is_whole = true;
    for (key, role) in [("source", Role::Source), ("stage", Role::Stage), ("sink", Role::Sink)] {
        let of_role = tables_of(keys, key);
        is_whole &= of_role.is_some();
        tables.extend(of_role.into_iter().flatten().map(|(span, table)| (span, role, key, table)));
    }
    tables.sort_by_key(|(span, ..)| span.start);
    if let Some((span, ..)) = tables.get(limits::PARTS) {
        let what = format!("there are more than {} parts", limits::PARTS);
        reading.findings.add(span.clone(), what, "1000 sources, stages and sinks", "make several pipelines of it");
    }
    is_whole &= tables.len() <= limits::PARTS;
    let (mut parts, mut joints) = (Vec::new(), Vec::new());
    // The outlet that a part without `from` follows.
    let mut before: Option<String> = None;
    for (span, role, key, table) in tables.into_iter().take(limits::PARTS) {
        let keys = Keys::of(table, span, format!("this {key}"), reading);
        let keys_at = keys.places();
        let Some((part, joined)) = self::part(keys, role, before.as_deref()) else {
            is_whole = false;
            before = None;
            continue;
        };
        if role != Role::Sink {
            before = Some(joined.name.clone());
        }
        places.extend(part.is_some().then(|| Place { whole: joined.span.clone(), keys: keys_at }));
        parts.extend(part);
        joints.push(joined);
    }
    (parts, is_whole.then_some(joints))
}

/// `None`: it is something else.
fn tables_of<'a>(keys: &mut Keys<'a>, key: &'static str) -> Option<Vec<(Range<usize>, &'a DeTable<'a>)>> {
    let Some(value) = keys.value(key) else { return Some(Vec::new()) };
    let before = keys.findings().count();
    let mut tables = Vec::new();
    let wrong = |value: &DeValue<'_>, span| {
        let what = format!("`{key}` is {}", described(value));
        keys.findings().add(span, what, format!("tables, each below `[[{key}]]`"), "write it with two brackets");
    };
    match value.get_ref() {
        DeValue::Array(items) => {
            for item in items {
                match item.get_ref() {
                    DeValue::Table(table) => tables.push((item.span(), table)),
                    other => wrong(other, item.span()),
                }
            }
        }
        other => wrong(other, value.span()),
    }
    (keys.findings().count() == before).then_some(tables)
}

/// A part, if it is good, and how it is joined. `None`: it has no name to join it by.
fn part(mut keys: Keys<'_>, role: Role, before: Option<&str>) -> Option<(Option<Part>, Joined)> {
    let given = match role {
        Role::Stage => keys.required("name", Keys::text),
        Role::Source | Role::Sink => keys.text("name"),
    };
    let word = match role {
        Role::Source => "source",
        Role::Stage => "stage",
        Role::Sink => "sink",
    };
    if let Some(name) = &given {
        keys.name_it(format!("the {word} {}", quoted(name)));
    }
    let kind = if role == Role::Stage { None } else { keys.required("kind", Keys::text) };
    // What is called wrongly is not joined by another name.
    let name = given.or_else(|| if keys.has("name") { None } else { kind.clone() });
    if let Some(name) = &name {
        // Its kind may have named it.
        keys.name_it(format!("the {word} {}", quoted(name)));
        name::check(keys.findings(), keys.place("name"), "the name", name);
    }
    let name_span = keys.place("name");
    let from = if role == Role::Source { Some(Vec::new()) } else { from(&mut keys, before) };
    let (made, routes, stand_in) = match role {
        Role::Source => (source(keys, kind), Vec::new(), None),
        Role::Sink => (sink(keys, kind), Vec::new(), None),
        Role::Stage => {
            let policy_span = keys.place("failover");
            let stage = stage(keys);
            let routes = stage.as_ref().map(|stage| stage.routes.clone()).unwrap_or_default();
            let to = stage.as_ref().and_then(|stage| match &stage.conduct.failover {
                Failover::FailoverTo(to) => Some((to.clone(), policy_span)),
                _ => None,
            });
            (stage.map(Kind::Plugin), routes, to)
        }
    };
    let (name, from) = (name?, from?);
    let ports = from.iter().map(|(port, _)| port.clone()).collect();
    let part = made.map(|kind| Part { name: name.clone(), from: ports, kind });
    Some((part, Joined { name, span: name_span, role, routes, from, stand_in }))
}

fn from(keys: &mut Keys<'_>, before: Option<&str>) -> Option<Vec<(Port, Range<usize>)>> {
    if !keys.has("from") {
        // The part before may have gone unnamed, which is said already.
        return Some(
            before.map(|part| (Port { part: part.to_owned(), route: None }, keys.span())).into_iter().collect(),
        );
    }
    let texts = keys.placed_texts("from")?;
    if texts.is_empty() {
        keys.complain("from", "`from` is empty", "the names of sources and stages", "name one, or leave the key out");
        return None;
    }
    let port = |(text, span): (String, Range<usize>)| {
        let (part, route) = text.split_once('/').map_or((&*text, None), |(part, route)| (part, Some(route)));
        let port = Port { part: part.to_owned(), route: route.map(str::to_owned) };
        (port, span)
    };
    Some(texts.into_iter().map(port).collect())
}

fn source(mut keys: Keys<'_>, kind: Option<String>) -> Option<Kind> {
    let kinds = keys.kinds().sources();
    let make = kinds.get(kind?.as_str()).copied().or_else(|| unknown(&mut keys, "source", kinds.keys().copied()))?;
    let before = keys.findings().count();
    let made = make(&mut keys);
    finish(keys, made.is_some(), before);
    made.map(Kind::Source)
}

fn sink(mut keys: Keys<'_>, kind: Option<String>) -> Option<Kind> {
    let when_down = when_down(&mut keys);
    let retries = retries(&mut keys);
    let kinds = keys.kinds().sinks();
    let make = kinds.get(kind?.as_str()).copied().or_else(|| unknown(&mut keys, "sink", kinds.keys().copied()))?;
    let before = keys.findings().count();
    let made = make(&mut keys);
    finish(keys, made.is_some(), before);
    made.map(|sink| Kind::Sink(SinkStage { sink, when_down, retries }))
}

fn finish(mut keys: Keys<'_>, is_made: bool, before: usize) {
    if !is_made && keys.findings().count() == before {
        keys.complain("kind", "nothing can be made of these keys", "the keys of this kind", "see the kind's page");
    }
    keys.finish();
}

fn unknown<T>(keys: &mut Keys<'_>, role: &str, kinds: impl Iterator<Item = &'static str> + Clone) -> Option<T> {
    let kind = keys.text("kind")?;
    let all = kinds.clone().map(|kind| format!("\"{kind}\"")).collect::<Vec<_>>().join(", ");
    let remedy = keys.findings().suggestion(&kind, kinds).unwrap_or_else(|| "write one of these".to_owned());
    keys.complain("kind", format!("there is no {role} of the kind {}", quoted(&kind)), format!("one of {all}"), remedy);
    None
}

fn when_down(keys: &mut Keys<'_>) -> Option<WhenDown> {
    let after = keys.duration_ms("when_down_after_ms", limits::WHEN_DOWN_AFTER_MS);
    let when_down = keys.text_of("when_down", &["wait", "set_aside", "stop"]);
    if keys.has("when_down_after_ms") && when_down != Some("set_aside") {
        let what = "`when_down_after_ms` is there without `when_down = \"set_aside\"`";
        keys.complain(
            "when_down_after_ms",
            what,
            "the time before records are set aside",
            "add the one, or remove the other",
        );
    }
    when_down.map(|word| match word {
        "set_aside" => WhenDown::SetAside(after.unwrap_or(SET_ASIDE_AFTER)),
        "stop" => WhenDown::Stop,
        _ => WhenDown::Wait,
    })
}

/// The pauses; how often, only stages have a key for.
fn retries(keys: &mut Keys<'_>) -> Retries {
    let usual = Retries::default();
    Retries {
        max: usual.max,
        pause: keys.duration_ms("retry_pause_ms", limits::PAUSE_MS).unwrap_or(usual.pause),
        longest: keys.duration_ms("retry_longest_ms", limits::PAUSE_MS).unwrap_or(usual.longest),
    }
}

fn stage(mut keys: Keys<'_>) -> Option<PluginStage> {
    let library = keys.required("plugin", Keys::text).and_then(|written| keys.locate("plugin", &written));
    let params = keys.pairs("params").unwrap_or_default();
    let timeout = keys.duration_ms("timeout_ms", limits::TIMEOUT_MS).unwrap_or(Duration::from_secs(5));
    let routes = routes(&mut keys);
    let grants = grants(&mut keys);
    let conduct = conduct(&mut keys);
    keys.finish();
    Some(PluginStage { library: library?, params, timeout, routes, grants, conduct })
}

fn conduct(keys: &mut Keys<'_>) -> Conduct {
    let failover = keys.text("failover");
    let failover = failover.and_then(|text| policy::parse(keys.findings(), keys.place("failover"), text.trim()));
    let retries = retries(keys);
    let max = keys.u64_in("max_retries", limits::MAX_RETRIES).and_then(|max| u32::try_from(max).ok());
    Conduct {
        failover: failover.unwrap_or_default(),
        retries: Retries { max: max.unwrap_or(retries.max), ..retries },
        instances: keys
            .usize_in("instances", limits::INSTANCES)
            .and_then(NonZeroUsize::new)
            .unwrap_or(NonZeroUsize::MIN),
        share: match keys.text_of("share", &["by_key", "in_turns"]) {
            Some("in_turns") => Share::InTurns,
            _ => Share::ByKey,
        },
    }
}

fn routes(keys: &mut Keys<'_>) -> Vec<String> {
    let routes = keys.placed_texts("routes").unwrap_or_default();
    let mut seen = BTreeSet::new();
    for (route, span) in &routes {
        if name::check(keys.findings(), span.clone(), "the route", route) && !seen.insert(route) {
            let what = format!("the route {} is there twice", quoted(route));
            keys.findings().add(span.clone(), what, "each route once", "remove one of them");
        }
    }
    routes.into_iter().map(|(route, _)| route).collect()
}

fn grants(keys: &mut Keys<'_>) -> Grants {
    let Some(mut keys) = keys.table("grants") else { return Grants::default() };
    let mut syscalls = Vec::new();
    for (name, span) in keys.placed_texts("syscalls").unwrap_or_default() {
        match name.parse::<Syscall>() {
            Ok(syscall) => syscalls.push(syscall),
            Err(_) => {
                let what = format!("there is no system call {}", quoted(&name));
                keys.findings().add(
                    span,
                    what,
                    "the name of a system call of Linux",
                    "write it as its manual page does",
                );
            }
        }
    }
    let grants = Grants {
        read: keys.paths("read").unwrap_or_default(),
        write: keys.paths("write").unwrap_or_default(),
        work_dir: keys.flag("work_dir").unwrap_or_default(),
        network: keys.flag("network").unwrap_or_default(),
        processes: keys.flag("processes").unwrap_or_default(),
        syscalls,
    };
    keys.finish();
    grants
}

impl<'a> Keys<'a> {
    fn kinds(&self) -> &'a crate::config::Kinds {
        self.reading().surroundings.kinds
    }

    fn locate(&self, key: &str, written: &str) -> Option<std::path::PathBuf> {
        let reading = self.reading();
        library::locate(reading.findings, self.place(key), written, reading.folder, reading.surroundings.is_file)
    }
}
