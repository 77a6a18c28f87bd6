//! What a plugin may do besides computing.
use std::path::PathBuf;

use super::syscalls::Syscall;
use serde::{Deserialize, Serialize};

/// What a plugin is granted by name. The default is nothing: it computes, has threads, and speaks with its host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// Files, and folders with all that is in them, to be read. With [`Grants::processes`] also to be executed.
    pub read: Vec<PathBuf>,
    /// Folders to read, write, create and remove in, and single files to read and write.
    pub write: Vec<PathBuf>,
    /// To write in its working folder as in one of [`Grants::write`]. It is the process's own, empty when it starts and
    /// removed when it has ended, and the context of a plugin names it (`work_dir`).
    pub work_dir: bool,
    /// TCP and UDP sockets, and the files that names are resolved by. No sockets of the local machine's services.
    pub network: bool,
    /// To fork and to execute. What it starts stays in the same sandbox.
    pub processes: bool,
    /// Single system calls, with any arguments: a grant of `clone` is one of namespaces too.
    pub syscalls: Vec<Syscall>,
}

impl Grants {
    /// Whether there is a file that it may write.
    pub(super) fn writes(&self) -> bool {
        self.work_dir || !self.write.is_empty()
    }
}
