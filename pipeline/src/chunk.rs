//! Records in a row: what moves along an edge, in one buffer, with one acknowledgement for all of them.

use std::sync::Arc;
use std::time::Instant;

use proscenium_plugin_host::ContentType;

use crate::headers::Headers;
use crate::ledger::{Loan, Token};
use crate::record::{Record, RecordMut};

/// Where something lies in a chunk's buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Span {
    at: u32,
    len: u32,
}

impl Span {
    /// Says "there is none", where an empty one would be something else.
    pub(crate) const NONE: Span = Span { at: u32::MAX, len: 0 };

    #[inline]
    pub(crate) fn new(at: usize, len: usize) -> Self {
        Span { at: at as u32, len: len as u32 }
    }

    /// Its first bytes.
    pub(crate) fn shortened(self, len: usize) -> Self {
        Span { at: self.at, len: self.len.min(len as u32) }
    }

    #[inline]
    pub(crate) fn range(self) -> std::ops::Range<usize> {
        self.at as usize..self.at as usize + self.len as usize
    }

    #[inline]
    pub(crate) fn len(self) -> usize {
        self.len as usize
    }
}

/// What is known of a record; its bytes lie in the buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The payload as it came from the source: what a dead letter shows, and what is sent again.
    pub(crate) origin: Span,
    pub(crate) payload: Span,
    pub(crate) key: Span,
    pub(crate) headers: Span,
    pub(crate) id: u64,
    /// Milliseconds since 1970.
    pub(crate) time: u64,
    pub(crate) origin_content: ContentType,
    pub(crate) content: ContentType,
}

/// How large a chunk may become before it is sent on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkSize {
    /// Records. Default: 512.
    pub records: usize,
    /// Bytes of everything they hold. Default: 256 KiB. A single record may be larger.
    pub bytes: usize,
}

impl Default for ChunkSize {
    fn default() -> Self {
        ChunkSize { records: 512, bytes: 256 << 10 }
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

/// The memory of a chunk, used again and again.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
}

impl Buffer {
    /// Empty again; what it had to grow by beyond twice `size` is given back.
    pub(crate) fn clear(&mut self, size: ChunkSize) {
        self.bytes.clear();
        self.entries.clear();
        self.bytes.shrink_to(2 * size.bytes);
        self.entries.shrink_to(2 * size.records);
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Span {
        let span = Span::new(self.bytes.len(), bytes.len());
        self.bytes.extend_from_slice(bytes);
        span
    }

    #[inline]
    pub(crate) fn get(&self, span: Span) -> &[u8] {
        &self.bytes[span.range()]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, span: Span) -> &mut [u8] {
        &mut self.bytes[span.range()]
    }

    /// Copies a record of another buffer to the end of this one, its original included.
    fn copy(&mut self, from: &Buffer, entry: &Entry) {
        let mut moved = *entry;
        moved.origin = self.put(from.get(entry.origin));
        moved.payload = if entry.payload == entry.origin { moved.origin } else { self.put(from.get(entry.payload)) };
        if entry.key != Span::NONE {
            moved.key = self.put(from.get(entry.key));
        }
        if entry.headers.len() > 0 {
            moved.headers = self.put(from.get(entry.headers));
        }
        self.entries.push(moved);
    }
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
        self.buffer.entries.len()
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
        self.buffer.entries.iter().map(|entry| Record { buffer: &self.buffer, entry })
    }

    pub(crate) fn record(&self, nth: usize) -> Record<'_> {
        Record { buffer: &self.buffer, entry: &self.buffer.entries[nth] }
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
        self.buffer.copy(&from.buffer, &from.buffer.entries[nth]);
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
        self.buffer.entries.len() >= self.size.records || self.buffer.bytes.len() >= self.size.bytes
    }

    /// How many records there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.entries.len()
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
        self.push_with(fields, None, |_| ());
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
        let mut made = Ok(());
        self.push_with(fields, Some(content), |bytes| made = write(bytes));
        if let Err(reason) = made {
            let nth = self.len() - 1;
            let buffer = &mut *self.buffer;
            let entry = &mut buffer.entries[nth];
            buffer.bytes.truncate(entry.payload.range().start);
            (entry.payload, entry.content) = (entry.origin, entry.origin_content);
            self.rejects.push((nth, reason));
            return false;
        }
        true
    }

    /// Adds what could not be read as a record: it becomes a dead letter with this reason.
    pub fn push_rejected(&mut self, fields: Fields<'_>, reason: impl Into<String>) {
        self.push(fields);
        self.rejects.push((self.len() - 1, reason.into()));
    }

    /// A key for the record that was added last.
    pub fn key(&mut self, key: &[u8]) {
        let span = self.buffer.put(key);
        if let Some(last) = self.buffer.entries.last_mut() {
            last.key = span;
        }
    }

    /// The payload of the record that was added last.
    pub(crate) fn last_payload(&self) -> &[u8] {
        self.buffer.entries.last().map_or(&[], |last| self.buffer.get(last.payload))
    }

    /// Headers, as [`Headers::encode`] makes them, for all records from the `first` on: they share one block.
    pub(crate) fn share_headers(&mut self, first: usize, block: &[u8]) {
        if first < self.len() {
            let span = self.buffer.put(block);
            self.buffer.entries[first..].iter_mut().for_each(|entry| entry.headers = span);
        }
    }

    /// Headers for the record that was added last.
    pub fn headers(&mut self, headers: &[(&str, &[u8])]) {
        let block = Headers::encode(headers);
        let span = self.buffer.put(&block);
        if let Some(last) = self.buffer.entries.last_mut() {
            last.headers = span;
        }
    }

    #[inline]
    fn push_with(&mut self, fields: Fields<'_>, made: Option<ContentType>, write: impl FnOnce(&mut Vec<u8>)) {
        let buffer = &mut *self.buffer;
        let origin = buffer.put(fields.payload);
        let key = fields.key.map_or(Span::NONE, |key| buffer.put(key));
        let (payload, content) = match made {
            None => (origin, fields.content),
            Some(content) => {
                let at = buffer.bytes.len();
                write(&mut buffer.bytes);
                let len = buffer.bytes.len().saturating_sub(at);
                (Span::new(at, len), content)
            }
        };
        buffer.entries.push(Entry {
            origin,
            payload,
            key,
            headers: Span::default(),
            id: fields.id,
            time: fields.time,
            origin_content: fields.content,
            content,
        });
    }
}
