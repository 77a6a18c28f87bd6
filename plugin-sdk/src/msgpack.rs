//! MessagePack, as much of it as a plugin needs: read a value, find a key of a map, set keys of a map. Safe on any
//! bytes: no recursion, no allocation, and a malformed value is `None`.
//!
//! ```
//! use proscenium_plugin_sdk::msgpack::{Value, find, map};
//!
//! let order = map(&[("country", Value::from("de")), ("amount", Value::from(12.5))]);
//! assert_eq!(find(&order, "country"), Some(Value::Str(b"de")));
//! assert_eq!(find(&order, "amount").and_then(|amount| amount.number()), Some(12.5));
//! assert_eq!(find(&order, "customer"), None);
//! ```
use std::io::{self, Write};

/// One value. Of an array or a map only the head: its elements follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number above `i64::MAX`.
    UInt(u64),
    /// A number.
    Float(f64),
    /// Text, as it was sent: nobody has looked whether it is UTF-8.
    Str(&'a [u8]),
    /// Bytes.
    Bin(&'a [u8]),
    /// An extension: its type and its bytes.
    Ext(i8, &'a [u8]),
    /// So many elements follow.
    Array(u32),
    /// So many pairs follow.
    Map(u32),
}

impl<'a> Value<'a> {
    /// The number, of whatever kind, as a float.
    pub fn number(&self) -> Option<f64> {
        match *self {
            Value::Int(number) => Some(number as f64),
            Value::UInt(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            _ => None,
        }
    }

    /// The text, if it is one and is UTF-8.
    pub fn text(&self) -> Option<&'a str> {
        match *self {
            Value::Str(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// Bytes behind the head.
    fn body(&self) -> &'a [u8] {
        match *self {
            Value::Str(bytes) | Value::Bin(bytes) => bytes,
            _ => &[],
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Str(text.as_bytes())
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        i64::try_from(number).map_or(Value::UInt(number), Value::Int)
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Value::Float(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(is: bool) -> Self {
        Value::Bool(is)
    }
}

/// Reads one value, and gives what follows; of an array or map, its head.
pub fn read(bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let value = match tag {
        0x00..=0x7f => Value::Int(i64::from(tag)),
        0xe0..=0xff => Value::Int(i64::from(tag as i8)),
        0x80..=0x8f => Value::Map(u32::from(tag & 0x0f)),
        0x90..=0x9f => Value::Array(u32::from(tag & 0x0f)),
        0xa0..=0xbf => return body(rest, u64::from(tag & 0x1f), Value::Str),
        0xc0 => Value::Nil,
        0xc1 => return None,
        0xc2 | 0xc3 => Value::Bool(tag == 0xc3),
        0xc4..=0xc6 => {
            let (len, rest) = big_endian(rest, 1 << (tag - 0xc4))?;
            return body(rest, len, Value::Bin);
        }
        0xc7..=0xc9 => {
            let (len, rest) = big_endian(rest, 1 << (tag - 0xc7))?;
            return extension(rest, len);
        }
        0xd4..=0xd8 => return extension(rest, 1 << (tag - 0xd4)),
        0xd9..=0xdb => {
            let (len, rest) = big_endian(rest, 1 << (tag - 0xd9))?;
            return body(rest, len, Value::Str);
        }
        0xca..=0xd3 | 0xdc..=0xdf => return wide(tag, rest),
    };
    Some((value, rest))
}

/// Numbers and lengths that stand behind their tag.
fn wide(tag: u8, rest: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let size = match tag {
        0xcc | 0xd0 => 1,
        0xcd | 0xd1 | 0xdc | 0xde => 2,
        0xca | 0xce | 0xd2 | 0xdd | 0xdf => 4,
        _ => 8,
    };
    let (x, rest) = big_endian(rest, size)?;
    let value = match tag {
        0xca => Value::Float(f64::from(f32::from_bits(x as u32))),
        0xcb => Value::Float(f64::from_bits(x)),
        0xcc..=0xcf => Value::from(x),
        0xd0 => Value::Int(i64::from(x as i8)),
        0xd1 => Value::Int(i64::from(x as i16)),
        0xd2 => Value::Int(i64::from(x as i32)),
        0xd3 => Value::Int(x as i64),
        0xdc | 0xdd => Value::Array(x as u32),
        _ => Value::Map(x as u32),
    };
    Some((value, rest))
}

fn big_endian(bytes: &[u8], size: usize) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_at_checked(size)?;
    Some((number.iter().fold(0, |x, &byte| x << 8 | u64::from(byte)), rest))
}

fn body<'a>(bytes: &'a [u8], len: u64, make: fn(&'a [u8]) -> Value<'a>) -> Option<(Value<'a>, &'a [u8])> {
    let (body, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
    Some((make(body), rest))
}

fn extension(bytes: &[u8], len: u64) -> Option<(Value<'_>, &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    let (body, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    Some((Value::Ext(kind as i8, body), rest))
}

/// What follows one whole value, with all that is in it.
pub fn skip(mut bytes: &[u8]) -> Option<&[u8]> {
    let mut left: u64 = 1;
    while left > 0 {
        let (value, rest) = read(bytes)?;
        left += match value {
            Value::Array(len) => u64::from(len),
            Value::Map(len) => 2 * u64::from(len),
            _ => 0,
        };
        left -= 1;
        // Every value takes a byte: a forged length ends here, and not after billions of steps.
        if left > rest.len() as u64 {
            return None;
        }
        bytes = rest;
    }
    Some(bytes)
}

/// The value under `key` of a map; of equal keys the first. None: no map, malformed, no such key.
pub fn find<'a>(map: &'a [u8], key: &str) -> Option<Value<'a>> {
    let (Value::Map(pairs), mut bytes) = read(map)? else { return None };
    for _ in 0..pairs {
        let (name, _) = read(bytes)?;
        let value = skip(bytes)?;
        if name == Value::from(key) {
            return Some(read(value)?.0);
        }
        bytes = skip(value)?;
    }
    None
}

/// Writes a value; an array, a map or an extension as nil.
pub fn write(to: &mut impl Write, value: &Value<'_>) -> io::Result<()> {
    let (tag, number, size) = match *value {
        Value::Nil | Value::Ext(..) | Value::Array(_) | Value::Map(_) => (0xc0, 0, 0),
        Value::Bool(is) => (0xc2 + u8::from(is), 0, 0),
        Value::Int(number @ -32..=127) => (number as u8, 0, 0),
        Value::Int(number) if i16::try_from(number).is_ok() => (0xd1, number as u64, 2),
        Value::Int(number) if i32::try_from(number).is_ok() => (0xd2, number as u64, 4),
        Value::Int(number) => (0xd3, number as u64, 8),
        Value::UInt(number) => (0xcf, number, 8),
        Value::Float(number) => (0xcb, number.to_bits(), 8),
        Value::Str(bytes) => head_of(bytes.len(), 0xa0, 31, [0xd9, 0xda, 0xdb])?,
        // Not even a short one has its length in the tag.
        Value::Bin(bytes) => head_of(bytes.len(), 0, -1, [0xc4, 0xc5, 0xc6])?,
    };
    put(to, tag, number, size)?;
    to.write_all(value.body())
}

/// Writes the head of a map, whose pairs the caller writes next.
pub fn write_map_head(to: &mut impl Write, pairs: u32) -> io::Result<()> {
    match pairs {
        0..=15 => put(to, 0x80 | pairs as u8, 0, 0),
        16..=0xffff => put(to, 0xde, u64::from(pairs), 2),
        _ => put(to, 0xdf, u64::from(pairs), 4),
    }
}

/// A map of these fields.
pub fn map(fields: &[(&str, Value<'_>)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(map_max(fields));
    let head = write_map_head(&mut bytes, u32::try_from(fields.len()).unwrap_or(u32::MAX));
    head.and_then(|()| write_fields(&mut bytes, fields)).expect("a vector takes whatever is written");
    bytes
}

/// Sets keys of a map: those that it has are left out, and all of `fields` stand at the end. None: not one map, or no
/// room.
pub(crate) fn set_keys(map: &[u8], fields: &[(&str, Value<'_>)], to: &mut impl Write) -> Option<()> {
    let (Value::Map(pairs), start) = read(map)? else { return None };
    let is_set =
        |pair: &[u8]| read(pair).is_some_and(|(key, _)| fields.iter().any(|(name, _)| key == Value::from(*name)));
    let mut kept = 0;
    let mut bytes = start;
    for _ in 0..pairs {
        let next = skip(skip(bytes)?)?;
        kept += u32::from(!is_set(bytes));
        bytes = next;
    }
    if !bytes.is_empty() {
        return None;
    }
    write_map_head(to, kept.checked_add(u32::try_from(fields.len()).ok()?)?).ok()?;
    bytes = start;
    for _ in 0..pairs {
        let next = skip(skip(bytes)?)?;
        if !is_set(bytes) {
            to.write_all(&bytes[..bytes.len() - next.len()]).ok()?;
        }
        bytes = next;
    }
    write_fields(to, fields).ok()
}

/// More bytes than a map of these fields ever takes.
pub(crate) fn map_max(fields: &[(&str, Value<'_>)]) -> usize {
    5 + fields.iter().map(|(key, value)| 14 + key.len() + value.body().len()).sum::<usize>()
}

fn write_fields(to: &mut impl Write, fields: &[(&str, Value<'_>)]) -> io::Result<()> {
    fields.iter().try_for_each(|(key, value)| {
        write(to, &Value::from(*key))?;
        write(to, value)
    })
}

/// Tag, number and its size for a length: in the tag itself up to `short`, else behind one of three.
fn head_of(len: usize, tag: u8, short: i64, wide: [u8; 3]) -> io::Result<(u8, u64, usize)> {
    let len = u32::try_from(len).map_err(|_| io::Error::other("MessagePack has no text of 4 GiB"))?;
    Ok(match len {
        _ if i64::from(len) <= short => (tag | len as u8, 0, 0),
        0..=0xff => (wide[0], u64::from(len), 1),
        0x100..=0xffff => (wide[1], u64::from(len), 2),
        _ => (wide[2], u64::from(len), 4),
    })
}

fn put(to: &mut impl Write, tag: u8, number: u64, size: usize) -> io::Result<()> {
    let mut bytes = [0; 9];
    bytes[0] = tag;
    bytes[1..=size].copy_from_slice(&number.to_be_bytes()[8 - size..]);
    to.write_all(&bytes[..=size])
}
