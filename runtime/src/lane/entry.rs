//! What lies in a lane.

/// A message, or news without one.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Entry<M> {
    pub(crate) message: Option<M>,
    pub(crate) note: Note,
}

/// What is special about an entry, in a word below 2^63 that the lane does not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Note(pub(crate) u64);

impl Note {
    /// Nothing.
    pub(crate) const PLAIN: Note = Note(0);
}

impl<M> Entry<M> {
    pub(crate) fn news(note: Note) -> Self {
        Entry { message: None, note }
    }

    pub(crate) fn noted(message: M, note: Note) -> Self {
        Entry { message: Some(message), note }
    }

    /// Whether it takes up room in the mailbox's bound. The number of other news is bounded by links, monitors and timers.
    pub(crate) fn weighs(&self) -> bool {
        self.message.is_some()
    }
}
