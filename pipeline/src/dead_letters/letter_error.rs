//! Why letters could not be looked after.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::standing::Damage;

/// Why nothing, or not all, was done.
#[derive(Debug)]
#[non_exhaustive]
pub enum LetterError {
    /// The disk's word.
    Disk {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Somebody else sends letters again, or throws them away.
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// There are no letters with these numbers.
    NoSuch {
        /// The numbers.
        ids: Vec<u64>,
        /// What could not be read: they may be in there.
        damage: Vec<Damage>,
    },
    /// So many letters would be thrown away, and nobody has said that they are to be.
    Unconfirmed {
        /// How many.
        letters: u64,
    },
    /// What the checkpoint says of the letters is not what the store had said.
    Checkpoint {
        /// What is wrong with it.
        what: String,
    },
}

impl fmt::Display for LetterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LetterError::Disk { action, path, source } => write!(f, "cannot {action} {}: {source}", path.display()),
            LetterError::Busy { path } => {
                write!(
                    f,
                    "letters are being sent again or thrown away by another program, which holds {}; ",
                    path.display()
                )?;
                f.write_str("nothing was done: try again when it has ended")
            }
            LetterError::NoSuch { ids, damage } => {
                let ids: Vec<_> = ids.iter().map(u64::to_string).collect();
                write!(f, "there is no dead letter {}; nothing was done. ", ids.join(", "))?;
                f.write_str("A letter can be seen when the checkpoint after it is made")?;
                damage.iter().try_for_each(|damage| write!(f, "\ncannot be read: {damage}"))
            }
            LetterError::Unconfirmed { letters } => {
                write!(f, "this would throw away {letters} dead letters for good; say `--yes` if that is meant")
            }
            LetterError::Checkpoint { what } => {
                write!(f, "what the checkpoint says of the dead letters cannot be read: {what}")
            }
        }
    }
}

impl std::error::Error for LetterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LetterError::Disk { source, .. } => Some(source),
            _ => None,
        }
    }
}
