//! The lane: an actor's queue, its wake protocol, and the slots that carry replies.
//!
//! ```text
//!   senders ──push──▶ queue (one lock: blocks of entries + mode) ──swap──▶ hand (the owner's: taken, not handled) ──▶ companion
//!                       │ full: room.rs, first come first served              │ stays here when an incarnation dies
//! ```
//!
//! Knows nothing of actors, ractor or tokio; `docs/decisions/0002-lane.md` tells why it has this form, and `0010-barriers.md` how the hand
//! is taken from an owner that pays nothing for it.

mod backlog;
mod block;
pub(crate) mod deadline;
mod entry;
mod lock;
mod mode;
pub(crate) mod pool;
mod queue;
mod room;
mod scales;
pub(crate) mod slot;
mod sync;
mod tenancy;

#[cfg(all(test, proscenium_loom))]
mod models;
#[cfg(test)]
mod sample;
#[cfg(all(test, not(proscenium_loom)))]
mod tests;

pub(crate) use entry::{Entry, Note};
pub(crate) use queue::{END, Lane, Pushed, Refused};
pub(crate) use room::Reserve;
#[cfg(not(proscenium_loom))]
pub(crate) use sync::{heavy_barrier, light_barrier};
pub(crate) use tenancy::{Next, Tenancy};
