//! What a pipeline takes in memory: while its sink is stuck, and while a file goes through that is larger than that.
//!
//! Each sample is taken in a process of its own.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use proscenium_pipeline::sources::Files;
use proscenium_pipeline::{Boxed, Chunk, Disk, Outcome, Pipeline, Sink, SinkSpec, Trouble};
use proscenium_runtime::Node;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ends::{Numbers, done};
use super::ours::three;
use super::work::stamp;
use crate::measure::{Plan, Sample};
use crate::options::target_dir;
use crate::{Failure, procfs};

/// Between two looks at the memory.
const MOMENT: Duration = Duration::from_millis(50);

/// The sink is stuck at this chunk.
const STUCK_AT: u64 = 1_000;

const GB: u64 = 1_000_000_000;

/// A line of the file, its end included.
const LINE: usize = 128;

/// What is left of the disk when the file is there, at least.
const SPARE: u64 = 5 * GB;

/// The most that the resident memory is larger at any moment of so many seconds than before the pipeline was there, while
/// its sink is stuck and its source has records without end.
pub fn stall(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let node = Node::start("bench").await?;
        let sink = Bytes { stuck_at: STUCK_AT, ..Bytes::default() };
        let before = procfs::resident_bytes()?;
        let pipeline = three(Pipeline::named("bench").source(Numbers::endless()), stamp).sink(sink.clone());
        let pipeline = pipeline.start(&node).await?;
        let (start, mut most) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_secs(plan.ops as u64) {
            tokio::time::sleep(MOMENT).await;
            most = most.max(procfs::resident_bytes()?);
        }
        if sink.chunks() != STUCK_AT || pipeline.status().ended.is_some() {
            return Err(format!("the sink was to be stuck: {:?}", pipeline.status()).into());
        }
        Ok(vec![most.saturating_sub(before) as f64 / 1e6])
    })
}

/// The most that the resident memory ever was while so many gigabytes went through, in megabytes, and megabytes a second.
pub fn file(plan: Plan) -> Sample {
    let file = Lines::write(plan.ops as u64)?;
    let runtime = plan.flavour.runtime()?; // It may take longer than other samples.
    runtime.block_on(async {
        let node = Node::start("bench").await?;
        let (sink, start) = (Bytes::default(), Instant::now());
        let source = Pipeline::named("bench").source(Files::at(file.path.display().to_string()));
        let pipeline = three(source, stamp).sink(sink.clone()).start(&node).await?;
        let outcome = pipeline.wait().await;
        let seconds = start.elapsed().as_secs_f64();
        let lines = file.bytes / LINE as u64;
        if outcome != Outcome::Done || sink.bytes() + lines != file.bytes {
            return Err(format!("{outcome}; {} bytes came through of {}", sink.bytes(), file.bytes).into());
        }
        Ok(vec![procfs::most_resident_bytes()? as f64 / 1e6, file.bytes as f64 / 1e6 / seconds])
    })
}

/// A file that goes when it is dropped.
struct Lines {
    path: PathBuf,
    bytes: u64,
}

impl Lines {
    /// Of so many gigabytes, or of one, if the disk has not the room.
    fn write(gigabytes: u64) -> Result<Self, Failure> {
        let folder = target_dir()?.join("bench");
        let room = rustix::fs::statvfs(&folder)?;
        let has_room = room.f_bavail * room.f_frsize > gigabytes * GB + SPARE;
        let bytes = if has_room { gigabytes * GB } else { GB };
        if !has_room {
            eprintln!("the disk has not the room for {gigabytes} GB: the file has one");
        }
        let lines = Self { path: folder.join(format!("lines-{}", std::process::id())), bytes };
        let mut to = BufWriter::with_capacity(1 << 20, File::create(&lines.path)?);
        for nth in 0..bytes / LINE as u64 {
            writeln!(to, "{nth:0width$}", width = LINE - 1)?;
        }
        to.flush()?;
        Ok(lines)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

/// Counts what it is given, and gets stuck if it is told to.
#[derive(Clone, Debug)]
struct Bytes {
    stuck_at: u64,
    chunks: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
}

impl Default for Bytes {
    fn default() -> Self {
        Self { stuck_at: u64::MAX, chunks: Arc::default(), bytes: Arc::default() }
    }
}

impl Bytes {
    fn chunks(&self) -> u64 {
        self.chunks.load(Ordering::Acquire)
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }
}

impl SinkSpec for Bytes {
    fn kind(&self) -> &'static str {
        "bytes"
    }

    fn make(&self, _disk: &Arc<dyn Disk>) -> Box<dyn Sink> {
        Box::new(self.clone())
    }
}

impl Sink for Bytes {
    fn write<'a>(&'a mut self, chunk: &'a Chunk, _: &'a mut Vec<(usize, String)>) -> Boxed<'a, Result<(), Trouble>> {
        let bytes: usize = chunk.records().map(|record| record.payload().len()).sum();
        self.bytes.fetch_add(bytes as u64, Ordering::AcqRel);
        match self.chunks.fetch_add(1, Ordering::AcqRel) + 1 {
            chunks if chunks == self.stuck_at => Box::pin(std::future::pending()),
            _ => done(),
        }
    }
}
