//! How far the letters' files are part of a checkpoint, and what was found damaged in them.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a checkpoint says of the letters.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Standing {
    /// In their order; the last may be growing, and is never removed but by the store.
    pub(super) files: Vec<Length>,
    /// The number of the next letter.
    pub(super) next: u64,
}

/// How much of a file belongs to it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Length {
    /// The number of its first letter, which is its name.
    pub(super) first: u64,
    pub(super) len: u64,
}

impl Standing {
    pub(super) fn of(value: &Value) -> Result<Self, String> {
        Standing::deserialize(value).map_err(|error| error.to_string())
    }
}

/// The folders and file names within a pipeline's state.
pub(super) fn letters_folder(state: &Path) -> PathBuf {
    state.join("dead_letters")
}

pub(super) fn letters_file(state: &Path, first: u64) -> PathBuf {
    letters_folder(state).join(format!("{first:020}.jsonl"))
}

/// The number in a name of so many digits and `.jsonl`.
pub(super) fn number_of(path: &Path, digits: usize) -> Option<u64> {
    let number = path.file_name()?.to_str()?.strip_suffix(".jsonl")?;
    let is_ours = number.len() >= digits && number.bytes().all(|digit| digit.is_ascii_digit());
    is_ours.then(|| number.parse().ok())?
}

/// Something in a file that is not as it was written. What is around it stays readable.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1. None: all of it.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))?;
        write!(f, ": {}", self.what)
    }
}

/// The lines of a file, numbered from 1; a last one without an end is damage.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = (usize, Result<&[u8], String>)> {
    let all = text.split_inclusive(|byte| *byte == b'\n').enumerate();
    all.map(|(nth, line)| {
        let whole = line.strip_suffix(b"\n");
        (nth + 1, whole.ok_or_else(|| format!("the line ends after {} bytes, in its middle", line.len())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_not_ours_have_no_number() {
        assert_eq!(number_of(Path::new("a/00012.jsonl"), 5), Some(12));
        assert_eq!(number_of(Path::new("a/100012.jsonl"), 5), Some(100_012));
        for name in
            ["12.jsonl", "00012.json", "0001x.jsonl", "+0012.jsonl", "00012.jsonl.new", "99999999999999999999.jsonl"]
        {
            assert_eq!(number_of(Path::new(name), 5), None, "{name}");
        }
    }

    #[test]
    fn a_torn_last_line_is_told_from_the_others() {
        let found: Vec<_> = lines(b"a\n\nbc").map(|(nth, line)| (nth, line.is_ok())).collect();
        assert_eq!(found, [(1, true), (2, true), (3, false)]);
        assert_eq!(lines(b"").count(), 0);
    }
}
