//! Dead letters on the disk: kept, looked at, sent again, thrown away.
//!
//! ```text
//!   <state>/dead_letters/00000000000000000000.jsonl   letters, a line each; the file is named by its first id
//!   <state>/redrive/0000000000.jsonl                  letters that are sent again: the line says so, and is what is sent
//!   <state>/purged/0000000000.jsonl                   ids of letters that were thrown away
//!   <state>/letters.lock                              held by who sends again or throws away
//! ```
//!
//! The pipeline writes the first by [`DeadLetterStore`] and reads the second by [`RedriveSpec`]; whoever looks after its
//! letters, a program of its own too, does so by [`LetterOffice`]. Neither waits for the other: what a checkpoint names is
//! never written again, and what a file's rename has made is there as a whole.

mod base64;
mod files;
mod letter_error;
mod line;
mod lock;
mod marks;
mod office;
mod redrive_source;
mod selection;
mod standing;
mod store;
#[cfg(test)]
mod tests;
mod text;

pub use letter_error::LetterError;
pub use lock::LetterLock;
pub use office::{CommittedLetters, LetterOffice};
pub(crate) use redrive_source::REDRIVES;
pub use redrive_source::{REDRIVEN, RedriveSpec};
pub use selection::{
    Consent, Fate, KeptLetter, LetterFilter, LetterPage, LetterQuery, LetterSelection, Purged, Redriven,
};
pub use standing::Damage;
pub use store::{DeadLetterStore, LetterBounds};
pub use text::{letter_table, letter_text};
