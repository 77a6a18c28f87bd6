//! Files as sinks and checkpoints need them, behind a trait: so that a test can fill the disk up, and cut the power.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The operations of a file system whose results survive a power cut, and in which order.
///
/// Calls block; whoever is on a runtime's worker makes them in `spawn_blocking`.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Opens a file to append to, at this length: what is behind it is cut off. Makes it, if there is none and `len` is 0.
    fn append(&self, path: &Path, len: u64) -> io::Result<Box<dyn Appending>>;

    /// The whole of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Gives a file another name in the same folder, replacing what has it. After [`sync_folder`](Disk::sync_folder) it
    /// survives a power cut.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Names that were made, changed and removed in a folder survive a power cut from here on.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Makes a folder, and those above it.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;

    /// The files in a folder, by name; a folder that is not there has none.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;
}

/// A file that grows at its end.
pub trait Appending: fmt::Debug + Send + 'static {
    /// Appends all of it. After an error the file may hold a part of it: [`cut`](Appending::cut) it back.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// What was written survives a power cut from here on.
    fn sync(&mut self) -> io::Result<()>;

    /// Takes away what is behind this length.
    fn cut(&mut self, len: u64) -> io::Result<()>;
}
