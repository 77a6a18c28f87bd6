//! Reads files block by block, on the threads that may block.
//!
//! One piece of blocking work is under way at most, and its handle lies in the reader: a `fill` that is dropped while it
//! waits loses nothing, the next one waits for the same work.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Files;
use super::scan::{self, Found};
use super::tracked::{self, Identity, Look, Mark, Tracked};
use crate::chunk::Filling;
use crate::source::{Boxed, Filled, Source};
use crate::sources::intake::Intake;
use crate::sources::line_core::LineCore;
use crate::trouble::Trouble;

/// Bytes that are read at once.
const BLOCK: usize = 256 << 10;
/// Between two looks for new lines and files.
const EVERY: Duration = Duration::from_millis(100);
/// What is kept of the last line of a followed file; a longer one is read again when it has grown.
const KEEP: usize = 16 << 10;

/// What a piece of blocking work has brought.
enum Brought {
    Opened(Result<File, Trouble>),
    Block { bytes: Vec<u8>, read: Result<usize, Trouble> },
    Looked(Result<Looked, Trouble>),
}

struct Looked {
    found: Vec<Found>,
    /// The lengths of the tracked files, in their order.
    lens: Vec<u64>,
}

pub(super) struct Reader {
    spec: Files,
    intake: Intake,
    files: Vec<Tracked>,
    /// Those that have more to read.
    queue: VecDeque<usize>,
    block: Vec<u8>,
    /// What of the block no record was made of; it is of the first file in the queue.
    rest: std::ops::Range<usize>,
    work: Option<JoinHandle<Brought>>,
    next_look: Instant,
    /// The path of the followed file that was read last.
    last_turn: String,
}

impl Reader {
    pub(super) fn new(spec: Files) -> Self {
        let intake = Intake::new(&spec.format);
        Reader {
            spec,
            intake,
            files: Vec::new(),
            queue: VecDeque::new(),
            block: Vec::new(),
            rest: 0..0,
            work: None,
            next_look: Instant::now(),
            last_turn: String::new(),
        }
    }

    async fn start(&mut self, from: Option<&Value>) -> Result<(), Trouble> {
        self.spec.format.check()?;
        let marks = tracked::marks(from)?;
        let spec = self.spec.clone();
        // What an earlier opening has under way ends by itself.
        (self.work, self.rest, self.next_look) = (None, 0..0, Instant::now());
        let blocking = tokio::task::spawn_blocking(move || start(&spec, &marks));
        self.files = blocking.await.map_err(|error| broken_off(&error))??;
        self.line_up();
        Ok(())
    }

    /// Makes records of what is left of the block.
    fn frame(&mut self, chunk: &mut Filling) {
        let Some(&current) = self.queue.front().filter(|_| !self.rest.is_empty()) else { return };
        let Tracked { core, path, header, .. } = &mut self.files[current];
        let mut bytes = &self.block[self.rest.clone()];
        let first = chunk.len();
        self.intake.look_at_the_clock();
        while !chunk.is_full() && !bytes.is_empty() {
            let number = core.lines() + 1;
            let Some(line) = core.next(&mut bytes) else { break };
            self.intake.line(chunk, number, line, format_args!("{path}:{number}"));
        }
        self.rest.start = self.rest.end - bytes.len();
        chunk.share_headers(first, header);
        if self.rest.is_empty() {
            self.next_turn();
        }
    }

    /// There is no more of a file: what stands behind its last newline is a line.
    fn end_of(&mut self, nth: usize, chunk: &mut Filling) {
        let Tracked { core, path, header, file, at_end, .. } = &mut self.files[nth];
        let (first, number) = (chunk.len(), core.lines() + 1);
        self.intake.look_at_the_clock();
        if let Some(line) = core.end() {
            self.intake.line(chunk, number, line, format_args!("{path}:{number}"));
        }
        chunk.share_headers(first, header);
        (*file, *at_end) = (None, true);
    }

    /// What is to be done on a thread that may block; none: there is nothing, and never will be.
    fn next_work(&mut self) -> Option<JoinHandle<Brought>> {
        if self.is_look_due() {
            return Some(self.look());
        }
        let current = *self.queue.front()?;
        let Tracked { path, file, core, .. } = &self.files[current];
        let Some(file) = file.clone() else {
            let path = path.clone();
            return Some(tokio::task::spawn_blocking(move || Brought::Opened(open(&path))));
        };
        let (path, at, may_be_cut) = (path.clone(), core.next_byte(), self.spec.follow);
        let mut bytes = std::mem::take(&mut self.block);
        Some(tokio::task::spawn_blocking(move || {
            bytes.resize(BLOCK, 0);
            let read = read(&path, &file, at, &mut bytes, may_be_cut);
            Brought::Block { bytes, read }
        }))
    }

