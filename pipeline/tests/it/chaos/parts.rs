//! A source, a sink and a disk that do what the test asks for, at the moment at which it asks.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use proscenium_pipeline::{
    Appending, Boxed, Chunk, ContentType, Disk, Fields, Filled, Filling, RealDisk, RollingFiles, Sink, SinkSpec,
    Source, SourceSpec, Trouble,
};
use serde_json::{Value, json};

/// The key of a record.
pub fn key(n: u64) -> String {
    format!("k{}", (n ^ (n >> 7)).wrapping_mul(0x9E37_79B9) % 13)
}

/// What the source is told, and what it has done.
#[derive(Debug)]
pub struct Feed {
    /// Words that the next records have, which have not been read before.
    pub wanted: Mutex<Vec<&'static str>>,
    /// The records with such words: the same when they are read again.
    pub special: Mutex<BTreeMap<u64, &'static str>>,
    /// Records that were read, ever.
    pub read: AtomicU64,
    /// How many there are in all: known late.
    pub end: AtomicU64,
}

impl Feed {
    pub fn new() -> Arc<Self> {
        let (wanted, special) = (Mutex::default(), Mutex::default());
        Arc::new(Feed { wanted, special, read: AtomicU64::new(0), end: AtomicU64::new(u64::MAX) })
    }

    fn word(&self, n: u64) -> &'static str {
        let mut special = self.special.lock().unwrap();
        if n >= self.read.load(Ordering::Acquire) {
            self.read.store(n + 1, Ordering::Release);
            if let Some(word) = self.wanted.lock().unwrap().pop() {
                special.insert(n, word);
            }
        }
        special.get(&n).copied().unwrap_or("usual")
    }
}

/// Numbered records, as fast as they are taken.
pub struct Numbers(pub Arc<Feed>);

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Numbers")
    }
}

impl SourceSpec for Numbers {
    fn kind(&self) -> &'static str {
        "numbers"
    }

    fn make(&self) -> Box<dyn Source> {
        Box::new(Counting { feed: self.0.clone(), next: 0 })
    }

    fn replays(&self) -> bool {
        true
    }
}

struct Counting {
    feed: Arc<Feed>,
    next: u64,
}

impl Source for Counting {
    fn open<'a>(&'a mut self, from: Option<&'a Value>) -> Boxed<'a, Result<(), Trouble>> {
        self.next = from.and_then(|from| from["next"].as_u64()).unwrap_or(0);
        Box::pin(std::future::ready(Ok(())))
    }

    fn fill<'a>(&'a mut self, chunk: &'a mut Filling) -> Boxed<'a, Result<Filled, Trouble>> {
        let end = self.feed.end.load(Ordering::Acquire);
        while !chunk.is_full() && self.next < end {
            let (n, key) = (self.next, key(self.next));
            let payload = format!("{n} {}", self.feed.word(n));
            let (payload, key) = (payload.as_bytes(), Some(key.as_bytes()));
            chunk.push(Fields { id: n, content: ContentType::Raw, payload, key, time: 0 });
            self.next += 1;
        }
        Box::pin(std::future::ready(Ok(if self.next < end { Filled::More } else { Filled::End })))
    }

    fn position(&self) -> Option<Value> {
        Some(json!({ "next": self.next }))
    }
}

/// Files that refuse the next so many chunks.
pub struct Moody {
    pub files: RollingFiles,
    pub refusals: Arc<AtomicU64>,
}

impl fmt::Debug for Moody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Moody({:?})", self.files)
    }
}

impl SinkSpec for Moody {
    fn kind(&self) -> &'static str {
        "moody"
    }

    fn make(&self, disk: &Arc<dyn Disk>) -> Box<dyn Sink> {
        Box::new(MoodySink { files: self.files.make(disk), refusals: self.refusals.clone() })
    }
}

struct MoodySink {
    files: Box<dyn Sink>,
    refusals: Arc<AtomicU64>,
}

/// One less, if there are any.
fn take_one(count: &AtomicU64) -> bool {
    count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| count.checked_sub(1)).is_ok()
}

impl Sink for MoodySink {
    fn open<'a>(&'a mut self, from: Option<&'a Value>) -> Boxed<'a, Result<(), Trouble>> {
        self.files.open(from)
    }

    fn write<'a>(
        &'a mut self,
        chunk: &'a Chunk,
        refused: &'a mut Vec<(usize, String)>,
    ) -> Boxed<'a, Result<(), Trouble>> {
        if take_one(&self.refusals) {
            return Box::pin(std::future::ready(Err(Trouble::passing("it is not in the mood"))));
        }
        self.files.write(chunk, refused)
    }

    fn prepare(&mut self) -> Boxed<'_, Result<Value, Trouble>> {
        self.files.prepare()
    }

    fn commit(&mut self) -> Boxed<'_, Result<(), Trouble>> {
        self.files.commit()
    }

    fn close(&mut self) -> Boxed<'_, Result<(), Trouble>> {
        self.files.close()
    }
}

/// A disk that is full for the next so many writes, of which it takes a part.
#[derive(Clone, Debug, Default)]
pub struct Crowded {
    pub refusals: Arc<AtomicU64>,
    /// Dead letters are written while nobody else has it.
    pub letters: Arc<Mutex<()>>,
    /// How often such a write was begun.
    pub begun: Arc<AtomicU64>,
    /// So many syncs of dead letters fail.
    pub unsynced: Arc<AtomicU64>,
}

fn is_full(path: &Path) -> io::Error {
    io::Error::new(ErrorKind::StorageFull, format!("cannot write to {}: no space left", path.display()))
}

impl Disk for Crowded {
    fn append(&self, path: &Path, len: u64) -> io::Result<Box<dyn Appending>> {
        if !path.exists() && take_one(&self.refusals) {
            return Err(is_full(path));
        }
        let file = RealDisk.append(path, len)?;
        Ok(Box::new(CrowdedFile { file, path: path.to_owned(), disk: self.clone() }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        RealDisk.read(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        RealDisk.sync_folder(folder)
    }

    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        RealDisk.make_folder(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        RealDisk.list(folder)
    }
}

#[derive(Debug)]
struct CrowdedFile {
    file: Box<dyn Appending>,
    path: PathBuf,
    disk: Crowded,
}

impl CrowdedFile {
    fn is_of_letters(&self) -> bool {
        self.path.parent().is_some_and(|folder| folder.ends_with("dead_letters"))
    }
}

impl Appending for CrowdedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_of_letters() {
            self.disk.begun.fetch_add(1, Ordering::AcqRel);
            drop(self.disk.letters.lock().unwrap());
        }
        if take_one(&self.disk.refusals) {
            self.file.write(&bytes[..bytes.len() / 2])?;
            return Err(is_full(&self.path));
        }
        self.file.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.is_of_letters() && take_one(&self.disk.unsynced) {
            return Err(io::Error::other("the disk has lost it"));
        }
        self.file.sync()
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.file.cut(len)
    }
}
