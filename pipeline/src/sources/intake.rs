//! Payloads on their way into a chunk: read as JSON, given their keys, or turned away with a reason.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use proscenium_plugin_host::ContentType;

use crate::chunk::{Fields, Filling};
use crate::content;
use crate::sources::format::Format;
use crate::sources::line_core::{FIRST, Line};
use crate::sources::messagepack_field;

/// Makes records as a [`Format`] says.
#[derive(Debug)]
pub(crate) struct Intake {
    format: Format,
    /// The memory for a key.
    key: Vec<u8>,
    now: u64,
}

impl Intake {
    pub(crate) fn new(format: &Format) -> Self {
        Intake { format: format.clone(), key: Vec::new(), now: 0 }
    }

    /// Records have this time from here on: the clock is read once for many.
    pub(crate) fn look_at_the_clock(&mut self) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.now = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    }

    /// Adds a line; an empty one adds nothing. `place` is for the reason.
    pub(crate) fn line(&mut self, chunk: &mut Filling, id: u64, line: Line<'_>, place: impl fmt::Display) {
        match line {
            Line::Whole([]) => (),
            Line::Whole(payload) => {
                let content = if self.format.json { ContentType::Json } else { ContentType::Raw };
                self.record(chunk, Fields { id, content, payload, key: None, time: self.now }, place);
            }
            Line::TooLong { first, len } => {
                let fields = Fields { id, content: ContentType::Raw, payload: first, key: None, time: self.now };
                self.too_long(chunk, fields, len, place);
            }
        }
    }

    /// Adds a record without a time of its own.
    pub(crate) fn made_now(&mut self, chunk: &mut Filling, fields: Fields<'_>, place: impl fmt::Display) {
        self.record(chunk, Fields { time: self.now, ..fields }, place);
    }

    /// Adds a record: what is JSON becomes MessagePack, if the format is JSON.
    pub(crate) fn record(&mut self, chunk: &mut Filling, fields: Fields<'_>, place: impl fmt::Display) {
        if fields.payload.len() > self.format.record_limit() {
            let (first, len) = (&fields.payload[..fields.payload.len().min(FIRST)], fields.payload.len() as u64);
            return self.too_long(chunk, Fields { payload: first, content: ContentType::Raw, ..fields }, len, place);
        }
        if !self.format.json || fields.content != ContentType::Json {
            chunk.push(fields);
        } else if !chunk.push_made(fields, ContentType::MessagePack, |to| {
            content::json_to_messagepack(fields.payload, to).map_err(|why| no_json(fields.payload, &why, &place))
        }) {
            return;
        }
        if let (None, Some(field)) = (fields.key, &self.format.key_from)
            && find_key(chunk.last_payload(), field, &mut self.key)
        {
            chunk.key(&self.key);
        }
    }

    /// Adds a part of a record whose rest will not come.
    pub(crate) fn broken(&self, chunk: &mut Filling, fields: Fields<'_>, reason: String) {
        chunk.push_rejected(Fields { time: self.now, ..fields }, reason);
    }

    fn too_long(&self, chunk: &mut Filling, fields: Fields<'_>, len: u64, place: impl fmt::Display) {
        let limit = self.format.record_limit();
        let reason = format!("{place}: it has {len} bytes, over the limit of {limit}; `record_limit` can be raised");
        chunk.push_rejected(fields, reason);
    }
}

/// Puts the key into `key`; false: there is none.
fn find_key(payload: &[u8], field: &str, key: &mut Vec<u8>) -> bool {
    key.clear();
    let Some(value) = messagepack_field::field(payload, field).filter(|value| !messagepack_field::is_nil(value)) else {
        return false;
    };
    match messagepack_field::text(value) {
        Some(text) => {
            key.extend_from_slice(text);
            true
        }
        None => content::messagepack_to_json(value, key).is_ok(),
    }
}

/// Says what is wrong with a line of JSON, as `place:column: reason`.
fn no_json(text: &[u8], why: &str, place: &impl fmt::Display) -> String {
    if let Err(error) = std::str::from_utf8(text) {
        let at = error.valid_up_to();
        let byte = text.get(at).copied().unwrap_or_default();
        return format!("{place}:{}: the byte 0x{byte:02x} is not UTF-8", at + 1);
    }
    match why.rsplit_once(" at line 1 column ") {
        Some((reason, column)) => format!("{place}:{column}: {reason}"),
        None => format!("{place}: {why}"),
    }
}
