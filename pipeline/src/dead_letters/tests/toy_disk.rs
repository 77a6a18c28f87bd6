//! A disk in memory that knows what a power cut takes away, and that can lose its power at any operation.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::disk::{Appending, Disk};

type Inode = Arc<Mutex<Content>>;

#[derive(Debug, Default, Clone)]
struct Content {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<PathBuf, Inode>,
    synced_names: BTreeMap<PathBuf, Inode>,
    operations: usize,
    power_until: Option<usize>,
    writes_fail: bool,
}

#[derive(Debug, Default, Clone)]
pub(super) struct ToyDisk(Arc<Mutex<State>>);

/// What is left after the program's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Everything: only the program ended.
    All,
    /// What was synced: the power was cut.
    Synced,
}

impl ToyDisk {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// After so many operations more, every one fails; the one at which it ends may be done by half.
    pub(super) fn cut_after(&self, operations: usize) {
        let mut state = self.0.lock().unwrap();
        state.power_until = Some(state.operations + operations);
    }

    /// Comes back with what is left. True: there was a cut.
    pub(super) fn come_back(&self, left: Left) -> bool {
        let mut state = self.0.lock().unwrap();
        let was_cut = state.power_until.take().is_some_and(|until| state.operations > until);
        if left == Left::Synced {
            state.names = state.synced_names.clone();
            for content in state.names.values() {
                let mut content = content.lock().unwrap();
                content.bytes = content.synced.clone();
            }
        }
        // Files that were open stay with those who had them.
        for content in state.names.values_mut() {
            let copy = content.lock().unwrap().clone();
            *content = Arc::new(Mutex::new(copy));
        }
        was_cut
    }

    /// As on a disk that is full: a part is written, and an error comes.
    pub(super) fn fail_writes(&self, fail: bool) {
        self.0.lock().unwrap().writes_fail = fail;
    }

    pub(super) fn change(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let state = self.0.lock().unwrap();
        change(&mut state.names[path].lock().unwrap().bytes);
    }

    pub(super) fn put(&self, path: &Path, bytes: &[u8]) {
        let content = Content { bytes: bytes.to_vec(), synced: bytes.to_vec() };
        self.0.lock().unwrap().names.insert(path.to_owned(), Arc::new(Mutex::new(content)));
    }

    pub(super) fn names(&self) -> Vec<String> {
        let state = self.0.lock().unwrap();
        state.names.keys().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }

    fn step(&self) -> io::Result<std::sync::MutexGuard<'_, State>> {
        let mut state = self.0.lock().unwrap();
        state.operations += 1;
        match state.power_until {
            Some(until) if state.operations > until => Err(io::Error::other("no power")),
            _ => Ok(state),
        }
    }
}

impl Disk for ToyDisk {
    fn append(&self, path: &Path, len: u64) -> io::Result<Box<dyn Appending>> {
        let mut state = self.step()?;
        if len > 0 && !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let content = state.names.entry(path.to_owned()).or_default().clone();
        let mut inner = content.lock().unwrap();
        if (inner.bytes.len() as u64) < len {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is shorter"));
        }
        inner.bytes.truncate(len as usize);
        drop(inner);
        Ok(Box::new(ToyFile { disk: self.clone(), content }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.0.lock().unwrap();
        let content = state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        let bytes = content.lock().unwrap().bytes.clone();
        Ok(bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.step()?;
        let content = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?.names.remove(path).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.step()?;
        let State { names, synced_names, .. } = &mut *state;
        synced_names.retain(|path, _| path.parent() != Some(folder));
        let here = names.iter().filter(|(path, _)| path.parent() == Some(folder));
        synced_names.extend(here.map(|(path, content)| (path.clone(), content.clone())));
        Ok(())
    }

    fn make_folder(&self, _folder: &Path) -> io::Result<()> {
        self.step().map(drop)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.0.lock().unwrap();
        Ok(state.names.keys().filter(|path| path.parent() == Some(folder)).cloned().collect())
    }
}

#[derive(Debug)]
struct ToyFile {
    disk: ToyDisk,
    content: Inode,
}

impl Appending for ToyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let can_write = self.disk.step().map(|state| !state.writes_fail);
        let mut content = self.content.lock().unwrap();
        if !matches!(can_write, Ok(true)) {
            content.bytes.extend_from_slice(&bytes[..bytes.len() / 2]);
            return Err(can_write.err().unwrap_or(io::ErrorKind::StorageFull.into()));
        }
        content.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        drop(self.disk.step()?);
        let mut content = self.content.lock().unwrap();
        content.synced = content.bytes.clone();
        Ok(())
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        drop(self.disk.step()?);
        self.content.lock().unwrap().bytes.truncate(len as usize);
        Ok(())
    }
}
