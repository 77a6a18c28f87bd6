//! A pipeline works on its files for as long as it has its folder of state, and a write that has begun keeps the folder.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Appending, Disk};
use crate::state_lock::StateLock;

/// The lock of a folder of state. Clones are the same lease.
///
/// A write blocks for as long as its disk takes, on a thread that nobody can stop: it may go on when the pipeline's actors
/// are gone. So each operation holds the lock itself, and one that begins after the end is refused: what it leaves is what
/// a crash leaves, which the next pipeline in the folder mends.
#[derive(Clone, Debug)]
pub(crate) struct Lease(Arc<Mutex<Option<Arc<StateLock>>>>);

impl Lease {
    pub(crate) fn of(lock: StateLock) -> Self {
        Lease(Arc::new(Mutex::new(Some(Arc::new(lock)))))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<StateLock>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> io::Result<Arc<StateLock>> {
        let held = self.lock().clone();
        held.ok_or_else(|| io::Error::other("the pipeline has ended, and its files may be another one's"))
    }

    /// Nothing more is begun. The folder is free when what has begun is done.
    pub(crate) fn ends(&self) {
        if let Some(lock) = self.lock().take() {
            lock.ends();
        }
    }

    /// The same disk, for as long as the lease lasts.
    pub(crate) fn disk(&self, disk: Arc<dyn Disk>) -> Arc<dyn Disk> {
        Arc::new(LeasedDisk { disk, lease: self.clone() })
    }
}

#[derive(Debug)]
struct LeasedDisk {
    disk: Arc<dyn Disk>,
    lease: Lease,
}

impl Disk for LeasedDisk {
    fn append(&self, path: &Path, len: u64) -> io::Result<Box<dyn Appending>> {
        let _lock = self.lease.held()?;
        let file = self.disk.append(path, len)?;
        Ok(Box::new(LeasedFile { file, lease: self.lease.clone() }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let _lock = self.lease.held()?;
        self.disk.read(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let _lock = self.lease.held()?;
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let _lock = self.lease.held()?;
        self.disk.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let _lock = self.lease.held()?;
        self.disk.sync_folder(folder)
    }

    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let _lock = self.lease.held()?;
        self.disk.make_folder(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let _lock = self.lease.held()?;
        self.disk.list(folder)
    }
}

#[derive(Debug)]
struct LeasedFile {
    file: Box<dyn Appending>,
    lease: Lease,
}

impl Appending for LeasedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let _lock = self.lease.held()?;
        self.file.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let _lock = self.lease.held()?;
        self.file.sync()
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        let _lock = self.lease.held()?;
        self.file.cut(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faulty_disk::FaultyDisk;
    use crate::state_lock::LockError;
    use crate::test_folder::TestFolder;

    #[test]
    fn nothing_is_begun_after_the_end_and_what_has_begun_keeps_the_folder() {
        let folder = TestFolder::new();
        let lease = Lease::of(StateLock::take(folder.path()).unwrap());
        let faulty = FaultyDisk::new();
        let disk = lease.disk(Arc::new(faulty.clone()));
        disk.make_folder(Path::new("out")).unwrap();
        let mut file = disk.append(Path::new("out/a"), 0).unwrap();
        file.write(b"first").unwrap();
        let under_way = lease.held().unwrap();
        lease.ends();
        let before = faulty.operations();
        let refused = file.write(b"late").unwrap_err().to_string();
        assert_eq!(refused, "the pipeline has ended, and its files may be another one's");
        assert!(file.sync().is_err() && file.cut(0).is_err() && disk.append(Path::new("out/b"), 0).is_err());
        assert!(disk.rename(Path::new("out/a"), Path::new("out/b")).is_err());
        assert!(disk.remove(Path::new("out/a")).is_err() && disk.read(Path::new("out/a")).is_err());
        assert!(disk.sync_folder(Path::new("out")).is_err() && disk.list(Path::new("out")).is_err());
        assert!(disk.make_folder(Path::new("more")).is_err());
        assert_eq!(faulty.operations(), before);
        assert!(matches!(StateLock::take(folder.path()), Err(LockError::Ending { .. })));
        drop(under_way);
        let _lock = StateLock::take(folder.path()).unwrap();
    }
}