    fn look(&self) -> JoinHandle<Brought> {
        let spec = self.spec.clone();
        let known: HashSet<Identity> = self.files.iter().map(|file| file.identity).collect();
        let files: Vec<_> = self.files.iter().map(|file| (file.path.clone(), file.file.clone())).collect();
        tokio::task::spawn_blocking(move || {
            // Lengths first: what a file had before it lost its name is then known as a part of it.
            let lens = lens(&files);
            Brought::Looked(lens.and_then(|lens| Ok(Looked { found: scan::find(&spec, &known)?, lens })))
        })
    }

    fn take_in(&mut self, brought: Brought, chunk: &mut Filling) -> Result<(), Trouble> {
        match brought {
            Brought::Opened(file) => {
                let file = Some(Arc::new(file?));
                if let Some(&current) = self.queue.front() {
                    self.files[current].file = file;
                }
            }
            Brought::Block { bytes, read } => {
                self.block = bytes;
                match read? {
                    0 => self.no_more(chunk),
                    len => self.rest = 0..len,
                }
            }
            Brought::Looked(looked) => {
                self.next_look = Instant::now() + EVERY;
                self.looked(looked?, chunk)?;
            }
        }
        Ok(())
    }

    fn no_more(&mut self, chunk: &mut Filling) {
        let Some(current) = self.queue.pop_front() else { return };
        if self.spec.follow {
            let file = &mut self.files[current];
            file.is_at_end();
            file.core.forget(KEEP);
        } else {
            self.end_of(current, chunk);
        }
    }

    fn looked(&mut self, looked: Looked, chunk: &mut Filling) -> Result<(), Trouble> {
        let limit = self.spec.format.record_limit();
        let names: HashMap<Identity, &str> =
            looked.found.iter().map(|found| (found.identity, found.path.as_str())).collect();
        let mut over = HashSet::new();
        for (nth, len) in looked.lens.into_iter().enumerate() {
            let file = &mut self.files[nth];
            let name = names.get(&file.identity);
            file.name(name.copied());
            match file.look(name.is_some(), len) {
                Look::Same => (),
                Look::More => file.at_end = false,
                Look::Cut => {
                    tracing::info!(file = file.path, "the file was cut, and is read from its beginning");
                    file.core = LineCore::new(limit);
                    file.at_end = false;
                }
                Look::Over if chunk.is_full() => (),
                Look::Over => {
                    over.insert(file.identity);
                    self.end_of(nth, chunk);
                }
            }
        }
        self.files.retain(|file| !over.contains(&file.identity));
        let fresh = looked.found.into_iter().filter(|found| found.file.is_some());
        self.files.extend(fresh.map(|found| new(found, limit)));
        if self.files.len() > self.spec.most() {
            let most = self.spec.most();
            return Err(Trouble::lasting(format_args!("more than {most} files are followed: raise `most_files`")));
        }
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        self.line_up();
        Ok(())
    }

    /// Those that have more to read, in the order of their names, from the one on whose turn it is. Those that have another
    /// name than before come first, as what took their names is newer.
    fn line_up(&mut self) {
        let left = |nth: &usize| !self.files[*nth].at_end;
        let (moved, others): (Vec<_>, Vec<_>) =
            (0..self.files.len()).filter(left).partition(|nth| self.files[*nth].has_moved);
        let had_its_turn = |nth: &usize| self.files[*nth].path <= self.last_turn;
        let (before, from): (Vec<_>, Vec<_>) = others.into_iter().partition(had_its_turn);
        self.queue = moved.into_iter().chain(from).chain(before).collect();
    }

    /// A followed file has had its turn: one that grows faster than it is read does not keep the others waiting.
    fn next_turn(&mut self) {
        let Some(&current) = self.queue.front().filter(|_| self.spec.follow) else { return };
        let file = &self.files[current];
        // What is held of a line would else be held of one of each file.
        if !file.has_moved && file.core.held() <= KEEP {
            self.last_turn.clone_from(&file.path);
            self.queue.rotate_left(1);
        }
    }

    fn is_look_due(&self) -> bool {
        let may_leave = self.queue.front().is_none_or(|current| self.files[*current].core.held() <= KEEP);
        self.spec.follow && may_leave && (self.queue.is_empty() || self.next_look <= Instant::now())
    }

    async fn read_on(&mut self, chunk: &mut Filling) -> Result<Filled, Trouble> {
        let before = chunk.len();
        loop {
            self.frame(chunk);
            if chunk.len() > before || chunk.is_full() {
                return Ok(Filled::More);
            }
            if self.work.is_none() {
                if self.is_look_due() {
                    tokio::time::sleep_until(self.next_look).await;
                }
                let Some(work) = self.next_work() else { return Ok(Filled::End) };
                self.work = Some(work);
            }
            if let Some(work) = &mut self.work {
                let brought = work.await;
                self.work = None;
                self.take_in(brought.map_err(|error| broken_off(&error))?, chunk)?;
            }
        }
    }
}

