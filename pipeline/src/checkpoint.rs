//! Where a pipeline stood: all positions and states at one moment, as one file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The first word of such a file.
const TITLE: &str = "proscenium-checkpoint";
/// Of the form of the file.
const VERSION: u32 = 1;

/// A moment at which no record was under way.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Counts up, from 1.
    pub number: u64,
    /// The pipeline's name.
    pub pipeline: String,
    /// Where each source begins next.
    pub sources: BTreeMap<String, Value>,
    /// Up to where the dead letters were sent again of sources that the pipeline does not have any more.
    #[serde(default)]
    pub absent: BTreeMap<String, Value>,
    /// The state of each stage that has any.
    pub stages: BTreeMap<String, Value>,
    /// What each sink said when it was prepared.
    pub sinks: BTreeMap<String, Value>,
    /// What the store of dead letters said.
    pub dead_letters: Value,
    /// When it was taken: milliseconds since 1970.
    pub taken: u64,
}

/// Why bytes are not a checkpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Unreadable {
    /// Cut off, changed, or something else.
    Damaged(String),
    /// In another form.
    Version(String),
}

impl Checkpoint {
    /// A line with version and checksum, and the JSON that it is of.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, String> {
        let mut body = serde_json::to_vec_pretty(self).map_err(|error| error.to_string())?;
        body.push(b'\n');
        let mut file = format!("{TITLE} {VERSION} {:016x}\n", checksum(&body)).into_bytes();
        file.append(&mut body);
        Ok(file)
    }

    pub(crate) fn decode(file: &[u8]) -> Result<Checkpoint, Unreadable> {
        let damaged = |why: &str| Unreadable::Damaged(why.to_owned());
        let end = file.iter().position(|&byte| byte == b'\n').ok_or_else(|| damaged("it has no first line"))?;
        let (head, body) = (&file[..end], &file[end + 1..]);
        let head = std::str::from_utf8(head).map_err(|_| damaged("its first line is not text"))?;
        let mut words = head.split(' ');
        if words.next() != Some(TITLE) {
            return Err(damaged("its first line is not a checkpoint's"));
        }
        let version = words.next().unwrap_or_default();
        if version.parse() != Ok(VERSION) {
            return Err(match version.parse::<u32>() {
                Ok(_) => Unreadable::Version(version.to_owned()),
                Err(_) => damaged("its first line has no version"),
            });
        }
        if words.next() != Some(&*format!("{:016x}", checksum(body))) {
            return Err(damaged("its checksum is not that of its content"));
        }
        serde_json::from_slice(body).map_err(|error| Unreadable::Damaged(error.to_string()))
    }
}

/// FNV-1a, 64 bits: against damage, not against malice.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) fn checkpoint(number: u64) -> Checkpoint {
        Checkpoint {
            number,
            pipeline: "orders".to_owned(),
            sources: [("lines".to_owned(), json!({"offset": 12}))].into(),
            absent: [("gone".to_owned(), json!({"file": 3, "line": 0}))].into(),
            stages: [("count".to_owned(), json!([1, 2, 3]))].into(),
            sinks: [("files".to_owned(), json!({"open": null}))].into(),
            dead_letters: Value::Null,
            taken: 1_700_000_000_000,
        }
    }

    #[test]
    fn it_comes_back_as_it_was_and_the_checksum_is_the_known_one() {
        let file = checkpoint(7).encode().unwrap();
        assert_eq!(Checkpoint::decode(&file), Ok(checkpoint(7)));
        // The published values of FNV-1a.
        assert_eq!(checksum(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(checksum(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn each_byte_that_is_missing_or_changed_is_noticed() {
        let file = checkpoint(7).encode().unwrap();
        for len in 0..file.len() {
            assert!(matches!(Checkpoint::decode(&file[..len]), Err(Unreadable::Damaged(_))), "cut at {len}");
            let mut changed = file.clone();
            changed[len] ^= 1;
            assert!(Checkpoint::decode(&changed).is_err(), "changed at {len}");
            changed[len] = 0;
            assert!(Checkpoint::decode(&changed).is_err(), "zero at {len}");
        }
        let mut longer = file.clone();
        longer.push(b' ');
        assert!(matches!(Checkpoint::decode(&longer), Err(Unreadable::Damaged(_))));
    }

    #[test]
    fn another_version_is_not_called_damage() {
        let file = String::from_utf8(checkpoint(7).encode().unwrap()).unwrap();
        let newer = file.replace("checkpoint 1 ", "checkpoint 2 ");
        assert_eq!(Checkpoint::decode(newer.as_bytes()), Err(Unreadable::Version("2".to_owned())));
    }
}
