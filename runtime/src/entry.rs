//! What the notes in a lane mean: calls, the actor's own events, signals; and the requests that overtake them.

use crate::actor::Actor;
use crate::exit::Exit;
use crate::lane::Note;
use crate::lane::slot::Tag;
use crate::recorder;
use crate::sys::Asked;

/// What is special about an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Special {
    /// Nothing: a tell.
    Tell,
    /// With the use of the reply slot that its `Reply` holds, so that a call whose caller gave up is not handled.
    /// As `Tag::to_bits`.
    Call(u64),
    /// The result of a future, or an item of a stream, of that incarnation: for any other it is stale.
    Own(u32),
    /// Crashed once under `CrashPolicy::RetryOnce`.
    Retry,
    /// No message: a timer of that incarnation is due. Which one is kept elsewhere, in the order of these entries.
    Timer(u32),
    /// No message: a signal for that incarnation. As `Timer`.
    Signal(u32),
}

const KIND_BITS: u32 = 3;
const CALL: u64 = 1;
const OWN: u64 = 2;
const RETRY: u64 = 3;
const TIMER: u64 = 4;
const SIGNAL: u64 = 5;

impl Special {
    /// A call, the tell that passes a call on, or a plain tell.
    #[inline(always)]
    pub(crate) fn tagged(tag: Option<Tag>) -> Self {
        tag.map_or(Special::Tell, |tag| Special::Call(tag.to_bits()))
    }

    /// In one word: a tag has 49 bits.
    #[inline(always)]
    pub(crate) fn note(self) -> Note {
        let (number, kind) = match self {
            Special::Tell => return Note::PLAIN,
            Special::Call(tag) => (tag, CALL),
            Special::Own(incarnation) => (u64::from(incarnation), OWN),
            Special::Retry => (0, RETRY),
            Special::Timer(incarnation) => (u64::from(incarnation), TIMER),
            Special::Signal(incarnation) => (u64::from(incarnation), SIGNAL),
        };
        Note(number << KIND_BITS | kind)
    }

    pub(crate) fn read(note: Note) -> Self {
        let number = note.0 >> KIND_BITS;
        match note.0 & ((1 << KIND_BITS) - 1) {
            CALL => Special::Call(number),
            OWN => Special::Own(number as u32),
            RETRY => Special::Retry,
            TIMER => Special::Timer(number as u32),
            SIGNAL => Special::Signal(number as u32),
            _ => Special::Tell,
        }
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
