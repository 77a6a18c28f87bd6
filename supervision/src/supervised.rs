//! What a supervisor can start, watch and stop: actors, and whatever else behaves as they do.

use std::any::{Any, TypeId};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use proscenium_runtime::{Actor, ActorCell, Ended, Exit, IntoName, Mailbox, Name, Node, Owner, UntypedRef};

use crate::child_spec::{AnyChild, ChildId, ChildSpec, Restart};
use crate::children::{Place, Spec};
use crate::ends::{Ends, Process};
use crate::shell::Shell;
use crate::supervisor::{Supervisor, SupervisorRef};

/// Tells the supervisor that a process has ended, and why. It never waits, and can be called from anywhere.
#[must_use = "a process whose end is not told is waited for"]
pub struct Notice {
    ears: Arc<dyn Ears>,
    process: Process,
}

impl Notice {
    /// The process that this is of has ended.
    pub fn ended(self, exit: Exit) {
        self.ears.hear(self.process, exit, false);
    }

    /// The same, and it is proven not to be its own fault: what it was given would have ended any process. See
    /// [`ChildSpec::excuses`](crate::ChildSpec::excuses).
    pub fn excused(self, exit: Exit) {
        self.ears.hear(self.process, exit, true);
    }
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notice({:?})", self.process)
    }
}

/// Who hears of ends. One for all children of a supervisor, and the owner of those that are actors.
trait Ears: Owner {
    fn hear(&self, process: Process, exit: Exit, is_excused: bool);
}

struct Told<F>(F);

impl<F: Fn(Process, Exit, bool) + Send + Sync + 'static> Ears for Told<F> {
    fn hear(&self, process: Process, exit: Exit, is_excused: bool) {
        (self.0)(process, exit, is_excused);
    }
}

impl<F: Fn(Process, Exit, bool) + Send + Sync + 'static> Owner for Told<F> {
    fn restarts(&self, tag: u64, exit: &Exit) -> bool {
        match Tag(tag).restart() {
            Restart::Permanent => true,
            Restart::Transient => !exit.is_orderly(),
            Restart::Temporary => false,
        }
    }

    fn exited(&self, ended: Ended) {
        self.hear((Tag(ended.tag).place(), ended.incarnation), ended.exit, false);
    }
}

/// What a supervisor calls the cell of a child: its place, and when it is restarted.
#[derive(Clone, Copy)]
struct Tag(u64);

impl Tag {
    fn new(place: Place, restart: Restart) -> Self {
        Tag(place.0 << 2 | restart as u64)
    }

    fn place(self) -> Place {
        Place(self.0 >> 2)
    }

    fn restart(self) -> Restart {
        match self.0 & 3 {
            0 => Restart::Permanent,
            1 => Restart::Transient,
            _ => Restart::Temporary,
        }
    }
}

/// Where a child is placed: on which node, and who hears of its ends.
#[derive(Clone)]
pub struct Placing {
    node: Node,
    /// Of the supervisor.
    path: Arc<str>,
    /// How many supervisors there are above.
    depth: usize,
    id: ChildId,
    place: Place,
    restart: Restart,
    /// Of the child; none before there is one.
    spec: Option<AnyChild>,
    /// An actor there gets no handle for ractor code.
    light: bool,
    ears: Arc<dyn Ears>,
}

impl Placing {
    /// Below a supervisor whose ends these are.
    pub(crate) fn below(node: Node, path: Arc<str>, depth: usize, ends: &Arc<Ends>) -> Self {
        let ends = ends.clone();
        let ears = Arc::new(Told(move |process, exit, is_excused| ends.tell(process, exit, is_excused)));
        Placing {
            node,
            path,
            depth,
            id: ChildId::from(""),
            place: Place(0),
            restart: Restart::default(),
            spec: None,
            light: false,
            ears,
        }
    }

    /// For this child of the supervisor.
    pub(crate) fn of(&self, place: Place, id: ChildId, spec: &AnyChild) -> Self {
        let (restart, light) = (spec.flags().restart, spec.is_light());
        Placing { place, id, restart, light, ..self.clone() }.with(spec)
    }

    /// For the same child, whose start is that of another spec.
    pub(crate) fn with(self, spec: &AnyChild) -> Self {
        Placing { spec: Some(spec.clone()), ..self }
    }

    /// An actor there gets no handle for ractor code.
    #[must_use]
    pub fn light(self, light: bool) -> Self {
        Placing { light, ..self }
    }

