//! The letters' files as the pipeline writes them: blocking, below [`DeadLetterStore`](super::store::DeadLetterStore).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::marks::{self, Marks, PURGED, REDRIVE};
use super::standing::{Length, Standing, letters_file, letters_folder, number_of};
use super::store::LetterBounds;
use crate::disk::{Appending, Disk};
use crate::trouble::Trouble;

/// Digits of a letter's number in a file's name.
pub(super) const DIGITS: usize = 20;

#[derive(Debug)]
pub(super) struct LetterFiles {
    disk: Arc<dyn Disk>,
    state: PathBuf,
    bounds: LetterBounds,
    standing: Standing,
    /// The last of `standing`, if it is open. None after an error: it is cut to its length when it is opened again.
    last: Option<Box<dyn Appending>>,
    /// The last file has bytes that a power cut would take away.
    is_unsynced: bool,
    /// The folder has names that a power cut would take away.
    is_new: bool,
}

fn passing(action: &str, path: &Path, error: &io::Error) -> Trouble {
    Trouble::passing(format!("cannot {action} {}: {error}", path.display()))
}

impl LetterFiles {
    pub(super) fn new(disk: Arc<dyn Disk>, state: PathBuf, bounds: LetterBounds) -> Self {
        let standing = Standing::default();
        LetterFiles { disk, state, bounds, standing, last: None, is_unsynced: false, is_new: false }
    }

    /// Goes back to what a checkpoint says, or to nothing.
    pub(super) fn open(&mut self, from: Option<Standing>) -> Result<(), Trouble> {
        let folder = letters_folder(&self.state);
        let failed = |action: &str, error: io::Error| passing(action, &folder, &error);
        self.disk.make_folder(&folder).map_err(|error| failed("make", error))?;
        self.disk.sync_folder(&self.state).map_err(|error| passing("sync", &self.state, &error))?;
        let standing = match from {
            Some(standing) => standing,
            None => {
                let beginning = self.beginning()?;
                // Records come again from the beginning: those of letters too.
                marks::leave_redrives(&*self.disk, &self.state).map_err(Trouble::passing)?;
                beginning
            }
        };
        self.last = None;
        (self.is_unsynced, self.is_new) = (false, true);
        let found = self.disk.list(&folder).map_err(|error| failed("list", error))?;
        let found: Vec<u64> = found.iter().filter_map(|path| number_of(path, DIGITS)).collect();
        for first in found.iter().filter(|first| !standing.files.iter().any(|file| file.first == **first)) {
            let path = letters_file(&self.state, *first);
            // What a checkpoint does not name comes again from the sources.
            self.disk.remove(&path).map_err(|error| passing("remove", &path, &error))?;
        }
        self.standing = standing;
        // The rest was removed: by a purge, or by hand.
        self.standing.files.retain(|file| found.contains(&file.first));
        self.reopen()
    }

    /// Behind all letters that marks speak of: those of an earlier life would hide new ones with their numbers.
    fn beginning(&self) -> Result<Standing, Trouble> {
        let mut next = 0;
        for kind in [REDRIVE, PURGED] {
            let marks = Marks::read(&*self.disk, &self.state, kind).map_err(Trouble::passing)?;
            next = next.max(marks.highest().map_or(0, |id| id.saturating_add(1)));
        }
        Ok(Standing { files: Vec::new(), next })
    }

    fn reopen(&mut self) -> Result<(), Trouble> {
        let Some(file) = self.standing.files.last() else { return Ok(()) };
        let path = letters_file(&self.state, file.first);
        let last = self.disk.append(&path, file.len).map_err(|error| passing("open", &path, &error))?;
        self.last = Some(last);
        Ok(())
    }

    pub(super) fn next(&self) -> u64 {
        self.standing.next
    }

    /// Appends lines of so many letters, the first with this number: all or none.
    pub(super) fn write(&mut self, first: u64, lines: &[u8], letters: u64) -> Result<(), Trouble> {
        if first != self.standing.next {
            // A call whose future was dropped came to its end in between.
            return Err(Trouble::passing("other dead letters were written at the same time"));
        }
        if lines.is_empty() {
            return Ok(());
        }
        let len = lines.len() as u64;
        self.make_room(len)?;
        let is_full = |file: &Length| file.len > 0 && file.len + len > self.bounds.file;
        if self.standing.files.last().is_none_or(is_full) {
            self.begin_file()?;
        } else if self.last.is_none() {
            self.reopen()?;
        }
        let (Some(file), Some(last)) = (self.standing.files.last_mut(), &mut self.last) else {
            return Err(Trouble::passing("the dead letters' file is not open"));
        };
        self.is_unsynced = true;
        if let Err(error) = last.write(lines) {
            self.last = None;
            return Err(passing("write", &letters_file(&self.state, file.first), &error));
        }
        file.len += len;
        self.standing.next += letters;
        Ok(())
    }

    fn total(&self) -> u64 {
        self.standing.files.iter().map(|file| file.len).sum()
    }

    fn make_room(&mut self, len: u64) -> Result<(), Trouble> {
        let is_over = |total: u64| total > 0 && total + len > self.bounds.all;
        if !is_over(self.total()) {
            return Ok(());
        }
        let folder = letters_folder(&self.state);
        let found = self.disk.list(&folder).map_err(|error| passing("list", &folder, &error))?;
        let found: Vec<u64> = found.iter().filter_map(|path| number_of(path, DIGITS)).collect();
        let last = self.standing.files.last().map(|file| file.first);
        self.standing.files.retain(|file| found.contains(&file.first) || Some(file.first) == last);
        let total = self.total();
        if !is_over(total) {
            return Ok(());
        }
        Err(Trouble::passing(format!(
            "{} holds {total} bytes of dead letters, and {len} more would be over the limit of {}: the pipeline waits; \
             purge some (`dead-letters purge`), or send some again (`dead-letters redrive`)",
            folder.display(),
            self.bounds.all,
        )))
    }

    fn begin_file(&mut self) -> Result<(), Trouble> {
        self.sync_last()?;
        let first = self.standing.next;
        let path = letters_file(&self.state, first);
        self.last = None;
        let last = self.disk.append(&path, 0).map_err(|error| passing("make", &path, &error))?;
        self.last = Some(last);
        self.is_new = true;
        self.standing.files.push(Length { first, len: 0 });
        Ok(())
    }

    fn sync_last(&mut self) -> Result<(), Trouble> {
        if !self.is_unsynced {
            return Ok(());
        }
        if self.last.is_none() {
            self.reopen()?;
        }
        let (Some(file), Some(last)) = (self.standing.files.last(), &mut self.last) else { return Ok(()) };
        last.sync().map_err(|error| {
            // A second try would say that all is well: the system forgets what it could not write.
            let path = letters_file(&self.state, file.first);
            Trouble::lasting(format!(
                "cannot sync {}: {error}; letters since the last checkpoint may not be on the disk, and come again from there",
                path.display()
            ))
        })?;
        self.is_unsynced = false;
        Ok(())
    }

    /// Makes durable what was written, and says how much there is.
    pub(super) fn prepare(&mut self) -> Result<Standing, Trouble> {
        self.sync_last()?;
        if self.is_new {
            let folder = letters_folder(&self.state);
            self.disk.sync_folder(&folder).map_err(|error| passing("sync", &folder, &error))?;
            self.is_new = false;
        }
        Ok(self.standing.clone())
    }
}
