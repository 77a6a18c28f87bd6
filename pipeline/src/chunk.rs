//! Records in a row: what moves along an edge, in one buffer, with one acknowledgement for all of them.

use std::sync::Arc;
use std::time::Instant;

use proscenium_plugin_host::ContentType;

use crate::headers::Headers;
use crate::ledger::{Loan, Token};
use crate::record::{Record, RecordMut};

/// How large a chunk may become before it is sent on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkSize {
    /// Records. Default: 2,048.
    pub records: usize,
    /// Bytes of everything they hold. Default: 256 KiB. A single record may be larger. Stages may let a chunk grow, to four
    /// times as many bytes and one record: then it is divided, and goes on in several. A record whose code adds beyond 4 GiB
    /// panics.
    pub bytes: usize,
}

/// So many times its bytes is what stages may make of a chunk. Originals stay in it beside what was made of them: with fewer,
/// most that change something would divide theirs.
const GROWTH: usize = 4;

impl ChunkSize {
    /// Bytes beyond which a chunk is divided.
    #[inline]
    pub(crate) fn grown(self) -> usize {
        self.bytes.saturating_mul(GROWTH)
    }
}

impl Default for ChunkSize {
    fn default() -> Self {
        ChunkSize { records: 2_048, bytes: 256 << 10 }
    }
}

/// A record that a source adds.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// The source's number for it: its line, its offset, its sequence. The same when it is read again.
    pub id: u64,
    /// What the payload is.
    pub content: ContentType,
    /// The payload.
    pub payload: &'a [u8],
    /// What orders it among others, if anything does.
    pub key: Option<&'a [u8]>,
    /// Milliseconds since 1970.
    pub time: u64,
}

/// Records in a row, on their way.
///
/// It is acknowledged when it is [done](Chunk::done); dropped otherwise, it counts as lost, and the pipeline says so.
#[derive(Debug)]
pub struct Chunk {
    pub(crate) buffer: Loan,
    pub(crate) token: Token,
    /// Who has read it: the source's name.
    pub(crate) source: Arc<str>,
    /// When the first record was read.
    pub(crate) born: Instant,
}

impl Chunk {
    #[inline]
    pub(crate) fn new(buffer: Loan, token: Token, source: Arc<str>, born: Instant) -> Self {
        Chunk { buffer, token, source, born }
    }

    /// How many records there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of the source that it comes from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The records, in their order.
    #[inline]
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        (0..self.len()).map(|nth| Record { buffer: &self.buffer, nth })
    }

    pub(crate) fn record(&self, nth: usize) -> Record<'_> {
        Record { buffer: &self.buffer, nth }
    }

    pub(crate) fn record_mut(&mut self, nth: usize) -> RecordMut<'_> {
        RecordMut { nth, buffer: &mut self.buffer }
    }

    /// Another chunk for the same acknowledgement, in a buffer of its own.
    pub(crate) fn beside(&self, buffer: Loan) -> Chunk {
        Chunk { buffer, token: self.token.split(), source: self.source.clone(), born: self.born }
    }

    /// Adds a record of another chunk.
    pub(crate) fn copy(&mut self, from: &Chunk, nth: usize) {
        self.buffer.copy(&from.buffer, nth);
    }

    /// It has reached its end, and counts as processed.
    pub fn done(self) {
        self.token.done();
    }
}

/// A chunk that a source is filling.
#[derive(Debug)]
pub struct Filling {
    pub(crate) buffer: Loan,
    pub(crate) size: ChunkSize,
    /// What the source could not make a record of, with the reason.
    pub(crate) rejects: Vec<(usize, String)>,
}

impl Filling {
    #[inline]
    pub(crate) fn new(buffer: Loan, size: ChunkSize) -> Self {
        Filling { buffer, size, rejects: Vec::new() }
    }

    /// Whether it should be sent before another record is added.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.buffer.is_full(self.size)
    }

    /// How many records there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a record.
    #[inline]
    pub fn push(&mut self, fields: Fields<'_>) {
        self.buffer.add(fields);
    }

    /// Adds a record whose payload has `len` bytes, which `write` makes where they lie: `fields.payload` is not looked at.
    /// What is generated, or decoded, takes no copy so. What lies there before is of no meaning.
    #[inline]
    pub fn push_in_place(&mut self, fields: Fields<'_>, len: usize, write: impl FnOnce(&mut [u8])) {
        self.buffer.add_in_place(fields, len, write);
    }

    /// Adds a record whose payload has been made from `fields.payload`, which is kept as the original: `write` appends it
    /// to the bytes it is given, and must leave those before alone.
    ///
    /// False: `write` has failed, and the record becomes a dead letter with that reason.
    pub fn push_made(
        &mut self,
        fields: Fields<'_>,
        content: ContentType,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), String>,
    ) -> bool {
        self.push(fields);
        let made = self.buffer.make_last(content, write);
        let is_made = made.is_ok();
        self.rejects.extend(made.err().map(|reason| (self.len() - 1, reason)));
        is_made
    }

    /// Adds what could not be read as a record: it becomes a dead letter with this reason.
    pub fn push_rejected(&mut self, fields: Fields<'_>, reason: impl Into<String>) {
        self.push(fields);
        self.rejects.push((self.len() - 1, reason.into()));
    }

    /// A key for the record that was added last.
    pub fn key(&mut self, key: &[u8]) {
        self.buffer.key_last(key);
    }

    /// The payload of the record that was added last.
    pub(crate) fn last_payload(&self) -> &[u8] {
        self.len().checked_sub(1).map_or(&[], |last| self.buffer.payload(last))
    }

    /// Headers, as [`Headers::encode`] makes them, for all records from the `first` on: they share one block.
    pub(crate) fn share_headers(&mut self, first: usize, block: &[u8]) {
        self.buffer.share_headers(first, block);
    }

    /// Headers for the record that was added last.
    pub fn headers(&mut self, headers: &[(&str, &[u8])]) {
        if let Some(last) = self.len().checked_sub(1) {
            self.buffer.share_headers(last, &Headers::encode(headers));
        }
    }
}