    /// The same, but `heard` is told of the ends. For a child within a child: what stands before the inner one tells the
    /// supervisor in its own words, by its own [`Notice`].
    #[must_use]
    pub fn heard_by(&self, heard: impl Fn(Exit) + Send + Sync + 'static) -> Self {
        Placing { ears: Arc::new(Told(move |_, exit, _| heard(exit))), ..self.clone() }
    }

    /// The node that the child is of.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The child's path in the tree: `shop/payments/gateway`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.path, self.id)
    }

    /// The notice of the child's n-th process.
    pub fn notice(&self, start: u32) -> Notice {
        Notice { ears: self.ears.clone(), process: (self.place, start) }
    }
}

impl fmt::Debug for Placing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placing").field("place", &self.place).field("restart", &self.restart).finish_non_exhaustive()
    }
}

/// A tree that contains itself has no end, so it has one here.
const DEEPEST: usize = 1_000;

/// A start under way.
pub type Starting<'a> = Pin<Box<dyn Future<Output = Result<(), Exit>> + Send + 'a>>;

/// A change of a process that runs, under way. It goes on if this is dropped.
pub type Renewing = Pin<Box<dyn Future<Output = Result<(), Exit>> + Send>>;

/// What becomes of a place whose child has another spec.
#[must_use = "a place that is outdated is to be left"]
pub enum Renewal {
    /// From its next start on it is as the new spec says. Its process, if it has one, stays as it is.
    Taken,
    /// The process that runs is being changed. An error says that the change was refused, and why: then the place goes on
    /// as it was, over its restarts as well.
    UnderWay(Renewing),
    /// It cannot be renewed. The next start is in a place of its own, and what others hold of this one is good no more.
    Outdated,
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Renewal::Taken => "Taken",
            Renewal::UnderWay(_) => "UnderWay",
            Renewal::Outdated => "Outdated",
        })
    }
}

/// How a child is made: OTP's `start`, as a value.
pub trait Start: Any + Send + Sync {
    /// A place for one process of the child after the other. Nothing runs in it yet.
    ///
    /// # Errors
    /// The start fails with this reason.
    fn place(&self, placing: Placing) -> Result<Box<dyn Supervised>, Exit>;

    /// Takes over a place that another spec of the child has made, while its process runs or is down. The supervisor does
    /// nothing else meanwhile: what takes time goes on behind [`Renewal::UnderWay`]. Default: it cannot.
    fn renew(&self, placing: &Placing, place: &mut dyn Supervised) -> Renewal {
        let _ = (placing, place);
        Renewal::Outdated
    }

    /// Of an actor: makes one, into an `Option` of its type. So its place has no closure of its own to keep, when the spec
    /// has one.
    #[doc(hidden)]
    fn make(&self, actor: &mut dyn Any) -> Result<(), Exit> {
        let _ = actor;
        Err(Exit::NoProc)
    }
}

/// What others hold of a child that is started so.
pub trait Refers {
    /// For an actor its ref.
    type Ref: Send + 'static;
}

impl<A: Actor, F: Fn() -> A> Refers for ActorChild<F> {
    type Ref = A::Ref;
}

impl<F: Fn() -> Supervisor> Refers for SupervisorChild<F> {
    type Ref = SupervisorRef;
}

/// Chosen by whoever starts it.
impl Start for Arc<dyn Start> {
    fn place(&self, placing: Placing) -> Result<Box<dyn Supervised>, Exit> {
        self.as_ref().place(placing)
    }

    fn renew(&self, placing: &Placing, place: &mut dyn Supervised) -> Renewal {
        self.as_ref().renew(placing, place)
    }

    fn make(&self, actor: &mut dyn Any) -> Result<(), Exit> {
        self.as_ref().make(actor)
    }
}

/// A place for one process of a child after the other: an actor's incarnations, or an operating system's processes.
///
/// Dropped, it kills the process that it has, and ends the child for good.
pub trait Supervised: Any + Send {
    /// Starts the next process. [`Exit::Ignore`] says that it is not wanted now. `notice` is told when it has ended; that of
    /// a start that fails is dropped.
    fn start(&mut self, notice: Notice) -> Starting<'_>;

    /// Asks the process to stop.
    fn stop(&mut self, exit: Exit);

    /// Ends it without asking.
    fn kill(&mut self);

