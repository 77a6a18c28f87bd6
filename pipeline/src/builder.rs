//! Pipelines, described in Rust.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proscenium_plugin_host::sandbox::Grants;
use proscenium_plugin_host::{Failover, Retries};
use proscenium_runtime::Node;

use crate::book::Outcome;
use crate::chunk::ChunkSize;
use crate::disk::Disk;
use crate::failed::Failed;
use crate::launch::{StartError, launch};
use crate::operator::{Code, Emit, OperatorSpec};
use crate::operators::{self, AsyncClosure, Keeps, Leads, Says, State, Yields};
use crate::pipeline_ref::PipelineRef;
use crate::plan::{Conduct, Kind, Part, Plan, PluginStage, Port, RustStage, Settings, Share, SinkStage, WhenDown};
use crate::plan_check::{Fault, check};
use crate::real_disk::RealDisk;
use crate::record::{OwnedRecord, Record, RecordMut};
use crate::sink::SinkSpec;
use crate::source::SourceSpec;

/// A pipeline, part by part: each takes the records of the one before it, unless [`from`](Pipeline::from) says otherwise.
///
/// ```no_run
/// # use proscenium_pipeline::{Pipeline, sources::{Files, Lines}};
/// # async fn start(node: &proscenium_runtime::Node) -> Result<(), Box<dyn std::error::Error>> {
/// let orders = Pipeline::named("orders")
///     .source(Lines::stdin().json())
///     .plugin("validation", "plugins/libvalidation.so").param("strict_mode", true)
///     .map("tag", |record| record.set_header("seen", b"yes"))
///     .sink(Files::rolling("out/"))
///     .start(node)
///     .await?;
/// println!("{}", orders.wait().await);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a pipeline runs when it is started"]
pub struct Pipeline {
    plan: Plan,
    /// Where the next part has its records from.
    at: Vec<Port>,
    faults: Vec<Fault>,
}

impl Pipeline {
    /// One with this name on the node, and no parts.
    pub fn named(name: impl Into<String>) -> Self {
        let plan = Plan { name: name.into(), settings: Settings::default(), parts: Vec::new() };
        Pipeline { plan, at: Vec::new(), faults: Vec::new() }
    }

    /// One that was described elsewhere.
    pub fn of(plan: Plan) -> Self {
        Pipeline { plan, at: Vec::new(), faults: Vec::new() }
    }

    /// Records come from here. It is called by its kind, as long as nobody [calls](Pipeline::called) it something else.
    pub fn source(mut self, source: impl SourceSpec) -> Self {
        self.at.clear();
        let name = self.unused(source.kind());
        self.part(name, Kind::Source(Arc::new(source)))
    }

    /// A library in a process of its own, without parameters.
    pub fn plugin(self, name: impl Into<String>, library: impl Into<PathBuf>) -> Self {
        let stage = PluginStage {
            library: library.into(),
            params: Vec::new(),
            timeout: Duration::from_secs(5),
            routes: Vec::new(),
            grants: Grants::default(),
            conduct: Conduct::default(),
        };
        self.part(name.into(), Kind::Plugin(stage))
    }

