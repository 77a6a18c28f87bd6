//! One program at a time has a folder of state.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The lock's file.
const LOCK: &str = "lock";

/// Held: no other program, and no other pipeline of this one, gets it. Given back when it is dropped, or the program ends
/// in whatever way.
#[derive(Debug)]
#[must_use = "dropped, the folder is anybody's"]
pub struct StateLock {
    /// First of the fields: who still finds `ends` has found the file locked.
    _file: File,
    /// Its pipeline has ended, and something that it writes has not.
    ends: Arc<AtomicBool>,
}

/// The locks of this process, by their files.
static OURS: Mutex<Vec<(PathBuf, Weak<AtomicBool>)>> = Mutex::new(Vec::new());

fn ours() -> MutexGuard<'static, Vec<(PathBuf, Weak<AtomicBool>)>> {
    let mut ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
    ours.retain(|(_, ends)| ends.strong_count() > 0);
    ours
}

/// Why a folder of state is not ours. Nothing in it was changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum LockError {
    /// Another one has it.
    Held {
        /// The lock's file.
        path: PathBuf,
        /// The id of its process, as it has written it there.
        by: String,
    },
    /// A pipeline of this process had it, and has ended; something that it writes has not, and keeps it.
    Ending {
        /// The lock's file.
        path: PathBuf,
    },
    /// The system does not let us.
    Failed {
        /// The lock's file.
        path: PathBuf,
        /// What failed.
        error: io::Error,
    },
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::Held { path, by } => write!(
                f,
                "the process {by} runs a pipeline with the state in this folder, and holds {}; stop it, or give this \
                 pipeline a folder of its own",
                path.display()
            ),
            LockError::Ending { path } => write!(
                f,
                "a pipeline of this process has ended that had its state in this folder, and a write of it has not come \
                 to its end, which keeps {}; start it again when the disk has come back",
                path.display()
            ),
            LockError::Failed { path, error } => {
                write!(f, "cannot lock {}: {error}; let the program's user write there", path.display())
            }
        }
    }
}

impl std::error::Error for LockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LockError::Held { .. } | LockError::Ending { .. } => None,
            LockError::Failed { error, .. } => Some(error),
        }
    }
}

impl StateLock {
    /// Takes the lock of this folder, which is made if there is none. Blocks for no longer than a few file operations.
    ///
    /// # Errors
    /// Another one holds it, or the system does not let us.
    pub fn take(folder: &Path) -> Result<StateLock, LockError> {
        // Before the file is tried: its holder may be gone right after that.
        let is_ending = |path: &Path| {
            let path = fs::canonicalize(path).ok();
            ours().iter().any(|(of, ends)| {
                Some(of) == path.as_ref() && ends.upgrade().is_some_and(|ends| ends.load(Ordering::Acquire))
            })
        };
        let was_ending = is_ending(&folder.join(LOCK));
        let file = hold(folder, LOCK).map_err(|error| match error {
            LockError::Held { path, .. } if was_ending => LockError::Ending { path },
            error => error,
        })?;
        let ends = Arc::new(AtomicBool::new(false));
        if let Ok(path) = fs::canonicalize(folder.join(LOCK)) {
            ours().push((path, Arc::downgrade(&ends)));
        }
        Ok(StateLock { _file: file, ends })
    }

    /// Its pipeline has ended, and what is left of it keeps the lock for as long as it takes.
    pub(crate) fn ends(&self) {
        self.ends.store(true, Ordering::Release);
    }
}

/// The lock of this name in a folder, which is made if there is none. Held as long as the file is open; in it stands who
/// has it.
pub(crate) fn hold(folder: &Path, name: &str) -> Result<File, LockError> {
    let path = folder.join(name);
    let failed = |error| LockError::Failed { path: path.clone(), error };
    fs::create_dir_all(folder).map_err(failed)?;
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => (),
        Err(TryLockError::WouldBlock) => {
            let mut by = String::new();
            // What is read may be nothing, if it has the lock since just now.
            let _ = file.take(20).read_to_string(&mut by);
            let by = if by.trim().is_empty() { "of another program" } else { by.trim() };
            return Err(LockError::Held { path, by: by.to_owned() });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::TestFolder;

    #[test]
    fn the_second_is_refused_with_the_firsts_process_until_it_is_dropped() {
        let folder = TestFolder::new();
        let state = folder.path().join("state");
        let first = StateLock::take(&state).unwrap();
        let text = StateLock::take(&state).unwrap_err().to_string();
        assert!(text.starts_with(&format!("the process {} runs", std::process::id())), "{text}");
        drop(first);
        let _third = StateLock::take(&state).unwrap();
        assert!(matches!(StateLock::take(&state), Err(LockError::Held { .. })));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told() {
        let folder = TestFolder::new();
        fs::write(folder.path().join("f"), b"").unwrap();
        assert!(matches!(StateLock::take(&folder.path().join("f/state")), Err(LockError::Failed { .. })));
    }
}
