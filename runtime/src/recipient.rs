//! Handles by what is told, not by who is told.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::actor::Actor;
use crate::actor_ref::{AnyRef, Ref, UntypedRef};
use crate::tell::TellError;

type Told<'a> = Pin<Box<dyn Future<Output = Result<(), TellError<()>>> + Send + 'a>>;

trait Receives<M>: Send + Sync {
    fn tell(&self, msg: M) -> Told<'_>;
    fn tell_now(&self, msg: M) -> Result<(), TellError<()>>;
    fn untyped(&self) -> UntypedRef;
}

struct Wrapped<A: Actor, F> {
    actor: Ref<A>,
    wrap: F,
}

/// Somebody who takes messages of type `M`, whatever else the actor is told.
///
/// The message is wrapped for the actor before it is sent, so an error says why and does not hand it back; keep a clone
/// where that matters.
pub struct Recipient<M: Send + 'static>(Arc<dyn Receives<M>>);

impl<M: Send + 'static, A: Actor, F: Fn(M) -> A::Msg + Send + Sync> Receives<M> for Wrapped<A, F> {
    fn tell(&self, msg: M) -> Told<'_> {
        let told = self.actor.tell((self.wrap)(msg));
        Box::pin(async move { told.await.map_err(|error| error.map(drop)) })
    }

    fn tell_now(&self, msg: M) -> Result<(), TellError<()>> {
        self.actor.tell((self.wrap)(msg)).now().map_err(|error| error.map(drop))
    }

    fn untyped(&self) -> UntypedRef {
        self.actor.untyped()
    }
}

impl<M: Send + 'static> Recipient<M> {
    pub(crate) fn new<A: Actor>(actor: Ref<A>, wrap: impl Fn(M) -> A::Msg + Send + Sync + 'static) -> Self {
        Recipient(Arc::new(Wrapped { actor, wrap }))
    }

    /// Sends a message, waiting for room.
    ///
    /// # Errors
    /// As [`Ref::tell`], without the message.
    pub async fn tell(&self, msg: M) -> Result<(), TellError<()>> {
        self.0.tell(msg).await
    }

    /// Sends a message if there is room now.
    ///
    /// # Errors
    /// As [`Tell::now`](crate::Tell::now), without the message.
    pub fn tell_now(&self, msg: M) -> Result<(), TellError<()>> {
        self.0.tell_now(msg)
    }
}

impl<M: Send + 'static> Clone for Recipient<M> {
    fn clone(&self) -> Self {
        Recipient(self.0.clone())
    }
}

impl<M: Send + 'static> AnyRef for Recipient<M> {
    fn to_untyped(&self) -> UntypedRef {
        self.0.untyped()
    }
}

impl<M: Send + 'static> fmt::Debug for Recipient<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({:?})", self.0.untyped())
    }
}
