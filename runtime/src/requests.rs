//! Several calls under way at once, each with a label: OTP's request-id collections.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::call::CallError;

type Labelled<'a, K, T> = Pin<Box<dyn Future<Output = (K, Result<T, CallError>)> + Send + 'a>>;

/// Pending calls; answers come in the order in which they are ready.
///
/// **Bound**: as many calls as are added; each has its own limit, so the collection always empties.
///
/// ```
/// # use proscenium_runtime::{Node, Reply, Requests, actor_fn};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
/// # let node = Node::start("doc").await?;
/// let double = node.spawn(actor_fn(|(n, reply): (u32, Reply<u32>)| reply.send(2 * n))).await?;
/// let mut requests = Requests::new();
/// for n in 0..3 {
///     requests.add(n, double.call(move |reply| (n, reply)));
/// }
/// while let Some((n, answer)) = requests.next().await {
///     assert_eq!(answer, Ok(2 * n));
/// }
/// # node.stop().await }
/// ```
pub struct Requests<'a, K, T> {
    pending: FuturesUnordered<Labelled<'a, K, T>>,
}

impl<'a, K: Send + 'a, T: Send + 'a> Requests<'a, K, T> {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Requests { pending: FuturesUnordered::new() }
    }

    /// Adds a call. It is sent when `next` is polled.
    pub fn add(&mut self, label: K, call: impl Future<Output = Result<T, CallError>> + Send + 'a) {
        self.pending.push(Box::pin(async move { (label, call.await) }));
    }

    /// The next answer; `None` when none is pending. Cancel-safe.
    pub async fn next(&mut self) -> Option<(K, Result<T, CallError>)> {
        self.pending.next().await
    }

    /// How many are pending.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether none is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

impl<'a, K: Send + 'a, T: Send + 'a> Default for Requests<'a, K, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, T> fmt::Debug for Requests<'_, K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Requests({} pending)", self.pending.len())
    }
}
