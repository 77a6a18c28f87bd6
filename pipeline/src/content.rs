//! What payloads are, and from one type to the other: at the edges only.

use proscenium_plugin_host::ContentType;
use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed};

use crate::failed::Failed;
use crate::messagepack_writer::MessagePackWriter;

/// Arrays and maps within each other, at most: what reads them goes down as deep.
const DEPTH: usize = 128;

pub(crate) fn decode<T: DeserializeOwned>(content: ContentType, payload: &[u8]) -> Result<T, Failed> {
    match content {
        ContentType::Json => serde_json::from_slice(payload).map_err(Failed::because),
        ContentType::MessagePack => rmp_serde::from_slice(payload).map_err(Failed::because),
        _ => Err(Failed::because("the payload is raw bytes; read them with `payload()`")),
    }
}

pub(crate) fn encode<T: Serialize>(content: ContentType, value: &T) -> Result<Vec<u8>, Failed> {
    match content {
        ContentType::Json => serde_json::to_vec(value).map_err(Failed::because),
        _ => rmp_serde::to_vec_named(value).map_err(Failed::because),
    }
}

/// Appends the JSON value in `text` as MessagePack; keys keep their order.
///
/// # Errors
/// The text is not one JSON value; the reason names line and column within it.
pub fn json_to_messagepack(text: &[u8], to: &mut Vec<u8>) -> Result<(), String> {
    let mut json = serde_json::Deserializer::from_slice(text);
    MessagePackWriter(to).deserialize(&mut json).map_err(|error| error.to_string())?;
    json.end().map_err(|error| error.to_string())
}

/// Appends the MessagePack value in `bytes` as JSON in one line.
///
/// # Errors
/// The bytes are not one MessagePack value, or one that JSON has no words for.
pub fn messagepack_to_json(bytes: &[u8], to: &mut Vec<u8>) -> Result<(), String> {
    let mut rest = bytes;
    let mut messagepack = rmp_serde::Deserializer::new(&mut rest);
    messagepack.set_max_depth(DEPTH);
    let mut json = serde_json::Serializer::new(&mut *to);
    serde_transcode::transcode(&mut messagepack, &mut json).map_err(|error| error.to_string())?;
    if rest.is_empty() { Ok(()) } else { Err(format!("{} bytes follow the value", rest.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(json: &str) -> String {
        let (mut messagepack, mut back) = (Vec::new(), Vec::new());
        json_to_messagepack(json.as_bytes(), &mut messagepack).unwrap();
        messagepack_to_json(&messagepack, &mut back).unwrap();
        String::from_utf8(back).unwrap()
    }

    #[test]
    fn json_comes_back_as_it_was_with_its_keys_in_their_order() {
        for json in [
            "null",
            "true",
            "-1",
            "18446744073709551615",
            "1.5",
            "\"ä\\n\"",
            "[]",
            "{}",
            "{\"z\":1,\"a\":[1,{\"k\":null}],\"m\":{\"y\":2,\"b\":3}}",
        ] {
            assert_eq!(there_and_back(json), json);
        }
        let many: Vec<_> = (0..70_000).collect();
        let many = serde_json::to_string(&many).unwrap();
        assert_eq!(there_and_back(&many), many);
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for (json, reason) in [
            ("{\"a\":}", "column 6"),
            ("[1,2", "EOF"),
            ("1 2", "trailing characters"),
            ("", "EOF"),
            ("{\"a\":\u{1}}", "column 6"),
        ] {
            let why = json_to_messagepack(json.as_bytes(), &mut Vec::new()).unwrap_err();
            assert!(why.contains(reason), "{json}: {why}");
        }
        let deep = "[".repeat(100_000);
        assert!(json_to_messagepack(deep.as_bytes(), &mut Vec::new()).unwrap_err().contains("recursion"));
        assert!(json_to_messagepack(b"\"\xff\"", &mut Vec::new()).is_err());
    }

    #[test]
    fn what_is_no_messagepack_is_refused() {
        for bytes in [&b""[..], b"\xc1", b"\x92\x01", b"\x01\x02", b"\xdb\xff\xff\xff\xff"] {
            assert!(messagepack_to_json(bytes, &mut Vec::new()).is_err(), "{bytes:?}");
        }
        let deep = vec![0x91; 100_000];
        assert!(messagepack_to_json(&deep, &mut Vec::new()).is_err());
    }
}