fn lens(files: &[(String, Option<Arc<File>>)]) -> Result<Vec<u64>, Trouble> {
    let len = |(path, file): &(String, Option<Arc<File>>)| match file {
        Some(file) => file.metadata().map(|metadata| metadata.len()).map_err(|error| scan::unreadable(path, &error)),
        None => Ok(0),
    };
    files.iter().map(len).collect()
}

/// The files, each at its mark.
fn start(spec: &Files, marks: &[Mark]) -> Result<Vec<Tracked>, Trouble> {
    let found = scan::find(spec, &HashSet::new())?;
    let mut found: BTreeMap<String, Found> = found.into_iter().map(|found| (found.path.clone(), found)).collect();
    let mut files = Vec::new();
    for mark in marks {
        match marked(spec, mark, &mut found)? {
            Some(there) => files.push(resumed(spec, mark, there)?),
            None if mark.done => (),
            None => return Err(vanished(spec, mark)),
        }
    }
    let limit = spec.format.record_limit();
    files.extend(found.into_values().map(|found| new(found, limit)));
    if files.is_empty() && marks.is_empty() && !spec.follow {
        return Err(Trouble::lasting(format_args!(
            "no file fits `{}`: relative paths are those of the folder where the program was started; `follow` waits for \
             files to come",
            spec.pattern
        )));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The file that a mark is about, taken out of those that were found.
fn marked(spec: &Files, mark: &Mark, found: &mut BTreeMap<String, Found>) -> Result<Option<Found>, Trouble> {
    if !spec.follow {
        return Ok(found.remove(&mark.path));
    }
    let has_inode = |found: &&Found| found.identity.inode == mark.inode;
    let path = found.get(&mark.path).filter(has_inode).or_else(|| found.values().find(has_inode));
    match path.map(|found| found.path.clone()) {
        Some(path) => Ok(found.remove(&path)),
        None => scan::renamed(&mark.path, mark.inode),
    }
}

fn new(found: Found, limit: usize) -> Tracked {
    Tracked { file: found.file, ..Tracked::new(found.path, found.identity, LineCore::new(limit)) }
}

fn resumed(spec: &Files, mark: &Mark, there: Found) -> Result<Tracked, Trouble> {
    let limit = spec.format.record_limit();
    let core = match there.len < mark.offset {
        false => LineCore::at(limit, mark.offset, mark.line),
        true if spec.follow => LineCore::new(limit),
        true => return Err(cut(&there.path, there.len, mark.offset)),
    };
    let has_moved = there.path != mark.path;
    Ok(Tracked { file: there.file, has_moved, ..Tracked::new(there.path, there.identity, core) })
}

fn open(path: &str) -> Result<File, Trouble> {
    match scan::open(path)? {
        Some((file, _)) => Ok(file),
        None => Err(Trouble::passing(format_args!("{path} was removed before it was read; the files are listed anew"))),
    }
}

fn read(path: &str, file: &File, at: u64, bytes: &mut [u8], may_be_cut: bool) -> Result<usize, Trouble> {
    let read = file.read_at(bytes, at).map_err(|error| scan::unreadable(path, &error))?;
    if read == 0 && !may_be_cut {
        let len = file.metadata().map_err(|error| scan::unreadable(path, &error))?.len();
        if len < at {
            return Err(cut(path, len, at));
        }
    }
    Ok(read)
}

fn cut(path: &str, len: u64, offset: u64) -> Trouble {
    Trouble::lasting(format_args!(
        "{path} has {len} bytes, but {offset} have been read of it: put the file back as it was; or give the source \
         another name, which makes it read all files from their beginnings"
    ))
}

fn vanished(spec: &Files, mark: &Mark) -> Trouble {
    let Mark { path, offset, line, .. } = mark;
    let pattern = &spec.pattern;
    Trouble::lasting(format_args!(
        "{path}, read up to line {line} (byte {offset}), is not among the files that fit `{pattern}` any more: put it \
         back; or give the source another name, which makes it read all files from their beginnings"
    ))
}

fn broken_off(error: &tokio::task::JoinError) -> Trouble {
    Trouble::passing(format_args!("reading was broken off: {error}"))
}

impl Source for Reader {
    fn open<'a>(&'a mut self, from: Option<&'a Value>) -> Boxed<'a, Result<(), Trouble>> {
        Box::pin(self.start(from))
    }

    fn fill<'a>(&'a mut self, chunk: &'a mut Filling) -> Boxed<'a, Result<Filled, Trouble>> {
        Box::pin(self.read_on(chunk))
    }

    fn position(&self) -> Option<Value> {
        Some(tracked::position(self.files.iter()))
    }
}
