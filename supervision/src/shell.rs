//! The supervisor as an actor: owns the children and the mailbox, and decides nothing.

use std::any::Any;
use std::collections::{HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use proscenium_runtime::{Actor, ActorId, Context, Exit, Exited, Mailbox, Name, Node, Ref, Reply};
use tokio::time::timeout;

use crate::child_spec::{AnyChild, ChildFlags, ChildId, Probe, Shutdown};
use crate::children::{Counts, Place, State};
use crate::ends::{Ends, Process, contained};
use crate::layer::held;
use crate::policy::Policy;
use crate::report::{Happened, Reporter};
use crate::restart_core::{Action, Child, Event, Outcome, Reply as Answer, Report, RestartCore, Spec};
use crate::sup_flags::SupFlags;
use crate::supervised::{Placing, Renewal, Renewing, Start, Supervised};
use crate::supervisor::SupervisorRef;
use crate::table::Table;
use crate::tree::{Cut, Twig, roots};
use crate::trouble::PastExit;

/// How long a child takes to become ready at most, if its spec does not say.
const BECOMES_READY: Duration = Duration::from_secs(30);

/// What a supervisor is told.
///
/// Its mailbox outlives a restart of it, and its children do not: `of` is the incarnation whose child has ended. A retry
/// needs none: the next incarnation takes it before it can have a child whose restart has failed.
pub enum Msg {
    Exited {
        of: u32,
        child: Place,
        start: u32,
        exit: Exit,
        is_excused: bool,
    },
    TryAgain(Place),
    Waited(Place, u32),
    Change(Change, Reply<Answer>),
    /// Other flags and specs, and which changes of processes that run that has begun.
    Specs(SupFlags, Vec<AnyChild>, Reply<(Answer, Vec<(ChildId, Renewing)>)>),
    /// Starts a dynamic child with a spec of its own, and asks for what it is held by.
    StartHeld(AnyChild, Reply<(Answer, Option<Box<dyn Any + Send>>)>),
    List(Reply<Vec<ChildInfo>>),
    Exits(ChildId, Reply<Option<Vec<PastExit>>>),
    Refs(Reply<Vec<Held>>),
    Count(Reply<Counts>),
    Tree(Reply<Cut>),
    Flags(ChildId, Reply<Option<ChildFlags>>),
    Child(ChildId, Reply<Option<Box<dyn Any + Send>>>),
}

/// A child, and what it is held by.
type Held = (ChildInfo, Option<Box<dyn Any + Send>>);

/// A request that changes something.
pub enum Change {
    Start(AnyChild),
    StartDynamic(Option<Arc<dyn Start>>),
    Terminate(ChildId),
    TerminateDynamic(Place, Option<u32>),
    Restart(ChildId),
    Delete(ChildId),
}

/// A line of `which_children`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ChildInfo {
    /// Its place, by which a dynamic child is named.
    pub place: Place,
    /// Its name; of a dynamic child its spec's.
    pub id: ChildId,
    /// What it is at, as the supervisor knows.
    pub state: State,
    /// How often it was started again, or that was tried.
    pub restarts: u32,
    /// Whether its process lives: one that has just died may still be `Running` above.
    pub is_alive: bool,
    /// The rest of its spec.
    pub flags: ChildFlags,
}

/// The actor behind a [`SupervisorRef`].
#[doc(hidden)]
pub struct Shell {
    core: RestartCore<AnyChild>,
    /// Of children that were started, and not retired since.
    processes: Table<Box<dyn Supervised>>,
    /// Places that are not to be started in again: their specs have changed, and could not take them over.
    outdated: HashSet<Place>,
    /// Changes of processes that run, for whoever has asked for them.
    renewals: Vec<(ChildId, Renewing)>,
    ends: Arc<Ends>,
    name: Option<Name>,
    /// Below another supervisor: its path, and how many are above.
    at: Option<(Arc<str>, usize)>,
    /// None: it has not begun.
    begun: Option<Begun>,
    answer: Option<Answer>,
    /// Timers to be set.
    waits: Vec<(Duration, Msg)>,
    /// How it ends, when it does so of its own accord.
    over: Option<Exit>,
    /// Who started it, linked: its end is this one's.
    parent: Option<ActorId>,
}

