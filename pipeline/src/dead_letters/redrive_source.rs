//! Letters that are sent again, as a source: one beside each real source.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proscenium_plugin_host::ContentType;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::line;
use super::marks::{REDRIVE, mark_file, numbers};
use super::standing::lines;
use crate::chunk::{Fields, Filling};
use crate::content::json_to_messagepack;
use crate::disk::Disk;
use crate::record::OwnedRecord;
use crate::source::{Boxed, Filled, Source, SourceSpec};
use crate::trouble::Trouble;

/// The header of a record that was sent again, with how often.
pub const REDRIVEN: &str = "proscenium-redriven";

/// Behind a source's name: that of the one beside it that brings its letters back.
pub(crate) const REDRIVES: &str = "/redriven";

/// How often the folder is looked at.
const POLL: Duration = Duration::from_millis(200);

/// What is said of the letters of one source that are sent again.
#[derive(Clone, Debug)]
pub struct RedriveSpec {
    disk: Arc<dyn Disk>,
    state: PathBuf,
    source: String,
    is_made: bool,
}

impl RedriveSpec {
    /// Those of this source, in this state folder.
    #[must_use]
    pub fn of(source: &str, disk: &Arc<dyn Disk>, state: impl Into<PathBuf>) -> Self {
        RedriveSpec { disk: disk.clone(), state: state.into(), source: source.to_owned(), is_made: false }
    }

    /// The source makes MessagePack of the JSON that it reads, so it is made of the original again. Default: records are
    /// handed out as they came.
    #[must_use]
    pub fn json_as_messagepack(mut self) -> Self {
        self.is_made = true;
        self
    }
}

impl SourceSpec for RedriveSpec {
    fn kind(&self) -> &'static str {
        "redrive"
    }

    fn make(&self) -> Box<dyn Source> {
        Box::new(RedriveSource { spec: self.clone(), at: Position::default(), file: None })
    }

    fn replays(&self) -> bool {
        true
    }
}

/// The next record: a file, and a line in it, from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Position {
    file: u64,
    line: u64,
}

/// The number of the first file that a source at this position has not read to its end.
pub(super) fn first_unread(position: &Value) -> u64 {
    Position::deserialize(position).unwrap_or_default().file
}

/// Records with their lines in a file.
type Numbered = Vec<(u64, OwnedRecord)>;

/// The letters of one source that are sent again, in the order in which they were asked for. It waits for more of them and
/// never ends. What it reads lies in files that are not changed any more, so it can replay; it has one of them in memory.
///
/// A line that cannot be read is passed over, and said in the log: its letter does not count as sent again.
#[derive(Debug)]
pub struct RedriveSource {
    spec: RedriveSpec,
    at: Position,
    /// The records of the file at `at`, with their lines: those of this source.
    file: Option<Numbered>,
}

impl RedriveSource {
    /// Reads the file at the position, or the next there is. False: there is none.
    async fn load(&mut self) -> Result<bool, Trouble> {
        let (spec, from) = (self.spec.clone(), self.at.file);
        let read = tokio::task::spawn_blocking(move || read_next(&spec, from)).await;
        let read = read.map_err(|error| Trouble::lasting(format!("letters cannot be read: {error}")))?;
        let folder = self.spec.state.join(REDRIVE);
        let Some((number, records)) =
            read.map_err(|error| Trouble::passing(format!("cannot read {}: {error}", folder.display())))?
        else {
            return Ok(false);
        };
        if number != self.at.file {
            self.at = Position { file: number, line: 0 };
        }
        self.file = Some(records);
        Ok(true)
    }

    fn push(&self, record: &OwnedRecord, chunk: &mut Filling) {
        let OwnedRecord { id, content, payload, key, time, headers } = record;
        let fields = Fields { id: *id, content: *content, payload, key: key.as_deref(), time: *time };
        if self.spec.is_made && *content == ContentType::Json {
            chunk.push_made(fields, ContentType::MessagePack, |made| json_to_messagepack(payload, made));
        } else {
            chunk.push(fields);
        }
        let headers: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        chunk.headers(&headers);
    }
}

fn read_next(spec: &RedriveSpec, from: u64) -> io::Result<Option<(u64, Numbered)>> {
    let disk = &*spec.disk;
    let all = numbers(disk, &spec.state, REDRIVE)?;
    let Some(number) = all.into_iter().find(|number| *number >= from) else { return Ok(None) };
    // Before its records have an effect: a file that a power cut takes away again would leave its letters to be sent twice.
    disk.sync_folder(&spec.state.join(REDRIVE))?;
    let path = mark_file(&spec.state, REDRIVE, number);
    Ok(Some((number, records_of(&spec.source, &path, &disk.read(&path)?))))
}

fn records_of(source: &str, path: &Path, text: &[u8]) -> Numbered {
    let mut records = Vec::new();
    for (nth, line) in lines(text) {
        match line.and_then(line::decode) {
            Ok((_, letter)) if letter.source == source => records.push((nth as u64 - 1, letter.record)),
            Ok(_) => {}
            Err(what) => tracing::error!("{}:{nth}: {what}; this letter is not sent again", path.display()),
        }
    }
    records
}

impl Source for RedriveSource {
    fn open<'a>(&'a mut self, from: Option<&'a Value>) -> Boxed<'a, Result<(), Trouble>> {
        Box::pin(async move {
            let at = from.map(Position::deserialize).transpose().map_err(|error| {
                Trouble::lasting(format!("the position in the letters that are sent again cannot be read: {error}"))
            })?;
            (self.at, self.file) = (at.unwrap_or_default(), None);
            Ok(())
        })
    }

    fn fill<'a>(&'a mut self, chunk: &'a mut Filling) -> Boxed<'a, Result<Filled, Trouble>> {
        Box::pin(async move {
            while chunk.is_empty() {
                if self.file.is_none() && !self.load().await? {
                    tokio::time::sleep(POLL).await;
                    continue;
                }
                let records = self.file.take().unwrap_or_default();
                let begin = records.partition_point(|(line, _)| *line < self.at.line);
                let mut end = begin;
                while end < records.len() && !chunk.is_full() {
                    self.push(&records[end].1, chunk);
                    end += 1;
                }
                if let Some((line, _)) = records.get(end) {
                    self.at.line = *line;
                    self.file = Some(records);
                } else {
                    self.at = Position { file: self.at.file + 1, line: 0 };
                }
            }
            Ok(Filled::More)
        })
    }

    fn position(&self) -> Option<Value> {
        serde_json::to_value(self.at).ok()
    }
}
