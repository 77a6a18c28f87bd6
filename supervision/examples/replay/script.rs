//! The scripts, read.

use std::collections::HashMap;
use std::str::FromStr;
use std::time::Duration;

use proscenium_runtime::Exit;
use proscenium_supervision::{AutoShutdown, ChildFlags, ChildType, Restart, Shutdown, Strategy, SupFlags};

/// What a start attempt does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attempt {
    Ok,
    Ignore,
    Error,
}

/// How a worker takes a request to shut down.
#[derive(Clone, Debug)]
pub struct Obedience {
    /// None: it ignores it.
    pub stop: Option<Exit>,
    pub delay: u64,
}

/// One line of specs, or the spec in an event.
#[derive(Clone, Debug)]
pub struct Spec {
    pub path: String,
    pub flags: ChildFlags,
    /// None: a worker, whatever its type says.
    pub sup: Option<SupFlags>,
    pub starts: Vec<Attempt>,
    pub obedience: Obedience,
    /// Not of an event.
    pub is_of_the_script: bool,
}

/// A script.
#[derive(Clone, Debug)]
pub struct Script {
    pub name: String,
    pub specs: Vec<Spec>,
    pub events: Vec<String>,
}

/// What is wrong with a script: the line and why.
pub type Fault = String;

impl Script {
    /// The scripts of a text.
    pub fn parse_all(text: &str) -> Result<Vec<Script>, Fault> {
        let mut scripts = Vec::new();
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let at = |fault: Fault| format!("line {}: {fault}", number + 1);
            let name = line.strip_prefix("script ").ok_or_else(|| at(format!("`script NAME` is due, not `{line}`")))?;
            let mut script = Script { name: name.into(), specs: Vec::new(), events: Vec::new() };
            let mut runs = false;
            loop {
                let (number, line) = lines.next().ok_or_else(|| at(format!("`{name}` has no `end`")))?;
                let at = |fault: Fault| format!("line {}: {fault}", number + 1);
                match line {
                    "end" => break,
                    "run" if !runs => runs = true,
                    _ if runs => script.events.push(line.into()),
                    _ => script.specs.push(Spec::parse(line).map_err(at)?),
                }
            }
            scripts.push(script);
        }
        Ok(scripts)
    }
}

impl Spec {
    /// `sup PATH …` or `child PATH …`.
    pub fn parse(line: &str) -> Result<Spec, Fault> {
        let mut words = line.split(' ');
        let kind = words.next().unwrap_or_default();
        let path = words.next().ok_or("a path is due")?.to_owned();
        let keys: HashMap<&str, &str> = words.map(|word| word.split_once('=').ok_or(word)).collect::<Result<_, _>>()?;
        Spec::of(kind == "sup", path, &keys)
    }

    /// The same from its keys.
    pub fn of(is_sup: bool, path: String, keys: &HashMap<&str, &str>) -> Result<Spec, Fault> {
        let read = |key: &str| keys.get(key).copied();
        let default_type = if is_sup { ChildType::Supervisor } else { ChildType::Worker };
        let child_type = match read("type") {
            None => default_type,
            Some("worker") => ChildType::Worker,
            Some("supervisor") => ChildType::Supervisor,
            Some(other) => return Err(format!("type={other}")),
        };
        let defaults = match child_type {
            ChildType::Worker if !is_sup => ChildFlags::worker(),
            _ => ChildFlags::supervisor(),
        };
        let flags = ChildFlags {
            restart: read("restart").map_or(Ok(defaults.restart), restart)?,
            significant: read("significant") == Some("true"),
            shutdown: read("shutdown").map_or(Ok(defaults.shutdown), shutdown)?,
            child_type,
        };
        let sup = if is_sup { Some(sup_flags(keys)?) } else { None };
        let stop = match read("stop") {
            Some("never") => None,
            other => Some(other.map_or(Exit::Shutdown, exit)),
        };
        let starts = read("starts").map_or(Ok(Vec::new()), attempts)?;
        let obedience = Obedience { stop, delay: number(read("delay"), 0)? };
        Ok(Spec { path, flags, sup, starts, obedience, is_of_the_script: true })
    }
}

/// `ok,error,…`
pub fn attempts(list: &str) -> Result<Vec<Attempt>, Fault> {
    list.split(',')
        .map(|word| match word {
            "ok" => Ok(Attempt::Ok),
            "ignore" => Ok(Attempt::Ignore),
            "error" => Ok(Attempt::Error),
            other => Err(format!("starts={other}")),
        })
        .collect()
}

fn number<T: FromStr>(word: Option<&str>, default: T) -> Result<T, Fault> {
    word.map_or(Ok(default), |word| word.parse().map_err(|_| format!("`{word}` is no number")))
}

fn restart(word: &str) -> Result<Restart, Fault> {
    match word {
        "permanent" => Ok(Restart::Permanent),
        "transient" => Ok(Restart::Transient),
        "temporary" => Ok(Restart::Temporary),
        other => Err(format!("restart={other}")),
    }
}

fn shutdown(word: &str) -> Result<Shutdown, Fault> {
    match word {
        "brutal_kill" => Ok(Shutdown::BrutalKill),
        "infinity" => Ok(Shutdown::Infinity),
        ms => Ok(Shutdown::Within(Duration::from_millis(number(Some(ms), 0)?))),
    }
}

fn sup_flags(keys: &HashMap<&str, &str>) -> Result<SupFlags, Fault> {
    let defaults = SupFlags::default();
    let read = |key: &str| keys.get(key).copied();
    Ok(SupFlags {
        strategy: match read("strategy").unwrap_or("one_for_one") {
            "one_for_one" => Strategy::OneForOne,
            "one_for_all" => Strategy::OneForAll,
            "rest_for_one" => Strategy::RestForOne,
            "simple_one_for_one" => Strategy::SimpleOneForOne,
            other => return Err(format!("strategy={other}")),
        },
        intensity: number(read("intensity"), defaults.intensity)?,
        period: number(read("period"), defaults.period)?,
        auto_shutdown: match read("auto_shutdown").unwrap_or("never") {
            "never" => AutoShutdown::Never,
            "any_significant" => AutoShutdown::AnySignificant,
            "all_significant" => AutoShutdown::AllSignificant,
            other => return Err(format!("auto_shutdown={other}")),
        },
        max_children: None,
    })
}

/// A reason as scripts spell it.
pub fn exit(word: &str) -> Exit {
    match word {
        "normal" => Exit::Normal,
        "shutdown" => Exit::Shutdown,
        "kill" | "killed" => Exit::Killed,
        other => match other.strip_prefix("{shutdown,").and_then(|rest| rest.strip_suffix('}')) {
            Some(why) => Exit::shutdown_with(why),
            None => Exit::custom(other),
        },
    }
}

/// A reason as traces spell it.
pub fn show(exit: &Exit) -> String {
    match exit {
        Exit::ShutdownWith(why) => format!("{{shutdown,{why}}}"),
        Exit::NoProc => "noproc".into(),
        other => other.to_string(),
    }
}
