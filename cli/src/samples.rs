//! Batches that a plugin is tried with: what it will meet, and what it should survive.

use proscenium::plugin::{Batch, ContentType};

use crate::msgpack::{Field, map};

/// A batch of a kind.
pub struct Shape {
    pub name: &'static str,
    pub content: ContentType,
    pub payloads: Vec<Vec<u8>>,
}

/// Records that a batch has room for, by default.
const FULL: u64 = 2_048;

fn shape(name: &'static str, payloads: Vec<Vec<u8>>) -> Shape {
    Shape { name, content: ContentType::MessagePack, payloads }
}

/// A record as plugins are made for: a map with fields of each kind.
fn plain(nth: u64) -> Vec<u8> {
    map(&[
        ("id", Field::Int(nth)),
        ("name", Field::Text(["Ada", "Grace", "", "Jürgen"][nth as usize % 4])),
        ("amount", Field::Float(nth as f64 * 1.5 - 3.0)),
        ("country", Field::Text(["de", "us", "jp"][nth as usize % 3])),
        ("open", Field::Bool(nth.is_multiple_of(2))),
        ("note", Field::Nil),
        ("parts", Field::List(3)),
    ])
}

/// In the order in which they are tried.
pub fn all() -> Vec<Shape> {
    let large = map(&[("name", Field::Text(&"x".repeat(256 << 10))), ("amount", Field::Float(1.0))]);
    let json = |payloads: &[&str]| Shape {
        name: "JSON",
        content: ContentType::Json,
        payloads: payloads.iter().map(|text| text.as_bytes().to_vec()).collect(),
    };
    vec![
        shape("one record", vec![plain(0)]),
        shape("many records", (0..1_000).map(plain).collect()),
        shape("a full batch", (0..FULL).map(plain).collect()),
        shape("one large record", vec![large]),
        shape("no bytes at all", vec![Vec::new(), plain(1), Vec::new()]),
        shape("malformed MessagePack", malformed()),
        shape("noise", noise()),
        json(&[r#"{"id": 1, "name": "Ada", "amount": 12.5, "country": "de"}"#, "[1, 2", "{}", "\u{0}"]),
        Shape { name: "raw bytes", content: ContentType::Raw, payloads: vec![b"raw".to_vec(), vec![0; 4_096]] },
    ]
}

/// Cut off at each byte, and lengths that lie.
fn malformed() -> Vec<Vec<u8>> {
    let whole = plain(3);
    let mut all: Vec<Vec<u8>> = (1..whole.len()).map(|len| whole[..len].to_vec()).collect();
    all.extend([
        vec![0xC1],                                     // A byte that never occurs.
        vec![0xDF, 0xFF, 0xFF, 0xFF, 0xFF],             // A map of four billion.
        vec![0xDD, 0xFF, 0xFF, 0xFF, 0xFF],             // A list of as many.
        vec![0x81, 0xDB, 0xFF, 0xFF, 0xFF, 0xFF, b'a'], // A key longer than everything.
        vec![0x81, 0xC6, 0x7F, 0xFF, 0xFF, 0xFF],       // Bytes that are not there.
        [vec![0x91; 50_000], vec![0xC0]].concat(),      // Lists within lists.
        [[0x81, 0xA1, b'a'].repeat(20_000), vec![0xC0]].concat(),
        vec![0x81, 0xA2, 0xFF, 0xFE, 0x01],                   // A key that is no text.
        vec![0x82, 0xA1, b'a', 0x01, 0xA1, b'a', 0x02, 0x03], // A key twice, and something behind.
        vec![0xC0],
        vec![0x07],
    ]);
    all
}

/// The same bytes each time, by a generator of Marsaglia's.
fn noise() -> Vec<Vec<u8>> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..256).map(|nth| (0..nth % 67 + 1).map(|_| next() as u8).collect()).collect()
}

impl Shape {
    /// Puts its records in.
    pub fn fill(&self, batch: &mut Batch) -> Result<(), proscenium::plugin::Full> {
        batch.content(self.content);
        (1..).zip(&self.payloads).try_for_each(|(id, payload)| batch.push(id, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_the_same_each_time() {
        assert_eq!(noise(), noise());
        assert_eq!(noise().len(), 256);
    }
}
