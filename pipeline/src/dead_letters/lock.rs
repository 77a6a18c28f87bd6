//! One at a time sends letters again, or throws them away.

use std::fs::File;
use std::path::Path;

use super::letter_error::LetterError;
use crate::state_lock::{LockError, hold};

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
        match hold(state, "letters.lock") {
            Ok(file) => Ok(LetterLock { _file: file }),
            Err(LockError::Held { path, .. } | LockError::Ending { path }) => Err(LetterError::Busy { path }),
            Err(LockError::Failed { path, error }) => Err(LetterError::Disk { action: "lock", path, source: error }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::TestFolder;

    #[test]
    fn one_has_it_until_it_is_dropped() {
        let folder = TestFolder::new();
        let state = folder.at("state");
        let first = LetterLock::take(&state).unwrap();
        assert!(matches!(LetterLock::take(&state), Err(LetterError::Busy { .. })));
        drop(first);
        LetterLock::take(&state).unwrap();
    }
}
