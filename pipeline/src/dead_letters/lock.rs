//! One at a time sends letters again, or throws them away.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::letter_error::LetterError;

/// Held by who sends letters again or throws them away; the system gives it back when its holder has died.
///
/// The pipeline needs none: it only adds letters, behind those that others look at.
#[derive(Debug)]
pub struct LetterLock {
    _file: File,
}

impl LetterLock {
    /// Takes the lock of a pipeline's state folder; does not wait for it.
    ///
    /// # Errors
    /// Somebody has it, or the file cannot be made.
    pub fn take(state: &Path) -> Result<Self, LetterError> {
        let path = state.join("letters.lock");
        let broken = |source| LetterError::Disk { action: "open", path: path.clone(), source };
        std::fs::create_dir_all(state).map_err(broken)?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(broken)?;
        match file.try_lock() {
            Ok(()) => Ok(LetterLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LetterError::Busy { path }),
            Err(TryLockError::Error(source)) => Err(LetterError::Disk { action: "lock", path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_until_it_is_dropped() {
        let state = std::env::temp_dir().join(format!("proscenium-letter-lock-{}", std::process::id()));
        let first = LetterLock::take(&state).unwrap();
        assert!(matches!(LetterLock::take(&state), Err(LetterError::Busy { .. })));
        drop(first);
        LetterLock::take(&state).unwrap();
        std::fs::remove_dir_all(&state).unwrap();
    }
}
