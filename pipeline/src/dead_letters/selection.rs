//! Which letters are meant, and what is said of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::standing::Damage;
use crate::letter::{Class, Letter};

/// What became of a letter since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It lies there.
    Kept,
    /// It was sent again.
    Redriven,
    /// It was thrown away, and is there until its file goes.
    Purged,
}

/// A letter with its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptLetter {
    /// Its number: the letters of a pipeline are counted.
    pub id: u64,
    /// What became of it.
    pub fate: Fate,
    /// The letter.
    pub letter: Letter,
}

/// Which letters are meant: those for which all of it holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LetterFilter {
    /// From this part.
    pub part: Option<String>,
    /// Of this class.
    pub class: Option<Class>,
    /// Not older: milliseconds since 1970.
    pub since: Option<u64>,
    /// Older: milliseconds since 1970.
    pub before: Option<u64>,
}

impl LetterFilter {
    pub(super) fn takes(&self, letter: &Letter) -> bool {
        self.part.as_ref().is_none_or(|part| *part == letter.part)
            && self.class.is_none_or(|class| class == letter.class)
            && self.since.is_none_or(|since| letter.since >= since)
            && self.before.is_none_or(|before| letter.since < before)
    }
}

/// Letters by number, or by what they are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LetterSelection {
    /// These.
    Ids(Vec<u64>),
    /// All that were neither sent again nor thrown away, and that it takes.
    Filter(LetterFilter),
}

/// What to list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LetterQuery {
    /// Which letters.
    pub filter: LetterFilter,
    /// Those too that were sent again or thrown away. Default: no.
    pub all: bool,
    /// So many, the newest. Default: 50.
    pub limit: usize,
    /// Only those with a smaller number: the page before.
    pub below: Option<u64>,
}

impl Default for LetterQuery {
    fn default() -> Self {
        LetterQuery { filter: LetterFilter::default(), all: false, limit: 50, below: None }
    }
}

/// Letters of a list, the newest last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LetterPage {
    /// The letters.
    pub letters: Vec<KeptLetter>,
    /// There are older ones that the query takes.
    pub has_older: bool,
    /// What could not be read.
    pub damage: Vec<Damage>,
}

/// Letters that were sent again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Redriven {
    /// How many.
    pub letters: u64,
    /// Those of the selection that had been sent again or thrown away before, and were left alone.
    pub left: Vec<u64>,
    /// Sources that the pipeline does not have, with how many letters of each there are in the selection: these stay as they
    /// are, and can be sent again when a checkpoint names a source of that name.
    pub sourceless: BTreeMap<String, u64>,
    /// The files that they are in, in their order.
    pub files: Vec<PathBuf>,
    /// What could not be read.
    pub damage: Vec<Damage>,
}

/// Letters that were thrown away.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Purged {
    /// How many.
    pub letters: u64,
    /// Those of the selection that had been sent again or thrown away before.
    pub left: Vec<u64>,
    /// Files that were removed: all their letters have been sent again or thrown away.
    pub removed: Vec<PathBuf>,
    /// What could not be read. A file with damage is not removed.
    pub damage: Vec<Damage>,
}

/// Whether letters are really to be thrown away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Consent {
    /// Nobody has said so: [`LetterOffice::purge`] only says how many there are.
    Missing,
    /// It was said: `--yes`.
    Yes,
}
