//! A disk in memory that knows what is synced and what is not: fills up, fails, and loses power, by a seed.
//!
//! It promises no more than a disk must: after a power cut a file has what was synced, and of what was written since any
//! first part, or that length with zeros in it; a name that was made, changed or removed since the folder was synced may
//! be so or not, each on its own. A sync that fails loses what it was to write, and no later one brings it back.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proscenium_pipeline::{Appending, Disk};

use crate::random::Random;

/// What a file holds: as programs see it, and as it would be found after a power cut.
#[derive(Clone, Debug, Default)]
struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// The shortest that it has been since it was last synced: what is before that is on the disk.
    low: usize,
    /// Lost by a sync that failed.
    rotten: Vec<Range<usize>>,
}

type Names = BTreeMap<PathBuf, usize>;

/// A change of names that is not synced: what goes, and what comes.
#[derive(Clone, Debug)]
struct Change {
    gone: Option<PathBuf>,
    come: Option<(PathBuf, usize)>,
}

impl Change {
    fn apply(&self, names: &mut Names) {
        self.gone.as_ref().map(|gone| names.remove(gone));
        self.come.as_ref().map(|(path, file)| names.insert(path.clone(), *file));
    }

    fn folder(&self) -> Option<&Path> {
        self.gone.as_deref().or(self.come.as_ref().map(|(path, _)| path.as_path())).and_then(Path::parent)
    }
}

#[derive(Debug, Default)]
struct State {
    files: Vec<Content>,
    names: Names,
    durable_names: Names,
    changes: Vec<Change>,
    folders: Vec<PathBuf>,
    operations: u64,
    /// The number of the operation that fails, and how.
    failure: Option<(u64, ErrorKind)>,
    /// The number of the operation at which the power goes.
    power_cut: Option<u64>,
    is_off: bool,
    capacity: Option<usize>,
    log: Vec<String>,
}

/// See the module. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct FaultyDisk(Arc<Mutex<State>>);

impl FaultyDisk {
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many operations there were.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// What was done, in words: for messages of tests.
    pub fn log(&self) -> Vec<String> {
        self.state().log.clone()
    }

    /// The operation of this number, the first being 1, fails so; a write after a part of it.
    pub fn fail_at(&self, operation: u64, kind: ErrorKind) {
        self.state().failure = Some((operation, kind));
    }

    /// At the operation of this number the power goes: it and all that follow fail, until [`restart`](Self::restart).
    pub fn cut_power_at(&self, operation: u64) {
        self.state().power_cut = Some(operation);
    }

    /// Whether the power is gone.
    pub fn is_off(&self) -> bool {
        self.state().is_off
    }

    /// All files together hold no more than so many bytes.
    pub fn set_capacity(&self, bytes: Option<usize>) {
        self.state().capacity = bytes;
    }

    /// It works again, and nothing was lost: as after the death of a program.
    pub fn revive(&self) {
        let mut state = self.state();
        (state.is_off, state.power_cut, state.failure) = (false, None, None);
        state.log.push("---- killed, started again".to_owned());
    }

    /// What programs see is what survived; the power is on, and no failure ahead.
    pub fn restart(&self, seed: u64) {
        let mut state = self.state();
        let mut random = Random::new(seed);
        let changes = std::mem::take(&mut state.changes);
        for change in changes.iter().filter(|_| random.below(2) == 0) {
            change.apply(&mut state.durable_names);
        }
        state.names = state.durable_names.clone();
        for file in &mut state.files {
            let survived = file.survivor(&mut random);
            *file = Content { low: survived.len(), live: survived.clone(), durable: survived, rotten: Vec::new() };
        }
        (state.is_off, state.power_cut, state.failure, state.capacity) = (false, None, None, None);
        state.log.push("---- power cut, restart".to_owned());
    }
}

impl Content {
    fn survivor(&self, random: &mut Random) -> Vec<u8> {
        let mut grown = self.clean();
        let kept = self.low + random.place(grown.len() - self.low + 1);
        match random.below(3) {
            0 => self.durable.clone(),
            1 => {
                grown.truncate(kept);
                grown
            }
            _ => {
                grown[kept..].fill(0);
                grown
            }
        }
    }

