//! Which libraries lie in a folder.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Libraries of a folder at most.
pub const MOST_LIBRARIES: usize = 256;
/// Entries that are looked at for them.
const MOST_ENTRIES: usize = 16_384;

/// Why the libraries of a folder are not known.
#[derive(Debug)]
#[non_exhaustive]
pub enum FolderError {
    /// It cannot be read.
    Read {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has too many.
    TooMany {
        /// The folder.
        folder: PathBuf,
    },
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FolderError::Read { folder, source } => {
                write!(f, "{}: {source}; name a folder with plugins", folder.display())
            }
            FolderError::TooMany { folder } => write!(
                f,
                "{}: more than {MOST_LIBRARIES} libraries or {MOST_ENTRIES} files; put the plugins into a folder of their own",
                folder.display()
            ),
        }
    }
}

impl std::error::Error for FolderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FolderError::Read { source, .. } => Some(source),
            FolderError::TooMany { .. } => None,
        }
    }
}

/// The plain files `*.so` of a folder, in the order of their names. Nothing is loaded.
///
/// # Errors
/// [`FolderError`].
pub fn libraries(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let read = |source| FolderError::Read { folder: folder.to_owned(), source };
    let mut found = Vec::new();
    for (nth, entry) in fs::read_dir(folder).map_err(read)?.enumerate() {
        let path = entry.map_err(read)?.path();
        // Links are followed: a folder of the chosen ones is made of them.
        if path.extension().is_some_and(|end| end == "so") && fs::metadata(&path).is_ok_and(|file| file.is_file()) {
            found.push(path);
        }
        if found.len() > MOST_LIBRARIES || nth >= MOST_ENTRIES {
            return Err(FolderError::TooMany { folder: folder.to_owned() });
        }
    }
    found.sort();
    Ok(found)
}
