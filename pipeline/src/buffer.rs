//! The memory of a chunk: the records' bytes in one place, and where each of them lies.

use proscenium_plugin_host::ContentType;

use crate::chunk::{ChunkSize, Fields};

/// Where something lies in a chunk's buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Span {
    at: u32,
    len: u32,
}

impl Span {
    /// Says "there is none", where an empty one would be something else.
    pub(crate) const NONE: Span = Span { at: u32::MAX, len: 0 };

    /// # Panics
    /// It lies beyond what a chunk can hold. A full chunk is sent long before that: so a source or a stage gives its records
    /// gigabytes, and the panic is in the code that does, as it would be for want of memory. A place that wraps would give
    /// one record the bytes of another.
    #[inline]
    fn new(at: usize, len: usize) -> Self {
        // `NONE` begins at the largest number: nothing else may.
        let fits = at.checked_add(len).is_some_and(|end| end < u32::MAX as usize);
        assert!(fits, "what the records of a chunk hold is larger than 4 GiB");
        Span { at: at as u32, len: len as u32 }
    }

    #[inline]
    fn end(self) -> usize {
        self.at as usize + self.len as usize
    }

    #[inline]
    fn range(self) -> std::ops::Range<usize> {
        self.at as usize..self.end()
    }

    #[inline]
    pub(crate) fn len(self) -> usize {
        self.len as usize
    }
}

/// What is known of a record besides its payload; the bytes lie in the buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The payload as it came from the source: what a dead letter shows, and what is sent again.
    origin: Span,
    pub(crate) key: Span,
    pub(crate) headers: Span,
    pub(crate) id: u64,
    /// Milliseconds since 1970.
    pub(crate) time: u64,
    pub(crate) origin_content: ContentType,
    pub(crate) content: ContentType,
}

impl Entry {
    #[inline]
    fn new(fields: &Fields<'_>, origin: Span, key: Span) -> Self {
        let Fields { id, content, time, .. } = *fields;
        Entry { origin, key, headers: Span::default(), id, time, origin_content: content, content }
    }
}

/// The memory of a chunk, used again and again.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    /// Those behind `used` are left from before: they need not be cleared to be written.
    bytes: Vec<u8>,
    used: usize,
    /// The first bytes as they were before a stage changed them where they lie: originals within are to be read here. All
    /// that there are by then are kept in one go, which takes a fraction of what keeping each record takes.
    kept: Vec<u8>,
    /// The payload that a [`Mark`] is of.
    marked: Vec<u8>,
    /// Where the payloads lie. Apart from the entries, as most stages look at nothing else: so there is less to fetch.
    payloads: Vec<Span>,
    entries: Vec<Entry>,
}

impl Buffer {
    /// Empty again; what it had to grow by beyond twice `size` is given back.
    pub(crate) fn clear(&mut self, size: ChunkSize) {
        self.used = 0;
        self.kept.clear();
        self.marked.clear();
        self.payloads.clear();
        self.entries.clear();
        self.bytes.truncate(2 * size.bytes);
        self.bytes.shrink_to(2 * size.bytes);
        self.kept.shrink_to(2 * size.bytes);
        self.marked.shrink_to(2 * size.bytes);
        self.payloads.shrink_to(2 * size.records);
        self.entries.shrink_to(2 * size.records);
    }

    /// How many records there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The bytes of everything that they hold.
    #[inline]
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Whether there are as many records, or bytes, as a chunk is to have.
    #[inline]
    pub(crate) fn is_full(&self, size: ChunkSize) -> bool {
        self.len() >= size.records || self.used() >= size.bytes
    }

    /// Whether stages have made it so large that it is divided before it goes on.
    #[inline]
    pub(crate) fn has_outgrown(&self, size: ChunkSize) -> bool {
        self.len() > 1 && self.used > size.grown()
    }

    /// The memory that it takes, used or not.
    #[cfg(test)]
    pub(crate) fn takes(&self) -> usize {
        let (spans, entries) = (self.payloads.capacity(), self.entries.capacity());
        let bytes = self.bytes.capacity() + self.kept.capacity() + self.marked.capacity();
        bytes + spans * size_of::<Span>() + entries * size_of::<Entry>()
    }

