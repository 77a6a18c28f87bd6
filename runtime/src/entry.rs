//! What lies in a lane: messages, the actor's own events, signals; and the requests that overtake them.

use crate::actor::Actor;
use crate::exit::Exit;
use crate::lane::Weighs;
use crate::lane::slot::Tag;
use crate::recorder;
use crate::sys::Asked;

/// One place in a queue.
///
/// Made of whole words, none of them inside another: an enum of messages is copied by its tag and the rest apart, and
/// reading such a copy back in one go stalls the processor, several times a message.
pub(crate) struct Entry<M> {
    /// None for a timer and a signal, which are kept elsewhere, in the order of their entries.
    pub(crate) msg: Option<M>,
    pub(crate) note: Note,
}

/// What is special about an entry, in one word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note(u64);

/// A note, read. A number is an incarnation's: for any other it is stale.
pub(crate) enum Special {
    /// With the use of the reply slot that its `Reply` holds, so that a call whose caller gave up is not handled.
    Call(Tag),
    /// Crashed once under `CrashPolicy::RetryOnce`.
    Retry,
    /// The result of a future, or an item of a stream.
    Own(u32),
    /// The next of the timers that have fired.
    Timer(u32),
    /// The next signal.
    Signal(u32),
}

const KIND: u32 = 3;
const CALL: u64 = 1;
const OWN: u64 = 2;
const RETRY: u64 = 3;
const TIMER: u64 = 4;
const SIGNAL: u64 = 5;

impl Note {
    pub(crate) const TELL: Note = Note(0);
    pub(crate) const RETRY: Note = Note(RETRY);

    #[inline]
    fn call(tag: Tag) -> Note {
        Note(tag.to_bits() << KIND | CALL)
    }

    pub(crate) fn own(incarnation: u32) -> Note {
        Note(u64::from(incarnation) << KIND | OWN)
    }

    #[inline(always)]
    pub(crate) fn read(self) -> Special {
        let number = (self.0 >> KIND) as u32;
        match self.0 & ((1 << KIND) - 1) {
            CALL => Special::Call(Tag::from_bits(self.0 >> KIND)),
            OWN => Special::Own(number),
            TIMER => Special::Timer(number),
            SIGNAL => Special::Signal(number),
            _ => Special::Retry,
        }
    }
}

impl<M> Entry<M> {
    #[inline]
    pub(crate) fn new(msg: M, note: Note) -> Self {
        Entry { msg: Some(msg), note }
    }

    /// A call, the tell that passes a call on, or a plain tell.
    #[inline]
    pub(crate) fn tagged(msg: Option<M>, tag: Option<Tag>) -> Self {
        Entry { msg, note: tag.map_or(Note::TELL, Note::call) }
    }

    pub(crate) fn timer(incarnation: u32) -> Self {
        Entry { msg: None, note: Note(u64::from(incarnation) << KIND | TIMER) }
    }

    pub(crate) fn signal(incarnation: u32) -> Self {
        Entry { msg: None, note: Note(u64::from(incarnation) << KIND | SIGNAL) }
    }
}

impl<M> Weighs for Entry<M> {
    #[inline]
    fn weighs(&self) -> bool {
        self.note.0 & ((1 << KIND) - 1) < TIMER
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
