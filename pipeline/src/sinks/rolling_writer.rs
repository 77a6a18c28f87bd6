//! Files that grow, roll and are finished at checkpoints: the blocking part, all calls of which can be made again.
//!
//! A file has `.open` behind its name until it is full, or old, and a checkpoint that says so stands on the disk; then it
//! gets its name. What the checkpoint does not know of is taken away at the next start.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::disk::{Appending, Disk};
use crate::disk_trouble::{again, unsynced, unsynced_folder};
use crate::sinks::names::{Names, Stand};
use crate::trouble::Trouble;

/// When a file is finished and the next one begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Roll {
    pub(crate) bytes: u64,
    pub(crate) age: Option<Duration>,
}

/// What [`RollingWriter::prepare`] says, and [`RollingWriter::open`] goes back to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Prepared {
    open: Option<Grown>,
    /// To be renamed when the checkpoint stands.
    finished: Vec<Grown>,
    /// The number of the file that is begun next.
    next: u64,
}

/// A file and its length.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Grown {
    name: String,
    len: u64,
    /// When it was begun: milliseconds since 1970.
    since: u64,
}

/// The file that grows.
#[derive(Debug)]
struct OpenFile {
    grown: Grown,
    file: Box<dyn Appending>,
    /// Its first bytes that survive a power cut.
    synced: u64,
    /// A write failed, and may have left a part behind its length.
    is_torn: bool,
}

impl OpenFile {
    /// All of it or, after an error, nothing.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.mend()?;
        self.is_torn = true;
        self.file.write(bytes)?;
        self.is_torn = false;
        self.grown.len += bytes.len() as u64;
        Ok(())
    }

    fn mend(&mut self) -> io::Result<()> {
        if self.is_torn {
            self.file.cut(self.grown.len)?;
            self.is_torn = false;
        }
        Ok(())
    }
}

/// What the last checkpoint has of the file that grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Known {
    /// Nobody asks for one: there was none yet, or there will be none.
    Unasked,
    /// So many bytes, if it comes to stand.
    Prepared(u64),
    /// So many bytes, and all files before it.
    Committed(u64),
}

/// One sink's files.
#[derive(Debug)]
pub(crate) struct RollingWriter {
    disk: Arc<dyn Disk>,
    names: Names,
    roll: Roll,
    is_opened: bool,
    /// Given, and in no file yet. Bounded by who gives: nothing more is given while this cannot be written.
    pending: Vec<u8>,
    open: Option<OpenFile>,
    /// Full and synced; some may have their name already.
    sealed: Vec<Grown>,
    /// The first so many of them are in what was prepared last.
    prepared: usize,
    /// How much of the open file the last checkpoint knows of.
    known: Known,
    next: u64,
    /// Names were made since the folder was synced.
    is_unnamed: bool,
    /// A sync failed. What is on the disk is not certain any more, and no later success would make it so.
    broken: Option<Trouble>,
}

impl RollingWriter {
    pub(crate) fn new(disk: Arc<dyn Disk>, names: Names, roll: Roll) -> Self {
        RollingWriter {
            disk,
            names,
            roll,
            is_opened: false,
            pending: Vec::new(),
            open: None,
            sealed: Vec::new(),
            prepared: 0,
            known: Known::Unasked,
            next: 1,
            is_unnamed: false,
            broken: None,
        }
    }

