//! A letter as a line of JSON.

use std::borrow::Cow;

use proscenium_plugin_host::ContentType;
use serde::{Deserialize, Serialize};

use super::base64;
use crate::content::messagepack_to_json;
use crate::letter::{Class, Letter};
use crate::record::OwnedRecord;

/// Bytes as text where they are text, as base64 where not.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Bytes<'a> {
    Text(Cow<'a, str>),
    Base64(String),
}

impl<'a> Bytes<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Bytes::Text(Cow::Borrowed(text)),
            Err(_) => Bytes::binary(bytes),
        }
    }

    fn binary(bytes: &[u8]) -> Self {
        Bytes::Base64(base64::encode(bytes))
    }

    fn into_bytes(self) -> Result<Vec<u8>, String> {
        match self {
            Bytes::Text(text) => Ok(text.into_owned().into_bytes()),
            Bytes::Base64(text) => base64::decode(&text).ok_or_else(|| "this is no base64".to_owned()),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    name: Cow<'a, str>,
    value: Bytes<'a>,
}

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    id: u64,
    part: Cow<'a, str>,
    source: Cow<'a, str>,
    class: Cow<'a, str>,
    reason: Cow<'a, str>,
    attempts: u32,
    crash: Option<Cow<'a, str>>,
    since: u64,
    record: u64,
    time: u64,
    key: Option<Bytes<'a>>,
    headers: Vec<Header<'a>>,
    content: Cow<'a, str>,
    payload: Bytes<'a>,
}

/// The payload types, with the words for them in files.
const CONTENTS: [(ContentType, &str); 3] =
    [(ContentType::MessagePack, "messagepack"), (ContentType::Json, "json"), (ContentType::Raw, "raw")];

pub(super) fn content_word(content: ContentType) -> &'static str {
    CONTENTS.iter().find(|(found, _)| *found == content).map_or("raw", |(_, word)| word)
}

/// The payload in words, if it is MessagePack and JSON has words for it.
pub(super) fn shown(record: &OwnedRecord) -> Option<String> {
    let mut json = Vec::new();
    let is_shown =
        record.content == ContentType::MessagePack && messagepack_to_json(&record.payload, &mut json).is_ok();
    is_shown.then_some(json).and_then(|json| String::from_utf8(json).ok())
}

/// Appends the letter's line, with its end.
pub(super) fn encode(id: u64, letter: &Letter, to: &mut Vec<u8>) -> Result<(), String> {
    let record = &letter.record;
    let line = Line {
        id,
        part: letter.part.as_str().into(),
        source: letter.source.as_str().into(),
        class: letter.class.to_string().into(),
        reason: letter.reason.as_str().into(),
        attempts: letter.attempts,
        crash: letter.crash.as_deref().map(Cow::Borrowed),
        since: letter.since,
        record: record.id,
        time: record.time,
        key: record.key.as_deref().map(Bytes::of),
        headers: record
            .headers
            .iter()
            .map(|(name, value)| Header { name: name.into(), value: Bytes::of(value) })
            .collect(),
        content: content_word(record.content).into(),
        payload: match record.content {
            // Few values of it would be text, and those by chance.
            ContentType::MessagePack => Bytes::binary(&record.payload),
            _ => Bytes::of(&record.payload),
        },
    };
    let at = to.len();
    if let Err(error) = serde_json::to_writer(&mut *to, &line) {
        to.truncate(at);
        return Err(error.to_string());
    }
    // For people only, so it is put in as the text that it is, with its keys in their order.
    if let Some(shown) = shown(record) {
        to.pop();
        to.extend_from_slice(b",\"shown\":");
        to.extend_from_slice(shown.as_bytes());
        to.push(b'}');
    }
    to.push(b'\n');
    Ok(())
}