/// What a supervisor has from its begin on.
struct Begun {
    /// Where children are placed.
    placing: Placing,
    reporter: Reporter,
}

/// Where a supervisor lives, for what its context cannot be held over.
struct Home {
    me: Ref<Shell>,
    incarnation: u32,
    node: Node,
}

impl Home {
    fn of(cx: &Context<Shell>) -> Home {
        Home { me: cx.me().0, incarnation: cx.incarnation(), node: cx.node().clone() }
    }
}

impl Shell {
    pub(crate) fn new(core: RestartCore<AnyChild>, name: Option<Name>) -> Self {
        let processes = Table::with_room_for(core.children().count());
        let ends = Arc::default();
        let (begun, at, answer, over, parent) = (None, None, None, None, None);
        Shell {
            core,
            processes,
            outdated: HashSet::new(),
            renewals: Vec::new(),
            ends,
            name,
            at,
            begun,
            answer,
            waits: Vec::new(),
            over,
            parent,
        }
    }

    /// Below another supervisor.
    pub(crate) fn at(mut self, path: Arc<str>, depth: usize) -> Self {
        self.at = Some((path, depth));
        self
    }

    /// It has its name, its path, and its place among the roots if it is one.
    fn begin(&mut self, home: &Home) -> Result<(), Exit> {
        if let Some(name) = &self.name
            && home.node.lookup(name.clone()).is_none_or(|holder| holder.id() != home.me.id())
        {
            home.node.register(name.clone(), &home.me)?;
        }
        let (path, depth) = match self.at.clone() {
            Some(at) => at,
            None => {
                roots(&home.node).join(&home.me);
                let path = self.name.as_ref().map_or_else(|| home.me.id().to_string(), ToString::to_string);
                (path.into(), 0)
            }
        };
        self.ends.belong_to(&home.me, home.incarnation);
        let placing = Placing::below(home.node.clone(), path.clone(), depth + 1, &self.ends);
        self.begun = Some(Begun { placing, reporter: Reporter::new(&home.node, path, home.me.id()) });
        Ok(())
    }

    fn report(&self, home: &Home, what: Happened) {
        if let Some(begun) = &self.begun {
            begun.reporter.tell(home.node.now(), what);
        }
    }

    pub(crate) fn below(mut self, parent: ActorId) -> Self {
        self.parent = Some(parent);
        self
    }

