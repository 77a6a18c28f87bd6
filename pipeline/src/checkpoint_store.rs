//! A pipeline's last checkpoint on the disk: the old one or the new one, never half of one.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::checkpoint::{Checkpoint, Unreadable};
use crate::disk::Disk;

const NAME: &str = "checkpoint.json";
/// What is being written. Nobody reads it.
const NEW: &str = "checkpoint.json.new";

/// The folder with a pipeline's state, where its last checkpoint is kept. All calls block.
#[derive(Clone, Debug)]
pub struct CheckpointStore {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
}

/// Why a checkpoint was not saved, or not read.
#[derive(Debug)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It was not saved. After a crash the former one stands, or this one: nothing may be committed that only this one
    /// knows of. It may be saved again.
    NotSaved {
        /// Its folder.
        folder: PathBuf,
        /// What failed, and where.
        error: io::Error,
    },
    /// There may be one, but the system does not give it. It was not changed.
    NotRead {
        /// The file.
        path: PathBuf,
        /// What failed.
        error: io::Error,
    },
    /// Its bytes are not those that were saved. It was not changed.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another version of the program has written it. It was not changed.
    Version {
        /// The file.
        path: PathBuf,
        /// The version of its form.
        version: String,
    },
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let anew = "to begin anew, move it away: then sources start at their beginnings, and records that the sinks have \
                    already come again";
        match self {
            CheckpointError::NotSaved { folder, error } => {
                write!(
                    f,
                    "the checkpoint in {} was not saved: {error}; the former one is what counts",
                    folder.display()
                )
            }
            CheckpointError::NotRead { path, error } => {
                write!(f, "the checkpoint {} cannot be read: {error}; let the program's user read it", path.display())
            }
            CheckpointError::Damaged { path, why } => {
                write!(f, "the checkpoint {} is damaged: {why}; put a copy back, or {anew}", path.display())
            }
            CheckpointError::Version { path, version } => write!(
                f,
                "the checkpoint {} has version {version} of the form, and this program reads version 1; run the program \
                 that wrote it, or {anew}",
                path.display()
            ),
        }
    }
}

impl std::error::Error for CheckpointError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CheckpointError::NotSaved { error, .. } | CheckpointError::NotRead { error, .. } => Some(error),
            CheckpointError::Damaged { .. } | CheckpointError::Version { .. } => None,
        }
    }
}

impl CheckpointStore {
    /// In this folder. Nothing is made or read yet.
    pub fn new(disk: Arc<dyn Disk>, folder: impl Into<PathBuf>) -> Self {
        CheckpointStore { disk, folder: folder.into() }
    }

    /// The checkpoint's file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    /// Puts it in the place of the former one. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// [`CheckpointError::NotSaved`].
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let new = self.folder.join(NEW);
        self.replace(checkpoint, &new).map_err(|error| CheckpointError::NotSaved { folder: self.folder.clone(), error })
    }

    fn replace(&self, checkpoint: &Checkpoint, new: &Path) -> io::Result<()> {
        let bytes = checkpoint.encode().map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
        let mut file = match self.disk.append(new, 0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.disk.make_folder(&self.folder)?;
                self.disk.append(new, 0)?
            }
            file => file?,
        };
        file.write(&bytes)?;
        file.sync()?;
        self.disk.rename(new, &self.path())?;
        self.disk.sync_folder(&self.folder)
    }

    /// The last one that was saved. None: none ever was.
    ///
    /// # Errors
    /// All others of [`CheckpointError`]: there is one, and it cannot be used.
    pub fn load(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        let path = self.path();
        let bytes = match self.disk.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CheckpointError::NotRead { path, error }),
        };
        match Checkpoint::decode(&bytes) {
            Ok(checkpoint) => Ok(Some(checkpoint)),
            Err(Unreadable::Damaged(why)) => Err(CheckpointError::Damaged { path, why }),
            Err(Unreadable::Version(version)) => Err(CheckpointError::Version { path, version }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;
    use crate::checkpoint::tests::checkpoint;
    use crate::faulty_disk::FaultyDisk;

    fn store() -> (FaultyDisk, CheckpointStore) {
        let disk = FaultyDisk::new();
        let store = CheckpointStore::new(Arc::new(disk.clone()), "state/orders");
        (disk, store)
    }

    #[test]
    fn where_none_was_saved_there_is_none() {
        assert_eq!(store().1.load().unwrap(), None);
    }

    #[test]
    fn after_a_power_cut_anywhere_the_last_that_was_saved_stands_or_the_one_under_way() {
        for cut in 1..30 {
            for seed in 0..20 {
                let (disk, store) = store();
                disk.cut_power_at(cut);
                let saved = (1..=4).take_while(|&number| store.save(&checkpoint(number)).is_ok()).last().unwrap_or(0);
                disk.restart(seed);
                let found = store.load().unwrap().map_or(0, |found| found.number);
                assert!(found == saved || found == saved + 1, "cut {cut}, seed {seed}: {found} after {saved}");
                store.save(&checkpoint(found + 1)).unwrap();
                disk.restart(seed);
                assert_eq!(store.load().unwrap(), Some(checkpoint(found + 1)), "cut {cut}, seed {seed}");
            }
        }
    }

    #[test]
    fn after_an_error_the_former_one_stands_and_saving_again_succeeds() {
        for nth in 1..=4 {
            let (disk, store) = store();
            store.save(&checkpoint(1)).unwrap();
            disk.fail_at(disk.operations() + nth, ErrorKind::StorageFull);
            let error = store.save(&checkpoint(2)).unwrap_err();
            assert!(matches!(error, CheckpointError::NotSaved { .. }), "{error}");
            assert_eq!(store.load().unwrap(), Some(checkpoint(1)), "operation {nth}");
            store.save(&checkpoint(2)).unwrap();
            disk.restart(nth);
            assert_eq!(store.load().unwrap(), Some(checkpoint(2)), "operation {nth}");
        }
    }

    #[test]
    fn one_that_cannot_be_used_is_an_error_that_says_what_to_do() {
        let (disk, store) = store();
        store.save(&checkpoint(1)).unwrap();
        disk.append(&store.path(), 40).unwrap();
        let text = store.load().unwrap_err().to_string();
        assert!(text.starts_with("the checkpoint state/orders/checkpoint.json is damaged: "), "{text}");
        assert!(text.contains("move it away"), "{text}");

        disk.append(&store.path(), 0).unwrap().write(b"proscenium-checkpoint 9 00\n").unwrap();
        let text = store.load().unwrap_err().to_string();
        assert!(text.contains("has version 9 of the form"), "{text}");

        disk.fail_at(disk.operations() + 1, ErrorKind::PermissionDenied);
        assert!(matches!(store.load(), Err(CheckpointError::NotRead { .. })));
    }
}
