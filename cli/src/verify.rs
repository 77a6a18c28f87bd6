//! Whether a library keeps the contract of a plugin, as far as trying it can tell.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use proscenium::plugin::parameters::Schema;
use proscenium::plugin::{
    EndReport, Failover, Look, Plugin, PluginRef, ProcessError, Processed, RUNNER_VARIABLE, Refusals, Retries,
    StartError, Swap, Verdicts, Why,
};
use proscenium::supervision::SupervisorError;
use proscenium::{Node, Supervisor, SupervisorRef};
use tokio::time::timeout;
use tracing::Level;

use crate::command::Tried;
use crate::events::{Line, Log};
use crate::findings::{Findings, clean};
use crate::samples::{self, Shape};

/// A batch that hangs or crashes again and again is waited for so many limits.
const LIMITS: u32 = 10;
/// Of all that the plugin prints.
const LINES: usize = 1_024;

/// # Errors
/// Why it is no plugin, or none that can be relied on.
pub async fn run(tried: &Tried, log: &Log) -> Result<(), String> {
    let refusals = Refusals::new();
    let mut trial = Trial { tried, log, refusals: &refusals, findings: Findings::default(), said: Vec::new() };
    let done = trial.checks().await;
    trial.listen();
    if tried.learns {
        println!("refused, as grants that it would take");
        refusals.to_string().lines().for_each(|line| println!("  {line}"));
    }
    if tried.logs {
        println!("log");
        trial.said.iter().for_each(|line| println!("  {:5} {}", line.level, clean(&line.text)));
    }
    done.and_then(|()| trial.findings.conclude()).map_err(|why| named(&tried.file, &why))
}

/// With the file's name in front, unless it begins with that.
pub fn named(file: &Path, why: &impl fmt::Display) -> String {
    let (file, why) = (file.display().to_string(), clean(why));
    if why.starts_with(&file) { why } else { format!("{file}: {why}") }
}

/// A library, in processes that are this very program, unless the environment names another.
pub fn library(file: &Path) -> Plugin {
    let plugin = Plugin::new(file);
    match std::env::current_exe() {
        Ok(own) if std::env::var_os(RUNNER_VARIABLE).is_none_or(|named| named.is_empty()) => plugin.runner(own),
        _ => plugin,
    }
}

/// The plugin as it was asked for.
pub fn plugin(tried: &Tried) -> Plugin {
    let plugin = library(&tried.file).grants(tried.grants.clone());
    let plugin = plugin.start_limit(tried.limit).timeout(tried.limit).stop_limit(tried.limit);
    tried.params.iter().fold(plugin, |plugin, (key, value)| plugin.param(key, value))
}

/// A plugin that is being tried.
struct Trial<'a> {
    tried: &'a Tried,
    log: &'a Log,
    refusals: &'a Refusals,
    findings: Findings,
    /// The plugin's own words.
    said: Vec<Line>,
}

