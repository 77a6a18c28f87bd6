//! A pipeline as it was described: by the builder in Rust, or by a file. The same values, whoever has made them.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proscenium_plugin_host::sandbox::Grants;
use proscenium_plugin_host::{Failover, Retries};

use crate::chunk::ChunkSize;
use crate::operator::Code;
use crate::sink::SinkSpec;
use crate::source::SourceSpec;

/// A whole pipeline.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its name on the node.
    pub name: String,
    /// What holds for all parts.
    pub settings: Settings,
    /// Sources, stages and sinks, in the order in which they were described.
    pub parts: Vec<Part>,
}

/// What holds for all parts of a pipeline.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// How large chunks become. Default: 2,048 records, 256 KiB.
    pub chunk: ChunkSize,
    /// Chunks that a source has under way at most. Default: 8.
    pub window: usize,
    /// How long a source waits for more records before it sends a chunk that is not full. Default: not at all.
    pub linger: Duration,
    /// Where checkpoints and dead letters are kept. Default: none, which means that nothing is resumed after the program's
    /// end, and that dead letters are written to the log.
    pub state: Option<PathBuf>,
    /// How often a checkpoint is made. Default: 1 s.
    pub checkpoint_every: Duration,
    /// How long records under way may take to come to their end, at a reload, a stop, a checkpoint that is asked for; and
    /// how long none of them may end, at a checkpoint that is due. Default: 10 s.
    pub drain: Duration,
    /// Restarts of its parts within 5 s before the pipeline gives up. Default: 10.
    pub intensity: usize,
    /// The largest record that a source takes. Default: 1 MiB.
    pub record_limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            chunk: ChunkSize::default(),
            window: 8,
            linger: Duration::ZERO,
            state: None,
            checkpoint_every: Duration::from_secs(1),
            drain: Duration::from_secs(10),
            intensity: 10,
            record_limit: 1 << 20,
        }
    }
}

/// A source, a stage or a sink.
#[derive(Clone, Debug)]
pub struct Part {
    /// Unique in the pipeline.
    pub name: String,
    /// Where its records come from. None: a source.
    pub from: Vec<Port>,
    /// What it is.
    pub kind: Kind,
}

/// An outlet of a part: the usual one, or a named route.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Port {
    /// The part's name.
    pub part: String,
    /// Its route; none for what it passes on as usual.
    pub route: Option<String>,
}

impl fmt::Display for Port {
    /// `stage`, or `stage/route`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.part)?;
        self.route.as_ref().map_or(Ok(()), |route| write!(f, "/{route}"))
    }
}

/// What a part is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Records come from here.
    Source(Arc<dyn SourceSpec>),
    /// A library in a process of its own.
    Plugin(PluginStage),
    /// Rust code.
    Rust(RustStage),
    /// Records go to here.
    Sink(SinkStage),
}

/// How a stage with more than one instance shares its records out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Share {
    /// Those with one key to one instance: they stay in their order. Records without a key go to the first.
    #[default]
    ByKey,
    /// Chunk by chunk, in turns: no order is kept between them.
    InTurns,
}

/// What a stage does with a record, or a batch, that fails, and how many of it there are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conduct {
    /// What becomes of what fails. Default: [`Failover::RetryWithBackoff`].
    pub failover: Failover,
    /// How often it is tried again, and after which pauses. Default: 3, 100 ms, doubled each time up to 10 s.
    pub retries: Retries,
    /// How many of it run side by side. Default: 1.
    pub instances: NonZeroUsize,
    /// How records are shared out among them.
    pub share: Share,
}

impl Default for Conduct {
    fn default() -> Self {
        Conduct {
            failover: Failover::default(),
            retries: Retries::default(),
            instances: NonZeroUsize::MIN,
            share: Share::default(),
        }
    }
}

/// A stage that is a plugin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PluginStage {
    /// Its library.
    pub library: PathBuf,
    /// Its parameters, in the order in which it sees them.
    pub params: Vec<(String, String)>,
    /// How long a batch may take. Default: 5 s.
    pub timeout: Duration,
    /// The names of the routes that it may give a record, by their numbers.
    pub routes: Vec<String>,
    /// What it may do besides computing. Default: nothing.
    pub grants: Grants,
    /// What becomes of what fails.
    pub conduct: Conduct,
}

/// A stage that is Rust code.
#[derive(Clone, Debug)]
pub struct RustStage {
    /// The code.
    pub code: Code,
    /// What becomes of what fails.
    pub conduct: Conduct,
}

/// What a pipeline does when a sink cannot write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenDown {
    /// It waits, and with it, as soon as their windows are full, the sources. Nothing is lost. The default of a pipeline's
    /// only sink.
    Wait,
    /// It waits for so long; then its records become dead letters until it can write again, and the other sinks go on.
    /// The default, with 5 s, where there is more than one sink.
    SetAside(Duration),
    /// The pipeline stops, and resumes from its checkpoint when it is started anew.
    Stop,
}

/// A part that is a sink.
#[derive(Clone, Debug)]
pub struct SinkStage {
    /// Which.
    pub sink: Arc<dyn SinkSpec>,
    /// When it cannot write. None: as [`WhenDown`] says for one sink, or for more.
    pub when_down: Option<WhenDown>,
    /// Pauses between two tries. Its `max` is not used: `when_down` says when to give up.
    pub retries: Retries,
}
