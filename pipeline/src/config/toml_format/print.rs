//! A plan as TOML.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use proscenium_plugin_host::Retries;
use proscenium_plugin_host::sandbox::Grants;
use serde_json::Value;

use crate::config::unprintable::millis;
use crate::config::{Unprintable, policy};
use crate::plan::{Conduct, Kind, Part, Plan, PluginStage, Settings, Share, SinkStage, WhenDown};

/// Writes a plan down as TOML. What is as usual is left out, but for what each part follows.
///
/// # Errors
/// All of the plan that a file cannot say: Rust code, sources and sinks without [settings](crate::SourceSpec::settings),
/// paths that are not UTF-8. Whether its numbers are within a file's limits is not looked at.
pub fn print(plan: &Plan) -> Result<String, Unprintable> {
    let mut page = Page { text: String::new(), why: Vec::new() };
    page.line("name", &text(&plan.name));
    page.settings(&plan.settings);
    for part in &plan.parts {
        page.part(part);
    }
    Unprintable::result(page.text, page.why)
}

struct Page {
    text: String,
    why: Vec<String>,
}

impl Page {
    fn line(&mut self, key: &str, value: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.text, "{key} = {value}");
    }

    fn number<T: PartialEq + std::fmt::Display>(&mut self, key: &str, value: T, usual: T) {
        if value != usual {
            self.line(key, &value.to_string());
        }
    }

    fn time(&mut self, key: &str, value: Duration, usual: Duration) {
        if value != usual {
            let millis = millis(&mut self.why, key, value);
            self.line(key, &millis.to_string());
        }
    }

    fn path(&mut self, path: &Path) -> String {
        path.to_str().map(text).unwrap_or_else(|| {
            self.why.push(format!("the path {} is not UTF-8", path.display()));
            String::new()
        })
    }

    fn settings(&mut self, settings: &Settings) {
        let usual = Settings::default();
        if *settings == usual {
            return;
        }
        self.text.push_str("\n[settings]\n");
        self.number("chunk_records", settings.chunk.records, usual.chunk.records);
        self.number("chunk_bytes", settings.chunk.bytes, usual.chunk.bytes);
        self.number("window", settings.window, usual.window);
        self.time("linger_ms", settings.linger, usual.linger);
        if let Some(state) = &settings.state {
            let state = self.path(state);
            self.line("state", &state);
        }
        self.time("checkpoint_every_ms", settings.checkpoint_every, usual.checkpoint_every);
        self.time("drain_ms", settings.drain, usual.drain);
        self.number("intensity", settings.intensity, usual.intensity);
        self.number("record_limit", settings.record_limit, usual.record_limit);
    }

    fn part(&mut self, part: &Part) {
        let table = match &part.kind {
            Kind::Source(_) => "source",
            Kind::Sink(_) => "sink",
            Kind::Plugin(_) | Kind::Rust(_) => "stage",
        };
        let _ = write!(self.text, "\n[[{table}]]\n");
        self.line("name", &text(&part.name));
        match &part.kind {
            Kind::Source(source) => self.end(&part.name, source.kind(), source.settings()),
            Kind::Sink(sink) => {
                self.from(part);
                self.end(&part.name, sink.sink.kind(), sink.sink.settings());
                self.sink(sink);
            }
            Kind::Plugin(stage) => {
                let library = self.path(&stage.library);
                self.line("plugin", &library);
                self.from(part);
                self.stage(&part.name, stage);
            }
            Kind::Rust(_) => self.why.push(format!("the stage `{}` is Rust code", part.name)),
        }
    }

    fn from(&mut self, part: &Part) {
        let from: Vec<String> = part.from.iter().map(|port| text(&port.to_string())).collect();
        self.line("from", &format!("[{}]", from.join(", ")));
    }

    fn end(&mut self, name: &str, kind: &str, settings: Option<Vec<(&'static str, Value)>>) {
        self.line("kind", &text(kind));
        let Some(settings) = settings else {
            self.why.push(format!("`{name}` is of the kind `{kind}`, which no file can say"));
            return;
        };
        for (key, setting) in settings {
            match value(&setting) {
                Some(written) => self.line(key, &written),
                None => self.why.push(format!("`{name}`: TOML has no value {setting} for `{key}`")),
            }
        }
    }

    fn sink(&mut self, sink: &SinkStage) {
        match sink.when_down {
            None => (),
            Some(WhenDown::Wait) => self.line("when_down", "\"wait\""),
            Some(WhenDown::Stop) => self.line("when_down", "\"stop\""),
            Some(WhenDown::SetAside(after)) => {
                self.line("when_down", "\"set_aside\"");
                self.time("when_down_after_ms", after, Duration::MAX);
            }
        }
        self.pauses(&sink.retries);
    }

    fn pauses(&mut self, retries: &Retries) {
        let usual = Retries::default();
        self.time("retry_pause_ms", retries.pause, usual.pause);
        self.time("retry_longest_ms", retries.longest, usual.longest);
    }

    fn stage(&mut self, name: &str, stage: &PluginStage) {
        let Conduct { failover, retries, instances, share } = &stage.conduct;
        if !stage.params.is_empty() {
            let params: Vec<String> =
                stage.params.iter().map(|(key, value)| format!("{} = {}", self::key(key), text(value))).collect();
            self.line("params", &format!("{{ {} }}", params.join(", ")));
        }
        if *failover != Conduct::default().failover {
            let policy = policy::print(&mut self.why, name, failover);
            self.line("failover", &text(&policy));
        }
        self.number("max_retries", retries.max, Retries::default().max);
        self.pauses(retries);
        self.time("timeout_ms", stage.timeout, Duration::from_secs(5));
        if !stage.routes.is_empty() {
            self.line("routes", &texts(&stage.routes));
        }
        self.number("instances", instances.get(), 1);
        if *share == Share::InTurns {
            self.line("share", "\"in_turns\"");
        }
        if stage.grants != Grants::default() {
            let grants = self.grants(&stage.grants);
            self.line("grants", &grants);
        }
    }

    fn grants(&mut self, grants: &Grants) -> String {
        let mut written = Vec::new();
        for (key, paths) in [("read", &grants.read), ("write", &grants.write)] {
            if !paths.is_empty() {
                let paths: Vec<String> = paths.iter().map(|path| self.path(path)).collect();
                written.push(format!("{key} = [{}]", paths.join(", ")));
            }
        }
        let flags = [("work_dir", grants.work_dir), ("network", grants.network), ("processes", grants.processes)];
        written.extend(flags.iter().filter(|(_, is)| *is).map(|(key, _)| format!("{key} = true")));
        if !grants.syscalls.is_empty() {
            let names: Vec<String> = grants.syscalls.iter().map(ToString::to_string).collect();
            written.push(format!("syscalls = {}", texts(&names)));
        }
        format!("{{ {} }}", written.join(", "))
    }
}

