//! How a record is written to a file.

use proscenium_plugin_host::ContentType;

use crate::content::messagepack_to_json;
use crate::record::Record;

/// How records are written to a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FileFormat {
    /// One record a line. MessagePack becomes JSON, JSON stays as it is but for line breaks between its parts, which
    /// become blanks; raw bytes stay as they are, and are refused if a line break is among them.
    #[default]
    Lines,
    /// Each payload as it is, of whatever type, behind its length as four bytes, the highest first.
    Frames,
}

impl FileFormat {
    /// What such files' names end in.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            FileFormat::Lines => "jsonl",
            FileFormat::Frames => "frames",
        }
    }

    /// Appends a record. After an error, which is the reason why it cannot be written, `to` is as it was.
    pub(crate) fn write(self, record: &Record<'_>, to: &mut Vec<u8>) -> Result<(), String> {
        let at = to.len();
        let written = match self {
            FileFormat::Lines => line(record, to),
            FileFormat::Frames => frame(record.payload(), to),
        };
        written.inspect_err(|_| to.truncate(at))
    }
}

fn line(record: &Record<'_>, to: &mut Vec<u8>) -> Result<(), String> {
    let payload = record.payload();
    match record.content() {
        ContentType::MessagePack => messagepack_to_json(payload, to)?,
        // In JSON a line break stands between two parts, or it is no JSON.
        ContentType::Json if payload.iter().any(|byte| matches!(byte, b'\n' | b'\r')) => {
            to.extend(payload.iter().map(|&byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
        }
        ContentType::Json => to.extend_from_slice(payload),
        _ => match payload.iter().position(|&byte| byte == b'\n') {
            Some(at) => {
                return Err(format!(
                    "the raw payload has a line break at byte {at}, and the file has one record a line; \
                     use the format `frames`"
                ));
            }
            None => to.extend_from_slice(payload),
        },
    }
    to.push(b'\n');
    Ok(())
}

fn frame(payload: &[u8], to: &mut Vec<u8>) -> Result<(), String> {
    let len = u32::try_from(payload.len()).map_err(|_| "the payload is longer than 4 GiB".to_owned())?;
    to.extend_from_slice(&len.to_be_bytes());
    to.extend_from_slice(payload);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::rolling_files::tests::chunk;

    fn written(format: FileFormat, content: ContentType, payload: &[u8]) -> Result<Vec<u8>, String> {
        let chunk = chunk(&[(content, payload)]);
        let mut to = b"before".to_vec();
        let written = format.write(&chunk.record(0), &mut to);
        let added = to.strip_prefix(b"before").unwrap().to_vec();
        written.map(|()| added.clone()).inspect_err(|_| assert_eq!(added, b""))
    }

    #[test]
    fn each_payload_becomes_one_line_or_is_refused_with_the_reason() {
        use ContentType::{Json, MessagePack, Raw};
        for (content, payload, line) in [
            (MessagePack, &b"\x81\xA7country\xA2de"[..], &b"{\"country\":\"de\"}\n"[..]),
            (Json, b"{\"z\":1, \"a\":2}", b"{\"z\":1, \"a\":2}\n"),
            (Json, b"{\r\n\"z\":\n1}", b"{  \"z\": 1}\n"),
            (Raw, b"\xff\x00 as it is\r", b"\xff\x00 as it is\r\n"),
            (Raw, b"", b"\n"),
        ] {
            assert_eq!(written(FileFormat::Lines, content, payload).unwrap(), line);
        }
        for (content, payload, why) in
            [(Raw, &b"two\nlines"[..], "line break at byte 3"), (MessagePack, b"\x92\x01", ""), (MessagePack, b"", "")]
        {
            let reason = written(FileFormat::Lines, content, payload).unwrap_err();
            assert!(reason.contains(why), "{reason}");
        }
    }

    #[test]
    fn a_frame_is_the_payload_behind_its_length() {
        for content in [ContentType::Raw, ContentType::MessagePack] {
            assert_eq!(written(FileFormat::Frames, content, b"a\nb").unwrap(), b"\0\0\0\x03a\nb");
        }
    }
}
