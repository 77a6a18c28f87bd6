//! Records through supervised stages: from sources, through plugins and Rust code, into sinks, while parts are killed,
//! swapped and changed.
//!
//! ```text
//!   Pipeline (builder) ──┐                       ┌─ check · picture · difference
//!   config (files) ──────┴─▶ Plan (a value) ─────┤
//!                                                └─▶ start ─▶ PipelineRef: status, wait, reload, checkpoint, stop
//!                                                      │
//!        ┌── a supervisor for each pipeline ───────────▼──────────────────────────────────────┐
//!        │  source ──chunks──▶ stage ──chunks──▶ stage ──chunks──▶ sink         conductor     │
//!        │    ▲  demand          │ plugin, Rust                      │       pauses, drains,  │
//!        │    └──────────────────┼───── acknowledgements ◀───────────┤       checkpoints      │
//!        │                       └──▶ dead letters (original payload, reason) ──▶ sent again  │
//!        └────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! **Promises**: with a [state folder](Pipeline::state) and a source that replays, each record is processed at least once,
//! and its effect in [`RollingFiles`] is exactly once, over crashes and power cuts. Records with a key keep their order. What
//! fails is tried again, skipped or set aside as its stage's policy says; a dead letter keeps the source's payload. A stage
//! that crashes takes no record with it.
//! **Does not promise**: order among keys; exactly one effect in a sink that cannot take back what it wrote (`stdout`, TCP);
//! anything over a crash without a state folder, or from a source that cannot replay. A record that nobody may look at twice
//! needs an id of its own.
//! **Bounds**: a source has [`window`](Settings::window) chunks (8) under way, each with the records and bytes of a
//! [`ChunkSize`] (2,048, 256 KiB) or one larger record, of which stages make four times as many bytes at most; each outlet that divides records has as many again. At the bound the
//! source stops reading. Retries end with a count and pauses with a ceiling ([`Retries`]); restarts with
//! [`intensity`](Settings::intensity); a drain with [`drain`](Settings::drain); dead letters with [`LetterBounds`].
//! **Cost**: one message and one acknowledgement for each chunk and edge, none for each record.
//!
//! Start with [`Pipeline`], [`sources`], and the pages `pipeline-*.md` in the documentation.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

// What a user describes: a plan, in Rust or in files.
mod buffer;
mod builder;
pub mod config;
mod difference;
mod limits;
mod nearest;
mod picture;
mod plan;
mod plan_check;
mod wiring;

// What moves, and what is acknowledged.
mod chunk;
mod content;
mod failed;
mod flow_core;
mod headers;
mod ledger;
mod letter;
mod messagepack_writer;
mod outlets;
mod record;
mod row;
mod stats;

// Where records come from and where they end.
mod blocking;
mod sink;
mod sink_actor;
mod sinks;
mod source;
mod source_actor;
pub mod sources;
mod trouble;

// Stages.
mod adjustments;
mod async_work;
mod circuit_core;
mod given_ids;
mod operator;
mod operators;
mod pass;
mod plugin_work;
mod remote_stage;
mod retry_core;
mod rust_stage;
mod stage_desk;
mod tickets;
mod waiting;

// What survives a crash.
mod checkpoint;
mod checkpoint_store;
mod dead_letters;
mod disk;
mod disk_trouble;
mod due_checkpoint;
mod lease;
mod letter_box;
mod real_disk;
mod state_lock;

// A pipeline at work.
mod book;
mod changeover;
mod conductor;
mod control_protocol;
mod control_socket;
mod house;
mod launch;
mod notice;
mod pipeline_ref;
mod place;
mod question_mark;
mod reload;
mod reload_watch;
mod status;
mod watch_core;

#[cfg(test)]
extern crate self as proscenium_pipeline;
#[cfg(test)]
mod faulty_disk;
#[cfg(test)]
mod random;
#[cfg(test)]
mod test_chunks;
#[cfg(test)]
mod test_folder;
#[cfg(test)]
mod test_plans;
#[cfg(test)]
mod test_snapshot;

pub use book::{Left, Outcome};
pub use builder::{Pipeline, Ports};
pub use changeover::{ReloadError, ReloadReport};
pub use checkpoint::Checkpoint;
pub use checkpoint_store::{CheckpointError, CheckpointStore};
pub use chunk::{Chunk, ChunkSize, Fields, Filling};
pub use conductor::ControlError;
pub use content::{json_to_messagepack, messagepack_to_json};
pub use control_protocol::{ControlAnswer, ControlRequest};
pub use control_socket::{ControlSocket, ControlSocketError};
pub use dead_letters::{
    CommittedLetters, Consent, Damage, Fate, KeptLetter, LetterBounds, LetterError, LetterFilter, LetterLock,
    LetterOffice, LetterPage, LetterQuery, LetterSelection, Purged, REDRIVEN, Redriven, letter_table, letter_text,
};
pub use difference::{Applies, Change, Difference, PartDifference, Setting, difference};
pub use disk::{Appending, Disk};
pub use failed::Failed;
pub use headers::{HeaderIter, Headers};
pub use launch::StartError;
pub use letter::{Class, Letter};
pub use operator::{AsyncOperator, Code, Emit, Operator, OperatorSpec, Verdict};
pub use operators::{Keeps, Leads, Says, State, Yields};
pub use picture::picture;
pub use pipeline_ref::PipelineRef;
pub use plan::{Conduct, Kind, Part, Plan, PluginStage, Port, RustStage, Settings, Share, SinkStage, WhenDown};
pub use plan_check::{Fault, check};
pub use proscenium_plugin_host::{ContentType, Failover, Retries};
pub use real_disk::RealDisk;
pub use record::{OwnedRecord, Record, RecordMut};
pub use reload_watch::{FileWatch, ReadPlan};
pub use row::Row;
pub use sink::{Sink, SinkSpec};
pub use sinks::{ChannelSink, LineFormat, Null, RollingFiles, Stdout, TcpSink};
pub use source::{Boxed, Filled, Source, SourceSpec};
pub use state_lock::{LockError, StateLock};
pub use stats::{Counts, Latencies};
pub use status::{PartStatus, PipelineStatus};
pub use trouble::Trouble;
