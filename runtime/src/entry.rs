//! What lies in a lane: messages, the actor's own events, signals; and the requests that overtake them.

use crate::actor::Actor;
use crate::exit::Exit;
use crate::lane::Weighs;
use crate::lane::pool::Handle;
use crate::recorder;
use crate::signal::Signal;
use crate::sys::Asked;

pub(crate) enum Entry<M> {
    Tell(M),
    /// With the use of the reply slot that its `Reply` holds, so that a call whose caller gave up is not handled.
    Call {
        slot: Handle,
        generation: u32,
        msg: M,
    },
    /// Crashed once under `CrashPolicy::RetryOnce`.
    Retry(M),
    /// The result of a future, or an item of a stream, of that incarnation.
    Own {
        incarnation: u32,
        msg: M,
    },
    Timer {
        incarnation: u32,
        timer: u64,
    },
    Signal {
        incarnation: u32,
        signal: Box<Signal>,
    },
}

impl<M> Entry<M> {
    /// The message of a user's push that came back.
    pub(crate) fn into_msg(self) -> Option<M> {
        match self {
            Entry::Tell(msg) | Entry::Retry(msg) | Entry::Call { msg, .. } | Entry::Own { msg, .. } => Some(msg),
            Entry::Timer { .. } | Entry::Signal { .. } => None,
        }
    }
}

impl<M> Weighs for Entry<M> {
    #[inline]
    fn weighs(&self) -> bool {
        !matches!(self, Entry::Timer { .. } | Entry::Signal { .. })
    }
}

/// Overtakes all entries.
pub(crate) enum Sys<A: Actor> {
    Stop(Exit),
    Suspend,
    Resume,
    /// Runs against the state between two messages.
    Typed(Box<dyn FnOnce(&mut A) + Send>),
    Any(Asked),
}

pub(crate) fn kind_name<A: Actor>(kind: u8) -> &'static str {
    match kind {
        recorder::DOWN => "DOWN",
        recorder::EXITED => "EXIT",
        _ => A::KINDS.get(usize::from(kind)).copied().unwrap_or_else(std::any::type_name::<A::Msg>),
    }
}
