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
    result: oneshot::Receiver<T>,
    actor: UntypedRef,
    /// Asked when the result will not come.
    ended: Option<Pin<Box<dyn Future<Output = Exit> + Send>>>,
}

struct Work<F: Future> {
    future: Option<F>,
    result: Option<oneshot::Sender<F::Output>>,
}

impl<F> Actor for Work<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    type Msg = ();
    type Ref = Ref<Self>;

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        cx.continue_with(());
        Ok(())
    }

    async fn handle(&mut self, cx: &mut Context<Self>, (): ()) -> Result<(), Exit> {
        if let Some((future, result)) = self.future.take().zip(self.result.take()) {
            let _ = result.send(future.await); // Who dropped the task does not want it.
        }
        cx.stop(Exit::Normal);
        Ok(())
    }
}

impl<T: Send + 'static> Task<T> {
    /// Starts the work on a node, linked with nobody.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn spawn(node: &Node, future: impl Future<Output = T> + Send + 'static) -> Result<Task<T>, SpawnError> {
        let (sender, result) = oneshot::channel();
        let work = node.spawn_light(Work { future: Some(future), result: Some(sender) }).await?;
        Ok(Task { result, actor: work.untyped(), ended: None })
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
        let (sender, result) = oneshot::channel();
        let work = cx.spawn_link(Work { future: Some(future), result: Some(sender) }).light();
        async move { Ok(Task { result, actor: work.await?.untyped(), ended: None }) }
    }

    /// Ends the work at its next await.
    pub fn kill(&self) {
        self.actor.kill();
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, Exit>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.ended.is_none() {
            match Pin::new(&mut this.result).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(value)) => return Poll::Ready(Ok(value)),
                Poll::Ready(Err(_)) => {
                    let actor = this.actor.clone();
                    this.ended = Some(Box::pin(async move { actor.gone().await }));
                }
            }
        }
        match &mut this.ended {
            Some(ended) => ended.as_mut().poll(cx).map(Err),
            None => Poll::Pending,
        }
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