    /// What a sync writes.
    fn clean(&self) -> Vec<u8> {
        let mut bytes = self.live.clone();
        for range in &self.rotten {
            let end = range.end.min(bytes.len());
            bytes[range.start.min(end)..end].fill(0);
        }
        bytes
    }
}

impl State {
    /// Counts an operation; fails if it is to fail.
    fn operation(&mut self, what: &str, path: &Path) -> io::Result<()> {
        self.operations += 1;
        self.log.push(format!("{} {what} {}", self.operations, path.display()));
        if self.is_off || self.power_cut == Some(self.operations) {
            self.is_off = true;
            return Err(error(ErrorKind::BrokenPipe, what, path, "the power is off"));
        }
        match self.failure {
            Some((number, kind)) if number == self.operations => Err(error(kind, what, path, &kind.to_string())),
            _ => Ok(()),
        }
    }

    fn find(&self, what: &str, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| error(ErrorKind::NotFound, what, path, "there is none"))
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    fn used(&self) -> usize {
        self.names.values().map(|&file| self.files[file].live.len()).sum()
    }
}

fn error(kind: ErrorKind, what: &str, path: &Path, why: &str) -> io::Error {
    io::Error::new(kind, format!("cannot {what} {}: {why}", path.display()))
}

impl Disk for FaultyDisk {
    fn append(&self, path: &Path, len: u64) -> io::Result<Box<dyn Appending>> {
        let mut state = self.state();
        state.operation("open", path)?;
        if !path.parent().is_some_and(|folder| state.folders.iter().any(|known| known == folder)) {
            return Err(error(ErrorKind::NotFound, "open", path, "there is no such folder"));
        }
        if len == 0 && !state.names.contains_key(path) {
            state.files.push(Content::default());
            let file = state.files.len() - 1;
            state.change(Change { gone: None, come: Some((path.to_owned(), file)) });
        }
        let file = state.find("open", path)?;
        let content = &mut state.files[file];
        if content.live.len() < len as usize {
            let why = format!("it has {} bytes, fewer than the {len} that were committed", content.live.len());
            return Err(error(ErrorKind::InvalidData, "append to", path, &why));
        }
        content.cut(len as usize);
        Ok(Box::new(FaultyFile { disk: self.clone(), file, path: path.to_owned() }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.operation("read", path)?;
        let file = state.find("read", path)?;
        Ok(state.files[file].live.clone())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operation("rename", from)?;
        let file = state.find("rename", from)?;
        state.change(Change { gone: Some(from.to_owned()), come: Some((to.to_owned(), file)) });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operation("remove", path)?;
        state.find("remove", path)?;
        state.change(Change { gone: Some(path.to_owned()), come: None });
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operation("sync the folder", folder)?;
        if !state.folders.iter().any(|known| known == folder) {
            return Err(error(ErrorKind::NotFound, "open the folder", folder, "there is none"));
        }
        let (here, elsewhere) =
            std::mem::take(&mut state.changes).into_iter().partition(|change| change.folder() == Some(folder));
        state.changes = elsewhere;
        let here: Vec<Change> = here;
        for change in here {
            change.apply(&mut state.durable_names);
        }
        Ok(())
    }

    /// Folders survive at once.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operation("make the folder", folder)?;
        for folder in folder.ancestors() {
            if !state.folders.iter().any(|known| known == folder) {
                state.folders.push(folder.to_owned());
            }
        }
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut state = self.state();
        state.operation("list", folder)?;
        Ok(state.names.keys().filter(|path| path.parent() == Some(folder)).cloned().collect())
    }
}

impl Content {
    fn cut(&mut self, len: usize) {
        self.live.resize(len, 0);
        self.low = self.low.min(len);
        // What is written there anew is not what was lost.
        self.rotten.retain_mut(|range| {
            range.end = range.end.min(len);
            range.start < range.end
        });
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    file: usize,
    path: PathBuf,
}

impl Appending for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let outcome = state.operation("write to", &self.path);
        let room = state.capacity.map_or(usize::MAX, |capacity| capacity.saturating_sub(state.used()));
        let number = state.operations;
        let live = &mut state.files[self.file].live;
        if outcome.is_err() || room < bytes.len() {
            // A part of it, as a real one may.
            let part = Random::new(number).place(bytes.len() + 1).min(room);
            live.extend_from_slice(&bytes[..part]);
            outcome?;
            return Err(error(ErrorKind::StorageFull, "write to", &self.path, "no space left"));
        }
        live.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        let outcome = state.operation("sync", &self.path);
        let is_off = state.is_off;
        let content = &mut state.files[self.file];
        if outcome.is_err() {
            // Not at a power cut, which decides by itself what is lost.
            let unsynced = content.low..content.live.len();
            if !is_off {
                content.rotten.push(unsynced);
            }
            return outcome;
        }
        content.durable = content.clean();
        content.low = content.live.len();
        Ok(())
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.operation("cut", &self.path)?;
        state.files[self.file].cut(len as usize);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file and its name, both synced, and what is done behind that.
    fn after_a_cut(seed: u64, then: impl Fn(&FaultyDisk, &mut dyn Appending)) -> Vec<(PathBuf, Vec<u8>)> {
        let disk = FaultyDisk::new();
        disk.make_folder(Path::new("out")).unwrap();
        let mut file = disk.append(Path::new("out/a"), 0).unwrap();
        file.write(b"synced").unwrap();
        file.sync().unwrap();
        disk.sync_folder(Path::new("out")).unwrap();
        then(&disk, &mut *file);
        disk.restart(seed);
        let files = disk.list(Path::new("out")).unwrap();
        files.into_iter().map(|path| (path.clone(), disk.read(&path).unwrap())).collect()
    }