    /// How long it may take to end once it is killed; then it is given up. Default: 100 ms, as an actor ends at its next
    /// await.
    fn kill_limit(&self) -> Duration {
        Duration::from_millis(100)
    }

    /// It did not even heed the kill: it is left to itself, and its notice called with [`Exit::Unresponsive`].
    fn give_up(&mut self);

    /// Whether there is a process, as far as anybody can know.
    fn is_alive(&self) -> bool;

    /// It was stopped by its supervisor, which saw it end so.
    fn stopped(&mut self, _exit: &Exit) {}

    /// The actor that it is, if it is one.
    fn actor(&self) -> Option<UntypedRef> {
        None
    }

    /// What there is to say of it in a [tree](crate::NodeTree), in a few words.
    fn note(&self) -> Option<String> {
        None
    }

    /// What others hold of it, for [`SupervisorRef::child`](crate::SupervisorRef::child).
    fn reference(&self) -> Option<Box<dyn Any + Send>> {
        None
    }
}

/// Children that are actors, made anew by a closure for each start.
#[derive(Clone)]
pub struct ActorChild<F> {
    make: F,
    mailbox: Option<Mailbox>,
    /// Boxed, because most have none, and there is one of these for each child.
    name: Option<Box<Name>>,
}

impl<A: Actor, F: Fn() -> A + Send + Sync + 'static> ActorChild<F> {
    /// An ordinary actor with its own mailbox and no name.
    pub fn new(make: F) -> Self {
        ActorChild { make, mailbox: None, name: None }
    }

    /// Another mailbox than the actor's own.
    #[must_use]
    pub fn mailbox(mut self, mailbox: Mailbox) -> Self {
        self.mailbox = Some(mailbox);
        self
    }

    /// A name on the node, kept over restarts.
    #[must_use]
    pub fn named(mut self, name: impl IntoName) -> Self {
        self.name = Some(Box::new(name.into_name()));
        self
    }
}

impl<A: Actor, F: Fn() -> A + Clone + Send + Sync + 'static> ActorChild<F> {
    /// Who makes the actor: the child's spec, if it is this that stands in there.
    fn maker(&self, placing: &Placing) -> AnyChild {
        let spec = placing.spec.as_ref().filter(|spec| spec.is_start(self));
        spec.cloned().unwrap_or_else(|| ChildSpec::of("", self.clone()).any())
    }
}

impl<A: Actor, F: Fn() -> A + Clone + Send + Sync + 'static> Start for ActorChild<F> {
    fn place(&self, placing: Placing) -> Result<Box<dyn Supervised>, Exit> {
        let mailbox = self.mailbox.unwrap_or(A::MAILBOX);
        let place = ActorPlace::<A>::new(&placing, self.maker(&placing), mailbox, placing.light)?;
        if let (Some(cell), Some(name)) = (&place.cell, &self.name) {
            cell.name((**name).clone())?;
        }
        Ok(Box::new(place))
    }

    /// Name and mailbox stay as they are.
    fn renew(&self, placing: &Placing, place: &mut dyn Supervised) -> Renewal {
        ActorPlace::<A>::renew(place, placing, self.maker(placing))
    }

    fn make(&self, actor: &mut dyn Any) -> Result<(), Exit> {
        made(actor, (self.make)())
    }
}

fn made<A: Actor>(into: &mut dyn Any, actor: A) -> Result<(), Exit> {
    *into.downcast_mut().ok_or(Exit::NoProc)? = Some(actor);
    Ok(())
}

/// Children that are supervisors, built anew by a closure for each start.
#[derive(Clone)]
pub struct SupervisorChild<F>(F);

impl<F: Fn() -> Supervisor + Clone + Send + Sync + 'static> SupervisorChild<F> {
    /// One supervisor below another.
    pub fn new(build: F) -> Self {
        SupervisorChild(build)
    }
}

impl<F> fmt::Debug for SupervisorChild<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SupervisorChild")
    }
}

impl<F: Fn() -> Supervisor + Clone + Send + Sync + 'static> Start for SupervisorChild<F> {
    fn place(&self, placing: Placing) -> Result<Box<dyn Supervised>, Exit> {
        if placing.depth >= DEEPEST {
            let path = placing.path();
            let end = path.rmatch_indices('/').nth(2).map_or(&*path, |(at, _)| &path[at..]);
            return Err(Exit::custom(format!("…{end} is below {DEEPEST} supervisors; does the tree contain itself?")));
        }
        let maker = ChildSpec::of("", self.there(&placing)).any();
        Ok(Box::new(ActorPlace::<Shell>::new(&placing, maker, Shell::MAILBOX, true)?))
    }

    fn renew(&self, placing: &Placing, place: &mut dyn Supervised) -> Renewal {
        ActorPlace::<Shell>::renew(place, placing, ChildSpec::of("", self.there(placing)).any())
    }
}

