//! The process that a plugin lives in: what it shuts off before the plugin's first instruction runs.
//!
//! ```text
//!   host ──exec──▶ runner ──Sandbox::apply──▶ no more rights than the plugin is granted ──dlopen──▶ plugin
//!     │                                 │
//!     └── Cgroup: memory, CPU, processes └── Report: each layer active, not available, or failed
//! ```
//!
//! **Promises**
//! - Each layer of the [`sandbox`] is tried, whatever became of the others, and the [`sandbox::Report`] says how it
//!   went, a line a layer. Nothing is left out in silence.
//! - What a plugin may do besides computing is what its [`sandbox::Grants`] name.
//!
//! **Does not promise** to hold against a bug in the kernel, nor to hide that a file exists: see `docs/sandbox.md`.
//!
//! **Cost**: under 0.3 ms a process, the check and the compiling of the filter by the kernel included.

#![warn(missing_docs)]
#![cfg(target_os = "linux")]

mod child;
mod context;
mod control;
mod crash;
mod foreign;
mod library;
mod measure;
mod serve;

pub mod cgroup;
pub mod parameters;
pub mod sandbox;
pub mod wire;

pub use child::{CHILD, is_child, is_hooked, run_if_child};
pub use foreign::clean;
pub use measure::read;
pub use serve::serve;