    #[test]
    fn what_was_synced_survives_and_what_was_not_may_or_may_not() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let files = after_a_cut(seed, |_, file| file.write(b" and not").unwrap());
            let [(path, bytes)] = &files[..] else { panic!("seed {seed}: {files:?}") };
            assert_eq!(path, Path::new("out/a"), "seed {seed}");
            assert!(bytes.starts_with(b"synced"), "seed {seed}: {bytes:?}");
            seen.insert(bytes.clone());
        }
        assert!(seen.contains(&b"synced"[..]) && seen.contains(&b"synced and not"[..]));
        assert!(seen.contains(&b"synced and"[..]) && seen.contains(&b"synced a\0\0\0\0\0\0"[..]), "{seen:?}");
    }

    #[test]
    fn each_name_that_was_not_synced_is_there_or_not_on_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let files = after_a_cut(seed, |disk, _| {
                disk.rename(Path::new("out/a"), Path::new("out/b")).unwrap();
                disk.append(Path::new("out/c"), 0).unwrap();
            });
            let names: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
            assert_eq!(files[0].1, b"synced", "seed {seed}");
            seen.insert(names.join(" "));
        }
        let all = ["out/a", "out/a out/c", "out/b", "out/b out/c"].map(str::to_owned);
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
    }

    #[test]
    fn a_sync_that_failed_has_lost_what_it_was_to_write() {
        for seed in 0..20 {
            let files = after_a_cut(seed, |disk, file| {
                file.write(b" and lost").unwrap();
                disk.fail_at(disk.operations() + 1, ErrorKind::Other);
                file.sync().unwrap_err();
                file.sync().unwrap();
            });
            assert_eq!(files[0].1, b"synced\0\0\0\0\0\0\0\0\0", "seed {seed}");
        }
    }

    #[test]
    fn a_full_disk_takes_a_part_and_says_so_until_there_is_room() {
        let disk = FaultyDisk::new();
        disk.make_folder(Path::new("out")).unwrap();
        let mut file = disk.append(Path::new("out/a"), 0).unwrap();
        disk.set_capacity(Some(4));
        assert_eq!(file.write(b"123456").unwrap_err().kind(), ErrorKind::StorageFull);
        assert!(disk.read(Path::new("out/a")).unwrap().len() <= 4);
        file.cut(0).unwrap();
        disk.set_capacity(None);
        file.write(b"123456").unwrap();
        assert_eq!(disk.read(Path::new("out/a")).unwrap(), b"123456");
    }
}
