//! A field of a MessagePack map, found without reading what stands beside it.

/// The bytes of the value under `name` in the map that `bytes` is: of the first, if there are several.
pub(crate) fn field<'a>(bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = bytes;
    for _ in 0..map_len(&mut rest)? {
        let key = value(&mut rest)?;
        let found = value(&mut rest)?;
        if text(key) == Some(name.as_bytes()) {
            return Some(found);
        }
    }
    None
}

/// The text of a string.
pub(crate) fn text(value: &[u8]) -> Option<&[u8]> {
    let (marker, rest) = value.split_first()?;
    match marker {
        0xa0..=0xbf => Some(rest),
        0xd9 => rest.get(1..),
        0xda => rest.get(2..),
        0xdb => rest.get(4..),
        _ => None,
    }
}

/// Whether it is nil.
pub(crate) fn is_nil(value: &[u8]) -> bool {
    value == [0xc0]
}

fn map_len(rest: &mut &[u8]) -> Option<usize> {
    match take(rest, 1)?[0] {
        marker @ 0x80..=0x8f => Some(usize::from(marker & 0x0f)),
        0xde => number(rest, 2),
        0xdf => number(rest, 4),
        _ => None,
    }
}

/// Takes one value from the front, with all that is in it.
fn value<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let all = *rest;
    // Values that are to be passed over; counted, as going down into them would need a stack.
    let mut pending = 1usize;
    while pending > 0 {
        pending = (pending - 1).checked_add(pass(rest)?)?;
    }
    Some(&all[..all.len() - rest.len()])
}

/// Passes over one value without those in it, and says how many those are.
fn pass(rest: &mut &[u8]) -> Option<usize> {
    let (skip, within) = match take(rest, 1)?[0] {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => (0, 0),
        marker @ 0x80..=0x8f => (0, 2 * usize::from(marker & 0x0f)),
        marker @ 0x90..=0x9f => (0, usize::from(marker & 0x0f)),
        marker @ 0xa0..=0xbf => (usize::from(marker & 0x1f), 0),
        0xc4 | 0xd9 => (number(rest, 1)?, 0),
        0xc5 | 0xda => (number(rest, 2)?, 0),
        0xc6 | 0xdb => (number(rest, 4)?, 0),
        0xc7 => (number(rest, 1)? + 1, 0),
        0xc8 => (number(rest, 2)? + 1, 0),
        0xc9 => (number(rest, 4)? + 1, 0),
        0xcc | 0xd0 => (1, 0),
        0xcd | 0xd1 | 0xd4 => (2, 0),
        0xd5 => (3, 0),
        0xca | 0xce | 0xd2 => (4, 0),
        0xd6 => (5, 0),
        0xcb | 0xcf | 0xd3 => (8, 0),
        0xd7 => (9, 0),
        0xd8 => (17, 0),
        0xdc => (0, number(rest, 2)?),
        0xdd => (0, number(rest, 4)?),
        0xde => (0, 2 * number(rest, 2)?),
        0xdf => (0, 2 * number(rest, 4)?),
        0xc1 => return None,
    };
    take(rest, skip)?;
    Some(within)
}

fn number(rest: &mut &[u8], bytes: usize) -> Option<usize> {
    Some(take(rest, bytes)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn found(value: &Value, name: &str) -> Option<Value> {
        let bytes = rmp_serde::to_vec(value).unwrap();
        field(&bytes, name).map(|found| rmp_serde::from_slice(found).unwrap())
    }

    #[test]
    fn the_field_is_found_behind_values_of_every_kind() {
        let long = "l".repeat(70_000);
        for before in [
            json!(null),
            json!(true),
            json!(0),
            json!(200),
            json!(60_000),
            json!(70_000),
            json!(u64::MAX),
            json!(-1),
            json!(-100),
            json!(-1_000),
            json!(-100_000),
            json!(i64::MIN),
            json!(1.5),
            json!(""),
            json!("x".repeat(40)),
            json!("x".repeat(300)),
            json!(long),
            json!([]),
            json!([1, [2, [3]], {"k": 1}]),
            json!({"k": {"k": [1]}}),
            json!((0..20).collect::<Vec<_>>()),
            json!((0..70_000).collect::<Vec<_>>()),
            json!((0..20).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>()),
        ] {
            let value = json!({"a": before, "k": "here"});
            assert_eq!(found(&value, "k"), Some(json!("here")), "behind {:.40}", before.to_string());
            assert_eq!(found(&value, "a"), Some(before));
            assert_eq!(found(&value, "b"), None);
        }
        assert_eq!(found(&json!(["k", 1]), "k"), None);
    }

    #[test]
    fn what_is_cut_off_anywhere_is_not_found_and_does_no_harm() {
        let bytes = rmp_serde::to_vec(&json!({"a": [1, {"b": "text"}], "k": "here"})).unwrap();
        for len in 0..bytes.len() {
            assert_eq!(field(&bytes[..len], "k"), None, "{len} bytes");
        }
        assert_eq!(field(&[0xdf, 0xff, 0xff, 0xff, 0xff, 0xdd, 0xff, 0xff, 0xff, 0xff], "k"), None);
    }
}
