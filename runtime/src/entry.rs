//! What lies in a lane: messages, the actor's own events, signals; and the requests that overtake them.

use crate::actor::Actor;
use crate::exit::Exit;
use crate::lane::Weighs;
use crate::lane::slot::Tag;
use crate::recorder;
use crate::signal::Signal;
use crate::sys::Asked;
use crate::timers_core::TimerId;

/// One place in a queue.
///
/// A struct, not an enum of messages: an enum is copied by its tag and the rest apart, and reading that back in one go
/// stalls the processor, several times a message.
pub(crate) struct Entry<M> {
    /// None in an aside.
    pub(crate) msg: Option<M>,
    pub(crate) note: Note,
}

/// What is special about an entry.
#[derive(Default)]
pub(crate) enum Note {
    #[default]
    Tell,
    /// With the use of the reply slot that its `Reply` holds, so that a call whose caller gave up is not handled.
    Call(Tag),
    /// Crashed once under `CrashPolicy::RetryOnce`.
    Retry,
    /// The result of a future, or an item of a stream, of that incarnation.
    Own(u32),
    Aside(Box<Aside>),
}

/// No message, but an event for that incarnation.
pub(crate) struct Aside {
    pub(crate) incarnation: u32,
    pub(crate) event: Event,
}

pub(crate) enum Event {
    Timer(TimerId),
    Signal(Signal),
}

impl<M> Entry<M> {
    #[inline]
    pub(crate) fn new(msg: M, note: Note) -> Self {
        Entry { msg: Some(msg), note }
    }

    /// A tell, or the tell that passes a call on.
    #[inline]
    pub(crate) fn tagged(msg: Option<M>, tag: Option<Tag>) -> Self {
        Entry { msg, note: tag.map_or(Note::Tell, Note::Call) }
    }

    pub(crate) fn aside(incarnation: u32, event: Event) -> Self {
        Entry { msg: None, note: Note::Aside(Box::new(Aside { incarnation, event })) }
    }
}

impl<M> Weighs for Entry<M> {
    #[inline]
    fn weighs(&self) -> bool {
        !matches!(self.note, Note::Aside(_))
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
