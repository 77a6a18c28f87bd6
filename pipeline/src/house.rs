//! All that a running pipeline consists of: the desks of its parts, their actors, and who sends to whom.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proscenium_plugin_host::{BatchSize, Failover, Plugin, PluginRef};
use proscenium_runtime::{Actor, Recipient, Ref, UntypedRef};
use proscenium_supervision::{ChildSpec, Shutdown, Supervisor, SupervisorError, SupervisorRef};
use serde_json::Value;

use crate::async_work::AsyncWork;
use crate::chunk::Chunk;
use crate::dead_letters::{REDRIVES, RedriveSpec};
use crate::disk::Disk;
use crate::failed::Failed;
use crate::operator::Code;
use crate::outlets::{Edge, Inlet, Outlets, instance_of};
use crate::plan::{Kind, Part, Plan, PluginStage, Port, Settings, Share, SinkStage, WhenDown};
use crate::plugin_work::{DEPTH, PluginWork};
use crate::remote_stage::{RemoteActor, Worker};
use crate::rust_stage::RustActor;
use crate::sink_actor::{SinkActor, SinkDesk, SinkMsg};
use crate::source::SourceSpec;
use crate::source_actor::{SourceActor, SourceDesk, SourceMsg};
use crate::stage_desk::{Office, StageDesk, StageMsg};
use crate::stats::Stats;

/// How long a part's actor has to end. Whoever stops a pipeline has waited for its records before.
const SHUTDOWN: Duration = Duration::from_millis(500);

/// Why a part did not start, or is not there.
#[derive(Debug)]
pub(crate) struct PartError {
    pub(crate) part: String,
    pub(crate) why: String,
}

/// A source, with its actor.
#[derive(Clone)]
pub(crate) struct SourceRoom {
    /// Its name at the supervisor's.
    pub(crate) child: String,
    pub(crate) desk: Arc<SourceDesk>,
    pub(crate) actor: Ref<SourceActor>,
}

/// One instance of a stage.
#[derive(Clone)]
pub(crate) struct StageRoom {
    pub(crate) child: String,
    /// That of its plugin.
    pub(crate) plugin_child: Option<String>,
    pub(crate) desk: Arc<StageDesk>,
    pub(crate) actor: Recipient<StageMsg>,
    pub(crate) untyped: UntypedRef,
    pub(crate) plugin: Option<PluginRef>,
}

#[derive(Clone)]
pub(crate) struct SinkRoom {
    pub(crate) child: String,
    pub(crate) desk: Arc<SinkDesk>,
    pub(crate) actor: Ref<SinkActor>,
}

/// A part that runs.
#[derive(Clone)]
pub(crate) enum Room {
    Source {
        own: SourceRoom,
        /// What brings its dead letters back, if there is a place for them: it comes, is joined and leaves with its source.
        redrive: Option<SourceRoom>,
    },
    Stage(Vec<StageRoom>),
    Sink(SinkRoom),
}

/// What the parts of a pipeline are made with.
pub(crate) struct House {
    pub(crate) supervisor: SupervisorRef,
    pub(crate) office: Office,
    pub(crate) disk: Arc<dyn Disk>,
    /// The folder of the state, as it was at the start.
    state: Option<PathBuf>,
    rooms: Mutex<BTreeMap<String, Room>>,
    /// How many children there have been of each name: of a part that is replaced there are two for a time.
    children: Mutex<BTreeMap<String, u32>>,
    /// Up to where the letters were sent again of sources that are not there: one of that name goes on behind it.
    absent: Mutex<BTreeMap<String, Value>>,
}

impl House {
    pub(crate) fn new(
        supervisor: SupervisorRef,
        office: Office,
        (disk, state): (Arc<dyn Disk>, Option<PathBuf>),
        absent: BTreeMap<String, Value>,
    ) -> Self {
        let (rooms, children) = Default::default();
        House { supervisor, office, disk, state, rooms, children, absent: Mutex::new(absent) }
    }

