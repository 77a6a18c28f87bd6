//! Supervisors as people write and hold them.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use proscenium_runtime::{Actor, CallError, Context, Exit, IntoName, Name, Node, Ref, SpawnError};

use crate::child_spec::{AnyChild, ChildFlags, ChildId, ChildSpec};
use crate::children::{Counts, Place};
use crate::layer::held;
use crate::policy::whole_seconds;
use crate::restart_core::{Reply as Answer, RestartCore};
use crate::shell::{Change, ChildInfo, Msg, Shell};
use crate::sup_flags::{AutoShutdown, SpecError, Strategy, SupFlags};
use crate::supervised::Start;
use crate::trouble::PastExit;

/// Requests wait as long as the supervisor needs, which may be the shutdown of a child: a day at most.
pub(crate) const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// A supervisor to be: its flags and its children, in start order.
///
/// ```
/// use proscenium_runtime::{Node, actor_fn};
/// use proscenium_supervision::{ChildSpec, Supervisor};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
/// # std::panic::set_hook(Box::new(|_| {}));
/// let node = Node::start("doc").await?;
/// let supervisor = Supervisor::one_for_one()
///     .child(ChildSpec::new("divider", || actor_fn(|by: u32| println!("{}", 100 / by))))
///     .start(&node)
///     .await?;
/// assert_eq!(supervisor.which_children().await?.len(), 1);
/// # node.stop().await }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a supervisor runs when it is started"]
pub struct Supervisor {
    name: Option<Name>,
    pub(crate) flags: SupFlags,
    children: Vec<AnyChild>,
}

impl Supervisor {
    fn of(strategy: Strategy) -> Self {
        Supervisor { name: None, flags: SupFlags { strategy, ..SupFlags::default() }, children: Vec::new() }
    }

    /// A child that ends is restarted alone.
    pub fn one_for_one() -> Self {
        Supervisor::of(Strategy::OneForOne)
    }

    /// When one child is restarted, all are: they cannot do without each other.
    pub fn one_for_all() -> Self {
        Supervisor::of(Strategy::OneForAll)
    }

    /// When one child is restarted, so are those that come after it: they build on it.
    pub fn rest_for_one() -> Self {
        Supervisor::of(Strategy::RestForOne)
    }

    /// Any number of children of one spec, started on demand.
    pub fn simple_one_for_one<S: Start>(spec: ChildSpec<S>) -> Self {
        Supervisor::of(Strategy::SimpleOneForOne).child(spec)
    }

    /// A name on the node. It is the first part of its children's paths, if it is nobody's child itself.
    pub fn named(mut self, name: impl IntoName) -> Self {
        self.name = Some(name.into_name());
        self
    }

    /// One restart more than `intensity` within `period` ends the supervisor. OTP's default: 1 in 5 s.
    ///
    /// OTP counts in whole seconds; a period between two counts as the longer.
    pub fn intensity(mut self, intensity: usize, period: Duration) -> Self {
        self.flags.intensity = intensity;
        self.flags.period = whole_seconds(period);
        self
    }

    /// Whether the ends of significant children end the supervisor. OTP's default: never.
    pub fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.flags.auto_shutdown = auto_shutdown;
        self
    }

    /// One child more, started after those before it.
    pub fn child<S: Start>(mut self, spec: ChildSpec<S>) -> Self {
        self.children.push(spec.any());
        self
    }

    /// The actor of this supervisor.
    pub(crate) fn shell(&self) -> Result<Shell, SpecError> {
        // Each supervisor has a chance of its own, or all of a node would come back at once.
        let seed = RandomState::new().hash_one(self.children.len());
        Ok(Shell::new(RestartCore::new(self.flags, self.children.clone())?.seeded(seed), self.name.clone()))
    }

    /// Starts the supervisor and its children, in order.
    ///
    /// # Errors
    /// The specs do not go together: nothing was started. Or a child did not start: those before it have been stopped.
    pub async fn start(self, node: &Node) -> Result<SupervisorRef, StartError> {
        node.spawn(self.shell()?).await.map_err(StartError::Start)
    }

    /// The same, linked with the actor that starts it: when that ends, so does the supervisor, with its reason, after what
    /// came before; and the other way round.
    ///
    /// # Errors
    /// As [`start`](Supervisor::start).
    pub fn start_link<A: Actor>(
        self,
        cx: &Context<A>,
    ) -> impl Future<Output = Result<SupervisorRef, StartError>> + Send + use<A> {
        let spawn = self.shell().map(|shell| cx.spawn_link(shell.below(cx.id())));
        async move { spawn?.await.map_err(StartError::Start) }
    }
}

