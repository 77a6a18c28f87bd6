//! What is measured: a name, its bounds, and one column for each subject.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::Failure;
use crate::bound::Bound;

/// A sample that takes longer than this has failed: the whole bench must end in minutes.
const SAMPLE_LIMIT: Duration = Duration::from_secs(60);

/// The two runtimes that tokio offers; everything is measured on both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    MultiThread,
    CurrentThread,
}

impl Flavour {
    pub const ALL: [Self; 2] = [Self::MultiThread, Self::CurrentThread];
    /// Workers of the multi-threaded flavour: the reference machine has two cores.
    pub const WORKERS: usize = 2;

    pub fn name(self) -> &'static str {
        match self {
            Self::MultiThread => "multi_thread",
            Self::CurrentThread => "current_thread",
        }
    }

    pub fn parse(word: &str) -> Result<Self, Failure> {
        let found = Self::ALL.into_iter().find(|flavour| flavour.name() == word);
        found.ok_or_else(|| format!("{word}: no such flavour").into())
    }

    /// A fresh runtime, as `#[tokio::main]` would make it.
    pub fn runtime(self) -> Result<Runtime, Failure> {
        let mut builder = match self {
            Self::MultiThread => Builder::new_multi_thread(),
            Self::CurrentThread => Builder::new_current_thread(),
        };
        Ok(builder.worker_threads(Self::WORKERS).enable_all().build()?)
    }

    /// Runs one sample as a task of a runtime of its own, and takes that runtime down with all that is left on it.
    pub fn run<T: Send + 'static>(
        self,
        sample: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        let runtime = self.runtime()?;
        let outcome = runtime.block_on(async {
            let task = tokio::spawn(sample);
            tokio::time::timeout(SAMPLE_LIMIT, task).await
        });
        runtime.shutdown_timeout(Duration::from_secs(5));
        outcome.map_err(|_| format!("no answer within {SAMPLE_LIMIT:?}"))??
    }
}

/// One sample's orders.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub flavour: Flavour,
    /// Messages, calls, hops, actors: whatever the measure counts.
    pub ops: usize,
}

/// One sample: a number for each of the measure's readings.
pub type Sample = Result<Vec<f64>, Failure>;

/// A subject and how to take one sample of it.
pub struct Column {
    pub subject: String,
    pub version: String,
    pub sample: Box<dyn Fn(Plan) -> Sample>,
}

/// A measure, built by its required parts and then by `column` and `bound`.
pub struct Measure {
    /// The word of the command line, and the name of the JSON file.
    pub name: &'static str,
    /// The heading of the table, with what one operation is.
    pub title: &'static str,
    pub unit: Unit,
    /// What a sample's numbers are: usually one median, or p50 and p99.
    pub readings: &'static [&'static str],
    /// Operations of one sample in a full run; a quick one does a fifth.
    pub ops: usize,
    pub flavours: &'static [Flavour],
    /// `Some(n)` for what does not vary or takes seconds: never more than n rounds (one if quick), and none to warm up.
    pub rounds_at_most: Option<usize>,
    pub columns: Vec<Column>,
    pub bounds: Vec<Bound>,
    /// Printed below the table: what a reader must know to judge the numbers.
    pub notes: Vec<&'static str>,
}

/// How a number is printed. The samples themselves are in the base unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Nanoseconds,
    Bytes,
    /// Each reading says its own unit.
    Plain,
}

impl Unit {
    /// A number for people.
    pub fn show(self, number: f64) -> String {
        match self {
            Self::Nanoseconds if number >= 1e6 => format!("{:.2} ms", number / 1e6),
            Self::Nanoseconds if number >= 1e4 => format!("{:.1} µs", number / 1e3),
            Self::Nanoseconds => format!("{number:.1} ns"),
            Self::Bytes => format!("{number:.0} B"),
            Self::Plain => format!("{number:.3}"),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Bytes => "bytes",
            Self::Plain => "",
        }
    }
}

impl Measure {
    /// A measure with one reading, in nanoseconds for one operation, on both flavours.
    pub fn new(name: &'static str, title: &'static str, ops: usize) -> Self {
        Self {
            name,
            title,
            unit: Unit::Nanoseconds,
            readings: &["ns"],
            ops,
            flavours: &Flavour::ALL,
            rounds_at_most: None,
            columns: Vec::new(),
            bounds: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Other readings than one time per operation.
    pub fn readings(mut self, unit: Unit, readings: &'static [&'static str]) -> Self {
        self.unit = unit;
        self.readings = readings;
        self
    }

    pub fn flavours(mut self, flavours: &'static [Flavour]) -> Self {
        self.flavours = flavours;
        self
    }

    pub fn rounds_at_most(mut self, rounds: usize) -> Self {
        self.rounds_at_most = Some(rounds);
        self
    }

    pub fn column(mut self, subject: &str, version: &str, sample: impl Fn(Plan) -> Sample + 'static) -> Self {
        self.columns.push(Column { subject: subject.into(), version: version.into(), sample: Box::new(sample) });
        self
    }

    pub fn bound(mut self, bound: Bound) -> Self {
        self.bounds.push(bound);
        self
    }

    pub fn note(mut self, note: &'static str) -> Self {
        self.notes.push(note);
        self
    }
}
