//! Records in files that roll: each record once, over crashes and power cuts.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::blocking::{Blocking, Gone};
use crate::chunk::Chunk;
use crate::disk::Disk;
use crate::record::Record;
use crate::sink::{Sink, SinkSpec};
use crate::sinks::line_format::{LineFormat, whole_millis};
use crate::sinks::names::Names;
use crate::sinks::rolling_writer::{Roll, RollingWriter};
use crate::source::Boxed;
use crate::trouble::Trouble;

/// Bytes that are gathered before they are written, and written while as many are gathered: with a chunk more, the bound
/// of what is in memory.
const GATHERED: usize = 1 << 20;
/// How long one that is opened waits for the last write of its predecessor.
const PREDECESSOR: Duration = Duration::from_secs(10);

/// Files in a folder, one after the other: `part-000001.jsonl`, `part-000002.jsonl`.
///
/// A file has `.open` behind its name while it grows. It gets its name when it is full, or old, and a checkpoint of the
/// whole pipeline stands on the disk; from then on it is never changed. So whoever takes finished files has each record
/// exactly once (if its source can replay), over crashes and power cuts. Numbers go on behind the highest that is there.
///
/// Without a checkpoint (the pipeline has no folder for its state), files get their names all the same; after a crash the
/// one that grew is called `.left`, and its records may come again.
///
/// A folder and a prefix belong to one sink. A full disk, a folder that is gone or may not be written to: it waits, and
/// then goes on without a loss. A sync that fails stops the pipeline, as nobody knows what the disk has kept; it goes on
/// from its checkpoint.
#[derive(Clone, Debug)]
pub struct RollingFiles {
    folder: PathBuf,
    prefix: String,
    written: Written,
    extension: Option<String>,
    roll: Roll,
    turn: Turn,
}

/// Whose turn it is to write: one that was stopped in the middle of a write may not have ended it when the next is opened.
#[derive(Clone, Default)]
struct Turn(Arc<Mutex<()>>);

impl fmt::Debug for Turn {
    /// No setting, so always the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turn")
    }
}

/// How records are written to a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Written {
    Lines(LineFormat),
    Frames,
}

impl Written {
    /// What such files' names end in.
    fn extension(self) -> &'static str {
        match self {
            Written::Lines(LineFormat::Json) => "jsonl",
            Written::Lines(LineFormat::Raw) => "txt",
            Written::Frames => "frames",
        }
    }

    /// Appends a record. After an error, which is the reason why it cannot be written, `to` is as it was.
    fn append(self, record: &Record<'_>, to: &mut Vec<u8>) -> Result<(), String> {
        let Written::Lines(format) = self else {
            let payload = record.payload();
            let len = u32::try_from(payload.len()).map_err(|_| "the payload is longer than 4 GiB".to_owned())?;
            to.extend_from_slice(&len.to_be_bytes());
            to.extend_from_slice(payload);
            return Ok(());
        };
        format.append(record, to)
    }
}

impl RollingFiles {
    /// Files in this folder, which is made if there is none.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        RollingFiles {
            folder: folder.into(),
            prefix: "part".to_owned(),
            written: Written::Lines(LineFormat::default()),
            extension: None,
            roll: Roll { bytes: 128 << 20, age: None },
            turn: Turn::default(),
        }
    }

    /// What their names begin with. Default: `part`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How records are written in lines. Default: [`LineFormat::Json`].
    #[must_use]
    pub fn format(mut self, format: LineFormat) -> Self {
        self.written = Written::Lines(format);
        self
    }

    /// No lines, but frames: each payload as it is, of whatever type, behind its length as four bytes, the highest first.
    #[must_use]
    pub fn frames(mut self) -> Self {
        self.written = Written::Frames;
        self
    }

    /// What their names end in. Default: `jsonl`; `txt` for raw lines, `frames` for frames.
    #[must_use]
    pub fn extension(mut self, extension: impl Into<String>) -> Self {
        self.extension = Some(extension.into());
        self
    }

    /// A file with so many bytes is full; it has up to 1 MiB and a chunk more. Default: 128 MiB.
    #[must_use]
    pub fn roll_bytes(mut self, bytes: u64) -> Self {
        self.roll.bytes = bytes;
        self
    }

    /// A file that was begun so long ago is full, at the next checkpoint. Default: none is ever too old.
    #[must_use]
    pub fn roll_age(mut self, age: Duration) -> Self {
        self.roll.age = Some(age);
        self
    }

    fn names(&self) -> Names {
        let extension = self.extension.clone().unwrap_or_else(|| self.written.extension().to_owned());
        Names { folder: self.folder.clone(), prefix: self.prefix.clone(), extension }
    }

    fn check(&self) -> Result<(), Trouble> {
        let names = self.names();
        for (what, name) in [("prefix", &names.prefix), ("extension", &names.extension)] {
            if name.is_empty() || name.contains(['/', '\\', '\0']) {
                return Err(Trouble::lasting(format_args!(
                    "the {what} {name:?} of the files in {} cannot be part of a file's name; use letters and digits",
                    self.folder.display()
                )));
            }
        }
        Ok(())
    }
}

