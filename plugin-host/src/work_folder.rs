//! The folder that a process is in: its own, empty when it starts, gone when it has ended.
//!
//! **Bounds**: the size of each file, by the process's limits; not their number, and not their sum.
//! **Left behind**: when the host is killed, what is in the private copy's folder, which the next host on this machine removes.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proscenium_process::Child;

use crate::own_folder::OwnFolder;
use crate::private_copy::PrivateCopy;
use crate::process::WORD;

/// Removed when it is dropped.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    path: PathBuf,
    /// The process may write there.
    is_granted: bool,
    own: OwnFolder,
}

impl WorkFolder {
    /// For the n-th process that runs this copy, in whose folder it is.
    pub(crate) fn make(copy: &Arc<PrivateCopy>, instance: u32, is_granted: bool) -> io::Result<WorkFolder> {
        let path = copy.folder().join(format!("work-{instance}"));
        DirBuilder::new().mode(0o700).create(&path)?;
        let own = OwnFolder::new(path.clone(), "a working folder", copy.clone());
        Ok(WorkFolder { path, is_granted, own })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the plugin is told of it.
    pub(crate) fn granted(&self) -> Option<&Path> {
        self.is_granted.then_some(&*self.path)
    }

    /// Removes it when the process is gone, which has been killed: until then it may write on.
    pub(crate) fn leave(self, child: Arc<Child>) {
        if self.is_granted {
            // Its guard may be gone, which takes it along.
            self.own.remove_after(move || drop(child.wait(WORD)));
        }
    }
}