impl Trial<'_> {
    /// # Errors
    /// What keeps it from being tried at all.
    async fn checks(&mut self) -> Result<(), String> {
        let plugin = plugin(self.tried)
            .failover(Failover::DeadLetter)
            .grace(Duration::from_millis(100))
            .retries(Retries { max: 1, pause: Duration::from_millis(10), longest: Duration::from_millis(50) });
        let plugin = if self.tried.learns { plugin.learn(self.refusals) } else { plugin };
        let look = plugin.look().await.map_err(|error| error.to_string())?;
        let schema = self.library(&look)?;
        let stand_ins = schema.stand_ins(&self.tried.params);
        for (key, value) in &stand_ins {
            self.findings.note(format!("{key} = `{value}` is the author's, give yours with --param {key}=VALUE"));
        }
        let params: Vec<_> = self.tried.params.iter().cloned().chain(stand_ins.clone()).collect();
        schema.check(&params).map_err(|misfits| format!("the parameters do not fit: {misfits}"))?;
        self.findings.ok("the parameters fit");
        let plugin = stand_ins.iter().fold(plugin, |plugin, (key, value)| plugin.param(key, value));

        let node = Node::start("verify").await.map_err(|error| error.to_string())?;
        let done = self.life(&node, plugin, &look).await;
        let stopped = node.stop().await.map_err(|error| error.to_string());
        if done.is_ok() {
            self.cleanup();
        }
        done.and(stopped)
    }

    fn library(&mut self, look: &Look) -> Result<Schema, String> {
        let findings = &mut self.findings;
        findings.heading(format_args!("{}\n", look.library.display()).to_string().trim_end());
        println!("  sha256 {}", look.fingerprint);
        findings.heading("library");
        let (major, minor) = look.abi;
        findings.ok(format_args!("it loads, for version {major}.{minor} of the plugin interface"));
        let optional = [(look.flushes, "flush_plugin"), (look.has_state, "export_state and import_state")];
        let (has, lacks): (Vec<_>, Vec<_>) = optional.into_iter().partition(|(has, _)| *has);
        let names = |of: Vec<(bool, &'static str)>| of.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
        let with = if has.is_empty() { String::new() } else { format!(", {}", names(has)) };
        let without = if lacks.is_empty() { String::new() } else { format!("; it has no {}", names(lacks)) };
        findings.ok(format_args!("it has the four functions of a plugin{with}{without}"));
        for (name, text) in look.info.iter().filter(|(name, _)| name != "parameters") {
            println!("        {name}: {}", clean(text));
        }
        for name in ["name", "version"] {
            if look.info(name).is_none_or(str::is_empty) {
                findings.note(format_args!("it does not say its {name}: answer get_plugin_info(\"{name}\")"));
            }
        }
        let schema = look.schema().map_err(|error| error.to_string())?;
        findings.ok("get_plugin_info(\"parameters\") is a JSON Schema of an object");
        for (name, is_needed, what, about) in schema.lines() {
            let needed = if is_needed { "needed; " } else { "" };
            let about = if about.is_empty() { String::new() } else { format!(": {about}") };
            println!("        {}", clean(format_args!("{name}{about} ({needed}{what})")));
        }
        for word in schema.ignored() {
            findings.note(format_args!("`{word}` is in the schema, and the host checks nothing by it"));
        }
        Ok(schema)
    }

    async fn life(&mut self, node: &Node, plugin: Plugin, look: &Look) -> Result<(), String> {
        let began = Instant::now();
        // What it crashes for is counted here, and not by its supervisor.
        let tree = Supervisor::one_for_one().intensity(1_000, Duration::from_secs(1));
        let tree: SupervisorRef = tree.start(node).await.map_err(|error| error.to_string())?;
        tree.start_child(Plugin::spec("plugin", plugin)).await.map_err(|error| cause(&error))?;
        let plugin = tree.reference::<PluginRef>("plugin").await.map_err(|error| error.to_string())?;
        let status = plugin.status().await.map_err(|error| error.to_string())?;
        self.findings.ok(format_args!("init_plugin, {} ms from its spawn", began.elapsed().as_millis()));
        self.findings.heading("sandbox");
        status.sandbox.to_string().lines().for_each(|line| println!("  {line}"));
        self.findings.heading("batches");
        for shape in samples::all() {
            self.batch(&plugin, &shape).await?;
        }
        self.findings.heading("flush");
        let flushed = self.settled("flush_plugin", &plugin, plugin.flush()).await?;
        self.findings.ok(match (look.flushes, flushed.emitted().count()) {
            (false, _) => "there is nothing to flush".to_owned(),
            (true, records) => format!("flush_plugin, {records} records"),
        });
        drop(flushed);
        self.findings.heading("a second process");
        self.second(&plugin, look).await?;
        tree.stop().await.map(drop).map_err(|error| error.to_string())
    }

    /// Waits for what the plugin is given, if that does not take too long.
    async fn settled(
        &self,
        what: &str,
        plugin: &PluginRef,
        given: impl Future<Output = Result<Processed, ProcessError>>,
    ) -> Result<Processed, String> {
        let limit = self.tried.limit * LIMITS;
        match timeout(limit, given).await {
            Ok(done) => done.map_err(|error| format!("{what}: {error}")),
            Err(_) => {
                let status = plugin.status().await.ok();
                let last =
                    status.and_then(|status| status.last_end).map(|end| format!(", the last time: {}", told(&end)));
                let last = last.unwrap_or_default();
                Err(format!("{what}: it hangs or ends again and again, and was given up after {limit:?}{last}"))
            }
        }
    }

    async fn batch(&mut self, plugin: &PluginRef, shape: &Shape) -> Result<(), String> {
        let processes = plugin.status().await.map_err(|error| error.to_string())?.processes;
        let mut batch = plugin.batch().await;
        shape.fill(&mut batch).map_err(|full| full.to_string())?;
        let done = self.settled(shape.name, plugin, plugin.process(batch)).await?;
        let tally = Tally::of(&done);
        let status = plugin.status().await.map_err(|error| error.to_string())?;
        let warnings = self.listen();
        let fault = match (tally.poison, tally.code, status.last_end) {
            (Some((record, end)), ..) => Some(format!(
                "record {record} ends the process: {}",
                end.map_or_else(|| "it is not known how".to_owned(), told)
            )),
            (None, Some(code), _) => Some(format!("process_batch returns {code}, which means nothing for a batch")),
            (None, None, Some(end)) if status.processes != processes => {
                Some(format!("the process has ended meanwhile: {}", told(&end)))
            }
            _ => None,
        };
        match fault {
            None => self.findings.ok(format_args!("{}: {}", shape.name, tally.text)),
            Some(fault) => self.findings.fail(format_args!("{}: {}; {fault}{warnings}", shape.name, tally.text)),
        }
        Ok(())
    }

    async fn second(&mut self, plugin: &PluginRef, look: &Look) -> Result<(), String> {
        match plugin.swap(Swap::reload()).await {
            Err(error) => self.findings.fail(format_args!("{error}{}", self.said_last())),
            Ok(report) => match report.state {
                Some(bytes) => {
                    self.findings
                        .ok(format_args!("it takes on the state of the first: {bytes} bytes, exported and imported"));
                }
                None if look.has_state => self.findings.note("export_state says that there is nothing to carry over"),
                None => self.findings.ok("it takes over from the first"),
            },
        }
        let shapes = samples::all();
        let [one, ..] = shapes.as_slice() else { return Ok(()) };
        self.batch(plugin, one).await
    }

    /// Both processes have been asked to put their things away.
    fn cleanup(&mut self) {
        self.findings.heading("end");
        let lines = self.log.take();
        let faults: Vec<_> = lines.iter().filter(|line| line.target == "proscenium::plugin::cleanup").collect();
        match faults.first() {
            Some(fault) => self.findings.fail(&fault.text),
            None => self.findings.ok("cleanup_plugin, and the process ends with code 0"),
        }
        self.keep(lines);
    }

    /// What the host has to say of what the plugin wrote; the plugin's own words are kept.
    fn listen(&mut self) -> String {
        let lines = self.log.take();
        let is_a_reason =
            |line: &&Line| line.level == Level::WARN && !line.is_the_plugins() && !line.text.contains("has ended");
        let warning = lines.iter().find(is_a_reason).map(|line| format!(" ({})", line.text)).unwrap_or_default();
        self.keep(lines);
        warning
    }

    fn keep(&mut self, lines: Vec<Line>) {
        let room = LINES.saturating_sub(self.said.len());
        self.said.extend(lines.into_iter().filter(Line::is_the_plugins).take(room));
    }

    fn said_last(&self) -> String {
        let last = self.said.iter().rev().find(|line| line.level <= Level::WARN);
        last.map(|line| format!("; its last warning: {}", line.text)).unwrap_or_default()
    }
}