    /// Tells the core, and carries out what it orders, until it waits for the mailbox again.
    async fn drive(&mut self, home: &Home, event: Event<AnyChild>) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.core.on(event, home.node.now()) {
                match action {
                    Action::Start { child, start } => {
                        let outcome = self.start(child, start).await;
                        if outcome == Outcome::Running
                            && let Some(child) = self.core.called(child)
                        {
                            self.report(home, Happened::Started { child, start });
                        }
                        events.push_back(Event::Started(outcome));
                    }
                    Action::Stop(children) => {
                        self.stop(home, &children).await;
                        events.extend(children.into_iter().map(Event::Stopped));
                    }
                    Action::Retire(child) | Action::Forget(child) => {
                        self.outdated.remove(&child);
                        contained(|| drop(self.processes.remove(child)));
                    }
                    // Behind what waits; refused when the supervisor itself is gone.
                    Action::TryAgain(child) => drop(home.me.tell(Msg::TryAgain(child)).now()),
                    Action::Renew(child) => self.renew(child),
                    Action::Wait(child, start, delay) => self.waits.push((delay, Msg::Waited(child, start))),
                    Action::Reply(answer) => self.answer = Some(answer),
                    Action::Ready => {}
                    Action::Report(report) => self.pass_on(home, report),
                    Action::StartFailed(child, exit) => {
                        self.over = Some(failed_to_start(self.core.child(child), &exit));
                    }
                    Action::End(exit) => {
                        self.report(home, Happened::Ended { exit: exit.clone() });
                        self.over = Some(exit);
                    }
                }
            }
        }
    }

    async fn start(&mut self, place: Place, start: u32) -> Outcome {
        let Some(spec) = self.core.child(place).map(|child| child.spec().clone()) else { return Outcome::Ignored };
        let Some(begun) = &self.begun else { return Outcome::Ignored };
        let Some(name) = self.core.called(place) else { return Outcome::Ignored };
        let placing = begun.placing.of(place, name, &spec);
        let notice = placing.notice(start);
        if self.outdated.remove(&place) {
            contained(|| drop(self.processes.remove(place)));
        }
        let processes = &mut self.processes;
        let started = async {
            let process = match processes.get_mut(place) {
                Some(process) => process,
                None => processes.insert(place, spec.start().place(placing)?),
            };
            process.start(notice).await
        };
        // A child's making is its own code, and its panic is its own failure.
        let started = AssertUnwindSafe(started).catch_unwind();
        let started = async { started.await.unwrap_or_else(|payload| Err(Exit::caught(payload.as_ref()))) };
        let limit = spec.policy().start_within;
        let started = match limit {
            None => started.await,
            Some(limit) => match timeout(limit, started).await {
                Ok(started) => started,
                Err(_) => {
                    self.cut_off((place, start)).await;
                    Err(too_slow(limit))
                }
            },
        };
        let started = match (started, spec.ready()) {
            (Ok(()), Some(probe)) => self.until_ready((place, start), probe, limit).await,
            (started, _) => started,
        };
        match started {
            Ok(()) => Outcome::Running,
            Err(Exit::Ignore) => Outcome::Ignored,
            Err(exit) => Outcome::Failed(exit),
        }
    }

    /// What there is of a process whose start took too long is gone before the next one finds its names taken.
    async fn cut_off(&mut self, process: Process) {
        if let Some(supervised) = self.processes.get_mut(process.0) {
            self.ends.clone().stop(process, supervised.as_mut(), Shutdown::BrutalKill).await;
        }
    }

    /// Waits for a process that has started. One that does not become ready is killed.
    async fn until_ready(&mut self, process: Process, probe: &Probe, limit: Option<Duration>) -> Result<(), Exit> {
        let Some(supervised) = self.processes.get_mut(process.0) else { return Ok(()) };
        let Some(Some(reference)) = contained(|| supervised.reference()) else { return Ok(()) };
        let limit = limit.unwrap_or(BECOMES_READY);
        let ready = AssertUnwindSafe(async { probe(reference).await }).catch_unwind();
        let ready = match self.ends.unless_over(process, timeout(limit, ready)).await {
            Err(exit) => return Err(exit),
            Ok(Ok(Ok(Ok(())))) => return Ok(()),
            Ok(Ok(Ok(Err(exit)))) => exit,
            Ok(Ok(Err(payload))) => Exit::caught(payload.as_ref()),
            Ok(Err(_)) => too_slow(limit),
        };
        self.cut_off(process).await;
        Err(ready)
    }

    /// The child has another spec.
    fn renew(&mut self, place: Place) {
        let (Some(child), Some(begun)) = (self.core.child(place), &self.begun) else { return };
        let (Some(process), Some(name)) = (self.processes.get_mut(place), self.core.called(place)) else { return };
        let placing = begun.placing.of(place, name.clone(), child.spec());
        match contained(|| child.spec().start().renew(&placing, process.as_mut())) {
            Some(Renewal::Taken) => {}
            Some(Renewal::UnderWay(renewing)) => self.renewals.push((name, renewing)),
            Some(Renewal::Outdated) | None => {
                self.outdated.insert(place);
            }
        }
    }

    /// Stops them all at once. Those that have no process have none to stop.
    async fn stop(&mut self, home: &Home, places: &[Place]) {
        let Shell { core, ends, processes, begun, .. } = self;
        let (core, begun) = (&*core, begun.as_ref());
        let told = |place: Place, exit: Exit| {
            if let (Some(begun), Some(child)) = (begun, core.called(place)) {
                begun.reporter.tell(home.node.now(), Happened::Stopped { child, exit });
            }
        };
        if let [only] = places {
            if let Some(stop) = processes.get_mut(*only).and_then(|process| stop_of(core, ends, *only, process)) {
                told(*only, stop.await);
            }
            return;
        }
        let meant: HashSet<&Place> = places.iter().collect();
        let processes = processes.iter_mut().filter(|(place, _)| meant.contains(place));
        let stops = processes.filter_map(|(place, process)| {
            let stop = stop_of(core, ends, place, process)?;
            Some(async move { told(place, stop.await) })
        });
        join_all(stops).await;
    }

    /// What a request is to the core.
    fn event_of(&mut self, change: Change) -> Event<AnyChild> {
        match change {
            Change::Start(spec) => Event::StartChild(spec),
            Change::StartDynamic(start) => {
                let template = self.core.template();
                Event::StartDynamic(start.and_then(|start| Some(template?.starting(start))))
            }
            Change::Terminate(id) => Event::Terminate(id),
            Change::TerminateDynamic(place, start) => Event::TerminateDynamic(place, start),
            Change::Restart(id) => Event::Restart(id),
            Change::Delete(id) => Event::Delete(id),
        }
    }

    /// What the core reports.
    fn pass_on(&self, home: &Home, report: Report) {
        let what = match report {
            Report::ChildTerminated(child, exit) => Happened::Exited { child, exit },
            Report::StartError(child, exit) => Happened::StartFailed { child, exit },
            Report::ReachedMaxRestartIntensity(child) => Happened::GaveUp { child },
            Report::Quarantined(child) => Happened::Quarantined { child },
        };
        self.report(home, what);
    }

    /// What is left when the core waits for the mailbox again.
    fn done(&mut self, cx: &mut Context<Shell>) -> Result<(), Exit> {
        for (delay, msg) in self.waits.drain(..) {
            cx.send_after(delay, msg);
        }
        self.over.take().map_or(Ok(()), Err)
    }

    fn is_alive(&self, place: Place) -> bool {
        self.processes.get(place).is_some_and(|process| contained(|| process.is_alive()) == Some(true))
    }

    fn list(&self) -> Vec<ChildInfo> {
        let lines = self.core.children().map(|(place, child)| {
            let is_alive = self.is_alive(place);
            let (id, restarts) = (child.id().clone(), child.restarts());
            ChildInfo { place, id, state: child.state(), restarts, is_alive, flags: child.flags() }
        });
        lines.collect()
    }

    /// For a tree.
    fn cut(&self, home: &Home) -> Cut {
        let path = self.begun.as_ref().map_or_else(String::new, |begun| begun.reporter.path().to_string());
        let twigs = self.list().into_iter().map(|info| {
            let process = self.processes.get(info.place);
            let status = process.and_then(|process| Some(process.actor()?.status()));
            let below = process.and_then(|process| held::<SupervisorRef>(contained(|| process.reference())??));
            let note = process.and_then(|process| contained(|| process.note())?);
            let name = self.core.called(info.place).map_or_else(String::new, |name| name.to_string());
            let policy = self.core.child(info.place).map_or(Policy::NONE, |child| *child.spec().policy());
            let last_exit = self.core.exits(info.place).last().cloned();
            (Twig { name, info, policy, last_exit, status, note, below: None }, below)
        });
        let children = twigs.collect();
        Cut { path, flags: *self.core.flags(), restarts: self.core.restarts(home.node.now()), children }
    }

    fn flags(&self, id: &ChildId) -> Option<ChildFlags> {
        match self.core.template() {
            Some(template) => (template.id() == id).then_some(template.flags()),
            None => Some(self.core.child(self.core.place_of(id)?)?.flags()),
        }
    }

    fn with_reference(&self, info: ChildInfo) -> Held {
        let reference = self.processes.get(info.place).and_then(|process| contained(|| process.reference())?);
        (info, reference)
    }

    fn reference(&self, id: &ChildId) -> Option<Box<dyn Any + Send>> {
        let process = self.processes.get(self.core.place_of(id)?)?;
        contained(|| process.reference())?
    }
}