    pub(crate) fn rooms(&self) -> MutexGuard<'_, BTreeMap<String, Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn room(&self, name: &str) -> Option<Room> {
        self.rooms().get(name).cloned()
    }

    pub(crate) fn absent(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.absent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part comes into the flow. What brings a source's letters back goes on where the one before it has ended.
    pub(crate) fn attach(&self, name: &str, room: Room) {
        if let Room::Source { redrive: Some(redrive), .. } = &room {
            redrive.desk.starts_at(self.absent().remove(name));
        }
        self.rooms().insert(name.to_owned(), room);
    }

    /// A part leaves the flow. Of a source nothing is under way then.
    pub(crate) fn detach(&self, name: &str) -> Option<Room> {
        let room = self.rooms().remove(name)?;
        if let Room::Source { redrive: Some(redrive), .. } = &room
            && let Some(at) = redrive.desk.position()
        {
            self.absent().insert(name.to_owned(), at);
        }
        Some(room)
    }

    /// All of them, and those that bring letters back.
    pub(crate) fn sources(&self) -> Vec<SourceRoom> {
        let rooms = self.rooms();
        let sources = rooms.values().filter_map(|room| match room {
            Room::Source { own, redrive } => Some(std::iter::once(own).chain(redrive)),
            Room::Stage(_) | Room::Sink(_) => None,
        });
        sources.flatten().cloned().collect()
    }

    pub(crate) fn sinks(&self) -> Vec<SinkRoom> {
        let rooms = self.rooms();
        rooms.values().filter_map(|room| if let Room::Sink(sink) = room { Some(sink.clone()) } else { None }).collect()
    }

    pub(crate) fn stages(&self) -> Vec<(String, Vec<StageRoom>)> {
        let rooms = self.rooms();
        let stages = rooms.iter().filter_map(|(name, room)| match room {
            Room::Stage(stages) => Some((name.clone(), stages.clone())),
            Room::Source { .. } | Room::Sink(_) => None,
        });
        stages.collect()
    }

    /// Starts a part. It has nothing to do yet: nobody sends to it, and a source is paused.
    pub(crate) async fn open(&self, plan: &Plan, part: &Part, kept: Kept<'_>) -> Result<Room, PartError> {
        let fault = |why: String| PartError { part: part.name.clone(), why };
        match &part.kind {
            Kind::Source(spec) => self.open_source(&plan.settings, &part.name, spec, kept).await.map_err(fault),
            Kind::Sink(sink) => self.open_sink(plan, &part.name, sink, kept).await.map_err(fault),
            Kind::Plugin(_) | Kind::Rust(_) => self.open_stage(plan, part, kept).await.map_err(fault),
        }
    }

    async fn open_source(
        &self,
        settings: &Settings,
        name: &str,
        spec: &Arc<dyn SourceSpec>,
        kept: Kept<'_>,
    ) -> Result<Room, String> {
        let bounds = (settings.chunk, settings.linger, settings.window);
        let desk = |name, spec| SourceDesk::new(name, spec, bounds, Arc::default(), self.office.clone());
        let own = desk(name.to_owned(), spec.within(settings.record_limit).unwrap_or_else(|| spec.clone()));
        own.starts_at(kept.sources.get(name).cloned());
        let own = self.open_desk(own).await?;
        let Some(state) = &self.state else { return Ok(Room::Source { own, redrive: None }) };
        let letters = RedriveSpec::of(name, &self.disk, state);
        let letters = if spec.makes_messagepack() { letters.json_as_messagepack() } else { letters };
        // With a sign that no part's own name has.
        let redrive = desk(format!("{name}{REDRIVES}"), Arc::new(letters)).redrives(name);
        match self.open_desk(redrive).await {
            Ok(redrive) => Ok(Room::Source { own, redrive: Some(redrive) }),
            Err(why) => {
                self.close_child(&own.child).await;
                Err(why)
            }
        }
    }

    async fn open_desk(&self, desk: SourceDesk) -> Result<SourceRoom, String> {
        let (child, desk) = (self.child_name(&desk.name), Arc::new(desk));
        let made = desk.clone();
        let actor = self.child(&child, move || SourceActor::new(made.clone())).await?;
        Ok(SourceRoom { child, desk, actor })
    }

    async fn open_sink(&self, plan: &Plan, name: &str, sink: &SinkStage, kept: Kept<'_>) -> Result<Room, String> {
        let conduct = (usual(sink.when_down, plan), sink.retries);
        let (spec, stats) = (sink.sink.clone(), Arc::default());
        let desk = SinkDesk::new((name.to_owned(), spec), conduct, &self.disk, stats, self.office.clone());
        desk.starts_at(kept.sinks.get(name).cloned());
        let desk = Arc::new(desk);
        let made = desk.clone();
        let child = self.child_name(name);
        let actor = self.child(&child, move || SinkActor::new(made.clone())).await?;
        Ok(Room::Sink(SinkRoom { child, desk, actor }))
    }

    /// All instances of a stage, or none.
    async fn open_stage(&self, plan: &Plan, part: &Part, kept: Kept<'_>) -> Result<Room, String> {
        let count = part.conduct().map_or(1, |conduct| conduct.instances.get());
        self.open_instances(plan, part, 0..count, kept).await.map(Room::Stage)
    }

    /// Some of the instances of a stage, or none.
    pub(crate) async fn open_instances(
        &self,
        plan: &Plan,
        part: &Part,
        numbers: Range<usize>,
        kept: Kept<'_>,
    ) -> Result<Vec<StageRoom>, String> {
        let mut rooms = Vec::new();
        let count = numbers.end;
        for nth in numbers {
            match self.open_instance(plan, part, (nth, count), kept).await {
                Ok(room) => rooms.push(room),
                Err(why) => {
                    self.close(&Room::Stage(rooms)).await;
                    return Err(why);
                }
            }
        }
        Ok(rooms)
    }

    async fn open_instance(
        &self,
        plan: &Plan,
        part: &Part,
        (nth, count): (usize, usize),
        kept: Kept<'_>,
    ) -> Result<StageRoom, String> {
        let conduct = part.conduct().cloned().unwrap_or_default();
        let child = self.child_name(&part.name);
        let size = plan.settings.chunk;
        let desk = StageDesk::new(part.name.clone(), size, conduct, Arc::default(), self.office.clone());
        match &part.kind {
            Kind::Rust(stage) => match &stage.code {
                Code::Sync(spec) => {
                    restore(&desk, &**spec, kept.stages.get(&part.name), (nth, count))
                        .map_err(|why| why.to_string())?;
                    let (made, spec) = (desk.clone(), spec.clone());
                    let actor = self.child(&child, move || RustActor::new(made.clone(), spec.clone())).await?;
                    let (untyped, actor) = (actor.untyped(), actor.recipient(|msg| msg));
                    Ok(StageRoom { child, plugin_child: None, desk, untyped, actor, plugin: None })
                }
                Code::Async { operator, at_once } => {
                    let worker = Worker::Async(Arc::new(AsyncWork::new(operator.clone(), *at_once)));
                    let (made, by) = (desk.clone(), worker);
                    let actor = self.child(&child, move || RemoteActor::new(made.clone(), by.clone())).await?;
                    let (untyped, actor) = (actor.untyped(), actor.recipient(|msg| msg));
                    Ok(StageRoom { child, plugin_child: None, desk, untyped, actor, plugin: None })
                }
            },
            Kind::Plugin(stage) => {
                let plugin_child = format!("{child}.plugin");
                let plugin = self.open_plugin(&plugin_child, plugin(stage, &plan.settings)).await?;
                let work = PluginWork { plugin: plugin.clone(), routes: stage.routes.len() as u32 };
                let (made, by) = (desk.clone(), Worker::Plugin(Arc::new(work)));
                let actor = match self.child(&child, move || RemoteActor::new(made.clone(), by.clone())).await {
                    Ok(actor) => actor,
                    Err(why) => {
                        self.close_child(&plugin_child).await;
                        return Err(why);
                    }
                };
                let (untyped, actor) = (actor.untyped(), actor.recipient(|msg| msg));
                Ok(StageRoom { child, plugin_child: Some(plugin_child), desk, untyped, actor, plugin: Some(plugin) })
            }
            Kind::Source(_) | Kind::Sink(_) => Err("it is no stage".to_owned()),
        }
    }

    async fn open_plugin(&self, name: &str, plugin: Plugin) -> Result<PluginRef, String> {
        let started = self.supervisor.start_child(Plugin::spec(name, plugin)).await;
        if let Err(why) = started {
            drop(self.supervisor.delete_child(name).await);
            return Err(why.to_string());
        }
        self.supervisor.reference::<PluginRef>(name).await.map_err(|why| why.to_string())
    }

    async fn child<A: Actor>(
        &self,
        name: &str,
        make: impl Fn() -> A + Clone + Send + Sync + 'static,
    ) -> Result<Ref<A>, String> {
        let spec = ChildSpec::new(name, make).shutdown(Shutdown::Within(SHUTDOWN));
        let started = self.supervisor.start_child(spec).await;
        started.map_err(|why| why.to_string())?;
        let actor = self.supervisor.child::<A>(name).await.map_err(|why| why.to_string())?;
        Ok(actor.as_ref().clone())
    }

    fn child_name(&self, part: &str) -> String {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        let nth = children.entry(part.to_owned()).and_modify(|nth| *nth += 1).or_insert(1);
        if *nth == 1 { part.to_owned() } else { format!("{part}#{nth}") }
    }

    /// A part leaves: its actors, and its plugins' processes.
    pub(crate) async fn close(&self, room: &Room) {
        match room {
            Room::Source { own, redrive } => {
                for source in std::iter::once(own).chain(redrive) {
                    self.close_child(&source.child).await;
                }
            }
            Room::Sink(sink) => self.close_child(&sink.child).await,
            Room::Stage(stages) => {
                for stage in stages {
                    self.close_child(&stage.child).await;
                    if let Some(plugin) = &stage.plugin_child {
                        self.close_child(plugin).await;
                    }
                }
            }
        }
    }

    async fn close_child(&self, child: &str) {
        match self.supervisor.terminate_child(child).await {
            Ok(()) => drop(self.supervisor.delete_child(child).await),
            Err(SupervisorError::NotFound) => (),
            Err(why) => tracing::warn!(target: "proscenium::pipeline", child, %why, "the part could not be stopped"),
        }
    }

    /// A supervisor's flags, as this pipeline's has them.
    pub(crate) fn flags(&self, plan: &Plan) -> Supervisor {
        flags(&plan.settings)
    }

    /// Everybody sends to whom the plan says. Nothing is under way when this is called.
    pub(crate) fn connect(&self, plan: &Plan) {
        let rooms = self.rooms();
        for part in &plan.parts {
            let Some(room) = rooms.get(&part.name) else { continue };
            let outlets = || outlets(plan, part, &rooms);
            match room {
                Room::Source { own, redrive } => {
                    std::iter::once(own).chain(redrive).for_each(|source| source.desk.connect(outlets()));
                }
                Room::Stage(stages) => stages.iter().for_each(|stage| stage.desk.connect(outlets())),
                Room::Sink(_) => (),
            }
        }
    }
}

