//! The callee's side of a call.

use std::fmt;

use crate::actor_id::ActorId;
use crate::cell::Face;
use crate::failure::Failure;
use crate::lane::slot::{Answer, Tag};
use crate::{scope, waits};

/// The right, and the duty, to answer one call.
///
/// It may be answered in the handler, kept in the state for later, moved into a future, or
/// [delegated](crate::Ref::delegate). Dropped without an answer, the call ends at once with
/// [`CallError::NoReply`](crate::CallError::NoReply), or with the exit reason when the actor ended with it in hand.
#[must_use = "a call waits for this; dropping it answers with an error"]
pub struct Reply<T: Send + 'static> {
    answer: Option<Answer<T, Failure>>,
}

impl<T: Send + 'static> Reply<T> {
    pub(crate) fn new(answer: Answer<T, Failure>) -> Self {
        Reply { answer: Some(answer) }
    }

    pub(crate) fn tag(&self) -> Option<Tag> {
        self.answer.as_ref().and_then(Answer::tag)
    }

    /// Answers. If nobody waits any more (time-out, cancelled), the value is dropped silently.
    #[inline]
    pub fn send(mut self, value: T) {
        if let Some(answer) = self.answer.take() {
            drop(answer.send(value));
        }
    }

    /// Whether the caller still waits: a long piece of work may be spared when it does not.
    #[must_use]
    pub fn is_waited_for(&self) -> bool {
        self.answer.as_ref().is_some_and(Answer::is_waited_for)
    }

    /// The chain of callers leads on to `delegate`.
    pub(crate) fn now_waits_for(&self, delegate: &Face) {
        let caller = self.answer.as_ref().map_or(0, Answer::caller);
        if caller != 0
            && let Some(caller) = delegate.node.registry().get(ActorId::from_bits(caller))
        {
            waits::redirect(caller.face(), delegate.id);
        }
    }
}

impl<T: Send + 'static> Drop for Reply<T> {
    fn drop(&mut self) {
        let Some(answer) = self.answer.take() else { return };
        match scope::failure_now() {
            Some(failure) => drop(answer.fail(failure)),
            None => scope::leave_orphan(Box::new(move |failure| drop(answer.fail(failure)))),
        }
    }
}

impl<T: Send + 'static> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply<{}>", std::any::type_name::<T>())
    }
}