/// A start that fails, without who has failed to start it.
fn cause(error: &SupervisorError) -> String {
    match error {
        SupervisorError::Start(exit) => StartError::of(exit).map_or_else(|| exit.to_string(), StartError::to_string),
        error => error.to_string(),
    }
}

/// How a process has ended, without what differs from run to run.
fn told(end: &EndReport) -> String {
    let mut text = end.class.to_string();
    if let Some(phase) = end.phase {
        text += &format!(" at {}", phase.name());
    }
    if let Some(word) = end.last_word.as_ref().filter(|word| !word.symbol.is_empty()) {
        text += &format!(" in {}", word.symbol);
    }
    if let Some(memory) = &end.memory {
        text += &format!(" ({memory})");
    }
    if !end.text.is_empty() {
        text += &format!(": {}", end.text);
    }
    text
}

/// What became of a batch.
struct Tally<'a> {
    text: String,
    poison: Option<(u64, Option<&'a EndReport>)>,
    /// A return code that means nothing.
    code: Option<i32>,
}

impl<'a> Tally<'a> {
    fn of(done: &'a Processed) -> Self {
        /// `PSC_ERR_FAIL` to `PSC_ERR_NOMEM`.
        const ERRORS: std::ops::RangeInclusive<i32> = -8..=-1;
        let (mut counts, mut poison, mut code) = (BTreeMap::<String, usize>::new(), None, None);
        for record in done.records() {
            let word = match record.verdict() {
                Verdicts::Ok => "go on".to_owned(),
                Verdicts::Route(_) => "routed".to_owned(),
                Verdicts::Dropped => "dropped".to_owned(),
                Verdicts::Failed { code } => format!("failed with code {code}"),
                Verdicts::SetAside(Why::Failed { code: returned }) => {
                    code = code.or(Some(*returned).filter(|code| !ERRORS.contains(code)));
                    format!("failed as a batch with code {returned}")
                }
                Verdicts::SetAside(Why::Poison) => {
                    poison = poison.or(Some((record.id(), record.end())));
                    "poison".to_owned()
                }
                Verdicts::SetAside(Why::TooLarge) => "too large for it".to_owned(),
                Verdicts::SetAside(Why::Unsupported) => "not supported".to_owned(),
                Verdicts::SetAside(Why::RetriesUsedUp) => "asked for again in vain".to_owned(),
                Verdicts::SetAside(_) => "set aside".to_owned(),
            };
            *counts.entry(word).or_default() += 1;
        }
        let mut text: Vec<_> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
        if done.emitted().next().is_some() {
            text.push(format!("{} added", done.emitted().count()));
        }
        Tally { text: text.join(", "), poison, code }
    }
}