impl<F: Fn() -> Supervisor + Clone + Send + Sync + 'static> SupervisorChild<F> {
    fn there(&self, placing: &Placing) -> SupervisorThere<F> {
        SupervisorThere { build: self.0.clone(), path: placing.path().into(), depth: placing.depth }
    }
}

/// A supervisor that knows where in the tree it is.
struct SupervisorThere<F> {
    build: F,
    path: Arc<str>,
    depth: usize,
}

impl<F: Fn() -> Supervisor + Clone + Send + Sync + 'static> Start for SupervisorThere<F> {
    fn place(&self, placing: Placing) -> Result<Box<dyn Supervised>, Exit> {
        SupervisorChild(self.build.clone()).place(placing)
    }

    fn make(&self, actor: &mut dyn Any) -> Result<(), Exit> {
        made(actor, (self.build)().shell()?.at(self.path.clone(), self.depth))
    }
}

struct ActorPlace<A: Actor> {
    maker: AnyChild,
    /// None: it is being dropped.
    cell: Option<ActorCell<A>>,
}

impl<A: Actor> ActorPlace<A> {
    fn new(placing: &Placing, maker: AnyChild, mailbox: Mailbox, light: bool) -> Result<Self, Exit> {
        let make_cell = if light { ActorCell::light } else { ActorCell::ordinary };
        let cell = make_cell(&placing.node, mailbox, placing.ears.clone())?;
        cell.tag(Tag::new(placing.place, placing.restart).0);
        Ok(ActorPlace { maker, cell: Some(cell) })
    }

    fn renew(place: &mut dyn Supervised, placing: &Placing, maker: AnyChild) -> Renewal {
        let place: &mut dyn Any = place;
        let Some(place) = place.downcast_mut::<Self>() else { return Renewal::Outdated };
        place.maker = maker;
        if let Some(cell) = &place.cell {
            cell.tag(Tag::new(placing.place, placing.restart).0);
        }
        Renewal::Taken
    }

    fn make(&self) -> Result<A, Exit> {
        let mut actor = None::<A>;
        self.maker.make(&mut actor)?;
        actor.ok_or(Exit::NoProc)
    }
}

impl<A: Actor> Supervised for ActorPlace<A> {
    /// The cell's owner tells of the end, by the number that the notice has.
    fn start(&mut self, notice: Notice) -> Starting<'_> {
        Box::pin(async move {
            let Some(cell) = &self.cell else { return Err(Exit::NoProc) };
            let (number, actor) = (notice.process.1, self.make()?);
            // Supervisors start supervisors, and so on.
            match TypeId::of::<A>() == TypeId::of::<Shell>() {
                true => cell.start_apart(number, actor).await,
                false => cell.start_as(number, actor).await,
            }
        })
    }

    fn stop(&mut self, exit: Exit) {
        if let Some(cell) = &self.cell {
            cell.shutdown(exit);
        }
    }

    fn kill(&mut self) {
        if let Some(cell) = &self.cell {
            cell.kill();
        }
    }

    fn give_up(&mut self) {
        if let Some(cell) = &self.cell {
            cell.give_up();
        }
    }

    fn is_alive(&self) -> bool {
        self.cell.as_ref().is_some_and(|cell| cell.incarnation().is_some())
    }

    fn actor(&self) -> Option<UntypedRef> {
        Some(self.cell.as_ref()?.reference().as_ref().untyped())
    }

    fn reference(&self) -> Option<Box<dyn Any + Send>> {
        Some(Box::new(self.cell.as_ref()?.reference()))
    }
}

impl<A: Actor> Drop for ActorPlace<A> {
    fn drop(&mut self) {
        // Closed before it ends, it tells nobody: who drops it knows.
        if let Some(cell) = self.cell.take() {
            cell.close(&Exit::Shutdown);
        }
    }
}

impl<F> fmt::Debug for ActorChild<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorChild").field("name", &self.name).finish_non_exhaustive()
    }
}