fn texts(all: &[String]) -> String {
    format!("[{}]", all.iter().map(|one| text(one)).collect::<Vec<_>>().join(", "))
}

/// A text in quotes.
fn text(value: &str) -> String {
    quotes(&value.replace('$', "$$"))
}

fn key(key: &str) -> String {
    let is_bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if is_bare { key.to_owned() } else { quotes(key) }
}

fn quotes(value: &str) -> String {
    let mut text = String::from("\"");
    for char in value.chars() {
        match char {
            '"' | '\\' => text.extend(['\\', char]),
            '\n' => text.push_str(r"\n"),
            '\r' => text.push_str(r"\r"),
            '\t' => text.push_str(r"\t"),
            char if char.is_control() => {
                let _ = write!(text, "\\u{:04X}", u32::from(char));
            }
            char => text.push(char),
        }
    }
    text.push('"');
    text
}

/// A setting of a source's or a sink's. TOML has no null.
fn value(setting: &Value) -> Option<String> {
    Some(match setting {
        Value::Null => return None,
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(value) => text(value),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(value).collect::<Option<Vec<_>>>()?.join(", "))
        }
        Value::Object(map) => {
            let pairs = map.iter().map(|(name, setting)| Some(format!("{} = {}", key(name), value(setting)?)));
            format!("{{ {} }}", pairs.collect::<Option<Vec<_>>>()?.join(", "))
        }
    })
}