/// Why a supervisor did not start. Nothing of it runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The specs do not go together.
    Spec(SpecError),
    /// A child did not start, or the node is stopping.
    Start(SpawnError),
}

impl From<SpecError> for StartError {
    fn from(error: SpecError) -> Self {
        StartError::Spec(error)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Spec(error) => fmt::Display::fmt(error, f),
            StartError::Start(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for StartError {}

/// Why a request to a supervisor was not carried out. The children are as they were.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SupervisorError {
    /// There is no such child.
    NotFound,
    /// The child has a process.
    AlreadyStarted,
    /// There is a spec of that name, without a process.
    AlreadyPresent,
    /// Not while the child runs; terminate it first.
    Running,
    /// Not while its restart is tried again; terminate it first.
    Restarting,
    /// The spec does not go with the supervisor.
    Spec(SpecError),
    /// The supervisor has one spec for all of its children, and they have no names of their own.
    SimpleOneForOne,
    /// So many dynamic children are there, counting those that are being restarted, and there may be no more.
    MaxChildren {
        /// How many there may be.
        limit: usize,
    },
    /// The child did not start.
    Start(Exit),
    /// The change is made, but these children have refused it, for these reasons: they go on as they were, also when they are
    /// restarted. The supervisor keeps the new specs, and makes a child by them that is terminated and started again.
    NotRenewed(Vec<(ChildId, Exit)>),
    /// The supervisor is gone.
    Gone(CallError),
}

impl fmt::Display for SupervisorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SupervisorError::NotFound => f.write_str("the supervisor has no such child"),
            SupervisorError::AlreadyStarted => f.write_str("a child of that name runs"),
            SupervisorError::AlreadyPresent => f.write_str(
                "there is a child of that name; restart it with restart_child, or delete it with delete_child",
            ),
            SupervisorError::Running => f.write_str("the child runs; terminate it with terminate_child first"),
            SupervisorError::Restarting => {
                f.write_str("the child's restart is tried again; terminate it with terminate_child first")
            }
            SupervisorError::Spec(error) => fmt::Display::fmt(error, f),
            SupervisorError::SimpleOneForOne => {
                f.write_str("children of a simple_one_for_one supervisor have places, and no names of their own")
            }
            SupervisorError::MaxChildren { limit } => write!(
                f,
                "the supervisor has {limit} children, and that is its max_children; terminate one, or raise the limit"
            ),
            SupervisorError::Start(exit) => write!(f, "the child did not start: {exit}"),
            SupervisorError::NotRenewed(refused) => {
                f.write_str("the change is made, but for children that have refused it and go on as they were; change them again")?;
                refused.iter().try_for_each(|(child, exit)| write!(f, ". {child}: {exit}"))
            }
            SupervisorError::Gone(error) => write!(f, "the supervisor did not answer: {error}"),
        }
    }
}

impl std::error::Error for SupervisorError {}

impl From<CallError> for SupervisorError {
    fn from(error: CallError) -> Self {
        SupervisorError::Gone(error)
    }
}

impl From<SupervisorError> for proscenium_runtime::Error {
    fn from(error: SupervisorError) -> Self {
        proscenium_runtime::Error::Above(Box::new(error))
    }
}

impl From<StartError> for proscenium_runtime::Error {
    fn from(error: StartError) -> Self {
        proscenium_runtime::Error::Above(Box::new(error))
    }
}

/// A child that was started, or that its start did not want: OTP's `{ok, Pid}` and `{ok, undefined}`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Started {
    /// It runs, at this place.
    Running(Place),
    /// Its start said [`Exit::Ignore`].
    Ignored,
}

/// A running supervisor.
#[derive(Clone, Debug)]
pub struct SupervisorRef(pub(crate) Ref<Shell>);

impl From<Ref<Shell>> for SupervisorRef {
    fn from(actor: Ref<Shell>) -> Self {
        SupervisorRef(actor)
    }
}

impl AsRef<Ref<Shell>> for SupervisorRef {
    fn as_ref(&self) -> &Ref<Shell> {
        &self.0
    }
}

