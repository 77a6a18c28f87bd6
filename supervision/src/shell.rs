//! The supervisor as an actor: owns the children and the mailbox, and decides nothing.

use std::any::Any;
use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::join_all;
use proscenium_runtime::{Actor, ActorId, Context, Exit, Exited, Mailbox, Node, Ref, Reply};

use crate::child_spec::{AnyChild, ChildFlags, ChildId, Shutdown};
use crate::children::{Counts, Place, State};
use crate::restart_core::{Action, Event, Outcome, Reply as Answer, RestartCore};
use crate::running::Running;
use crate::supervised::{Start, Supervised};
use crate::supervisor::SupervisorRef;

/// What a supervisor is told.
pub enum Msg {
    Exited { child: Place, start: u64, exit: Exit },
    TryAgain(Place),
    Change(Change, Reply<Answer>),
    List(Reply<Vec<ChildInfo>>),
    Count(Reply<Counts>),
    Flags(ChildId, Reply<Option<ChildFlags>>),
    Child(ChildId, Reply<Option<Box<dyn Any + Send>>>),
}

/// A request that changes something.
pub enum Change {
    Start(AnyChild),
    StartDynamic(Option<Arc<dyn Start>>),
    Terminate(ChildId),
    TerminateDynamic(Place, Option<u64>),
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
    /// Whether its process lives: one that has just died may still be `Running` above.
    pub is_alive: bool,
    /// The rest of its spec.
    pub flags: ChildFlags,
}

struct Child {
    start: Arc<dyn Start>,
    /// None: it was retired, or not started yet.
    place: Option<(Box<dyn Supervised>, Running)>,
}

impl Child {
    async fn stop(&mut self, shutdown: Shutdown) {
        if let Some((supervised, running)) = &mut self.place {
            let exit = running.stop(supervised.as_mut(), shutdown).await;
            supervised.stopped(&exit);
        }
    }
}

/// The actor behind a [`SupervisorRef`].
#[doc(hidden)]
pub struct Shell {
    core: RestartCore,
    /// Of a `simple_one_for_one` supervisor: how children start that say nothing of their own.
    template: Option<Arc<dyn Start>>,
    children: HashMap<Place, Child>,
    /// How the next new child starts.
    coming: Option<Arc<dyn Start>>,
    answer: Option<Answer>,
    /// How it ends, when it does so of its own accord.
    over: Option<Exit>,
    /// Who started it, linked: its end is this one's.
    parent: Option<ActorId>,
}

/// Where a supervisor lives, for what its context cannot be held over.
struct Home {
    me: Ref<Shell>,
    node: Node,
}

impl Home {
    fn of(cx: &Context<Shell>) -> Home {
        Home { me: cx.me().0, node: cx.node().clone() }
    }
}

impl Shell {
    /// `starts` of the core's children, in their order; of a `simple_one_for_one` supervisor the one of its spec.
    pub(crate) fn new(core: RestartCore, starts: Vec<Arc<dyn Start>>) -> Self {
        let template = core.template().and(starts.first().cloned());
        let places: Vec<Place> = core.children().map(|(place, _)| place).collect();
        let children = places.into_iter().zip(starts).map(|(place, start)| (place, Child { start, place: None }));
        let children = children.collect();
        Shell { core, template, children, coming: None, answer: None, over: None, parent: None }
    }

    pub(crate) fn below(mut self, parent: ActorId) -> Self {
        self.parent = Some(parent);
        self
    }

