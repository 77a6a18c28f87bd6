//! The guard's program, where it can be executed: in memory, or else in a file.
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guard"));

/// A place that the program can be executed from until this is dropped.
pub struct Image {
    path: PathBuf,
    place: Place,
}

enum Place {
    /// Held open, for as long as the path shall lead to it.
    Memory {
        _memfd: OwnedFd,
    },
    File,
}

impl Image {
    pub fn in_memory() -> io::Result<Self> {
        let memfd = sealed("proscenium-guard", PROGRAM, MemfdFlags::EXEC)?;
        // Of whoever looks, so that it leads to the new process's own copy.
        Ok(Self { path: format!("/proc/self/fd/{}", memfd.as_raw_fd()).into(), place: Place::Memory { _memfd: memfd } })
    }

    pub fn in_file(folder: &Path) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("proscenium-guard-{}-{number}", std::process::id()));
        // Never through somebody's link, nor into somebody's file.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o700).open(&path)?;
        let image = Self { path, place: Place::File };
        file.write_all(PROGRAM)?;
        Ok(image)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if matches!(self.place, Place::File) {
            // A file that is gone already is what we want.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A file in memory that nobody can change any more.
pub fn sealed(name: &str, bytes: &[u8], extra: MemfdFlags) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memfd = match memfd_create(name, flags | extra) {
        // Before Linux 6.3 there was no such flag, and everything could be executed.
        Err(Errno::INVAL) => memfd_create(name, flags)?,
        made => made?,
    };
    let mut file = File::from(memfd);
    file.write_all(bytes)?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file.into())
}
