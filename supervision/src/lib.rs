//! Supervisors: actors that start, watch, restart and stop other actors, in OTP's terms.
//!
//! ```text
//!   sup_flags, child_spec ──▶ restart_core (pure) ──▶ Start · Stop · TryAgain · Reply · End
//!                                  │       ▲
//!                       children ◀─┘       └─ intensity
//! ```
#![forbid(unsafe_code)]

mod child_spec;
mod children;
mod intensity;
mod restart_core;
mod sup_flags;

pub use child_spec::{ChildFlags, ChildId, ChildType, Restart, Shutdown};
pub use children::{Child, Place, State};
pub use restart_core::{Action, Event, Outcome, Reply, Report, RestartCore};
pub use sup_flags::{AutoShutdown, Conflict, SpecError, Strategy, SupFlags};
