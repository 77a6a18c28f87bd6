//! Many tasks, a few at a time: Elixir's `Task.Supervisor.async_stream_nolink`.

use std::fmt;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::{Stream, StreamExt, stream};
use proscenium_runtime::{AnyRef, Exit};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::supervisor::SupervisorError;
use crate::tasks::TaskSupervisorRef;

/// A task that was killed ends at its next await. One that has none for so long is left to its supervisor.
const HEEDS_A_KILL: Duration = Duration::from_millis(100);

/// How the tasks of a stream run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamOptions {
    /// So many tasks at once; zero counts as one. In [`Order::AsGiven`] a result that waits for one before it holds its
    /// place. Default: as many as the program may use cores.
    pub max_concurrency: usize,
    /// In which order the results come. Default: in that of the items.
    pub order: Order,
    /// How long each task may take, from its start on; `None`: as long as it takes. Default: 5 s.
    pub timeout: Option<Duration>,
    /// What follows when one takes longer. Default: the stream ends.
    pub on_timeout: OnTimeout,
}

impl Default for StreamOptions {
    fn default() -> Self {
        StreamOptions {
            max_concurrency: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            order: Order::default(),
            timeout: Some(Duration::from_secs(5)),
            on_timeout: OnTimeout::default(),
        }
    }
}

/// In which order results come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// In that of the items.
    #[default]
    AsGiven,
    /// As they are done.
    AsDone,
}

/// What follows when a task of a stream takes too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnTimeout {
    /// The stream says so, ends all its tasks, and ends: Elixir's `:exit`.
    #[default]
    Exit,
    /// That task is killed, its item is the error, and the others go on.
    KillTask,
}

/// Why a task of a stream gave no value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TaskError {
    /// It crashed, or was ended: this is its reason.
    Exit(Exit),
    /// It took longer than this, and was killed.
    TimedOut(Duration),
    /// It was not started: there are `max_children`, or the supervisor is gone.
    NotStarted(SupervisorError),
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskError::Exit(exit) => write!(f, "the task ended without a value: {exit}"),
            TaskError::TimedOut(limit) => {
                write!(
                    f,
                    "the task took longer than {limit:?} and was killed; raise the stream's timeout, or leave it out"
                )
            }
            TaskError::NotStarted(why) => write!(f, "the task was not started: {why}"),
        }
    }
}

impl std::error::Error for TaskError {}

impl From<TaskError> for proscenium_runtime::Error {
    fn from(error: TaskError) -> Self {
        proscenium_runtime::Error::Above(Box::new(error))
    }
}

impl From<SupervisorError> for TaskError {
    fn from(error: SupervisorError) -> Self {
        TaskError::NotStarted(error)
    }
}

type Results<T> = Pin<Box<dyn Stream<Item = Result<T, TaskError>> + Send>>;

/// The results of tasks, from [`TaskSupervisorRef::async_stream`].
///
/// **Bounds**: `max_concurrency` tasks and results that wait for one before them, together.
#[must_use = "tasks start when the stream is asked for its items"]
pub struct AsyncStream<T> {
    /// None: it is over. Dropped, its tasks end.
    results: Option<Results<T>>,
    on_timeout: OnTimeout,
}

impl<T: Send + 'static> AsyncStream<T> {
    pub(crate) fn new<X, F>(
        tasks: TaskSupervisorRef,
        items: impl Iterator<Item = X> + Send + 'static,
        options: StreamOptions,
        work: impl Fn(X) -> F + Send + Sync + 'static,
    ) -> Self
    where
        X: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let work = Arc::new(work);
        let started = stream::iter(items).map(move |item| {
            let work = work.clone();
            // It is called in the task, so that a panic in it is the task's.
            run(tasks.clone(), async move { work(item).await }, options.timeout)
        });
        let places = options.max_concurrency.max(1);
        let results: Results<T> = match options.order {
            Order::AsGiven => Box::pin(started.buffered(places)),
            Order::AsDone => Box::pin(started.buffer_unordered(places)),
        };
        AsyncStream { results: Some(results), on_timeout: options.on_timeout }
    }

    /// The next result; `None` when there is none left. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<T, TaskError>> {
        StreamExt::next(self).await
    }
}

impl<T> Stream for AsyncStream<T> {
    type Item = Result<T, TaskError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(results) = &mut self.results else { return Poll::Ready(None) };
        let next = std::task::ready!(results.as_mut().poll_next(cx));
        let is_late = matches!(next, Some(Err(TaskError::TimedOut(_))));
        if next.is_none() || (is_late && self.on_timeout == OnTimeout::Exit) {
            self.results = None;
        }
        Poll::Ready(next)
    }
}

impl<T> fmt::Debug for AsyncStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncStream").field("is_over", &self.results.is_none()).finish_non_exhaustive()
    }
}

/// One task from its start until its supervisor has forgotten it, so that the next one finds its place free.
///
/// Dropped at any time, also while the start is under way, it ends the task at its next await.
async fn run<F>(tasks: TaskSupervisorRef, future: F, limit: Option<Duration>) -> Result<F::Output, TaskError>
where
    F: Future<Output: Send> + Send + 'static,
{
    let (wanted, unwanted) = oneshot::channel::<()>();
    let work = async move {
        match select(Box::pin(future), unwanted).await {
            Either::Left((value, _)) => Some(value),
            Either::Right(_) => None,
        }
    };
    let mut task = tasks.async_nolink(work).await?;
    let actor = task.to_untyped();
    let result = match limit {
        None => (&mut task).await,
        Some(limit) => match timeout(limit, &mut task).await {
            Ok(result) => result,
            Err(_) => {
                task.kill();
                // Over or not: it is late.
                let _ = timeout(HEEDS_A_KILL, actor.gone()).await;
                return Err(TaskError::TimedOut(limit));
            }
        },
    };
    actor.gone().await;
    drop(wanted);
    match result {
        Ok(value) => value.ok_or(TaskError::Exit(Exit::Killed)),
        Err(exit) => Err(TaskError::Exit(exit)),
    }
}
