//! Every source with real files, sockets and processes; here: what their tests share.

mod channel;
mod files;
mod follow;
mod generator;
mod intake;
mod lines;
mod resume;
mod tcp_lines;

use std::time::Duration;

use proscenium_plugin_host::ContentType;
use serde_json::Value;

use crate::chunk::{ChunkSize, Filling};
use crate::ledger::Ledger;
use crate::record::Record;
use crate::source::{Filled, Source, SourceSpec};
use crate::test_folder::TestFolder;
use crate::trouble::Trouble;

/// What nobody should ever have to wait for.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A record as a test wants to see it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Got {
    pub(crate) id: u64,
    pub(crate) payload: Vec<u8>,
    pub(crate) content: ContentType,
    pub(crate) original: String,
    pub(crate) key: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    /// Why it was turned away.
    pub(crate) reason: Option<String>,
}

impl Got {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.content, ContentType::MessagePack);
        rmp_serde::from_slice(&self.payload).unwrap()
    }
}

pub(crate) fn filling(size: ChunkSize) -> Filling {
    Filling::new(Ledger::new(size, 1, 1).try_borrow().unwrap(), size)
}

pub(crate) fn got(chunk: &Filling) -> Vec<Got> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut all: Vec<Got> = Vec::new();
    for nth in 0..chunk.len() {
        let record = Record { buffer: &chunk.buffer, nth };
        all.push(Got {
            id: record.id(),
            payload: record.payload().to_vec(),
            content: record.content(),
            original: text(record.original()),
            key: record.key().map(text),
            headers: record.headers().into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect(),
            reason: None,
        });
    }
    for (nth, reason) in &chunk.rejects {
        all[*nth].reason = Some(reason.clone());
    }
    all
}

/// As many records as come at once, `most` at most.
pub(crate) async fn fill(source: &mut dyn Source, most: usize) -> Result<(Vec<Got>, Filled), Trouble> {
    let mut chunk = filling(ChunkSize { records: most, ..ChunkSize::default() });
    let filled = tokio::time::timeout(LIMIT, source.fill(&mut chunk)).await.expect("it fills within the limit")?;
    Ok((got(&chunk), filled))
}

/// So many records, or fewer at the end.
pub(crate) async fn take(source: &mut dyn Source, count: usize) -> Vec<Got> {
    let mut all = Vec::new();
    while all.len() < count {
        let (records, filled) = fill(source, (count - all.len()).min(500)).await.unwrap();
        all.extend(records);
        if filled == Filled::End {
            break;
        }
    }
    all
}

/// All records up to the end.
pub(crate) async fn all(source: &mut dyn Source) -> Vec<Got> {
    take(source, usize::MAX).await
}

pub(crate) fn texts(records: &[Got]) -> Vec<&str> {
    records.iter().map(Got::text).collect()
}

pub(crate) async fn opened(spec: &dyn SourceSpec, from: Option<&Value>) -> Box<dyn Source> {
    let mut source = spec.make();
    source.open(from).await.unwrap();
    source
}

/// Why it cannot be opened.
pub(crate) async fn refused(spec: &dyn SourceSpec, from: Option<&Value>) -> Trouble {
    spec.make().open(from).await.unwrap_err()
}

/// What the whole program has in memory.
pub(crate) fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// A folder of a test's own, and what happens to files while they are read.
pub(crate) struct Folder(TestFolder);

impl Folder {
    pub(crate) fn new() -> Self {
        Folder(TestFolder::new())
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.at(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn append(&self, name: &str, text: &str) {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.path(name)).unwrap();
    }
}