/// The stop of this child's process. None: it has none.
fn stop_of(
    core: &RestartCore<AnyChild>,
    ends: &Arc<Ends>,
    place: Place,
    process: &mut Box<dyn Supervised>,
) -> Option<impl Future<Output = Exit> + Send> {
    let child = core.child(place)?;
    let State::Running(start) = child.state() else { return None };
    let (ends, shutdown) = (ends.clone(), child.flags().shutdown);
    Some(async move {
        let exit = ends.stop((place, start), process.as_mut(), shutdown).await;
        contained(|| process.stopped(&exit));
        exit
    })
}

fn too_slow(limit: Duration) -> Exit {
    Exit::custom(format!("it was not started within {limit:?}"))
}

/// With the path from here to the child that failed, as far as it is readable: supervisors above one that did not start
/// did not start for that reason.
fn failed_to_start(child: Option<&Child<AnyChild>>, exit: &Exit) -> Exit {
    const WHAT: &str = "failed_to_start_child \"";
    const LONGEST: usize = 120;
    let id = child.map_or("?", |child| child.id().as_str());
    let below = match exit {
        Exit::ShutdownWith(text) => text.strip_prefix(WHAT).and_then(|below| below.split_once("\": ")),
        _ => None,
    };
    match below {
        Some((path, _)) if path.len() > LONGEST => exit.clone(),
        Some((path, why)) => Exit::shutdown_with(format!("{WHAT}{id}/{path}\": {why}")),
        None => Exit::shutdown_with(format!("{WHAT}{id}\": {exit}")),
    }
}

