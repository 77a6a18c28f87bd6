//! The two ends of our own pipelines: a source and a sink that do with a record what everybody's do.
//!
//! `peers/plugins` compiles this very file.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use proscenium_pipeline::{
    Boxed, Chunk, ContentType, Disk, Fields, Filled, Filling, Sink, SinkSpec, Source, SourceSpec, Trouble,
};
use serde_json::Value;

use super::work::{LEN, first_word, produce};

/// Records by their numbers, up to an end if there is one.
#[derive(Clone)]
pub struct Numbers {
    end: u64,
    began: Arc<OnceLock<Instant>>,
}

impl Numbers {
    pub fn new(records: u64) -> Self {
        Self { end: records, began: Arc::default() }
    }

    pub fn endless() -> Self {
        Self::new(u64::MAX)
    }

    /// When it was opened.
    pub fn began(&self) -> Option<Instant> {
        self.began.get().copied()
    }
}

/// When it began is no setting.
impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Numbers to {}", self.end)
    }
}

impl SourceSpec for Numbers {
    fn kind(&self) -> &'static str {
        "numbers"
    }

    fn make(&self) -> Box<dyn Source> {
        Box::new(Counting { spec: self.clone(), next: 0 })
    }

    fn replays(&self) -> bool {
        true
    }
}

struct Counting {
    spec: Numbers,
    next: u64,
}

impl Counting {
    fn add(&mut self, chunk: &mut Filling) -> Filled {
        while self.next < self.spec.end && !chunk.is_full() {
            let fields = Fields { id: self.next, content: ContentType::Raw, payload: &[], key: None, time: 0 };
            chunk.push_in_place(fields, LEN, |payload| produce(payload, self.next));
            self.next += 1;
        }
        if self.next < self.spec.end { Filled::More } else { Filled::End }
    }
}

impl Source for Counting {
    fn open<'a>(&'a mut self, from: Option<&'a Value>) -> Boxed<'a, Result<(), Trouble>> {
        self.spec.began.get_or_init(Instant::now);
        self.next = from.and_then(Value::as_u64).unwrap_or(0);
        done()
    }

    fn fill<'a>(&'a mut self, chunk: &'a mut Filling) -> Boxed<'a, Result<Filled, Trouble>> {
        let filled = self.add(chunk);
        Box::pin(std::future::ready(Ok(filled)))
    }

    fn position(&self) -> Option<Value> {
        Some(self.next.into())
    }
}

/// Adds up the first words of all payloads.
#[derive(Clone, Default)]
pub struct Sum(Arc<AtomicU64>);

impl Sum {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// The sum is no setting.
impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sum")
    }
}

impl SinkSpec for Sum {
    fn kind(&self) -> &'static str {
        "sum"
    }

    fn make(&self, _disk: &Arc<dyn Disk>) -> Box<dyn Sink> {
        Box::new(self.clone())
    }
}

impl Sink for Sum {
    fn write<'a>(&'a mut self, chunk: &'a Chunk, _: &'a mut Vec<(usize, String)>) -> Boxed<'a, Result<(), Trouble>> {
        let sum = chunk.records().map(|record| first_word(record.payload())).fold(0, u64::wrapping_add);
        self.0.fetch_add(sum, Ordering::AcqRel);
        done()
    }
}

pub fn done<'a>() -> Boxed<'a, Result<(), Trouble>> {
    Box::pin(std::future::ready(Ok(())))
}