    /// Tells the core, and carries out what it orders, until it waits for the mailbox again.
    async fn drive(&mut self, home: &Home, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.core.on(event, home.node.now()) {
                match action {
                    Action::Start { child, start } => {
                        let outcome = self.start(home, child, start).await;
                        events.push_back(Event::Started(outcome));
                    }
                    Action::Stop(children) => {
                        self.stop(&children).await;
                        events.extend(children.into_iter().map(Event::Stopped));
                    }
                    Action::Retire(child) => drop(self.children.get_mut(&child).and_then(|child| child.place.take())),
                    Action::Forget(child) => drop(self.children.remove(&child)),
                    // Behind what waits; refused when the supervisor itself is gone.
                    Action::TryAgain(child) => drop(home.me.tell(Msg::TryAgain(child)).now()),
                    Action::Reply(answer) => self.answer = Some(answer),
                    Action::Ready | Action::Report(_) => {}
                    Action::StartFailed(child, exit) => {
                        self.over = Some(failed_to_start(self.core.child(child), &exit));
                    }
                    Action::End(exit) => self.over = Some(exit),
                }
            }
        }
    }

    async fn start(&mut self, home: &Home, place: Place, start: u64) -> Outcome {
        let Some(flags) = self.core.child(place).map(|child| child.flags) else { return Outcome::Ignored };
        if let Some(start) = self.coming.take() {
            self.children.insert(place, Child { start, place: None });
        }
        let Some(child) = self.children.get_mut(&place) else { return Outcome::Ignored };
        let running = Running::new();
        let notice = running.notice(home.me.clone(), place, start);
        let supervised = match child.place.take() {
            Some((supervised, _)) => Ok(supervised),
            None => child.start.place(&home.node, flags.restart),
        };
        let started = match supervised {
            Err(exit) => Err(exit),
            Ok(supervised) => {
                let (supervised, _) = child.place.insert((supervised, running));
                // A child's making is its own code, and its panic is its own failure.
                let started = AssertUnwindSafe(async { supervised.start(notice).await }).catch_unwind().await;
                started.unwrap_or_else(|payload| Err(Exit::caught(payload.as_ref())))
            }
        };
        match started {
            Ok(()) => Outcome::Running,
            Err(Exit::Ignore) => Outcome::Ignored,
            Err(exit) => Outcome::Failed(exit),
        }
    }

    /// Stops them all at once.
    async fn stop(&mut self, places: &[Place]) {
        let core = &self.core;
        let shutdown = |place: Place| core.child(place).map(|child| child.flags.shutdown);
        if let [only] = places {
            if let (Some(child), Some(shutdown)) = (self.children.get_mut(only), shutdown(*only)) {
                child.stop(shutdown).await;
            }
            return;
        }
        let places: HashSet<&Place> = places.iter().collect();
        let children = self.children.iter_mut().filter(|(place, _)| places.contains(place));
        join_all(children.filter_map(|(place, child)| Some(child.stop(shutdown(*place)?)))).await;
    }

    /// What a request is to the core.
    fn event_of(&mut self, change: Change) -> Event {
        match change {
            Change::Start(spec) => {
                self.coming = Some(spec.start);
                Event::StartChild(spec.id, spec.flags)
            }
            Change::StartDynamic(start) => {
                self.coming = start.or_else(|| self.template.clone());
                Event::StartDynamic
            }
            Change::Terminate(id) => Event::Terminate(id),
            Change::TerminateDynamic(place, start) => Event::TerminateDynamic(place, start),
            Change::Restart(id) => Event::Restart(id),
            Change::Delete(id) => Event::Delete(id),
        }
    }

    fn is_alive(&self, place: Place) -> bool {
        let process = self.children.get(&place).and_then(|child| child.place.as_ref());
        process.is_some_and(|(supervised, _)| supervised.is_alive())
    }

    fn list(&self) -> Vec<ChildInfo> {
        let lines = self.core.children().map(|(place, child)| {
            let is_alive = self.is_alive(place);
            ChildInfo { place, id: child.id.clone(), state: child.state, is_alive, flags: child.flags }
        });
        lines.collect()
    }

    fn flags(&self, id: &ChildId) -> Option<ChildFlags> {
        match self.core.template() {
            Some((template, flags)) => (template == id).then_some(*flags),
            None => Some(self.core.child(self.core.place_of(id)?)?.flags),
        }
    }

    fn reference(&self, id: &ChildId) -> Option<Box<dyn Any + Send>> {
        let child = self.children.get(&self.core.place_of(id)?)?;
        child.place.as_ref()?.0.reference()
    }
}

fn failed_to_start(child: Option<&crate::children::Child>, exit: &Exit) -> Exit {
    let id = child.map_or("?", |child| child.id.as_str());
    Exit::shutdown_with(format!("failed_to_start_child {id:?}: {exit}"))
}

impl Actor for Shell {
    type Msg = Msg;
    type Ref = SupervisorRef;

    /// Exits of its children come this way, and none may be refused; there is one at most for each start of a child.
    const MAILBOX: Mailbox = Mailbox::unbounded();

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        cx.trap_exit(true);
        let home = Home::of(cx);
        self.drive(&home, Event::Begin).await;
        self.over.take().map_or(Ok(()), Err)
    }

    async fn handle(&mut self, cx: &mut Context<Self>, msg: Msg) -> Result<(), Exit> {
        let home = Home::of(cx);
        match msg {
            Msg::Exited { child, start, exit } => self.drive(&home, Event::Exited { child, start, exit }).await,
            Msg::TryAgain(child) => self.drive(&home, Event::TryAgain(child)).await,
            Msg::Change(change, reply) => {
                let event = self.event_of(change);
                self.drive(&home, event).await;
                self.coming = None;
                reply.send(self.answer.take().unwrap_or(Answer::NotFound));
            }
            Msg::List(reply) => reply.send(self.list()),
            Msg::Count(reply) => reply.send(self.core.count(|place| self.is_alive(place))),
            Msg::Flags(id, reply) => reply.send(self.flags(&id)),
            Msg::Child(id, reply) => reply.send(self.reference(&id)),
        }
        self.over.take().map_or(Ok(()), Err)
    }

    /// Of its parent's end; those of others who link with it are not its business.
    async fn handle_exit(&mut self, cx: &mut Context<Self>, exited: Exited) -> Result<(), Exit> {
        if exited.actor.is_none() || exited.actor != self.parent {
            return Ok(());
        }
        self.drive(&Home::of(cx), Event::End(exited.exit)).await;
        self.over.take().map_or(Ok(()), Err)
    }

    /// Stops the children, in order, also when a handler of ours has crashed.
    async fn terminate(&mut self, cx: &mut Context<Self>, exit: &Exit) {
        if !self.core.is_over() {
            self.drive(&Home::of(cx), Event::End(exit.clone())).await;
        }
    }
}
