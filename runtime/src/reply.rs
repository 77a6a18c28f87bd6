//! The callee's side of a call.

use std::fmt;

use crate::actor_id::ActorId;
use crate::cell::Face;
use crate::failure::Failure;
use crate::lane::slot::{Answer, Dropped, Tag};
use crate::{scope, waits};

/// The right, and the duty, to answer one call.
///
/// It may be answered in the handler, kept in the state for later, moved into a future, or
/// [delegated](crate::Ref::delegate). Dropped without an answer, the call ends at once with
/// [`CallError::NoReply`](crate::CallError::NoReply), or with the exit reason when the actor ended with it in hand.
#[must_use = "a call waits for this; dropping it answers with an error"]
pub struct Reply<T: Send + 'static> {
    answer: Answer<T, Failure>,
}

impl<T: Send + 'static> Reply<T> {
    pub(crate) fn new(answer: Answer<T, Failure>) -> Self {
        Reply { answer }
    }

    #[inline]
    pub(crate) fn tag(&self) -> Tag {
        self.answer.tag()
    }

    /// Answers. If nobody waits any more (time-out, cancelled), the value is dropped silently.
    #[inline]
    pub fn send(self, value: T) {
        drop(self.answer.send(value));
    }

    /// Whether the caller still waits: a long piece of work may be spared when it does not.
    #[must_use]
    pub fn is_waited_for(&self) -> bool {
        self.answer.is_waited_for()
    }

    /// The chain of callers leads on to `delegate`.
    pub(crate) fn now_waits_for(&self, delegate: &Face) {
        let caller = self.answer.caller();
        if caller != 0
            && let Some(caller) = delegate.node.registry().get(ActorId::from_bits(caller))
        {
            waits::redirect(caller.face(), delegate.id);
        }
    }
}

impl Dropped for Failure {
    /// A handler that may be crashing: the call ends when that is known.
    fn dropped(end: impl FnOnce(Failure) + 'static) {
        match scope::failure_now() {
            Some(failure) => end(failure),
            None => scope::leave_orphan(Box::new(end)),
        }
    }
}

impl<T: Send + 'static> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply<{}>", std::any::type_name::<T>())
    }
}
