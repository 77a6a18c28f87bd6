//! How a record is written in a line.

use std::time::Duration;

use proscenium_plugin_host::ContentType;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::chunk::Chunk;
use crate::content::messagepack_to_json;
use crate::record::Record;

/// How a sink writes a record in a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum LineFormat {
    /// MessagePack and JSON as JSON, raw bytes as they are. JSON keeps its text, with blanks for the line ends between its
    /// parts. Refused: MessagePack that JSON has no words for, JSON that is none, raw bytes with a line's end in them. The
    /// default.
    #[default]
    Json,
    /// Every payload as it is. Refused: one with a line's end in it, which would be two lines to whoever reads them.
    Raw,
}

impl LineFormat {
    /// Appends the record's line, with its end. After an error, which is the reason why it cannot be written, `to` is as it
    /// was.
    pub(crate) fn append(self, record: &Record<'_>, to: &mut Vec<u8>) -> Result<(), String> {
        let begin = to.len();
        let written = match (self, record.content()) {
            (LineFormat::Json, ContentType::MessagePack) => {
                messagepack_to_json(record.payload(), to).map_err(|why| format!("JSON has no words for it: {why}"))
            }
            (LineFormat::Json, ContentType::Json) => append_json(record.payload(), to),
            _ => append_raw(record.payload(), to),
        };
        match written {
            Ok(()) => to.push(b'\n'),
            Err(_) => to.truncate(begin),
        }
        written
    }

    /// The key of a file that says it: what is as usual has none.
    pub(crate) fn setting(self) -> Option<(&'static str, Value)> {
        (self == LineFormat::Raw).then(|| ("format", "raw".into()))
    }

    /// Appends the lines of all records of a chunk, and says which it had to leave out.
    pub(crate) fn append_all(self, chunk: &Chunk, to: &mut Vec<u8>) -> Vec<(usize, String)> {
        let lines = chunk.records().enumerate();
        lines.filter_map(|(nth, record)| Some((nth, self.append(&record, to).err()?))).collect()
    }
}

/// A time as files say it; none if it is a finer one.
pub(crate) fn whole_millis(time: Duration) -> Option<Value> {
    let millis = u64::try_from(time.as_millis()).ok()?;
    (Duration::from_millis(millis) == time).then(|| millis.into())
}

fn append_json(payload: &[u8], to: &mut Vec<u8>) -> Result<(), String> {
    serde_json::from_slice::<IgnoredAny>(payload).map_err(|error| format!("this is no JSON: {error}"))?;
    // Skipping does not look into strings.
    std::str::from_utf8(payload).map_err(|error| format!("this is no JSON: {error}"))?;
    // Line ends stand between two parts only, where a blank means the same.
    let is_end = |byte: u8| matches!(byte, b'\n' | b'\r');
    match memchr::memchr2(b'\n', b'\r', payload) {
        Some(_) => to.extend(payload.iter().map(|&byte| if is_end(byte) { b' ' } else { byte })),
        None => to.extend_from_slice(payload),
    }
    Ok(())
}

fn append_raw(payload: &[u8], to: &mut Vec<u8>) -> Result<(), String> {
    if let Some(at) = memchr::memchr(b'\n', payload) {
        return Err(format!("byte {at} ends a line: this would be two records to whoever reads them"));
    }
    to.extend_from_slice(payload);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_chunks::chunk;

    const MESSAGEPACK: ContentType = ContentType::MessagePack;

    #[test]
    fn each_kind_of_payload_is_written_as_its_format_says() {
        let chunk = chunk(&[
            (MESSAGEPACK, b"\x82\xa1z\x01\xa1a\xa1\x0a"),
            (ContentType::Json, b" {\"b\" : 1}"),
            (ContentType::Json, b"{\"b\":\n [1.50,\r\"\\n\"]}"),
            (ContentType::Raw, b"{raw \xff\r"),
            (ContentType::Raw, b""),
        ]);
        let mut lines = Vec::new();
        assert_eq!(LineFormat::Json.append_all(&chunk, &mut lines), []);
        let wanted = b"{\"z\":1,\"a\":\"\\n\"}\n {\"b\" : 1}\n{\"b\":  [1.50, \"\\n\"]}\n{raw \xff\r\n\n";
        assert_eq!(lines.escape_ascii().to_string(), wanted.escape_ascii().to_string());
    }

    #[test]
    fn what_cannot_be_written_is_refused_with_the_reason_and_leaves_nothing() {
        let chunk = chunk(&[
            (MESSAGEPACK, b"\x92\x01"),
            (MESSAGEPACK, b"\x81\x91\x01\x01"),
            (MESSAGEPACK, b"\x01\x02"),
            (ContentType::Json, b"{\"a\":"),
            (ContentType::Json, b"\"\xff\""),
            (ContentType::Json, b"1 2"),
            (ContentType::Raw, b"one\ntwo"),
            (ContentType::Raw, b"good"),
        ]);
        let mut lines = b"before\n".to_vec();
        let refused = LineFormat::Json.append_all(&chunk, &mut lines);
        assert_eq!(lines, b"before\ngood\n");
        assert_eq!(refused.iter().map(|(nth, _)| *nth).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
        for (nth, reason) in
            [(0, "no words"), (1, "key must be a string"), (2, "1 bytes follow"), (3, "EOF"), (6, "byte 3")]
        {
            assert!(refused[nth].1.contains(reason), "{}", refused[nth].1);
        }
    }

    #[test]
    fn raw_lines_hold_every_payload_as_it_is_but_line_ends() {
        let chunk = chunk(&[(MESSAGEPACK, b"\x81\xa1z\x01"), (MESSAGEPACK, b"\x0a"), (ContentType::Json, b"{\"a\"")]);
        let mut lines = Vec::new();
        let refused = LineFormat::Raw.append_all(&chunk, &mut lines);
        assert_eq!(lines, b"\x81\xa1z\x01\n{\"a\"\n");
        assert_eq!((refused.len(), refused[0].0), (1, 1));
    }
}
