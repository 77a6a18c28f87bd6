//! Tasks under a supervisor: Elixir's `Task.Supervisor`.
//!
//! A task is a future that runs as a light actor of its own, a child of the task supervisor: it is seen in the tree, it ends
//! with the supervisor, and a crash of it is its own. What [`Task`] gives is the value, or the reason why there is none.
//!
//! | start | linked with the caller | awaited | restarted |
//! |---|---|---|---|
//! | [`async_`](TaskSupervisorRef::async_) | yes: the crash of either ends the other | yes | no |
//! | [`async_nolink`](TaskSupervisorRef::async_nolink) | no | yes | no |
//! | [`start_child`](TaskSupervisorRef::start_child) | no | no | no |
//! | [`start_child_with`](TaskSupervisorRef::start_child_with) | no | no | as it says |
//! | [`async_stream`](TaskSupervisorRef::async_stream) | no | each, by the stream | no |
//!
//! **Bounds**: tasks by `max_children` (default: none); of a stream by `max_concurrency`.
//! **Shutdown**: a future cannot be asked to stop, so a task ends at its next await when its supervisor ends; with
//! [`TaskSupervisor::shutdown`] it has a while to come to its own end first. One that does not yield is given up, as any
//! child.
//! **Cost**: a start is one call to the supervisor.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proscenium_runtime::{Actor, AnyRef, Awaited, Context, Exit, IntoName, Node, Ref, Task, UntypedRef, Work};

use crate::async_stream::{AsyncStream, StreamOptions};
use crate::child_spec::{ChildFlags, ChildId, ChildSpec, Restart, Shutdown};
use crate::children::{Counts, Place};
use crate::dynamic::NeedsArgument;
use crate::layer::{Layer, LayerChild, start_held};
use crate::shell::ChildInfo;
use crate::supervisor::{StartError, Supervisor, SupervisorError, SupervisorRef};

/// A supervisor whose children are tasks.
///
/// ```
/// use proscenium_runtime::Node;
/// use proscenium_supervision::TaskSupervisor;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # std::panic::set_hook(Box::new(|_| {}));
/// let node = Node::start("doc").await?;
/// let tasks = TaskSupervisor::new().start(&node).await?;
///
/// let sum = tasks.async_nolink(async { (1..=100).sum::<u32>() }).await?;
/// let zero = 0;
/// let crash = tasks.async_nolink(async move { 1 / zero }).await?;
/// assert_eq!(sum.await, Ok(5_050));
/// assert!(crash.await.is_err_and(|exit| exit.to_string().contains("divide by zero")));
/// # node.stop().await?; Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a supervisor runs when it is started"]
pub struct TaskSupervisor {
    supervisor: Supervisor,
    shutdown: Shutdown,
}

impl Default for TaskSupervisor {
    fn default() -> Self {
        TaskSupervisor::new()
    }
}

impl TaskSupervisor {
    /// Any number of tasks, which end at their next await when the supervisor ends.
    pub fn new() -> Self {
        let template = ChildSpec::of("task", NeedsArgument);
        TaskSupervisor { supervisor: Supervisor::simple_one_for_one(template), shutdown: Shutdown::BrutalKill }
    }

    /// So many tasks at once. Default: as many as are started.
    pub fn max_children(mut self, limit: usize) -> Self {
        self.supervisor.flags.max_children = Some(limit);
        self
    }

    /// What becomes of a task that runs when the supervisor ends. Default: [`Shutdown::BrutalKill`], it ends at its next
    /// await, as one in Elixir does that does not trap exits. [`Shutdown::Within`]: it has so long to come to its own end.
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// A name on the node: see [`Supervisor::named`]. Default: none.
    pub fn named(mut self, name: impl IntoName) -> Self {
        self.supervisor = self.supervisor.named(name);
        self
    }

    /// One restart more than `intensity` within `period`, of all tasks together that are restarted at all, ends the
    /// supervisor. OTP's default: 1 in 5 s; Elixir has 3.
    pub fn intensity(mut self, intensity: usize, period: Duration) -> Self {
        self.supervisor = self.supervisor.intensity(intensity, period);
        self
    }

    fn layer(&self) -> Layer<TaskSupervisorRef> {
        let flags = ChildFlags { restart: Restart::Temporary, shutdown: self.shutdown, ..ChildFlags::worker() };
        let id = ChildId::from("task");
        let hold = move |supervisor| TaskSupervisorRef { supervisor, id: id.clone(), flags };
        Layer { supervisor: self.supervisor.clone(), hold: Box::new(hold) }
    }