impl std::ops::Deref for SupervisorRef {
    type Target = Ref<Shell>;

    fn deref(&self) -> &Ref<Shell> {
        &self.0
    }
}

impl SupervisorRef {
    async fn ask(&self, change: Change) -> Result<Answer, SupervisorError> {
        Ok(self.0.call(|reply| Msg::Change(change, reply)).within(PATIENCE).await?)
    }

    async fn start_by(&self, change: Change) -> Result<Started, SupervisorError> {
        started(self.ask(change).await?)
    }

    async fn done_by(&self, change: Change) -> Result<(), SupervisorError> {
        started(self.ask(change).await?).map(|_| ())
    }

    /// Adds a child behind all others, and starts it. One that fails leaves no spec.
    ///
    /// # Errors
    /// There is one of that name, the spec does not go with the supervisor, or the start failed.
    pub async fn start_child<S: Start>(&self, spec: ChildSpec<S>) -> Result<Started, SupervisorError> {
        self.start_by(Change::Start(spec.any())).await
    }

    /// Starts one more child of a `simple_one_for_one` supervisor, by its spec or in a way of its own.
    ///
    /// # Errors
    /// The start failed, or the supervisor is of another strategy.
    pub async fn start_dynamic(&self, start: Option<Arc<dyn Start>>) -> Result<Started, SupervisorError> {
        self.start_by(Change::StartDynamic(start)).await
    }

    /// Stops a child. Its spec stays, for `restart_child` or a sibling's restart, unless it is temporary.
    ///
    /// # Errors
    /// There is no such child, or children have no names here.
    pub async fn terminate_child(&self, id: impl Into<ChildId>) -> Result<(), SupervisorError> {
        self.done_by(Change::Terminate(id.into())).await
    }

    /// Stops the dynamic child at this place. One that is gone already is fine.
    ///
    /// # Errors
    /// The supervisor is gone.
    pub async fn terminate_dynamic(&self, place: Place) -> Result<(), SupervisorError> {
        self.done_by(Change::TerminateDynamic(place, None)).await
    }

    /// The same, unless the process of this start of the child was replaced meanwhile: OTP's `terminate_child` of a pid.
    ///
    /// # Errors
    /// The supervisor is gone.
    pub async fn terminate_process(&self, place: Place, start: u32) -> Result<(), SupervisorError> {
        self.done_by(Change::TerminateDynamic(place, Some(start))).await
    }

    /// Starts a child again that was terminated, has ended, or was not wanted.
    ///
    /// # Errors
    /// It runs, or its restart is tried again; there is none; the start failed.
    pub async fn restart_child(&self, id: impl Into<ChildId>) -> Result<Started, SupervisorError> {
        self.start_by(Change::Restart(id.into())).await
    }

    /// Takes away the spec of a child that is down.
    ///
    /// # Errors
    /// It runs, or its restart is tried again; there is none.
    pub async fn delete_child(&self, id: impl Into<ChildId>) -> Result<(), SupervisorError> {
        self.done_by(Change::Delete(id.into())).await
    }

    /// Other flags and specs while it runs: all are checked, then all are taken, or none. OTP's `code_change`.
    ///
    /// No actor is started or stopped: a spec holds from its child's next start on, and the child keeps its queue and its
    /// refs if it is still the same type of actor; its name and its mailbox stay. Children that `supervisor` does not name stay as they are
    /// (see [`delete_child`](SupervisorRef::delete_child)); new ones come behind all others, and wait for
    /// [`restart_child`](SupervisorRef::restart_child). Of a `simple_one_for_one` supervisor the one spec is replaced.
    ///
    /// Children that can be changed while they run, as plugins can, are: this waits for them, the supervisor does not. They go
    /// on with that if this is dropped.
    ///
    /// # Errors
    /// The specs do not go together, or one is `simple_one_for_one` and the other is not: nothing has changed.
    /// [`NotRenewed`](SupervisorError::NotRenewed): all is taken, but by those children.
    pub async fn change(&self, supervisor: Supervisor) -> Result<(), SupervisorError> {
        let Supervisor { flags, children, .. } = supervisor;
        let (answer, renewals) = self.0.call(|reply| Msg::Specs(flags, children, reply)).within(PATIENCE).await?;
        started(answer)?;
        let renewals =
            renewals.into_iter().map(|(child, renewing)| async move { Some((child, renewing.await.err()?)) });
        let refused: Vec<_> = join_all(renewals).await.into_iter().flatten().collect();
        if refused.is_empty() { Ok(()) } else { Err(SupervisorError::NotRenewed(refused)) }
    }

