//! Proscenium: Erlang's actors for Rust, with bounded mailboxes, links, monitors and restarts that keep the queue.
//!
//! ```text
//!   your program ──▶ proscenium (this crate: names, and `enter`)
//!                        ├─ pipeline: records through supervised stages (feature `pipeline`)
//!                        ├─ plugin: native code in child processes, swapped while it runs (feature `plugins`)
//!                        ├─ supervision: supervisors, in OTP's terms
//!                        ├─ process: operating-system processes that end with their host (feature `process`)
//!                        └─ runtime: actors, mailboxes, calls, links, monitors, timers, names, groups, introspection
//! ```
//!
//! Start with [`Node`] and [`actor`], the README and `docs/actors.md`.
//!
//! ```
//! use proscenium::prelude::*;
//!
//! struct Counter { n: u64 }
//!
//! #[actor]
//! impl Counter {
//!     #[cast] fn add(&mut self, by: u64) { self.n += by; }
//!     #[call] fn get(&mut self) -> u64 { self.n }
//! }
//!
//! #[proscenium::main]
//! async fn main() -> proscenium::Result<()> {
//!     let node = Node::start("demo").await?;
//!     let counter = node.spawn(Counter { n: 0 }).named("counter").await?;
//!     counter.add(2).await?;
//!     assert_eq!(counter.get().await?, 2);
//!     node.stop().await
//! }
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(doctest)]
mod book;

#[cfg(feature = "plugins")]
mod enter;

// The name stands before the one of the same name that comes with all of the runtime's.
#[cfg(feature = "plugins")]
pub use enter::enter;
#[cfg(feature = "pipeline")]
pub use proscenium_pipeline as pipeline;
#[cfg(feature = "plugins")]
pub use proscenium_plugin_host as plugin;
#[cfg(feature = "process")]
pub use proscenium_process as process;
pub use proscenium_runtime::*;
pub use proscenium_supervision as supervision;
pub use proscenium_supervision::{
    ChildSpec, DynamicSupervisor, DynamicSupervisorRef, PartitionSupervisor, PartitionSupervisorRef, Registry,
    StreamOptions, Supervisor, SupervisorRef, TaskSupervisor, TaskSupervisorRef,
};

pub mod prelude;