/// The letter in a line without its end, and its id.
pub(super) fn decode(line: &[u8]) -> Result<(u64, Letter), String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let class = Class::ALL.iter().find(|(_, word)| *word == line.class).ok_or_else(|| {
        let known: Vec<_> = Class::ALL.iter().map(|(_, word)| *word).collect();
        format!("`class` is one of {}, not `{}`", known.join(", "), line.class)
    })?;
    let content = CONTENTS.iter().find(|(_, word)| *word == line.content).ok_or_else(|| {
        let known: Vec<_> = CONTENTS.iter().map(|(_, word)| *word).collect();
        format!("`content` is one of {}, not `{}`", known.join(", "), line.content)
    })?;
    let bytes = |field: &str, bytes: Bytes<'_>| bytes.into_bytes().map_err(|what| format!("`{field}`: {what}"));
    let headers =
        line.headers.into_iter().map(|header| Ok((header.name.into_owned(), bytes("headers", header.value)?)));
    let record = OwnedRecord {
        id: line.record,
        content: content.0,
        payload: bytes("payload", line.payload)?,
        key: line.key.map(|key| bytes("key", key)).transpose()?,
        time: line.time,
        headers: headers.collect::<Result<_, String>>()?,
    };
    let letter = Letter {
        part: line.part.into_owned(),
        source: line.source.into_owned(),
        class: class.0,
        reason: line.reason.into_owned(),
        attempts: line.attempts,
        crash: line.crash.map(Cow::into_owned),
        since: line.since,
        record,
    };
    Ok((line.id, letter))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn any_letter() -> impl Strategy<Value = Letter> {
        let content = prop_oneof![Just(ContentType::MessagePack), Just(ContentType::Json), Just(ContentType::Raw)];
        let bytes = || prop_oneof![vec(any::<u8>(), 0..60), any::<String>().prop_map(String::into_bytes)];
        let record =
            (any::<u64>(), content, bytes(), option::of(bytes()), any::<u64>(), vec((any::<String>(), bytes()), 0..4));
        let record = record.prop_map(|(id, content, payload, key, time, headers)| OwnedRecord {
            id,
            content,
            payload,
            key,
            time,
            headers,
        });
        let class = (0..Class::ALL.len()).prop_map(|nth| Class::ALL[nth].0);
        let words = (any::<String>(), any::<String>(), any::<String>(), option::of(any::<String>()));
        (words, class, any::<u32>(), any::<u64>(), record).prop_map(
            |((part, source, reason, crash), class, attempts, since, record)| Letter {
                part,
                source,
                class,
                reason,
                attempts,
                crash,
                since,
                record,
            },
        )
    }

    proptest! {
        #[test]
        fn a_letter_is_one_line_and_comes_back_as_it_was(id in any::<u64>(), letter in any_letter()) {
            let mut line = b"before".to_vec();
            encode(id, &letter, &mut line).unwrap();
            let line = line.strip_prefix(b"before").unwrap();
            let line = line.strip_suffix(b"\n").unwrap();
            prop_assert!(!line.contains(&b'\n'));
            prop_assert_eq!(decode(line).unwrap(), (id, letter));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }

    fn with(content: ContentType, payload: &[u8]) -> String {
        let record = OwnedRecord { id: 1, content, payload: payload.to_vec(), key: None, time: 2, headers: Vec::new() };
        let letter = Letter {
            part: "p".to_owned(),
            source: "s".to_owned(),
            class: Class::Poison,
            reason: "r".to_owned(),
            attempts: 3,
            crash: None,
            since: 4,
            record,
        };
        let mut line = Vec::new();
        encode(9, &letter, &mut line).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn payloads_are_readable_where_they_can_be() {
        let json = with(ContentType::Json, b"{\"a\":1}");
        assert!(json.contains(r#""class":"poison""#), "{json}");
        assert!(json.contains(r#""content":"json","payload":{"text":"{\"a\":1}"}}"#), "{json}");
        let raw = with(ContentType::Raw, b"\xff");
        assert!(raw.contains(r#""payload":{"base64":"/w=="}}"#), "{raw}");
        let messagepack = with(ContentType::MessagePack, b"\x82\xa1z\x01\xa1a\x02");
        assert!(messagepack.contains(r#""payload":{"base64":"gqF6AaFhAg=="},"shown":{"z":1,"a":2}}"#), "{messagepack}");
        let broken = with(ContentType::MessagePack, b"\x82\xa1z");
        assert!(!broken.contains("shown"), "{broken}");
    }

    #[test]
    fn what_is_shown_may_be_deeper_than_what_is_read() {
        let mut deep = vec![0x91; 120];
        deep.push(0xc0);
        let line = with(ContentType::MessagePack, &deep);
        assert!(line.contains("[[[[null]]]]"));
        assert_eq!(decode(line.trim_end().as_bytes()).unwrap().1.record.payload, deep);
    }

    #[test]
    fn a_line_that_is_no_letter_is_refused_with_the_reason() {
        let line = with(ContentType::Raw, b"x");
        for (from, to, reason) in [
            ("poison", "bad", "`class` is one of malformed, "),
            ("\"raw\"", "\"cooked\"", "`content` is one of messagepack, json, raw, not `cooked`"),
            ("{\"text\":\"x\"}", "{\"base64\":\"x\"}", "`payload`: this is no base64"),
            ("\"id\":9", "\"id\":-9", "invalid value"),
            ("\"part\":\"p\",", "", "missing field `part`"),
        ] {
            assert!(line.contains(from), "{from}");
            let why = decode(line.trim_end().replace(from, to).as_bytes()).unwrap_err();
            assert!(why.contains(reason), "{why}");
        }
        assert!(decode(&line.as_bytes()[..line.len() / 2]).unwrap_err().contains("EOF"));
    }
}
