//! What lies in a lane: messages, the actor's own events, signals; and the requests that overtake them.

use std::num::NonZeroU64;

use crate::actor::Actor;
use crate::exit::Exit;
use crate::lane::Weighs;
use crate::lane::slot::Tag;
use crate::recorder;
use crate::sys::Asked;

/// One place in a queue.
///
/// A note is never zero, so an entry is as large as its message and one word.
pub(crate) enum Entry<M> {
    Message {
        msg: M,
        note: Note,
    },
    /// What happens is kept elsewhere, in the order of these entries. The number is the incarnation whose it is.
    Timer(u32),
    /// As `Timer`.
    Signal(u32),
}

/// What is special about a message, in one word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note(NonZeroU64);

/// A note, read.
pub(crate) enum Special {
    /// Nothing.
    Tell,
    /// With the use of the reply slot that its `Reply` holds, so that a call whose caller gave up is not handled.
    /// As `Tag::to_bits`.
    Call(u64),
    /// Crashed once under `CrashPolicy::RetryOnce`.
    Retry,
    /// The result of a future, or an item of a stream, of that incarnation: for any other it is stale.
    Own(u32),
}

const KIND: u32 = 2;
const CALL: u64 = 1;
const OWN: u64 = 2;
const REST: u64 = 3;

impl Note {
    pub(crate) const TELL: Note = Note::of(0, REST);
    pub(crate) const RETRY: Note = Note::of(1, REST);

    #[inline(always)]
    const fn of(number: u64, kind: u64) -> Note {
        match NonZeroU64::new(number << KIND | kind) {
            Some(note) => Note(note),
            None => panic!("no kind is zero"),
        }
    }

    pub(crate) fn own(incarnation: u32) -> Note {
        Note::of(u64::from(incarnation), OWN)
    }

    pub(crate) fn read(self) -> Special {
        let number = self.0.get() >> KIND;
        match self.0.get() & ((1 << KIND) - 1) {
            CALL => Special::Call(number),
            OWN => Special::Own(number as u32),
            _ if self == Note::TELL => Special::Tell,
            _ => Special::Retry,
        }
    }
}

impl<M> Entry<M> {
    #[inline]
    pub(crate) fn new(msg: M, note: Note) -> Self {
        Entry::Message { msg, note }
    }

    /// A call, the tell that passes a call on, or a plain tell.
    #[inline(always)]
    pub(crate) fn tagged(msg: M, tag: Option<Tag>) -> Self {
        let note = match tag {
            None => Note::TELL,
            Some(tag) => Note::of(tag.to_bits(), CALL),
        };
        Entry::Message { msg, note }
    }

    pub(crate) fn into_message(self) -> Option<M> {
        match self {
            Entry::Message { msg, .. } => Some(msg),
            Entry::Timer(_) | Entry::Signal(_) => None,
        }
    }
}

impl<M> Weighs for Entry<M> {
    #[inline]
    fn weighs(&self) -> bool {
        matches!(self, Entry::Message { .. })
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