impl SinkSpec for RollingFiles {
    fn kind(&self) -> &'static str {
        "files"
    }

    fn make(&self, disk: &Arc<dyn Disk>) -> Box<dyn Sink> {
        let writer = RollingWriter::new(disk.clone(), self.names(), self.roll);
        let most = usize::try_from(self.roll.bytes).map_or(GATHERED, |bytes| bytes.min(GATHERED));
        let files = Blocking::new(Held { writer, turn: None });
        Box::new(FilesSink { spec: self.clone(), files, gathered: Vec::new(), most })
    }

    fn settings(&self) -> Option<Vec<(&'static str, Value)>> {
        let mut settings: Vec<(&'static str, Value)> =
            vec![("folder", self.folder.to_str()?.into()), ("prefix", self.prefix.as_str().into())];
        settings.push(("roll_bytes", self.roll.bytes.into()));
        if let Some(age) = self.roll.age {
            settings.push(("roll_age_ms", whole_millis(age)?));
        }
        settings.extend(self.extension.as_ref().map(|extension| ("extension", extension.as_str().into())));
        settings.extend(match self.written {
            Written::Lines(format) => format.setting(),
            Written::Frames => Some(("format", "frames".into())),
        });
        Some(settings)
    }
}

/// The turn ends with the writer, wherever it is when the sink is dropped.
#[derive(Debug)]
struct Held {
    writer: RollingWriter,
    turn: Option<OwnedMutexGuard<()>>,
}

/// Gathers in memory, and writes on a thread that may block.
#[derive(Debug)]
struct FilesSink {
    spec: RollingFiles,
    files: Blocking<Held>,
    gathered: Vec<u8>,
    most: usize,
}

fn gone(gone: Gone) -> Trouble {
    Trouble::lasting(gone)
}

impl FilesSink {
    /// Does it on a thread, with all that was gathered.
    async fn run<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut RollingWriter) -> Result<R, Trouble> + Send + 'static,
    ) -> Result<R, Trouble> {
        let held = self.files.back().await.map_err(gone)?;
        // From here to the start of the work nothing is waited for: dropped here, nothing is lost.
        held.writer.pending().append(&mut self.gathered);
        self.files.run(|held| work(&mut held.writer)).await.map_err(gone)?
    }

    /// Makes room for a chunk. After an error what was gathered is as it was.
    async fn make_room(&mut self) -> Result<(), Trouble> {
        let is_full = self.gathered.len() >= self.most;
        if self.files.is_away() && !is_full {
            return Ok(());
        }
        if !self.files.back().await.map_err(gone)?.writer.pending().is_empty() {
            // What was started in the background has failed.
            self.files.run(|held| held.writer.flush()).await.map_err(gone)??;
        }
        if is_full {
            let held = self.files.back().await.map_err(gone)?;
            std::mem::swap(held.writer.pending(), &mut self.gathered);
            self.gathered.shrink_to(2 * self.most);
            // If it fails, it is still pending, and the next chunk is refused with the reason.
            self.files.start(|held| drop(held.writer.flush())).await.map_err(gone)?;
        }
        Ok(())
    }
}

impl Sink for FilesSink {
    /// Open already, it stays as it is, with all that it was given.
    fn open<'a>(&'a mut self, from: Option<&'a Value>) -> Boxed<'a, Result<(), Trouble>> {
        Box::pin(async move {
            self.spec.check()?;
            if self.files.back().await.map_err(gone)?.turn.is_none() {
                let turn = tokio::time::timeout(PREDECESSOR, self.spec.turn.0.clone().lock_owned()).await;
                let turn = turn.map_err(|_| {
                    let folder = self.spec.folder.display();
                    Trouble::passing(format_args!(
                        "an earlier write to {folder} has not ended within {PREDECESSOR:?}; see what holds the disk up. \
                         It is tried again"
                    ))
                })?;
                self.files.back().await.map_err(gone)?.turn = Some(turn);
            }
            let from = from.cloned();
            self.files.run(move |held| held.writer.open(from.as_ref())).await.map_err(gone)?
        })
    }

    fn write<'a>(
        &'a mut self,
        chunk: &'a Chunk,
        refused: &'a mut Vec<(usize, String)>,
    ) -> Boxed<'a, Result<(), Trouble>> {
        Box::pin(async move {
            self.make_room().await?;
            for (nth, record) in chunk.records().enumerate() {
                if let Err(reason) = self.spec.written.append(&record, &mut self.gathered) {
                    refused.push((nth, reason));
                }
            }
            Ok(())
        })
    }

    fn prepare(&mut self) -> Boxed<'_, Result<Value, Trouble>> {
        Box::pin(self.run(RollingWriter::prepare))
    }

    fn commit(&mut self) -> Boxed<'_, Result<(), Trouble>> {
        // What was gathered since it was prepared stays where it is.
        Box::pin(async { self.files.run(|held| held.writer.commit()).await.map_err(gone)? })
    }

    fn close(&mut self) -> Boxed<'_, Result<(), Trouble>> {
        Box::pin(self.run(RollingWriter::close))
    }
}

#[cfg(test)]
#[path = "rolling_files_tests.rs"]
pub(crate) mod tests;