    /// What it was given and could not write yet.
    pub(crate) fn pending(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    /// Opens it at what `prepare` said, or behind all files that are there. Open already, it stays as it is.
    pub(crate) fn open(&mut self, from: Option<&Value>) -> Result<(), Trouble> {
        self.check()?;
        if self.is_opened {
            return Ok(());
        }
        match from {
            None | Some(Value::Null) => self.open_afresh()?,
            Some(from) => {
                let prepared = Prepared::deserialize(from).map_err(|error| {
                    Trouble::lasting(format_args!(
                        "the checkpoint says of the files in {} what cannot be read ({error}): {from}; remove the \
                         pipeline's checkpoint to begin anew",
                        self.names.folder.display()
                    ))
                })?;
                self.resume(prepared)?;
            }
        }
        self.is_opened = true;
        Ok(())
    }

    fn open_afresh(&mut self) -> Result<(), Trouble> {
        self.disk.make_folder(&self.names.folder).map_err(|error| again(&error))?;
        let there = self.list()?;
        for number in there.iter().filter(|(_, stand)| *stand == Stand::Open).map(|(number, _)| *number) {
            // Nobody knows any more whether its records will come again: it is kept, and out of the way.
            let name = self.names.name(number);
            let (open, left) = (self.names.open(&name), self.names.left(&name));
            tracing::warn!("{} has no checkpoint; it is now called {}", open.display(), left.display());
            self.disk.rename(&open, &left).map_err(|error| again(&error))?;
        }
        self.next = there.iter().map(|(number, _)| number + 1).max().unwrap_or(1);
        self.sync_folder()
    }

    fn resume(&mut self, from: Prepared) -> Result<(), Trouble> {
        // First, as a folder that is not there has no files, which would look as if all had been taken away.
        self.sync_folder()?;
        let there = self.list()?;
        for grown in &from.finished {
            self.settle(grown)?;
        }
        let open = from.open.as_ref().map(|grown| grown.name.as_str());
        for number in there.iter().filter(|(_, stand)| *stand == Stand::Open).map(|(number, _)| *number) {
            let name = self.names.name(number);
            if open != Some(&name) && !from.finished.iter().any(|grown| grown.name == name) {
                self.disk.remove(&self.names.open(&name)).map_err(|error| again(&error))?;
            }
        }
        let behind = there.iter().filter(|(_, stand)| *stand != Stand::Open).map(|(number, _)| number + 1).max();
        self.next = from.next.max(behind.unwrap_or(1));
        if let Some(grown) = from.open {
            self.reopen(grown)?;
        }
        self.known = Known::Committed(self.len());
        self.sync_folder()
    }

    /// The file that grew at the checkpoint grows on; or it was finished when the sink was closed.
    fn reopen(&mut self, grown: Grown) -> Result<(), Trouble> {
        let path = self.names.open(&grown.name);
        // Under another prefix or format it does not grow on.
        let is_ours = self.names.parse(&path).is_some();
        match self.disk.append(&path, grown.len) {
            Ok(file) if is_ours => {
                // That something was cut off does not survive yet, and a file that is finished is never cut again.
                self.open = Some(OpenFile { grown, file, synced: 0, is_torn: false });
                Ok(())
            }
            Ok(_) => self.settle(&grown),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.settle(&grown),
            Err(error) => Err(again(&error)),
        }
    }

    /// A file that is to be finished is so from here on, whatever was done of it.
    fn settle(&self, grown: &Grown) -> Result<(), Trouble> {
        let (open, finished) = (self.names.open(&grown.name), self.names.finished(&grown.name));
        match self.disk.append(&open, grown.len) {
            Ok(mut file) => {
                file.sync().map_err(|error| unsynced(&error))?;
                return self.disk.rename(&open, &finished).map_err(|error| again(&error));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            Err(error) => return Err(again(&error)),
        }
        if !self.disk.list(&self.names.folder).map_err(|error| again(&error))?.contains(&finished) {
            // As it may be: who reads finished files may take them away.
            tracing::warn!("{} stands in the checkpoint, and is not there any more", finished.display());
        }
        Ok(())
    }

    /// Writes what is pending. After an error it still is.
    pub(crate) fn flush(&mut self) -> Result<(), Trouble> {
        self.check()?;
        if self.pending.is_empty() {
            return Ok(());
        }
        if self.is_full() {
            self.seal()?;
        }
        if self.open.is_none() {
            self.begin()?;
        }
        if let Some(open) = &mut self.open {
            open.append(&self.pending).map_err(|error| again(&error))?;
            self.pending.clear();
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Trouble> {
        let name = self.names.name(self.next);
        let file = self.disk.append(&self.names.open(&name), 0).map_err(|error| again(&error))?;
        let grown = Grown { name, len: 0, since: now() };
        self.open = Some(OpenFile { grown, file, synced: 0, is_torn: false });
        self.next += 1;
        self.is_unnamed = true;
        Ok(())
    }

    /// Whether the file that grows has grown enough, or long enough.
    fn is_full(&self) -> bool {
        let Some(OpenFile { grown, .. }) = &self.open else { return false };
        let is_old = |age: Duration| u128::from(now().saturating_sub(grown.since)) >= age.as_millis();
        grown.len > 0 && (grown.len >= self.roll.bytes || self.roll.age.is_some_and(is_old))
    }

    /// What the open file has survives a power cut, and it is still the one that its name leads to.
    fn sync_open(&mut self) -> Result<(), Trouble> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if open.synced == open.grown.len && !open.is_torn {
            return Ok(());
        }
        open.mend().map_err(|error| again(&error))?;
        if let Err(error) = open.file.sync() {
            let trouble = unsynced(&error);
            self.broken = Some(trouble.clone());
            return Err(trouble);
        }
        // Writing to a file that was removed succeeds.
        let path = self.names.open(&open.grown.name);
        open.file = self.disk.append(&path, open.grown.len).map_err(|error| again(&error))?;
        open.synced = open.grown.len;
        Ok(())
    }

    /// The open file grows no more.
    fn seal(&mut self) -> Result<(), Trouble> {
        self.sync_open()?;
        self.sealed.extend(self.open.take().map(|open| open.grown));
        Ok(())
    }

    /// All that it was given survives a power cut, under names that a checkpoint must list: which is what it says.
    pub(crate) fn prepare(&mut self) -> Result<Value, Trouble> {
        self.flush()?;
        if self.is_full() {
            self.seal()?;
        } else {
            self.sync_open()?;
        }
        if self.is_unnamed {
            self.sync_folder()?;
        }
        self.prepared = self.sealed.len();
        let open = self.open.as_ref().map(|open| open.grown.clone());
        self.known = Known::Prepared(self.len());
        let prepared = Prepared { open, finished: self.sealed.clone(), next: self.next };
        serde_json::to_value(prepared).map_err(Trouble::lasting)
    }

    /// What was prepared stands in a checkpoint: what is full gets its name.
    pub(crate) fn commit(&mut self) -> Result<(), Trouble> {
        self.check()?;
        if self.prepared > 0 {
            self.finish()?;
        }
        if let Known::Prepared(len) = self.known {
            self.known = Known::Committed(len);
        }
        Ok(())
    }

    /// Those that were prepared get their names.
    fn finish(&mut self) -> Result<(), Trouble> {
        for grown in &self.sealed[..self.prepared] {
            let (open, finished) = (self.names.open(&grown.name), self.names.finished(&grown.name));
            match self.disk.rename(&open, &finished) {
                // Renamed at an earlier try, of which something else failed; and perhaps taken away since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => (),
                renamed => renamed.map_err(|error| again(&error))?,
            }
        }
        self.sync_folder()?;
        self.sealed.drain(..self.prepared);
        self.prepared = 0;
        Ok(())
    }

    /// Nothing follows: the file that grows is finished too. Not if there is more in it than in the checkpoint, which
    /// would come twice: then it is cut back at the next start.
    pub(crate) fn close(&mut self) -> Result<(), Trouble> {
        self.flush()?;
        let is_known = match self.known {
            Known::Unasked => true,
            Known::Prepared(_) => false,
            Known::Committed(len) => self.sealed.is_empty() && self.len() == len,
        };
        if !is_known {
            return Ok(());
        }
        // If something below fails, it is known as well when this is called again.
        self.known = Known::Unasked;
        self.seal()?;
        if self.is_unnamed {
            self.sync_folder()?;
        }
        self.prepared = self.sealed.len();
        self.finish()
    }

    /// Of the file that grows.
    fn len(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.grown.len)
    }

    fn check(&self) -> Result<(), Trouble> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    fn sync_folder(&mut self) -> Result<(), Trouble> {
        match self.disk.sync_folder(&self.names.folder) {
            Ok(()) => {
                self.is_unnamed = false;
                Ok(())
            }
            Err(error) => {
                let trouble = unsynced_folder(&error);
                self.broken = trouble.is_final().then(|| trouble.clone());
                Err(trouble)
            }
        }
    }

    fn list(&self) -> Result<BTreeSet<(u64, Stand)>, Trouble> {
        let paths: Vec<PathBuf> = self.disk.list(&self.names.folder).map_err(|error| again(&error))?;
        Ok(paths.iter().filter_map(|path| self.names.parse(path)).collect())
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
