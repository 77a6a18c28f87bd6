//! A stage's way through a chunk, record by record, that can be taken up again where it was broken off.

use std::collections::VecDeque;
use std::time::Instant;

use crate::chunk::{Chunk, ChunkSize, Fields};
use crate::headers::Headers;
use crate::letter::Class;
use crate::operator::Emit;
use crate::outlets::Route;
use crate::record::OwnedRecord;
use crate::row::Row;

/// What becomes of a record that does not simply go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Drop,
    Skip,
    Route(Route),
    /// A dead letter.
    SetAside(Box<Aside>),
    /// It waits for another try, in a chunk of its own.
    Waits,
    /// What was made of it stands in its place.
    Replaced,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Aside {
    pub(crate) class: Class,
    pub(crate) reason: String,
    pub(crate) attempts: u32,
    pub(crate) crash: Option<String>,
}

/// A chunk, and how far the stage is with it.
#[derive(Debug)]
pub(crate) struct Pass {
    pub(crate) chunk: Chunk,
    pub(crate) started: Instant,
    /// The records before this one are decided.
    pub(crate) decided: usize,
    /// Those of them that do not simply go on, in order.
    pub(crate) fates: Vec<(usize, Fate)>,
    /// Behind which record, and what.
    pub(crate) emitted: VecDeque<(usize, OwnedRecord)>,
    emitted_bytes: usize,
    /// What the chunk held before the records were changed that have not been sent on.
    held_before: usize,
    /// The code is at the record `decided`; if it is found so later, it has panicked there.
    pub(crate) is_in_work: bool,
    /// How often the code has panicked there.
    pub(crate) panics: u32,
    /// Its number among those that wait, or that must not overtake them.
    pub(crate) handle: Option<u64>,
    /// The records before this one have been sent on, if not all that was emitted behind them.
    pub(crate) delivered: usize,
    /// Where the row in work began.
    row: Option<usize>,
}

impl Pass {
    pub(crate) fn new(chunk: Chunk) -> Self {
        Pass {
            held_before: chunk.buffer.used(),
            chunk,
            started: Instant::now(),
            decided: 0,
            fates: Vec::new(),
            emitted: VecDeque::new(),
            emitted_bytes: 0,
            is_in_work: false,
            panics: 0,
            handle: None,
            delivered: 0,
            row: None,
        }
    }

    pub(crate) fn is_decided(&self) -> bool {
        self.decided == self.chunk.len()
    }

    /// What was emitted fills a chunk, or what was changed takes as much as one may grow to: it is sent before more comes.
    pub(crate) fn is_full(&self, size: ChunkSize) -> bool {
        let has_grown = self.delivered < self.decided && self.chunk.buffer.used() > self.grown(size);
        self.emitted.len() >= size.records || self.emitted_bytes >= size.bytes || has_grown
    }

    /// As much as the chunk may hold until what is decided is sent.
    fn grown(&self, size: ChunkSize) -> usize {
        self.held_before.saturating_add(size.grown())
    }

    /// All that is decided has been sent on: the room for it is there again.
    pub(crate) fn forget_delivered(&mut self, size: ChunkSize) {
        if self.delivered == self.decided && self.emitted.is_empty() && self.chunk.buffer.used() > self.grown(size) {
            self.chunk.buffer.forget_before(self.delivered);
            self.held_before = self.chunk.buffer.used();
        }
    }

    /// It is decided, and all of it has been sent on.
    pub(crate) fn is_delivered(&self) -> bool {
        self.delivered == self.chunk.len() && self.emitted.is_empty()
    }

    /// The record in work is decided.
    pub(crate) fn decide(&mut self, fate: Option<Fate>) {
        if let Some(fate) = fate {
            self.fates.push((self.decided, fate));
        }
        self.decided += 1;
        (self.is_in_work, self.panics, self.handle) = (false, 0, None);
    }

    /// The records from the one in work on, up to this end, or until they fill the chunk.
    pub(crate) fn row<'a>(&'a mut self, emitted: &'a mut Emitted, end: usize, size: ChunkSize) -> Row<'a> {
        self.row = Some(self.decided);
        (self.is_in_work, self.panics) = (true, 0);
        // One is handled always, also if the chunk has grown so far by the record before it.
        let grown = self.grown(size).max(self.chunk.buffer.used());
        Row { buffer: &mut self.chunk.buffer, emitted, at: &mut self.decided, end, grown }
    }

    /// The row in work is over, or was broken off: so many of it went well.
    pub(crate) fn end_row(&mut self) -> usize {
        self.is_in_work = false;
        self.row.take().map_or(0, |from| self.decided - from)
    }

    pub(crate) fn emit(&mut self, record: OwnedRecord) {
        self.emitted_bytes += bytes_of(&record);
        self.emitted.push_back((self.decided, record));
    }

    /// The next that was emitted behind a record before this one.
    pub(crate) fn take_emitted(&mut self, before: usize) -> Option<(usize, OwnedRecord)> {
        let next = self.emitted.pop_front_if(|(behind, _)| *behind < before)?;
        self.emitted_bytes -= bytes_of(&next.1);
        Some(next)
    }
}

fn bytes_of(record: &OwnedRecord) -> usize {
    let of_headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.payload.len() + record.key.as_ref().map_or(0, Vec::len) + of_headers
}

impl Chunk {
    /// Takes the records with these numbers out, which are in order.
    pub(crate) fn remove(&mut self, numbers: impl Iterator<Item = usize> + Clone) {
        self.buffer.remove(numbers);
    }

    /// Adds a record that was made out of the one with this number of `from`.
    pub(crate) fn add(&mut self, from: &Chunk, nth: usize, record: &OwnedRecord) {
        let OwnedRecord { id, content, payload, key, time, headers } = record;
        let fields = Fields { id: *id, content: *content, payload, key: key.as_deref(), time: *time };
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let block = if headers.is_empty() { Vec::new() } else { Headers::encode(&headers) };
        self.buffer.add_made_of(&from.buffer, nth, fields, &block);
    }
}

/// What the operator emits while it works on a record, on its way into the pass.
#[derive(Debug, Default)]
pub(crate) struct Emitted(pub(crate) Vec<OwnedRecord>);

impl Emit for Emitted {
    fn emit(&mut self, record: OwnedRecord) {
        self.0.push(record);
    }
}

#[cfg(test)]
mod tests;