    /// The children, in start order.
    ///
    /// # Errors
    /// The supervisor is gone.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, SupervisorError> {
        Ok(self.0.call(Msg::List).within(PATIENCE).await?)
    }

    /// How many children there are, of which kind, and how many of them have a process.
    ///
    /// # Errors
    /// The supervisor is gone.
    pub async fn count_children(&self) -> Result<Counts, SupervisorError> {
        Ok(self.0.call(Msg::Count).within(PATIENCE).await?)
    }

    /// The children in start order, each with its ref, if it has one of this type and a place to run in.
    pub(crate) async fn children<R: 'static>(&self) -> Result<Vec<(ChildInfo, Option<R>)>, SupervisorError> {
        let children = self.0.call(Msg::Refs).within(PATIENCE).await?;
        Ok(children.into_iter().map(|(info, found)| (info, found.and_then(held))).collect())
    }

    /// The last exits of a child, and its starts that failed, oldest first: 20 at most.
    ///
    /// # Errors
    /// There is no such child.
    pub async fn exits(&self, id: impl Into<ChildId>) -> Result<Vec<PastExit>, SupervisorError> {
        let id = id.into();
        let exits = self.0.call(|reply| Msg::Exits(id, reply)).within(PATIENCE).await?;
        exits.ok_or(SupervisorError::NotFound)
    }

    /// The spec of a child, but its start; of a `simple_one_for_one` supervisor that of all.
    ///
    /// # Errors
    /// There is no such child.
    pub async fn get_childspec(&self, id: impl Into<ChildId>) -> Result<ChildFlags, SupervisorError> {
        let id = id.into();
        let flags = self.0.call(|reply| Msg::Flags(id, reply)).within(PATIENCE).await?;
        flags.ok_or(SupervisorError::NotFound)
    }

    /// The supervisor below this one that has this name.
    ///
    /// # Errors
    /// There is no such child, it is no supervisor, or it is down.
    pub async fn supervisor(&self, id: impl Into<ChildId>) -> Result<SupervisorRef, SupervisorError> {
        self.child::<Shell>(id).await
    }

    /// The ref of a child that is an actor of this type.
    ///
    /// # Errors
    /// There is no such child, it is of another type, or it is down.
    pub async fn child<A: Actor>(&self, id: impl Into<ChildId>) -> Result<A::Ref, SupervisorError> {
        self.reference::<A::Ref>(id).await
    }

    /// What a child is held by: of an actor its ref, of a [`DynamicSupervisor`](crate::DynamicSupervisor) its
    /// [`DynamicSupervisorRef`](crate::DynamicSupervisorRef), and so on.
    ///
    /// # Errors
    /// There is no such child, it is held by something of another type, or it is down.
    pub async fn reference<R: 'static>(&self, id: impl Into<ChildId>) -> Result<R, SupervisorError> {
        let id = id.into();
        let found = self.0.call(|reply| Msg::Child(id, reply)).within(PATIENCE).await?;
        found.and_then(held).ok_or(SupervisorError::NotFound)
    }
}

pub(crate) fn started(answer: Answer) -> Result<Started, SupervisorError> {
    match answer {
        Answer::Running(place) => Ok(Started::Running(place)),
        Answer::Ignored | Answer::Done => Ok(Started::Ignored),
        Answer::Failed(exit) => Err(SupervisorError::Start(exit)),
        Answer::NotFound => Err(SupervisorError::NotFound),
        Answer::AlreadyStarted(_) => Err(SupervisorError::AlreadyStarted),
        Answer::AlreadyPresent => Err(SupervisorError::AlreadyPresent),
        Answer::StillRunning => Err(SupervisorError::Running),
        Answer::StillRestarting => Err(SupervisorError::Restarting),
        Answer::Refused(error) => Err(SupervisorError::Spec(error)),
        Answer::SimpleOneForOne => Err(SupervisorError::SimpleOneForOne),
        Answer::MaxChildren(limit) => Err(SupervisorError::MaxChildren { limit }),
    }
}