/// What a checkpoint has kept for the parts.
#[derive(Clone, Copy)]
pub(crate) struct Kept<'a> {
    pub(crate) sources: &'a BTreeMap<String, Value>,
    pub(crate) stages: &'a BTreeMap<String, Value>,
    pub(crate) sinks: &'a BTreeMap<String, Value>,
}

fn outlets(plan: &Plan, part: &Part, rooms: &BTreeMap<String, Room>) -> Outlets {
    let edges = |route: Option<&str>| -> Vec<Edge> {
        let port = Port { part: part.name.clone(), route: route.map(str::to_owned) };
        plan.parts.iter().filter(|to| to.from.contains(&port)).filter_map(|to| edge(to, rooms)).collect()
    };
    let names = part.routes();
    let mut routes = vec![(None, edges(None))];
    routes.extend(names.iter().map(|name| (Some(name.clone()), edges(Some(name)))));
    let stand_in = part.conduct().and_then(|conduct| match &conduct.failover {
        Failover::FailoverTo(name) => plan.parts.iter().find(|to| to.name == *name).and_then(|to| edge(to, rooms)),
        _ => None,
    });
    Outlets::new(routes, stand_in, plan.settings.chunk, plan.settings.window)
}

fn edge(to: &Part, rooms: &BTreeMap<String, Room>) -> Option<Edge> {
    match rooms.get(&to.name)? {
        Room::Stage(stages) => {
            let instances = stages.iter().map(|stage| {
                let knock = stage.actor.clone();
                Inlet {
                    actor: Arc::new(move |chunk| drop(knock.tell_now(StageMsg::Chunk(chunk)))),
                    stats: stage.desk.stats.clone(),
                }
            });
            Some(Edge {
                instances: instances.collect(),
                share: to.conduct().map_or(Share::ByKey, |conduct| conduct.share),
            })
        }
        Room::Sink(sink) => {
            let actor = sink.actor.clone();
            let take = move |chunk: Chunk| drop(actor.tell(SinkMsg::Chunk(chunk)).now());
            let inlet = Inlet { actor: Arc::new(take), stats: sink.desk.stats.clone() };
            Some(Edge { instances: vec![inlet], share: Share::ByKey })
        }
        Room::Source { .. } => None,
    }
}

