//! Records through supervised stages.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod chunk;
mod content;
mod disk;
mod failed;
mod flow_core;
mod headers;
mod ledger;
mod letter;
mod operator;
mod plan;
mod record;
mod sink;
mod source;
mod trouble;

pub use chunk::{Chunk, ChunkSize, Fields, Filling};
pub use content::{json_to_messagepack, messagepack_to_json};
pub use disk::{Appending, Disk};
pub use failed::Failed;
pub use flow_core::{Ending, FlowCore, TokenId};
pub use headers::{HeaderIter, Headers};
pub use letter::{Class, Letter};
pub use operator::{AsyncOperator, Emit, Operator, OperatorSpec, Verdict, Work};
pub use plan::{Conduct, Kind, Part, Plan, PluginStage, Port, RustStage, Settings, Share, SinkStage, WhenDown};
pub use proscenium_plugin_host::{ContentType, Failover, Retries};
pub use record::{OwnedRecord, Record, RecordMut};
pub use sink::{Sink, SinkSpec};
pub use source::{Boxed, Filled, Source, SourceSpec};
pub use trouble::Trouble;
