//! A node: the actors of one process, or of one part of it, and all that belongs to them.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor_id::ActorId;
use crate::actor_ref::UntypedRef;
use crate::clock::{Clock, ClockGuard};
use crate::error::{Error, StartError};
use crate::exit::Exit;
use crate::groups::{Group, Groups};
use crate::names::{IntoName, Name, NameError, Names};
use crate::now::Now;
use crate::registry::Registry;
use crate::report::{self, CrashReport, Reports};
use crate::spawn::Spawn;
use crate::sweeper::Sweeper;
use crate::sys::Status;
use crate::topics::{Topic, Topics};
use crate::watch::{Stuck, Watch};
use crate::{life, panics};

const RUNNING: u8 = 0;
const STOPPING: u8 = 1;

/// How long a node's stop takes at most, unless it says otherwise.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The home of actors: names, groups, topics, timers, links and reports belong to it, and to no global.
///
/// Two nodes in one process share nothing. A node is cheap to clone; all clones are the same node.
///
/// ```
/// use proscenium_runtime::{Node, actor_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
/// let node = Node::start("demo").await?;
/// let printer = node.spawn(actor_fn(|line: String| println!("{line}"))).named("printer").await?;
/// printer.tell("hello".into()).await?;
/// node.stop().await
/// # }
/// ```
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    number: u32,
    runtime: Handle,
    started: Instant,
    registry: Registry,
    names: Names,
    groups: Groups,
    topics: Topics,
    reports: broadcast::Sender<CrashReport>,
    sweeper: Sweeper,
    watch: Watch,
    clock: Clock,
    life: AtomicU8,
    /// Actors that were started so far, and those of them that are gone. Where both are the same, none is left.
    started_actors: AtomicU64,
    gone_actors: AtomicU64,
    empty: Notify,
    fenced: AtomicU64,
    unyielding: AtomicU64,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.watch.stop();
    }
}

impl Node {
    /// Starts a node on the tokio runtime that this runs on.
    ///
    /// # Errors
    /// There is no tokio runtime, the program is built with `panic = "abort"`, or the watch thread cannot be started.
    pub async fn start(name: impl Into<String>) -> Result<Node, StartError> {
        if cfg!(panic = "abort") {
            return Err(StartError::PanicAbort);
        }
        let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        static NUMBER: AtomicU32 = AtomicU32::new(1); // Tells nodes of one process apart; nothing else is shared.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        panics::note_locations();
        let (reports, _) = broadcast::channel(report::BACKLOG);
        // The watch holds a weak link, set right below.
        let home: Arc<std::sync::OnceLock<Weak<Inner>>> = Arc::default();
        let watched = home.clone();
        let watch = Watch::start(number, move |stuck| {
            if let Some(inner) = watched.get().and_then(Weak::upgrade) {
                Node(inner).does_not_yield(stuck);
            }
        })
        .map_err(StartError::Watch)?;
        let inner = Arc::new(Inner {
            name: name.into().into(),
            number,
            sweeper: Sweeper::start(number, &runtime),
            clock: Clock::new(&runtime),
            runtime,
            started: Instant::now(),
            registry: Registry::new(number),
            names: Names::default(),
            groups: Groups::default(),
            topics: Topics::default(),
            reports,
            watch,
            life: AtomicU8::new(RUNNING),
            started_actors: AtomicU64::new(0),
            gone_actors: AtomicU64::new(0),
            empty: Notify::new(),
            fenced: AtomicU64::new(0),
            unyielding: AtomicU64::new(0),
        });
        let _ = home.set(Arc::downgrade(&inner));
        Ok(Node(inner))
    }

    // ---- actors ----

    /// Starts an actor; awaited, it gives the ref.
    ///
    /// ractor code can have a handle to it ([`interop::ractor_cell`](crate::interop::ractor_cell)), which is made and paid
    /// for when somebody asks.
    pub fn spawn<A: Actor>(&self, actor: A) -> Spawn<A> {
        Spawn::new(self.clone(), actor, false)
    }

    /// The same actor, for which ractor code never gets a handle.
    pub fn spawn_light<A: Actor>(&self, actor: A) -> Spawn<A> {
        Spawn::new(self.clone(), actor, true)
    }

    /// The actor of this type and name.
    ///
    /// # Errors
    /// Nobody has the name, or an actor of another type.
    pub fn whereis<A: Actor>(&self, name: impl IntoName) -> Result<A::Ref, NameError> {
        self.0.names.whereis::<A>(name.into_name())
    }

    /// Whoever has this name.
    #[must_use]
    pub fn lookup(&self, name: impl IntoName) -> Option<UntypedRef> {
        self.0.names.find(&name.into_name()).map(|cell| UntypedRef { cell })
    }

    /// Gives an actor a further name.
    ///
    /// # Errors
    /// The name is taken; the error says by whom.
    pub fn register(&self, name: impl IntoName, actor: &impl crate::AnyRef) -> Result<(), NameError> {
        self.0.names.register(name.into_name(), actor.to_untyped().cell)
    }