/// What a sink does when it cannot write, if nothing is said: the only one is waited for, of several each is on its own.
pub(crate) fn usual(when_down: Option<WhenDown>, plan: &Plan) -> WhenDown {
    let sinks = plan.parts.iter().filter(|part| matches!(part.kind, Kind::Sink(_))).count();
    let usual = if sinks > 1 { WhenDown::SetAside(Duration::from_secs(5)) } else { WhenDown::Wait };
    when_down.unwrap_or(usual)
}

/// So many restarts within five seconds.
pub(crate) fn flags(settings: &Settings) -> Supervisor {
    Supervisor::one_for_one().intensity(settings.intensity, Duration::from_secs(5))
}

/// The plugin of a stage. What the stage itself decides, by its policy, is set aside by the plugin for it to decide.
pub(crate) fn plugin(stage: &PluginStage, settings: &Settings) -> Plugin {
    let failover = match &stage.conduct.failover {
        Failover::FailFast | Failover::FailoverTo(_) => Failover::DeadLetter,
        failover => failover.clone(),
    };
    let records = (2 * settings.chunk.records).max(2_048) as u32;
    let input = (settings.chunk.bytes + settings.record_limit).max(1 << 20) as u32;
    let plugin = Plugin::new(&stage.library)
        .depth(DEPTH)
        .batch(BatchSize { records, input, heap: input.saturating_mul(2) })
        .timeout(stage.timeout)
        .failover(failover)
        .retries(stage.conduct.retries)
        .grants(stage.grants.clone());
    stage.params.iter().fold(plugin, |plugin, (key, value)| plugin.param(key, value))
}

