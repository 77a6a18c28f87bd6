//! A control group around one plugin process and all that it starts: memory, CPU, processes, and one kill for all.
//!
//! The host's layer: it makes the group below its own, has the child born there, and takes the group away when all in it
//! have ended. Only version 2 is used, and only where the host may write: under systemd that is a unit with
//! `Delegate=yes`. Where that is not so, [`Parent::find`] says what is missing, and nothing else changes.
//!
//! ```text
//!   the host's group ─┬─ proscenium-host          the host itself: a group with processes has no limits to give away
//!                     ├─ proscenium-<host>-0      a process of a plugin, with what it has started
//!                     └─ proscenium-<host>-1
//! ```
mod group;
mod limits;
mod parent;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use group::{Cgroup, OutOfMemory, Usage};
pub use limits::CgroupLimits;
pub use parent::Parent;

/// Why there is no group, or none with limits.
#[derive(Debug)]
#[non_exhaustive]
pub enum CgroupError {
    /// The system has none that the host could use; the text says what is missing.
    NotAvailable(String),
    /// A step failed on a group that should have worked. A group that was begun is taken away again.
    Failed {
        /// The file or folder.
        at: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl fmt::Display for CgroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAvailable(what) => f.write_str(what),
            Self::Failed { at, error } => write!(f, "{}: {error}", at.display()),
        }
    }
}

impl std::error::Error for CgroupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotAvailable(_) => None,
            Self::Failed { error, .. } => Some(error),
        }
    }
}

fn read(path: &Path) -> Result<String, CgroupError> {
    let missing = |error| CgroupError::NotAvailable(format!("{}: {error}", path.display()));
    fs::read_to_string(path).map_err(missing)
}

/// The kernel's files are there already: one that is not must not be made.
fn write(path: &Path, text: &str) -> Result<(), CgroupError> {
    let failed = |error| CgroupError::Failed { at: path.to_owned(), error };
    let mut file = fs::OpenOptions::new().write(true).open(path).map_err(failed)?;
    io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)
}

/// A group that one may not write to is as good as none.
fn not_writable(at: &Path, error: io::Error) -> CgroupError {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            CgroupError::NotAvailable(format!("{} may not be written: {error}", at.display()))
        }
        _ => CgroupError::Failed { at: at.to_owned(), error },
    }
}

/// The number behind a name in a file of the form `name number`, a pair a line.
fn value_of(events: &str, name: &str) -> Option<u64> {
    events.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_not_mistaken_for_one_whose_name_it_begins() {
        let events = "oom_group_kill 1\noom_kill 2\noom 7\n";
        let values = ["oom", "oom_kill", "x"].map(|name| value_of(events, name));
        assert_eq!(values, [Some(7), Some(2), None]);
    }
}