    /// Takes a name away from whoever has it.
    ///
    /// # Errors
    /// Nobody has it.
    pub fn unregister(&self, name: impl IntoName) -> Result<(), NameError> {
        let name = name.into_name();
        match self.0.names.find(&name) {
            Some(cell) => {
                cell.face().cold(|cold| cold.names.retain(|other| *other != name));
                self.0.names.remove(&name, cell.face().id);
                Ok(())
            }
            None => Err(NameError::Unknown(name)),
        }
    }

    /// All names and who has them.
    #[must_use]
    pub fn registered(&self) -> Vec<(Name, UntypedRef)> {
        self.0.names.all()
    }

    /// The actor with this id, while it lives.
    #[must_use]
    pub fn actor(&self, id: ActorId) -> Option<UntypedRef> {
        self.0.registry.get(id).map(|cell| UntypedRef { cell })
    }

    /// A group of actors of one type, made at first use.
    #[must_use]
    pub fn group<A: Actor>(&self, name: impl IntoName) -> Group<A> {
        self.0.groups.get(name.into_name())
    }

    /// A topic for messages of one type, made at first use.
    #[must_use]
    pub fn topic<T: Clone + Send + Sync + 'static>(&self, name: impl IntoName) -> Topic<T> {
        self.0.topics.get(name.into_name())
    }

    // ---- looking inside ----

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The time since its start. It follows a paused clock.
    #[must_use]
    pub fn now(&self) -> Now {
        Now::from(self.0.started.elapsed())
    }

    /// How many actors live.
    #[must_use]
    pub fn actor_count(&self) -> usize {
        self.0.registry.len()
    }

    /// What can be seen of all actors, in the order of their ids. No actor is disturbed.
    #[must_use]
    pub fn actors(&self) -> Vec<Status> {
        self.0.registry.all().iter().map(|cell| cell.status()).collect()
    }

    /// The `count` actors with the longest queues, longest first.
    #[must_use]
    pub fn top_mailboxes(&self, count: usize) -> Vec<Status> {
        let mut cells: Vec<_> =
            self.0.registry.all().into_iter().map(|cell| (std::cmp::Reverse(cell.queue_len()), cell)).collect();
        cells.sort_by_key(|(length, cell)| (*length, cell.face().id));
        cells.into_iter().take(count).map(|(_, cell)| cell.status()).collect()
    }

    /// Counters over the node's life.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics {
            actors: self.actor_count(),
            started: self.0.started_actors.load(Ordering::Relaxed),
            fenced: self.0.fenced.load(Ordering::Relaxed),
            unyielding: self.0.unyielding.load(Ordering::Relaxed),
        }
    }

    /// Crash reports from now on.
    #[must_use]
    pub fn reports(&self) -> Reports {
        Reports::new(self.0.reports.subscribe())
    }

    /// Keeps a paused clock from running on while something outside the runtime is waited for.
    pub fn hold_clock(&self) -> ClockGuard {
        self.0.clock.hold()
    }

    // ---- the end ----

    /// Stops all actors, the latest first, each gracefully; see [`NodeStop`].
    pub fn stop(&self) -> NodeStop {
        NodeStop { node: self.clone(), limit: STOP_LIMIT }
    }

    /// Waits until the program is asked to end, and says how. Nothing is installed before this is called.
    ///
    /// # Errors
    /// The operating system refuses to tell.
    pub async fn shutdown_signal(&self) -> std::io::Result<ShutdownSignal> {
        crate::shutdown::signal().await
    }

    // ---- for the runtime itself ----

    #[inline]
    pub(crate) fn number(&self) -> u32 {
        self.0.number
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    /// All actors have their turns on one thread.
    pub(crate) fn has_one_thread(&self) -> bool {
        self.0.runtime.runtime_flavor() == RuntimeFlavor::CurrentThread
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    pub(crate) fn names(&self) -> &Names {
        &self.0.names
    }

    #[inline]
    pub(crate) fn watch(&self) -> &Watch {
        &self.0.watch
    }

    #[inline]
    pub(crate) fn sweeper(&self) -> &Sweeper {
        &self.0.sweeper
    }

    pub(crate) fn instant(&self, now: Now) -> Instant {
        self.0.started + now.since_start()
    }

    /// An actor is about to start; how many were before it. `None`: the node is stopping.
    pub(crate) fn one_more(&self) -> Option<u64> {
        let before = self.0.started_actors.fetch_add(1, Ordering::SeqCst);
        if self.0.life.load(Ordering::SeqCst) == RUNNING {
            return Some(before);
        }
        self.0.started_actors.fetch_sub(1, Ordering::SeqCst);
        self.tell_if_empty();
        None
    }

    pub(crate) fn one_less(&self) {
        self.0.gone_actors.fetch_add(1, Ordering::SeqCst);
        self.tell_if_empty();
    }

    fn tell_if_empty(&self) {
        if self.0.life.load(Ordering::SeqCst) != RUNNING && self.is_empty() {
            self.0.empty.notify_waiters();
        }
    }

    /// Read in this order: who goes was started before, so the two are the same only if none is there in between.
    fn is_empty(&self) -> bool {
        let gone = self.0.gone_actors.load(Ordering::SeqCst);
        gone == self.0.started_actors.load(Ordering::SeqCst)
    }

    pub(crate) fn count_fenced(&self) {
        self.0.fenced.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn report(&self, report: CrashReport) {
        tracing::error!(
            target: "proscenium::crash",
            node = %self.name(),
            actor = %report.actor,
            name = report.name.as_ref().map(tracing::field::display),
            exit = %report.exit,
            in_hand = report.in_hand,
            queued = report.queued,
            "{report}"
        );
        let _ = self.0.reports.send(report); // Nobody subscribes: the event above is all.
    }

    fn does_not_yield(&self, stuck: &Stuck) {
        self.0.unyielding.fetch_add(1, Ordering::Relaxed);
        let Some(actor) = self.actor(stuck.actor) else { return };
        let status = actor.status();
        tracing::warn!(
            target: "proscenium::watch",
            node = %self.name(),
            actor = %status.actor,
            type_name = status.type_name,
            kind = status.in_hand,
            millis = stuck.since.as_millis() as u64,
            "a handler does not yield and holds a worker of the runtime; await in it, or run the actor with `thread`"
        );
    }
}

/// Counters over a node's life.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Statistics {
    /// Actors that live now.
    pub actors: usize,
    /// Actors that were ever started.
    pub started: u64,
    /// Incarnations that were given up because they did not yield.
    pub fenced: u64,
    /// How often a handler was noticed that did not yield for half a second.
    pub unyielding: u64,
}

/// How the program was asked to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ShutdownSignal {
    /// Ctrl-C, SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

/// A node's stop: all actors that no supervisor keeps, one after the other, the latest first.
///
/// When the limit (10 s by default) is over, those that are left are killed, and the error names them.
#[must_use = "a stop does nothing until it is awaited"]
pub struct NodeStop {
    node: Node,
    limit: Duration,
}

/// Who did not stop in time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeStopError {
    /// Ended by a kill: their stop hooks did not run.
    pub killed: Vec<Status>,
    /// Still at a handler that does not yield. Their threads are lost until it does.
    pub stuck: Vec<Status>,
}

