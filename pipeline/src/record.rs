//! One record of a chunk: to read, and to change.

use proscenium_plugin_host::ContentType;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::buffer::{Buffer, Entry, Mark};
use crate::content;
use crate::failed::Failed;
use crate::headers::Headers;

/// One record: a payload with its type, a key, a time, headers.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub(crate) buffer: &'a Buffer,
    pub(crate) nth: usize,
}

impl<'a> Record<'a> {
    #[inline]
    fn entry(&self) -> &'a Entry {
        self.buffer.entry(self.nth)
    }

    /// The source's number for it: its line, its offset, its sequence.
    #[inline]
    #[must_use]
    pub fn id(&self) -> u64 {
        self.entry().id
    }

    /// Its bytes.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.buffer.payload(self.nth)
    }

    /// What the bytes are.
    #[inline]
    #[must_use]
    pub fn content(&self) -> ContentType {
        self.entry().content
    }

    /// What orders it among others: those with one key stay in their order.
    #[inline]
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.buffer.key(self.nth)
    }

    /// When it was made, or read: milliseconds since 1970.
    #[inline]
    #[must_use]
    pub fn time(&self) -> u64 {
        self.entry().time
    }

    /// What travels beside the payload.
    #[inline]
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        Headers(self.buffer.headers(self.nth))
    }

    /// The payload as it came from the source.
    #[inline]
    #[must_use]
    pub fn original(&self) -> &'a [u8] {
        self.buffer.original(self.nth)
    }

    /// What the original is.
    #[inline]
    #[must_use]
    pub fn original_content(&self) -> ContentType {
        self.entry().origin_content
    }

    /// The payload as a value, by its content type.
    ///
    /// # Errors
    /// It is not one, or is raw; the reason says where.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Failed> {
        content::decode(self.content(), self.payload())
    }
}

impl std::fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.payload().len();
        f.debug_struct("Record")
            .field("id", &self.id())
            .field("content", &self.content())
            .field("bytes", &bytes)
            .finish()
    }
}

/// A record that a stage may change.
pub struct RecordMut<'a> {
    pub(crate) buffer: &'a mut Buffer,
    pub(crate) nth: usize,
}

impl RecordMut<'_> {
    /// The record, to read.
    #[inline]
    #[must_use]
    pub fn as_ref(&self) -> Record<'_> {
        Record { buffer: self.buffer, nth: self.nth }
    }

    #[inline]
    fn entry_mut(&mut self) -> &mut Entry {
        self.buffer.entry_mut(self.nth)
    }

    /// The source's number for it.
    #[inline]
    #[must_use]
    pub fn id(&self) -> u64 {
        self.as_ref().id()
    }

    /// Its bytes.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.as_ref().payload()
    }

    /// Its bytes, to change where they lie. The original stays: the first call copies those of all records of the chunk.
    #[inline]
    pub fn payload_mut(&mut self) -> &mut [u8] {
        self.buffer.payload_mut(self.nth)
    }

    /// Gives it other bytes of the same type.
    pub fn set_payload(&mut self, payload: &[u8]) {
        self.buffer.set_payload(self.nth, payload);
    }

    /// Gives it other bytes, of this type.
    pub fn set(&mut self, content: ContentType, payload: &[u8]) {
        self.set_payload(payload);
        self.entry_mut().content = content;
    }

    /// What the bytes are.
    #[inline]
    #[must_use]
    pub fn content(&self) -> ContentType {
        self.as_ref().content()
    }

    /// What orders it among others.
    #[inline]
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.as_ref().key()
    }

    /// Gives it a key, or takes it away.
    pub fn set_key(&mut self, key: Option<&[u8]>) {
        self.buffer.set_key(self.nth, key);
    }

    /// When it was made, or read: milliseconds since 1970.
    #[inline]
    #[must_use]
    pub fn time(&self) -> u64 {
        self.as_ref().time()
    }

    /// Gives it another time.
    pub fn set_time(&mut self, time: u64) {
        self.entry_mut().time = time;
    }

    /// What travels beside the payload.
    #[inline]
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        self.as_ref().headers()
    }

    /// Sets a header; one of this name before is replaced.
    pub fn set_header(&mut self, name: &str, value: &[u8]) {
        let mut headers: Vec<(&str, &[u8])> = self.headers().into_iter().filter(|(old, _)| *old != name).collect();
        headers.push((name, value));
        let block = Headers::encode(&headers);
        self.buffer.set_headers(self.nth, &block);
    }

    /// The payload as a value, by its content type.
    ///
    /// # Errors
    /// It is not one, or is raw; the reason says where.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Failed> {
        self.as_ref().decode()
    }

    /// Gives it this value, in its content type; raw becomes MessagePack.
    ///
    /// # Errors
    /// The value cannot be written in it.
    pub fn encode<T: Serialize>(&mut self, value: &T) -> Result<(), Failed> {
        let content = match self.content() {
            ContentType::Json => ContentType::Json,
            _ => ContentType::MessagePack,
        };
        let bytes = content::encode(content, value)?;
        self.set(content, &bytes);
        Ok(())
    }
}

impl std::fmt::Debug for RecordMut<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl RecordMut<'_> {
    /// Has the code change it. If that fails, or panics, the record is as it was.
    #[inline]
    pub(crate) fn or_as_it_was<T>(
        &mut self,
        code: impl FnOnce(&mut RecordMut<'_>) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        let before = self.buffer.mark(self.nth);
        let mut attempt =
            Attempt { record: RecordMut { buffer: self.buffer, nth: self.nth }, before, went_well: false };
        let done = code(&mut attempt.record);
        attempt.went_well = done.is_ok();
        done
    }
}

/// Code at work on a record.
struct Attempt<'a> {
    record: RecordMut<'a>,
    before: Mark,
    went_well: bool,
}

impl Drop for Attempt<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.went_well {
            self.record.buffer.go_back(self.record.nth, &self.before);
        }
    }
}

/// A record on its own, for what outlives its chunk: an async function, a dead letter, a test.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnedRecord {
    /// The source's number for it.
    pub id: u64,
    /// What the payload is.
    pub content: ContentType,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// What orders it among others.
    pub key: Option<Vec<u8>>,
    /// Milliseconds since 1970.
    pub time: u64,
    /// What travels beside the payload.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl From<Record<'_>> for OwnedRecord {
    fn from(record: Record<'_>) -> Self {
        OwnedRecord {
            id: record.id(),
            content: record.content(),
            payload: record.payload().to_vec(),
            key: record.key().map(<[u8]>::to_vec),
            time: record.time(),
            headers: record.headers().into_iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect(),
        }
    }
}

impl OwnedRecord {
    /// The payload as a value, by its content type.
    ///
    /// # Errors
    /// It is not one, or is raw; the reason says where.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Failed> {
        content::decode(self.content, &self.payload)
    }

    /// Gives it this value, in its content type; raw becomes MessagePack.
    ///
    /// # Errors
    /// The value cannot be written in it.
    pub fn encode<T: Serialize>(&mut self, value: &T) -> Result<(), Failed> {
        if self.content == ContentType::Raw {
            self.content = ContentType::MessagePack;
        }
        self.payload = content::encode(self.content, value)?;
        Ok(())
    }
}
