//! A piece of work that is an actor: linked, monitored, awaited.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use tokio::sync::oneshot;

use crate::actor::Actor;
use crate::actor_ref::{AnyRef, Ref, UntypedRef};
use crate::context::Context;
use crate::exit::Exit;
use crate::node::Node;
use crate::spawn::SpawnError;

/// A future that runs as a light actor of its own and is awaited for its result.
///
/// Awaited, it gives the value, or the reason why there is none. Dropped, the work goes on; [`Task::kill`] ends it.
///
/// ```
/// # use proscenium_runtime::{Node, Task};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let node = Node::start("doc").await?;
/// let task = Task::spawn(&node, async { 6 * 7 }).await?;
/// assert_eq!(task.await, Ok(42));
/// # node.stop().await?; Ok(()) }
/// ```
pub struct Task<T> {
    result: Awaited<T>,
    actor: UntypedRef,
}

/// The work of a task as an actor, for somebody else to start, a supervisor say: see [`Task::work`].
///
/// It ends with [`Exit::Normal`] when the work is done. The default one has nothing to do.
pub struct Work<F: Future> {
    future: Option<F>,
    result: Option<oneshot::Sender<Result<F::Output, Exit>>>,
    link: Option<UntypedRef>,
}

impl<F: Future> Work<F> {
    /// Linked with another actor from before it begins: the end of either in disorder ends the other.
    #[must_use]
    pub fn linked(mut self, with: &impl AnyRef) -> Self {
        self.link = Some(with.to_untyped());
        self
    }
}

impl<F: Future> Default for Work<F> {
    fn default() -> Self {
        Work { future: None, result: None, link: None }
    }
}

impl<F: Future> fmt::Debug for Work<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.future.is_some() { "Work(to be done)" } else { "Work(begun)" })
    }
}

impl<F> Actor for Work<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    type Msg = ();
    type Ref = Ref<Self>;

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        if let Some(other) = self.link.take() {
            cx.link(&other);
        }
        cx.continue_with(());
        Ok(())
    }

    async fn handle(&mut self, cx: &mut Context<Self>, (): ()) -> Result<(), Exit> {
        if let Some(future) = self.future.take() {
            let value = future.await;
            if let Some(result) = self.result.take() {
                let _ = result.send(Ok(value)); // Who dropped the task does not want it.
            }
        }
        cx.stop(Exit::Normal);
        Ok(())
    }

    async fn terminate(&mut self, _: &mut Context<Self>, exit: &Exit) {
        if let Some(result) = self.result.take() {
            let _ = result.send(Err(exit.clone()));
        }
    }
}

/// What will come of [`Work`]; its [`Task`] to be.
pub struct Awaited<T>(oneshot::Receiver<Result<T, Exit>>);

impl<T> Awaited<T> {
    /// The task, when its work has been started as this actor.
    #[must_use]
    pub fn of(self, actor: &impl AnyRef) -> Task<T> {
        Task { result: self, actor: actor.to_untyped() }
    }
}

impl<T> Future for Awaited<T> {
    type Output = Result<T, Exit>;

    /// Work that is gone without a word was killed: any other end goes through its stop hook.
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|told| told.unwrap_or(Err(Exit::Killed)))
    }
}

impl<T> fmt::Debug for Awaited<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Awaited")
    }
}

impl<T: Send + 'static> Task<T> {
    /// Starts the work on a node, linked with nobody.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn spawn(node: &Node, future: impl Future<Output = T> + Send + 'static) -> Result<Task<T>, SpawnError> {
        let (work, result) = Task::work(future);
        Ok(result.of(&node.spawn_light(work).await?))
    }

    /// Starts the work linked with the actor: the end of either in disorder ends the other.
    ///
    /// # Errors
    /// The node is stopping.
    pub fn linked<A: Actor, F>(
        cx: &Context<A>,
        future: F,
    ) -> impl Future<Output = Result<Task<T>, SpawnError>> + Send + use<A, F, T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (work, result) = Task::work(future);
        let work = cx.spawn_link(work).light();
        async move { Ok(result.of(&work.await?)) }
    }

    /// The work as an actor that somebody else starts, and what becomes the task when it has been started.
    ///
    /// ```
    /// # use proscenium_runtime::{Node, Task};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let node = Node::start("doc").await?;
    /// let (work, awaited) = Task::work(async { 6 * 7 });
    /// let actor = node.spawn(work).named("multiplier").await?;
    /// assert_eq!(awaited.of(&actor).await, Ok(42));
    /// # node.stop().await?; Ok(()) }
    /// ```
    pub fn work<F: Future<Output = T>>(future: F) -> (Work<F>, Awaited<T>) {
        let (sender, result) = oneshot::channel();
        (Work { future: Some(future), result: Some(sender), link: None }, Awaited(result))
    }

    /// Ends the work at its next await.
    pub fn kill(&self) {
        self.actor.kill();
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, Exit>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.result).poll(cx)
    }
}

impl<T> AnyRef for Task<T> {
    fn to_untyped(&self) -> UntypedRef {
        self.actor.clone()
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task({})", self.actor.id())
    }
}