    /// Rust code for each record, which it may change, drop or send along a route.
    #[track_caller]
    pub fn map<S: Says>(
        self,
        name: impl Into<String>,
        code: impl Fn(&mut RecordMut<'_>) -> S + Send + Sync + 'static,
    ) -> Self {
        self.operator(name, operators::map(code))
    }

    /// Rust code that says which records go on.
    #[track_caller]
    pub fn filter<K: Keeps>(
        self,
        name: impl Into<String>,
        code: impl Fn(Record<'_>) -> K + Send + Sync + 'static,
    ) -> Self {
        self.operator(name, operators::filter(code))
    }

    /// Rust code that makes any number of records out of each.
    #[track_caller]
    pub fn flat_map<S: Says>(
        self,
        name: impl Into<String>,
        code: impl Fn(Record<'_>, &mut dyn Emit) -> S + Send + Sync + 'static,
    ) -> Self {
        self.operator(name, operators::flat_map(code))
    }

    /// Rust code that names a route for each record. What is attached to a route says [`from`](Pipeline::from)
    /// `"stage/route"`; a record for one with nothing attached, or for another name, becomes a dead letter.
    #[track_caller]
    pub fn route<L: Leads, R: Into<String>>(
        self,
        name: impl Into<String>,
        routes: impl IntoIterator<Item = R>,
        code: impl Fn(Record<'_>) -> L + Send + Sync + 'static,
    ) -> Self {
        self.operator(name, operators::route(routes.into_iter().map(Into::into).collect(), code))
    }

    /// Rust code with a state for each key, which checkpoints keep.
    #[track_caller]
    pub fn fold<S: State, V: Says>(
        self,
        name: impl Into<String>,
        code: impl Fn(&mut S, &mut RecordMut<'_>) -> V + Send + Sync + 'static,
    ) -> Self {
        self.operator(name, operators::fold(code))
    }

    /// Async Rust code, for so many records at once at most; their order is kept.
    pub fn map_async<T, Y>(
        self,
        name: impl Into<String>,
        at_once: usize,
        code: impl Fn(OwnedRecord) -> T + Send + Sync + 'static,
    ) -> Self
    where
        T: Future<Output = Result<Y, Failed>> + Send + 'static,
        Y: Yields + 'static,
    {
        let code = Code::Async { operator: Arc::new(AsyncClosure(code)), at_once };
        self.part(name.into(), Kind::Rust(RustStage { code, conduct: Conduct::default() }))
    }

    /// Rust code of a type of your own.
    pub fn operator(self, name: impl Into<String>, spec: impl OperatorSpec) -> Self {
        let code = Code::Sync(Arc::new(spec));
        self.part(name.into(), Kind::Rust(RustStage { code, conduct: Conduct::default() }))
    }

    /// Records end here. It is called by its kind, as long as nobody [calls](Pipeline::called) it something else.
    pub fn sink(mut self, sink: impl SinkSpec) -> Self {
        let name = self.unused(sink.kind());
        let stage = SinkStage { sink: Arc::new(sink), when_down: None, retries: Retries::default() };
        self = self.part(name, Kind::Sink(stage));
        self.at.clear();
        self
    }

    /// Another name for the part before.
    pub fn called(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if let Some(part) = self.plan.parts.last_mut() {
            let old = std::mem::replace(&mut part.name, name.clone());
            self.at.iter_mut().filter(|port| port.part == old).for_each(|port| port.part.clone_from(&name));
        }
        self
    }

    /// The next part has its records from there: a part's name, or `"part/route"`; or several, which merges them.
    pub fn from(mut self, ports: impl Ports) -> Self {
        self.at = ports.ports();
        self
    }

    /// A parameter of the plugin before.
    pub fn param(self, key: impl Into<String>, value: impl fmt::Display) -> Self {
        let (key, value) = (key.into(), value.to_string());
        self.of_plugin("params", |stage| stage.params.push((key, value)))
    }

    /// The routes of the plugin before, in the order of their numbers.
    pub fn routes<R: Into<String>>(self, routes: impl IntoIterator<Item = R>) -> Self {
        let routes = routes.into_iter().map(Into::into).collect();
        self.of_plugin("routes", |stage| stage.routes = routes)
    }

    /// How long a batch of the plugin before may take. Default: 5 s.
    pub fn timeout(self, limit: Duration) -> Self {
        self.of_plugin("timeout", |stage| stage.timeout = limit)
    }

    /// What the plugin before may do besides computing. Default: nothing.
    pub fn grants(self, grants: Grants) -> Self {
        self.of_plugin("grants", |stage| stage.grants = grants)
    }

    /// What the stage before does with what fails. Default: it is tried again, then a dead letter.
    pub fn failover(self, policy: Failover) -> Self {
        self.of_stage("failover", |conduct| conduct.failover = policy)
    }

    /// How often the stage before tries again, and after which pauses; of a sink the pauses only.
    pub fn retries(mut self, retries: Retries) -> Self {
        if let Some(Part { kind: Kind::Sink(sink), .. }) = self.plan.parts.last_mut() {
            sink.retries = retries;
            return self;
        }
        self.of_stage("max_retries", |conduct| conduct.retries = retries)
    }

    /// How many instances of the stage before run side by side, and how records are shared out among them. Default: 1.
    pub fn instances(self, instances: NonZeroUsize, share: Share) -> Self {
        self.of_stage("instances", |conduct| (conduct.instances, conduct.share) = (instances, share))
    }

    /// What is done when the sink before cannot write.
    pub fn when_down(mut self, when_down: WhenDown) -> Self {
        match self.plan.parts.last_mut() {
            Some(Part { kind: Kind::Sink(sink), .. }) => sink.when_down = Some(when_down),
            _ => self.fault("when_down", "it is no sink"),
        }
        self
    }

    /// Where checkpoints and dead letters are kept.
    pub fn state(mut self, folder: impl Into<PathBuf>) -> Self {
        self.plan.settings.state = Some(folder.into());
        self
    }

    /// How large chunks become. Default: 2,048 records, 256 KiB.
    pub fn chunk(mut self, size: ChunkSize) -> Self {
        self.plan.settings.chunk = size;
        self
    }

    /// Other settings.
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.plan.settings);
        self
    }

    /// As a value.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn plan(self) -> Result<Plan, Vec<Fault>> {
        let mut faults = self.faults;
        faults.extend(check(&self.plan).err().unwrap_or_default());
        if faults.is_empty() { Ok(self.plan) } else { Err(faults) }
    }

    /// Starts it: from its last checkpoint, if it keeps a state and has one.
    ///
    /// # Errors
    /// [`StartError`]; nothing of it runs then.
    pub async fn start(self, node: &Node) -> Result<PipelineRef, StartError> {
        self.start_on(node, Arc::new(RealDisk)).await
    }

    /// Starts it, with its files on this disk.
    ///
    /// # Errors
    /// [`StartError`]; nothing of it runs then.
    #[doc(hidden)]
    pub async fn start_on(self, node: &Node, disk: Arc<dyn Disk>) -> Result<PipelineRef, StartError> {
        launch(self.plan().map_err(StartError::Plan)?, node, disk).await
    }

    /// Starts it, waits for its end, and stops it.
    ///
    /// # Errors
    /// It did not start.
    pub async fn run(self, node: &Node) -> Result<Outcome, StartError> {
        let pipeline = self.start(node).await?;
        let outcome = pipeline.wait().await;
        pipeline.stop().await;
        Ok(outcome)
    }

    pub(crate) fn drain_limit(&self) -> Duration {
        self.plan.settings.drain
    }

    fn part(mut self, name: String, kind: Kind) -> Self {
        let at = vec![Port { part: name.clone(), route: None }];
        let from = std::mem::replace(&mut self.at, at);
        self.plan.parts.push(Part { name, from, kind });
        self
    }

    /// `stdin`, or `stdin-2` if there is one.
    fn unused(&self, kind: &str) -> String {
        let is_used = |name: &str| self.plan.parts.iter().any(|part| part.name == name);
        let mut names = std::iter::once(kind.to_owned()).chain((2..).map(|nth| format!("{kind}-{nth}")));
        names.find(|name| !is_used(name)).unwrap_or_default()
    }

    fn of_plugin(mut self, field: &'static str, change: impl FnOnce(&mut PluginStage)) -> Self {
        match self.plan.parts.last_mut() {
            Some(Part { kind: Kind::Plugin(stage), .. }) => change(stage),
            _ => self.fault(field, "it is no plugin"),
        }
        self
    }

    fn of_stage(mut self, field: &'static str, change: impl FnOnce(&mut Conduct)) -> Self {
        match self.plan.parts.last_mut().map(|part| &mut part.kind) {
            Some(Kind::Plugin(PluginStage { conduct, .. }) | Kind::Rust(RustStage { conduct, .. })) => change(conduct),
            _ => self.fault(field, "it is no stage"),
        }
        self
    }

    fn fault(&mut self, field: &'static str, what: &str) {
        let part = self.plan.parts.last().map(|part| part.name.clone());
        let nth = self.plan.parts.len().checked_sub(1);
        let remedy = format!("say `{field}` right behind the part that it is for");
        self.faults.push(Fault { nth, part, field, what: what.to_owned(), remedy });
    }
}

/// Where records come from: one port or several.
pub trait Ports {
    /// All of them.
    fn ports(self) -> Vec<Port>;
}

impl Ports for &str {
    fn ports(self) -> Vec<Port> {
        vec![port(self)]
    }
}

impl<const N: usize> Ports for [&str; N] {
    fn ports(self) -> Vec<Port> {
        self.into_iter().map(port).collect()
    }
}

fn port(text: &str) -> Port {
    match text.split_once('/') {
        Some((part, route)) => Port { part: part.to_owned(), route: Some(route.to_owned()) },
        None => Port { part: text.to_owned(), route: None },
    }
}
