//! A plan in the line format.

use std::fmt::Write as _;

use proscenium_plugin_host::Retries;
use proscenium_plugin_host::sandbox::Grants;

use super::FIELDS;
use crate::config::unprintable::millis;
use crate::config::{Unprintable, policy};
use crate::plan::{Conduct, Kind, Part, Plan, PluginStage, Port, Settings};

/// Writes a plan down in the line format. The pipeline's name is the file's, and its ends are not written.
///
/// # Errors
/// All of the plan that the format has no words for. Whether its numbers are within a file's limits is not looked at.
pub fn print(plan: &Plan) -> Result<String, Unprintable> {
    let mut why = Vec::new();
    let mut text = format!("# Format: {}\n", FIELDS.join("|"));
    if plan.settings != Settings::default() {
        why.push("the settings are not the usual ones".to_owned());
    }
    let last = plan.parts.len().saturating_sub(1);
    for (at, part) in plan.parts.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| Port { part: plan.parts[before].name.clone(), route: None });
        if !part.from.iter().eq(&before) {
            why.push(format!("`{}` does not follow the part before it alone", part.name));
        }
        match &part.kind {
            Kind::Source(_) if at == 0 => (),
            Kind::Sink(sink) if at == last => {
                if sink.when_down.is_some() || sink.retries != Retries::default() {
                    why.push(format!("the sink `{}` has settings of its own", part.name));
                }
            }
            Kind::Plugin(stage) if at > 0 && at < last => line(&mut text, &mut why, part, stage),
            Kind::Source(_) | Kind::Sink(_) | Kind::Plugin(_) => {
                why.push(format!("`{}` does not stand where it must: a source, stages, a sink", part.name));
            }
            Kind::Rust(_) => why.push(format!("the stage `{}` is Rust code", part.name)),
        }
    }
    Unprintable::result(text, why)
}

fn line(text: &mut String, why: &mut Vec<String>, part: &Part, stage: &PluginStage) {
    let name = &part.name;
    let Conduct { failover, retries, .. } = &stage.conduct;
    let usual = Conduct {
        failover: failover.clone(),
        retries: Retries { max: retries.max, ..Retries::default() },
        ..Conduct::default()
    };
    if stage.conduct != usual || stage.grants != Grants::default() || !stage.routes.is_empty() {
        why.push(format!("the stage `{name}` has more than parameters, a policy, retries and a time-out"));
    }
    let params: Vec<String> = stage
        .params
        .iter()
        .map(|(key, value)| format!("{}={}", escaped(why, name, key, "=,|"), escaped(why, name, value, ",|")))
        .collect();
    let library = stage.library.to_str().unwrap_or_else(|| {
        why.push(format!("the path of the library of `{name}` is not UTF-8"));
        ""
    });
    let library = escaped(why, name, library, "|");
    let policy = policy::print(why, name, failover);
    let timeout = millis(why, &format!("the time-out of the stage `{name}`"), stage.timeout);
    // Writing to a String does not fail.
    let _ = writeln!(text, "{name}|{library}|{}|true|{policy}|{}|{timeout}", params.join(","), retries.max);
}

/// A value with escapes. Spaces at its ends would be cut off.
fn escaped(why: &mut Vec<String>, name: &str, value: &str, separators: &str) -> String {
    let mut text = String::new();
    let (first, last) = (0, value.len().saturating_sub(1));
    for (at, char) in value.char_indices() {
        match char {
            '$' => text.push_str("$$"),
            '\\' => text.push_str(r"\\"),
            '\n' => text.push_str(r"\n"),
            '\r' => text.push_str(r"\r"),
            '\t' => text.push_str(r"\t"),
            ' ' if at == first || at == last || value[..at].trim_matches(' ').is_empty() => text.push_str(r"\s"),
            ' ' if value[at..].trim_matches(' ').is_empty() => text.push_str(r"\s"),
            char if separators.contains(char) => text.extend(['\\', char]),
            char if char.is_control() => why.push(format!("a value of the stage `{name}` has a control character")),
            char => text.push(char),
        }
    }
    text
}