/// The code of an instance, with the state that a checkpoint has kept: of all instances that there were.
fn restore(
    desk: &StageDesk,
    spec: &dyn crate::operator::OperatorSpec,
    kept: Option<&Value>,
    (nth, count): (usize, usize),
) -> Result<(), Failed> {
    let mut operator = spec.make();
    if let Some(Value::Array(snapshots)) = kept {
        let snapshots: Vec<Value> = snapshots.iter().filter(|snapshot| !snapshot.is_null()).cloned().collect();
        operator.restore(&snapshots, &|key| instance_of(key, count) == nth)?;
    }
    desk.bench().operator = Some(operator);
    Ok(())
}

/// A source stops sending, and says so.
pub(crate) async fn pause(source: &SourceRoom) -> Result<(), String> {
    // Asked once more: the first time its actor may have been killed with the question.
    if source.actor.call(SourceMsg::Pause).await.is_ok() {
        return Ok(());
    }
    source.actor.call(SourceMsg::Pause).await.map_err(|error| error.to_string())
}

/// A source goes on.
pub(crate) fn go_on(source: &SourceRoom) {
    source.desk.pause(false);
    drop(source.actor.tell(SourceMsg::Go).now());
}

/// A part's counters; of a stage, those of all instances.
pub(crate) fn stats(room: &Room) -> Vec<Arc<Stats>> {
    match room {
        Room::Source { own, .. } => vec![own.desk.stats.clone()],
        Room::Stage(stages) => stages.iter().map(|stage| stage.desk.stats.clone()).collect(),
        Room::Sink(sink) => vec![sink.desk.stats.clone()],
    }
}