    /// Adds bytes that are written where they lie; before, they are anything.
    #[inline]
    fn put_in_place(&mut self, len: usize, write: impl FnOnce(&mut [u8])) -> Span {
        let span = Span::new(self.used, len);
        self.used += len;
        if self.bytes.len() < self.used {
            self.bytes.resize(self.used, 0);
        }
        write(&mut self.bytes[span.range()]);
        span
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Span {
        self.put_in_place(bytes.len(), |to| to.copy_from_slice(bytes))
    }

    #[inline]
    fn put_key(&mut self, key: Option<&[u8]>) -> Span {
        key.map_or(Span::NONE, |key| self.put(key))
    }

    #[inline]
    fn get(&self, span: Span) -> &[u8] {
        &self.bytes[span.range()]
    }

    #[inline]
    fn push(&mut self, payload: Span, entry: Entry) {
        self.payloads.push(payload);
        self.entries.push(entry);
    }
}

/// Records that a source adds.
impl Buffer {
    #[inline]
    pub(crate) fn add(&mut self, fields: Fields<'_>) {
        self.add_in_place(fields, fields.payload.len(), |to| to.copy_from_slice(fields.payload));
    }

    /// A record of `len` bytes that are written where they lie, instead of the payload in `fields`.
    #[inline]
    pub(crate) fn add_in_place(&mut self, fields: Fields<'_>, len: usize, write: impl FnOnce(&mut [u8])) {
        let payload = self.put_in_place(len, write);
        let key = self.put_key(fields.key);
        self.push(payload, Entry::new(&fields, payload, key));
    }

    /// Gives the last record a payload that is made from what it has, which stays its original: `write` appends it.
    ///
    /// # Errors
    /// Those of `write`; the record is as it was.
    pub(crate) fn make_last(
        &mut self,
        content: ContentType,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), String>,
    ) -> Result<(), String> {
        self.bytes.truncate(self.used);
        let made = write(&mut self.bytes);
        if self.bytes.len() < self.used {
            self.bytes.resize(self.used, 0); // It was not to touch these; what it took away is gone.
        }
        made?;
        let span = Span::new(self.used, self.bytes.len() - self.used);
        self.used = self.bytes.len();
        if let (Some(payload), Some(entry)) = (self.payloads.last_mut(), self.entries.last_mut()) {
            (*payload, entry.content) = (span, content);
        }
        Ok(())
    }

    /// A key for the last record.
    pub(crate) fn key_last(&mut self, key: &[u8]) {
        let span = self.put(key);
        if let Some(last) = self.entries.last_mut() {
            last.key = span;
        }
    }

    /// One block of headers for all records from the `first` on.
    pub(crate) fn share_headers(&mut self, first: usize, block: &[u8]) {
        if first < self.len() {
            let span = self.put(block);
            self.entries[first..].iter_mut().for_each(|entry| entry.headers = span);
        }
    }
}

/// What a stage reads, and changes.
impl Buffer {
    #[inline]
    pub(crate) fn entry(&self, nth: usize) -> &Entry {
        &self.entries[nth]
    }

    #[inline]
    pub(crate) fn entry_mut(&mut self, nth: usize) -> &mut Entry {
        &mut self.entries[nth]
    }

    #[inline]
    pub(crate) fn payload(&self, nth: usize) -> &[u8] {
        self.get(self.payloads[nth])
    }

    /// The payload as it came from the source.
    pub(crate) fn original(&self, nth: usize) -> &[u8] {
        let origin = self.entries[nth].origin;
        let bytes = if self.is_kept(origin) { &self.kept } else { &self.bytes };
        &bytes[origin.range()]
    }

    #[inline]
    pub(crate) fn key(&self, nth: usize) -> Option<&[u8]> {
        let key = self.entries[nth].key;
        (key != Span::NONE).then(|| self.get(key))
    }

    #[inline]
    pub(crate) fn headers(&self, nth: usize) -> &[u8] {
        self.get(self.entries[nth].headers)
    }

    #[inline]
    fn is_kept(&self, span: Span) -> bool {
        span.end() <= self.kept.len()
    }

    /// Whether the payload can be changed where it lies, and the original stays.
    #[inline]
    fn is_free(&self, nth: usize, payload: Span) -> bool {
        self.is_kept(payload) || payload != self.entries[nth].origin
    }

    /// From here on, all that there is can be changed where it lies.
    #[cold]
    fn keep(&mut self) {
        self.kept.extend_from_slice(&self.bytes[self.kept.len()..self.used]);
    }

    #[inline]
    pub(crate) fn payload_mut(&mut self, nth: usize) -> &mut [u8] {
        let span = self.payloads[nth];
        if !self.is_free(nth, span) {
            self.keep();
        }
        &mut self.bytes[span.range()]
    }