impl Actor for Shell {
    type Msg = Msg;
    type Ref = SupervisorRef;

    /// Exits of its children come this way, and none may be refused; there is one at most for each start of a child.
    const MAILBOX: Mailbox = Mailbox::unbounded();

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        cx.trap_exit(true);
        let home = Home::of(cx);
        self.begin(&home)?;
        self.drive(&home, Event::Begin).await;
        self.done(cx)
    }

    async fn handle(&mut self, cx: &mut Context<Self>, msg: Msg) -> Result<(), Exit> {
        let home = Home::of(cx);
        match msg {
            Msg::Exited { of, .. } if of != home.incarnation => {}
            Msg::Exited { child, start, exit, is_excused, .. } => {
                self.ends.heard((child, start));
                let event = match is_excused {
                    true => Event::Excused { child, start, exit },
                    false => Event::Exited { child, start, exit },
                };
                self.drive(&home, event).await;
            }
            Msg::Waited(child, start) => self.drive(&home, Event::Waited(child, start)).await,
            Msg::TryAgain(child) => self.drive(&home, Event::TryAgain(child)).await,
            Msg::Change(change, reply) => {
                let event = self.event_of(change);
                self.drive(&home, event).await;
                reply.send(self.answer.take().unwrap_or(Answer::NotFound));
            }
            Msg::Specs(flags, specs, reply) => {
                self.drive(&home, Event::Change(flags, specs)).await;
                let answer = self.answer.take().unwrap_or(Answer::NotFound);
                reply.send((answer, std::mem::take(&mut self.renewals)));
            }
            Msg::StartHeld(spec, reply) => {
                self.drive(&home, Event::StartDynamic(Some(spec))).await;
                let answer = self.answer.take().unwrap_or(Answer::NotFound);
                let held = match answer {
                    Answer::Running(place) => {
                        self.processes.get(place).and_then(|process| contained(|| process.reference())?)
                    }
                    _ => None,
                };
                reply.send((answer, held));
            }
            Msg::List(reply) => reply.send(self.list()),
            Msg::Exits(id, reply) => {
                reply.send(self.core.place_of(&id).map(|child| self.core.exits(child).cloned().collect()));
            }
            Msg::Tree(reply) => reply.send(self.cut(&home)),
            Msg::Refs(reply) => reply.send(self.list().into_iter().map(|info| self.with_reference(info)).collect()),
            Msg::Count(reply) => reply.send(self.core.count(|place| self.is_alive(place))),
            Msg::Flags(id, reply) => reply.send(self.flags(&id)),
            Msg::Child(id, reply) => reply.send(self.reference(&id)),
        }
        self.done(cx)
    }

    /// Of its parent's end; those of others who link with it are not its business.
    async fn handle_exit(&mut self, cx: &mut Context<Self>, exited: Exited) -> Result<(), Exit> {
        if exited.actor.is_none() || exited.actor != self.parent {
            return Ok(());
        }
        self.drive(&Home::of(cx), Event::End(exited.exit)).await;
        self.done(cx)
    }

    fn format_status(&self) -> Option<String> {
        let (children, places) = (self.core.children().count(), self.processes.iter().count());
        let (strategy, ends) = (self.core.flags().strategy, self.ends.count());
        Some(format!("{strategy}: {children} children, {places} places, {ends} ends under way"))
    }

    /// Stops the children, in order, also when a handler of ours has crashed.
    async fn terminate(&mut self, cx: &mut Context<Self>, exit: &Exit) {
        if !self.core.is_over() {
            self.drive(&Home::of(cx), Event::End(exit.clone())).await;
        }
    }
}
