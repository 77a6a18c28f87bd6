//! Topics: messages for whoever subscribes, and what happens to who is slow.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::broadcast;

use crate::actor_id::ActorId;
use crate::actor_ref::AnyRef;
use crate::names::Name;
use crate::recipient::Recipient;
use crate::tell::TellError;

/// Messages that a listener outside of actors may lag behind before it loses the oldest.
const LISTENER_BACKLOG: usize = 256;

/// What a publisher does when a subscriber's mailbox is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Lag {
    /// This message is lost to the subscriber, and counted.
    Skip,
    /// The publisher waits so long for room; then as `Skip`.
    Wait(Duration),
    /// The subscriber is unsubscribed.
    Unsubscribe,
}

#[derive(Default)]
pub(crate) struct Topics {
    map: DashMap<(Name, TypeId), Arc<dyn Any + Send + Sync>>,
}

impl Topics {
    pub(crate) fn get<T: Clone + Send + Sync + 'static>(&self, name: Name) -> Topic<T> {
        let made = self.map.entry((name.clone(), TypeId::of::<T>())).or_insert_with(|| {
            let (listeners, _) = broadcast::channel(LISTENER_BACKLOG);
            Arc::new(Inner::<T> { subscribers: Mutex::default(), listeners, skipped: AtomicU64::new(0) })
        });
        let inner = made.value().clone().downcast().expect("the type is part of the key");
        Topic { name, inner }
    }
}

struct Inner<T: Send + 'static> {
    subscribers: Mutex<Vec<Subscriber<T>>>,
    listeners: broadcast::Sender<T>,
    skipped: AtomicU64,
}

struct Subscriber<T: Send + 'static> {
    actor: ActorId,
    to: Recipient<T>,
    lag: Lag,
}

impl<T: Send + 'static> Clone for Subscriber<T> {
    fn clone(&self) -> Self {
        Subscriber { actor: self.actor, to: self.to.clone(), lag: self.lag }
    }
}

impl<T: Send + 'static> Inner<T> {
    fn subscribers(&self) -> MutexGuard<'_, Vec<Subscriber<T>>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A topic, from [`Node::topic`](crate::Node::topic).
///
/// **Order**: each subscriber gets what one publisher published in that order.
///
/// ```
/// # use proscenium_runtime::{Lag, Node, actor_fn};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
/// # let node = Node::start("doc").await?;
/// let prices = node.topic::<f64>("prices");
/// let log = node.spawn(actor_fn(|line: String| println!("{line}"))).await?;
/// prices.subscribe(log.recipient(|price| format!("now {price}")), Lag::Skip);
/// assert_eq!(prices.publish(1.5).await.delivered, 1);
/// # node.stop().await }
/// ```
pub struct Topic<T: Clone + Send + Sync + 'static> {
    name: Name,
    inner: Arc<Inner<T>>,
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Published {
    /// Queued at so many subscribers.
    pub delivered: usize,
    /// Lost to so many, who were full or stopping.
    pub skipped: usize,
    /// So many were unsubscribed: gone, or full under [`Lag::Unsubscribe`].
    pub unsubscribed: usize,
}

impl<T: Clone + Send + Sync + 'static> Topic<T> {
    /// Subscribes an actor; again, it replaces its subscription.
    pub fn subscribe(&self, to: Recipient<T>, lag: Lag) {
        let actor = to.to_untyped().id();
        let mut subscribers = self.inner.subscribers();
        subscribers.retain(|other| other.actor != actor);
        subscribers.push(Subscriber { actor, to, lag });
    }

    /// Ends an actor's subscription. `false`: it had none.
    pub fn unsubscribe(&self, actor: &impl AnyRef) -> bool {
        let actor = actor.to_untyped().id();
        let mut subscribers = self.inner.subscribers();
        let before = subscribers.len();
        subscribers.retain(|other| other.actor != actor);
        subscribers.len() < before
    }

    /// A subscription for code outside of actors: 256 messages, of which a slow listener loses the oldest.
    #[must_use]
    pub fn listen(&self) -> Listener<T> {
        Listener(self.inner.listeners.subscribe())
    }

    /// Sends a message to all subscribers, by each one's lag policy.
    pub async fn publish(&self, msg: T) -> Published {
        let _ = self.inner.listeners.send(msg.clone()); // Nobody listens: that is no fault.
        let subscribers = self.inner.subscribers().clone();
        let mut published = Published::default();
        for subscriber in subscribers {
            let told = match subscriber.lag {
                Lag::Wait(limit) => {
                    let told = tokio::time::timeout(limit, subscriber.to.tell(msg.clone())).await;
                    told.unwrap_or(Err(TellError::Full(())))
                }
                Lag::Skip | Lag::Unsubscribe => subscriber.to.tell_now(msg.clone()),
            };
            self.count(&subscriber, told, &mut published);
        }
        self.inner.skipped.fetch_add(published.skipped as u64, Ordering::Relaxed);
        published
    }

    /// The same without waiting: subscribers whose mailboxes are full are skipped, those that would be waited for with
    /// them. For who publishes and must not wait for a subscriber.
    pub fn publish_now(&self, msg: &T) -> Published {
        let _ = self.inner.listeners.send(msg.clone()); // Nobody listens: that is no fault.
        let subscribers = self.inner.subscribers().clone();
        let mut published = Published::default();
        for subscriber in subscribers {
            let told = subscriber.to.tell_now(msg.clone());
            self.count(&subscriber, told, &mut published);
        }
        self.inner.skipped.fetch_add(published.skipped as u64, Ordering::Relaxed);
        published
    }

    fn count(&self, subscriber: &Subscriber<T>, told: Result<(), TellError<()>>, published: &mut Published) {
        match told {
            Ok(()) => published.delivered += 1,
            Err(TellError::Stopped(..)) => {
                self.unsubscribe(&subscriber.to);
                published.unsubscribed += 1;
            }
            Err(TellError::Full(())) if subscriber.lag == Lag::Unsubscribe => {
                self.unsubscribe(&subscriber.to);
                published.unsubscribed += 1;
            }
            Err(_) => published.skipped += 1,
        }
    }

    /// Somebody subscribes or listens: who has much to publish asks before.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.inner.listeners.receiver_count() > 0 || !self.inner.subscribers().is_empty()
    }

    /// How many messages were lost to slow subscribers so far.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.inner.skipped.load(Ordering::Relaxed)
    }

    /// Who subscribes now.
    #[must_use]
    pub fn subscribers(&self) -> Vec<ActorId> {
        self.inner.subscribers().iter().map(|subscriber| subscriber.actor).collect()
    }
}

impl<T: Clone + Send + Sync + 'static> Clone for Topic<T> {
    fn clone(&self) -> Self {
        Topic { name: self.name.clone(), inner: self.inner.clone() }
    }
}

impl<T: Clone + Send + Sync + 'static> fmt::Debug for Topic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topic({}, {} subscribers)", self.name, self.inner.subscribers().len())
    }
}

/// A subscription outside of actors, from [`Topic::listen`].
#[derive(Debug)]
pub struct Listener<T>(broadcast::Receiver<T>);

/// What a listener hears.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard<T> {
    /// A message.
    Message(T),
    /// The listener was slow: so many messages are lost to it.
    Lagged(u64),
}

impl<T: Clone> Listener<T> {
    /// The next message; `None` when the node is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Heard<T>> {
        match self.0.recv().await {
            Ok(msg) => Some(Heard::Message(msg)),
            Err(broadcast::error::RecvError::Lagged(lost)) => Some(Heard::Lagged(lost)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
