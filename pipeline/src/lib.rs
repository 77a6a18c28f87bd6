//! Records through supervised stages.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod async_work;
mod blocking;
mod book;
mod builder;
mod changeover;
mod checkpoint;
mod checkpoint_store;
mod chunk;
mod conductor;
pub mod config;
mod content;
mod control_protocol;
mod control_socket;
mod dead_letters;
mod difference;
mod disk;
mod disk_trouble;
mod failed;
mod flow_core;
mod headers;
mod house;
mod launch;
mod ledger;
mod letter;
mod letter_box;
mod messagepack_writer;
mod nearest;
mod operator;
mod operators;
mod outlets;
mod pass;
mod picture;
mod pipeline_ref;
mod place;
mod plan;
mod plan_check;
mod plugin_work;
mod question_mark;
mod real_disk;
mod record;
mod reload;
mod reload_watch;
mod remote_stage;
mod retry_core;
mod rust_stage;
mod sink;
mod sink_actor;
mod sinks;
mod source;
mod source_actor;
pub mod sources;
mod stage_desk;
mod state_lock;
mod stats;
mod status;
mod tickets;
mod trouble;
mod waiting;
mod watch_core;
mod wiring;

#[cfg(test)]
extern crate self as proscenium_pipeline;
#[cfg(test)]
mod faulty_disk;
#[cfg(test)]
mod random;
#[cfg(test)]
mod test_folder;

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
    CommittedLetters, Consent, Damage, DeadLetterStore, Fate, KeptLetter, LetterBounds, LetterError, LetterFilter,
    LetterLock, LetterOffice, LetterPage, LetterQuery, LetterSelection, Purged, REDRIVEN, RedriveSource, RedriveSpec,
    Redriven, letter_table, letter_text,
};
pub use difference::{Applies, Change, Difference, PartDifference, Setting, difference};
pub use disk::{Appending, Disk};
pub use failed::Failed;
pub use flow_core::{Ending, FlowCore, TokenId};
pub use headers::{HeaderIter, Headers};
pub use launch::StartError;
pub use letter::{Class, Letter};
pub use nearest::nearest;
pub use operator::{AsyncOperator, Code, Emit, Operator, OperatorSpec, Verdict};
pub use operators::{Keeps, Leads, Says, State, Yields};
pub use picture::picture;
pub use pipeline_ref::PipelineRef;
pub use plan::{Conduct, Kind, Part, Plan, PluginStage, Port, RustStage, Settings, Share, SinkStage, WhenDown};
pub use plan_check::{Fault, check};
pub use proscenium_plugin_host::{ContentType, Failover, Retries};
pub use real_disk::RealDisk;
pub use record::{OwnedRecord, Record, RecordMut};
pub use reload::{Side, Step, roll_back, steps};
pub use reload_watch::{FileWatch, ReadPlan};
pub use sink::{Sink, SinkSpec};
pub use sinks::{ChannelSink, FileFormat, LinesFormat, Null, RollingFiles, Stdout, TcpSink};
pub use source::{Boxed, Filled, Source, SourceSpec};
pub use state_lock::{LockError, StateLock};
pub use stats::{Counts, Latencies};
pub use status::{PartStatus, PipelineStatus};
pub use trouble::Trouble;