    /// Other bytes: over the old ones, where they fit.
    pub(crate) fn set_payload(&mut self, nth: usize, payload: &[u8]) {
        let old = self.payloads[nth];
        let is_free = self.is_free(nth, old);
        self.payloads[nth] = if is_free && payload.len() <= old.len() {
            let span = Span::new(old.range().start, payload.len());
            self.bytes[span.range()].copy_from_slice(payload);
            span
        } else {
            if is_free && old.len() > 0 && old.end() == self.used {
                self.used = old.range().start; // It is the last one, and grows where it is.
            }
            self.put(payload)
        };
    }

    /// Gives back what lies behind all that the records from this one on hold: those before it are not looked at any more.
    pub(crate) fn forget_before(&mut self, nth: usize) {
        let ends = self.entries[nth..].iter().zip(&self.payloads[nth..]).map(|(entry, payload)| {
            let key = if entry.key == Span::NONE { 0 } else { entry.key.end() };
            payload.end().max(entry.origin.end()).max(entry.headers.end()).max(key)
        });
        self.used = ends.max().unwrap_or(0);
        self.kept.truncate(self.used);
    }

    pub(crate) fn set_key(&mut self, nth: usize, key: Option<&[u8]>) {
        self.entries[nth].key = self.put_key(key);
    }

    pub(crate) fn set_headers(&mut self, nth: usize, block: &[u8]) {
        self.entries[nth].headers = self.put(block);
    }
}

/// How a record was: its payload is with the buffer, until another record is marked.
#[derive(Debug)]
pub(crate) struct Mark {
    payload: Span,
    entry: Entry,
    used: usize,
}

/// What a stage takes back.
impl Buffer {
    #[inline]
    pub(crate) fn mark(&mut self, nth: usize) -> Mark {
        let payload = self.payloads[nth];
        self.marked.clear();
        self.marked.extend_from_slice(&self.bytes[payload.range()]);
        Mark { payload, entry: self.entries[nth], used: self.used }
    }

    /// The record is as it was, and there is room again where something was added for it.
    #[cold]
    pub(crate) fn go_back(&mut self, nth: usize, to: &Mark) {
        self.bytes[to.payload.range()].copy_from_slice(&self.marked);
        (self.payloads[nth], self.entries[nth]) = (to.payload, to.entry);
        self.used = to.used.max(self.kept.len()); // What is kept stands for bytes at the same places.
    }
}

/// Records of another buffer, and fewer of this one.
impl Buffer {
    /// Copies a record to the end, its original included.
    pub(crate) fn copy(&mut self, from: &Buffer, nth: usize) {
        let was = from.entries[nth];
        let origin = self.put(from.original(nth));
        let changed = from.is_free(nth, from.payloads[nth]);
        let payload = if changed { self.put(from.payload(nth)) } else { origin };
        let key = self.put_key(from.key(nth));
        let headers = if was.headers.len() > 0 { self.put(from.headers(nth)) } else { Span::default() };
        self.push(payload, Entry { origin, key, headers, ..was });
    }

    /// Adds a record that was made out of one of another buffer, whose original it keeps.
    pub(crate) fn add_made_of(&mut self, from: &Buffer, nth: usize, made: Fields<'_>, headers: &[u8]) {
        let was = from.entries[nth];
        let origin = self.put(from.original(nth));
        let payload = self.put(made.payload);
        let key = self.put_key(made.key);
        let headers = if headers.is_empty() { Span::default() } else { self.put(headers) };
        let entry = Entry { headers, origin_content: was.origin_content, ..Entry::new(&made, origin, key) };
        self.push(payload, entry);
    }

    /// Takes the records with these numbers out, which are in order.
    pub(crate) fn remove(&mut self, numbers: impl Iterator<Item = usize> + Clone) {
        retain_others(&mut self.payloads, numbers.clone());
        retain_others(&mut self.entries, numbers);
    }
}

fn retain_others<T>(of: &mut Vec<T>, numbers: impl Iterator<Item = usize>) {
    let mut numbers = numbers.peekable();
    if numbers.peek().is_none() {
        return;
    }
    let mut nth = 0;
    of.retain(|_| {
        let is_out = numbers.next_if_eq(&nth).is_some();
        nth += 1;
        !is_out
    });
}

#[cfg(test)]
mod tests;