impl fmt::Display for NodeStopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the node's stop took too long: {} actors were killed, {} do not yield",
            self.killed.len(),
            self.stuck.len()
        )?;
        for status in self.stuck.iter().chain(&self.killed).take(10) {
            write!(f, "; {status}")?;
        }
        f.write_str("; raise the limit with `stop().within(..)`, or have those handlers yield")
    }
}

impl std::error::Error for NodeStopError {}

impl NodeStop {
    /// How long the whole stop may take.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    async fn run(self) -> Result<(), Error> {
        let inner = &self.node.0;
        inner.life.store(STOPPING, Ordering::SeqCst);
        let deadline = Instant::now() + self.limit;
        let stopped = tokio::time::timeout_at(deadline, self.stop_in_order()).await;
        let left = inner.registry.all();
        let mut error = NodeStopError { killed: Vec::new(), stuck: Vec::new() };
        if stopped.is_err() || !left.is_empty() {
            let left: Vec<_> = left.into_iter().map(|cell| (cell.status(), cell)).collect();
            for (_, cell) in &left {
                UntypedRef { cell: cell.clone() }.kill();
            }
            let grace = Instant::now() + Duration::from_secs(1);
            for (status, cell) in left {
                let actor = UntypedRef { cell };
                match tokio::time::timeout_at(grace, actor.monitor()).await {
                    Ok(_) => error.killed.push(status),
                    Err(_) => error.stuck.push(status),
                }
                life::close(actor.cell.as_ref(), &Exit::Killed);
            }
        }
        inner.watch.stop();
        if error.killed.is_empty() && error.stuck.is_empty() { Ok(()) } else { Err(Error::Stop(error)) }
    }

    /// Those that a supervisor keeps are its to stop; what it leaves behind comes after it.
    async fn stop_in_order(&self) {
        for kept in [false, true] {
            let all = self.node.0.registry.all();
            let mut cells: Vec<_> = all.into_iter().filter(|cell| cell.face().is_kept() == kept).collect();
            cells.sort_by_key(|cell| std::cmp::Reverse(cell.face().serial));
            for cell in cells {
                if cell.face().incarnation() != 0 {
                    let stop = UntypedRef { cell: cell.clone() }.stop().reason(Exit::Shutdown).within(self.limit);
                    let _ = stop.await; // Who does not stop is named at the end.
                }
                if kept && cell.face().incarnation() == 0 {
                    life::close(cell.as_ref(), &Exit::Shutdown);
                }
            }
        }
        loop {
            let mut empty = std::pin::pin!(self.node.0.empty.notified());
            empty.as_mut().enable();
            if self.node.is_empty() {
                return;
            }
            empty.await;
        }
    }
}

impl IntoFuture for NodeStop {
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({}, {} actors)", self.name(), self.actor_count())
    }
}
