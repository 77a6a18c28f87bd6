//! Supervisors: actors that start, watch, restart and stop other actors, in OTP's terms.
//!
//! ```text
//!   sup_flags, child_spec ──▶ restart_core (pure) ──▶ Start · Stop · TryAgain · Reply · End
//!                                  │       ▲
//!                       children ◀─┘       └─ intensity
//! ```
//!
//! With the feature `process` there is `OsProcess`: children that are operating-system processes.
#![forbid(unsafe_code)]

mod async_stream;
mod child_spec;
mod children;
mod dynamic;
mod ends;
mod intensity;
mod layer;
#[cfg(feature = "process")]
mod os_process;
mod partition;
mod partition_key;
mod policy;
mod registry;
mod report;
pub mod restart_core;
mod shell;
mod sup_flags;
mod supervised;
mod supervisor;
mod table;
mod tasks;
mod tree;
mod tree_text;
mod trouble;

pub use async_stream::{AsyncStream, OnTimeout, Order, StreamOptions, TaskError};
pub use child_spec::{ChildFlags, ChildId, ChildSpec, ChildType, Restart, Shutdown};
pub use children::{Counts, Place, State};
pub use dynamic::{DynamicChild, DynamicSupervisor, DynamicSupervisorRef};
pub use layer::LayerChild;
#[cfg(feature = "process")]
pub use os_process::{Ending, Line, LinesTo, OsProcess, OsProcessError, OsProcessRef, Stdin, StdinError, Stream};
pub use partition::{PartitionSupervisor, PartitionSupervisorRef};
pub use partition_key::partition_of;
pub use policy::{Backoff, Policy, Quarantine};
pub use registry::{Keys, Registry, RegistryError, RegistryKeeper};
pub use report::{Happened, SupervisorReport};
pub use shell::{ChildInfo, Shell};
pub use sup_flags::{AutoShutdown, Conflict, PolicyConflict, SpecError, Strategy, SupFlags};
pub use supervised::{
    ActorChild, Notice, Placing, Refers, Renewal, Renewing, Start, Starting, Supervised, SupervisorChild,
};
pub use supervisor::{StartError, Started, Supervisor, SupervisorError, SupervisorRef};
pub use tasks::{TaskChild, TaskSupervisor, TaskSupervisorRef};
pub use tree::{Answer, Branch, NodeTree, Tree, Twig};
pub use trouble::PastExit;
