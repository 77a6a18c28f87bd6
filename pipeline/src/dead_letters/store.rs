//! Where the pipeline puts its dead letters.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::files::LetterFiles;
use super::line;
use super::standing::Standing;
use crate::disk::Disk;
use crate::letter::Letter;
use crate::trouble::Trouble;

/// How much room dead letters may take up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LetterBounds {
    /// Bytes of a file, after which another is begun. Default: 64 MiB; a quarter of `all` at most. What is written in one
    /// go stays in one file.
    pub file: u64,
    /// Bytes of all files. Default: 1 GiB. At the limit [`write`](DeadLetterStore::write) says what to do, and the
    /// pipeline waits; what alone is larger is taken where there is nothing else.
    pub all: u64,
}

impl Default for LetterBounds {
    fn default() -> Self {
        LetterBounds { file: 64 << 20, all: 1 << 30 }
    }
}

/// Dead letters in a pipeline's state folder. It takes part in checkpoints as a sink does: what it says when it is
/// [prepared](DeadLetterStore::prepare) stands in the checkpoint, and opened with that it goes back to there. So a letter
/// whose record comes again after a crash is not there twice, and none that does not come again is missing.
///
/// Its calls run to their end even if their future is dropped.
#[derive(Debug)]
pub struct DeadLetterStore {
    files: Arc<Mutex<LetterFiles>>,
}

impl DeadLetterStore {
    /// One that has not been opened, in this state folder.
    #[must_use]
    pub fn new(disk: &Arc<dyn Disk>, state: impl Into<PathBuf>, bounds: LetterBounds) -> Self {
        let bounds = LetterBounds { file: bounds.file.min(bounds.all / 4), ..bounds };
        DeadLetterStore { files: Arc::new(Mutex::new(LetterFiles::new(disk.clone(), state.into(), bounds))) }
    }

    /// Opens it at what it said in the last checkpoint: letters written since are cut off. With none there is no letter yet,
    /// and those that are there belong to a run without a checkpoint, which begins anew: they are removed.
    ///
    /// # Errors
    /// The disk's; and lasting, if `from` is not what [`prepare`](DeadLetterStore::prepare) says.
    pub async fn open(&mut self, from: Option<&Value>) -> Result<(), Trouble> {
        let standing = from.map(Standing::of).transpose();
        let standing = standing.map_err(|error| {
            Trouble::lasting(format!("what the checkpoint says of the dead letters cannot be read: {error}"))
        })?;
        self.with(move |files| files.open(standing)).await
    }

    /// Takes all letters, or none: after an error that may pass it is given the same again.
    ///
    /// # Errors
    /// The disk's, and the limit, which names the remedy.
    pub async fn write(&mut self, letters: &[Letter]) -> Result<(), Trouble> {
        let next = self.files.lock().unwrap_or_else(PoisonError::into_inner).next();
        let mut lines = Vec::new();
        for (id, letter) in (next..).zip(letters) {
            line::encode(id, letter, &mut lines).map_err(Trouble::lasting)?;
        }
        let letters = letters.len() as u64;
        self.with(move |files| files.write(next, &lines, letters)).await
    }

    /// Makes durable what was written, and says where it stands.
    ///
    /// # Errors
    /// The disk's. After a failed fsync nobody knows what is on the disk, which is lasting: the pipeline begins again at its
    /// checkpoint.
    pub async fn prepare(&mut self) -> Result<Value, Trouble> {
        let standing = self.with(LetterFiles::prepare).await?;
        serde_json::to_value(standing).map_err(Trouble::lasting)
    }

    /// What it last said in `prepare` is now part of a checkpoint, and can be seen by a
    /// [`LetterOffice`](super::LetterOffice).
    ///
    /// # Errors
    /// None: there is nothing to do.
    pub async fn commit(&mut self) -> Result<(), Trouble> {
        Ok(())
    }

    async fn with<T: Send + 'static>(
        &mut self,
        act: impl FnOnce(&mut LetterFiles) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let files = self.files.clone();
        let done = tokio::task::spawn_blocking(move || act(&mut files.lock().unwrap_or_else(PoisonError::into_inner)));
        done.await.map_err(|error| Trouble::lasting(format!("the dead letters' files cannot be reached: {error}")))?
    }
}
