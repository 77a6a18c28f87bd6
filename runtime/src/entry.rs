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
/// Made of whole words, none of them inside another: an enum of messages is copied by its tag and the rest apart, and
/// reading such a copy back in one go stalls the processor, several times a message.
pub(crate) struct Entry<M> {
    /// None in an aside.
    pub(crate) msg: Option<M>,
    pub(crate) note: Note,
    pub(crate) aside: Option<Box<Aside>>,
}

/// What is special about an entry, in one word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note(u64);

/// A note, read.
pub(crate) enum Special {
    /// With the use of the reply slot that its `Reply` holds, so that a call whose caller gave up is not handled.
    Call(Tag),
    /// Crashed once under `CrashPolicy::RetryOnce`.
    Retry,
    /// The result of a future, or an item of a stream, of that incarnation.
    Own(u32),
    Aside,
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

const CALL: u64 = 1;
const OWN: u64 = 2;
const RETRY: u64 = 3;

impl Note {
    pub(crate) const TELL: Note = Note(0);
    pub(crate) const RETRY: Note = Note(RETRY);
    const ASIDE: Note = Note(u64::MAX);

    #[inline]
    fn call(tag: Tag) -> Note {
        Note(tag.to_bits() << 2 | CALL)
    }

    pub(crate) fn own(incarnation: u32) -> Note {
        Note(u64::from(incarnation) << 2 | OWN)
    }

    pub(crate) fn read(self) -> Special {
        match self.0 & 3 {
            _ if self == Note::ASIDE => Special::Aside,
            CALL => Special::Call(Tag::from_bits(self.0 >> 2)),
            OWN => Special::Own((self.0 >> 2) as u32),
            _ => Special::Retry,
        }
    }
}

impl<M> Entry<M> {
    #[inline]
    pub(crate) fn new(msg: M, note: Note) -> Self {
        Entry { msg: Some(msg), note, aside: None }
    }

    /// A call, the tell that passes a call on, or a plain tell.
    #[inline]
    pub(crate) fn tagged(msg: Option<M>, tag: Option<Tag>) -> Self {
        Entry { msg, note: tag.map_or(Note::TELL, Note::call), aside: None }
    }

    pub(crate) fn aside(incarnation: u32, event: Event) -> Self {
        Entry { msg: None, note: Note::ASIDE, aside: Some(Box::new(Aside { incarnation, event })) }
    }
}

impl<M> Weighs for Entry<M> {
    #[inline]
    fn weighs(&self) -> bool {
        self.note != Note::ASIDE
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
