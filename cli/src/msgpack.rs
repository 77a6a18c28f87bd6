//! As much MessagePack as sample records need.

/// What a field of a record is.
pub enum Field<'a> {
    Int(u64),
    Float(f64),
    Text(&'a str),
    Bool(bool),
    Nil,
    /// So many integers.
    List(u8),
}

/// A map with text keys: 15 at most.
pub fn map(fields: &[(&str, Field<'_>)]) -> Vec<u8> {
    let mut bytes = vec![0x80 | fields.len() as u8 & 0x0F];
    for (key, field) in fields {
        text(&mut bytes, key);
        match field {
            Field::Int(value) => {
                bytes.push(0xCF);
                bytes.extend(value.to_be_bytes());
            }
            Field::Float(value) => {
                bytes.push(0xCB);
                bytes.extend(value.to_be_bytes());
            }
            Field::Text(value) => text(&mut bytes, value),
            Field::Bool(value) => bytes.push(0xC2 | u8::from(*value)),
            Field::Nil => bytes.push(0xC0),
            Field::List(len) => {
                bytes.push(0x90 | len & 0x0F);
                bytes.extend(0..len & 0x0F);
            }
        }
    }
    bytes
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(0xDB);
    bytes.extend((text.len() as u32).to_be_bytes());
    bytes.extend(text.as_bytes());
}

/// A record of exactly so many bytes, 32 at least.
pub fn of_size(size: usize) -> Vec<u8> {
    let with = |pad: &str| map(&[("amount", Field::Float(12.5)), ("p", Field::Text(pad))]);
    let rest = size.saturating_sub(with("").len());
    with(&"x".repeat(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_as_large_as_it_was_asked_for() {
        for size in [32, 33, 128, 1024] {
            assert_eq!(of_size(size).len(), size);
        }
    }
}