    /// Starts the supervisor, without tasks.
    ///
    /// # Errors
    /// The flags do not go together, or the node is stopping. Nothing runs.
    pub async fn start(self, node: &Node) -> Result<TaskSupervisorRef, StartError> {
        self.layer().start(node).await
    }

    /// The same, linked with the actor that starts it: see [`Supervisor::start_link`].
    ///
    /// # Errors
    /// As [`start`](TaskSupervisor::start).
    pub fn start_link<A: Actor>(
        self,
        cx: &Context<A>,
    ) -> impl Future<Output = Result<TaskSupervisorRef, StartError>> + Send + use<A> {
        self.layer().start_link(cx)
    }

    /// As a child of another supervisor, with OTP's defaults for a supervisor; its ref comes of
    /// [`SupervisorRef::reference`], and stays good over its restarts, which begin without tasks.
    pub fn child_spec(self, id: impl Into<ChildId>) -> ChildSpec<LayerChild<TaskSupervisorRef>> {
        LayerChild::spec(id, move || Ok(self.layer()))
    }
}

/// A running [`TaskSupervisor`].
#[derive(Clone, Debug)]
pub struct TaskSupervisorRef {
    supervisor: SupervisorRef,
    id: ChildId,
    flags: ChildFlags,
}

impl TaskSupervisorRef {
    /// Starts a task that is linked with the actor of `cx`: when either ends in disorder, so does the other, unless it traps
    /// exits. For work without whose result the actor cannot go on.
    ///
    /// Dropped while it waits for the start, it may have started the task all the same.
    ///
    /// # Errors
    /// There are `max_children`, or the supervisor is gone: nothing was started.
    pub fn async_<A: Actor, F>(
        &self,
        cx: &Context<A>,
        future: F,
    ) -> impl Future<Output = Result<Task<F::Output>, SupervisorError>> + Send + use<A, F>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (work, awaited) = Task::work(future);
        let (tasks, work) = (self.clone(), work.linked(cx.me().as_ref()));
        async move { Ok(tasks.begin(work, awaited).await?.0) }
    }

    /// Starts a task that is linked with nobody: a crash of it is an error for who awaits it, and nothing else.
    ///
    /// Dropped while it waits for the start, it may have started the task all the same. Dropping the [`Task`] leaves the work
    /// to itself; [`Task::kill`] ends it.
    ///
    /// # Errors
    /// There are `max_children`, or the supervisor is gone: nothing was started.
    pub async fn async_nolink<F>(&self, future: F) -> Result<Task<F::Output>, SupervisorError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (work, awaited) = Task::work(future);
        Ok(self.begin(work, awaited).await?.0)
    }

    /// Starts a task that nobody awaits. It is temporary: a crash of it is reported, and not made good.
    ///
    /// # Errors
    /// There are `max_children`, or the supervisor is gone: nothing was started.
    pub async fn start_child(
        &self,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Result<TaskChild, SupervisorError> {
        let (work, awaited) = Task::work(future);
        let (task, place) = self.begin(work, awaited).await?;
        Ok(TaskChild { actor: task.to_untyped(), place })
    }

    /// Starts a task that nobody awaits, and that is made anew by `make` after each end that `restart` says. An error is a
    /// crash with this reason.
    ///
    /// ```
    /// # use std::sync::atomic::{AtomicU32, Ordering};
    /// # use proscenium_runtime::{AnyRef, Exit, Node};
    /// # use proscenium_supervision::{Restart, TaskSupervisor};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
    /// # let node = Node::start("doc").await?;
    /// # static TRIES: AtomicU32 = AtomicU32::new(0);
    /// async fn upload() -> Result<(), Exit> {
    ///     if TRIES.fetch_add(1, Ordering::Relaxed) == 0 { Err(Exit::custom("no route")) } else { Ok(()) }
    /// }
    /// let tasks = TaskSupervisor::new().start(&node).await?;
    /// let upload = tasks.start_child_with(Restart::Transient, upload).await?;
    /// upload.to_untyped().gone().await; // Done, at the second try.
    /// assert_eq!(TRIES.load(Ordering::Relaxed), 2);
    /// # node.stop().await }
    /// ```
    ///
    /// # Errors
    /// There are `max_children`, or the supervisor is gone: nothing was started.
    pub async fn start_child_with<F>(
        &self,
        restart: Restart,
        make: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<TaskChild, SupervisorError>
    where
        F: Future<Output = Result<(), Exit>> + Send + 'static,
    {
        let make = Arc::new(make);
        let child = ChildSpec::new(self.id.clone(), move || Again(make.clone())).light();
        let flags = ChildFlags { restart, ..self.flags };
        let (actor, place) = start_held(&self.supervisor, child.flags(flags).into()).await?;
        Ok(TaskChild { actor: actor.untyped(), place })
    }

    /// A task for each of the items, so many at once as the options say, and what they give as a stream: a value or a typed
    /// error each. Nothing starts until the stream is asked for its first item; dropped, it ends its tasks.
    ///
    /// ```
    /// # use proscenium_runtime::Node;
    /// # use proscenium_supervision::{StreamOptions, TaskSupervisor};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
    /// # let node = Node::start("doc").await?;
    /// let tasks = TaskSupervisor::new().start(&node).await?;
    /// let options = StreamOptions { max_concurrency: 2, ..StreamOptions::default() };
    /// let mut squares = tasks.async_stream(1..=3, options, |n: u32| async move { n * n });
    /// let mut sum = 0;
    /// while let Some(square) = squares.next().await {
    ///     sum += square?;
    /// }
    /// assert_eq!(sum, 14);
    /// # node.stop().await }
    /// ```
    pub fn async_stream<I, F>(
        &self,
        items: I,
        options: StreamOptions,
        work: impl Fn(I::Item) -> F + Send + Sync + 'static,
    ) -> AsyncStream<F::Output>
    where
        I: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
        F: Future<Output: Send> + Send + 'static,
    {
        AsyncStream::new(self.clone(), items.into_iter(), options, work)
    }

    /// Ends a task, as the supervisor's `shutdown` says, and forgets it. One that is gone already is fine.
    ///
    /// # Errors
    /// The supervisor is gone.
    pub async fn terminate_child(&self, child: impl Into<Place>) -> Result<(), SupervisorError> {
        self.supervisor.terminate_dynamic(child.into()).await
    }

    /// The tasks, in start order.
    ///
    /// # Errors
    /// The supervisor is gone.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, SupervisorError> {
        self.supervisor.which_children().await
    }

    /// How many tasks there are. One whose result has just been had may still be counted.
    ///
    /// # Errors
    /// The supervisor is gone.
    pub async fn count_children(&self) -> Result<Counts, SupervisorError> {
        self.supervisor.count_children().await
    }

    /// The supervisor, without what is known of its children: to stop it, monitor it, link with it.
    #[must_use]
    pub fn supervisor(&self) -> &SupervisorRef {
        &self.supervisor
    }

    /// Starts work that is done once.
    async fn begin<F>(
        &self,
        work: Work<F>,
        awaited: Awaited<F::Output>,
    ) -> Result<(Task<F::Output>, Place), SupervisorError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let work = Arc::new(Mutex::new(work));
        let take = move || std::mem::take(&mut *work.lock().unwrap_or_else(PoisonError::into_inner));
        let child = ChildSpec::new(self.id.clone(), take).light().flags(self.flags);
        let (actor, place) = start_held(&self.supervisor, child.into()).await?;
        Ok((awaited.of(&actor), place))
    }
}

/// A task that nobody awaits: the actor that it is, and its place in its supervisor.
#[derive(Clone, Debug)]
pub struct TaskChild {
    actor: UntypedRef,
    place: Place,
}

impl TaskChild {
    /// Its place in its supervisor.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }
}

impl AnyRef for TaskChild {
    fn to_untyped(&self) -> UntypedRef {
        self.actor.clone()
    }
}

impl From<&TaskChild> for Place {
    fn from(child: &TaskChild) -> Self {
        child.place
    }
}

/// Work that can be done again.
struct Again<M>(Arc<M>);

impl<F, M> Actor for Again<M>
where
    F: Future<Output = Result<(), Exit>> + Send + 'static,
    M: Fn() -> F + Send + Sync + 'static,
{
    type Msg = ();
    type Ref = Ref<Self>;

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        cx.continue_with(());
        Ok(())
    }

    async fn handle(&mut self, cx: &mut Context<Self>, (): ()) -> Result<(), Exit> {
        (self.0)().await?;
        cx.stop(Exit::Normal);
        Ok(())
    }
}

impl<M> fmt::Debug for Again<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Again")
    }
}
