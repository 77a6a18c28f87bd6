//! Native code in child processes.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod answer;
mod average;
mod batch;
mod block;
mod catalog;
mod desk;
mod elf;
mod end;
mod failover_core;
mod flight_core;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod group;
mod judge;
mod life;
mod lines;
mod locate;
mod lone_core;
mod look;
mod measure;
mod own_folder;
mod pace_core;
mod place;
mod plugin_ref;
mod portion;
mod private_copy;
mod process;
mod question_mark;
#[cfg(test)]
mod random;
mod refusals;
mod removal;
mod renewal_core;
mod seat;
mod spec;
mod stand_in;
mod start_error;
mod state_memory;
mod status;
mod swap;
mod tray;
mod under_way;
mod watch;
mod work;
mod work_folder;

pub use batch::{Batch, ContentType, Full, Processed, Record, Verdicts};
pub use catalog::{Catalog, CatalogError, CatalogMsg, CatalogRef, Failure, FolderError, Listing, libraries};
pub use elf::NoLibrary;
pub use end::{Class, EndReport, Memory};
pub use failover_core::{Failover, Retries, Why};
pub use flight_core::Order;
pub use group::CGROUP_VARIABLE;
pub use locate::{NoRunner, RUNNER_VARIABLE};
pub use look::Look;
pub use measure::MeasureError;
pub use plugin_ref::{PluginRef, ProcessError};
pub use private_copy::{Fingerprint, LibraryError};
pub use proscenium_plugin_runner::cgroup::{CgroupLimits, Usage};
pub use proscenium_plugin_runner::wire::{Failed, FailedKind, LastWord, Load, Measured, Phase};
pub use proscenium_plugin_runner::{clean, parameters, sandbox};
pub use proscenium_plugin_runner::{read, run_if_child, run_if_child_before_main};
pub use refusals::Refusals;
pub use spec::{BatchSize, Plugin};
pub use start_error::StartError;
pub use status::{State, Status};
pub use swap::{Side, Swap, SwapError, SwapReport};
