use proscenium_plugin_host::ContentType;
use serde_json::json;

use super::{filling, got};
use crate::chunk::ChunkSize;
use crate::sources::format::Format;
use crate::sources::intake::Intake;
use crate::sources::line_core::Line;

fn intake(key: Option<&str>) -> Intake {
    Intake::new(&Format { json: true, key_from: key.map(str::to_owned), record_limit: Some(100) })
}

#[test]
fn the_key_is_the_value_of_a_field() {
    for (line, key) in [
        (r#"{"k":"text"}"#, Some("text")),
        (r#"{"a":[1,{"k":0}],"k":-17}"#, Some("-17")),
        (r#"{"k":1.5}"#, Some("1.5")),
        (r#"{"k":true}"#, Some("true")),
        (r#"{"k":[1,{"a":"b"}]}"#, Some(r#"[1,{"a":"b"}]"#)),
        (r#"{"k":""}"#, Some("")),
        (r#"{"k":"ä\n"}"#, Some("ä\n")),
        (r#"{"k":null}"#, None),
        (r#"{"a":{"k":1}}"#, None),
        (r#"["k"]"#, None),
        (r#""k""#, None),
    ] {
        let mut chunk = filling(ChunkSize::default());
        intake(Some("k")).line(&mut chunk, 1, Line::Whole(line.as_bytes()), "place");
        let records = got(&chunk);
        assert_eq!(records[0].key.as_deref(), key, "{line}");
        assert_eq!(records[0].json(), serde_json::from_str::<serde_json::Value>(line).unwrap());
        assert_eq!(records[0].original, line);
    }
}

#[test]
fn what_is_no_json_is_turned_away_with_its_column_and_leaves_nothing_behind() {
    for (line, reason) in [
        (&b"{\"a\":1,}"[..], "place:8: trailing comma"),
        (b"{\"a\":[1,2,3", "place:11: EOF while parsing a list"),
        (b"  ", "place:2: EOF while parsing a value"),
        (b"{\"a\":\"\xc3\"}", "place:7: the byte 0xc3 is not UTF-8"),
        (b"\xef\xbb\xbf1", "place:1: expected value"),
        (b"{} {}", "place:4: trailing characters"),
    ] {
        let mut chunk = filling(ChunkSize::default());
        let mut intake = intake(Some("a"));
        intake.line(&mut chunk, 1, Line::Whole(line), "place");
        assert_eq!(chunk.buffer.used(), line.len(), "half of the MessagePack is not kept");
        intake.line(&mut chunk, 2, Line::Whole(b"{\"a\":2}"), "place");
        let records = got(&chunk);
        assert_eq!(records[0].reason.as_deref(), Some(reason));
        assert_eq!((records[0].payload.as_slice(), records[0].content), (line, ContentType::Json));
        assert_eq!((records[1].json(), records[1].reason.as_deref()), (json!({"a": 2}), None));
        assert_eq!(records[1].key.as_deref(), Some("2"));
    }
}
