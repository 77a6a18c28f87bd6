//! Actors: state that handles one message at a time, behind a bounded mailbox, on tokio, and at hand for ractor code.
//!
//! ```text
//!   Node ──spawn──▶ Ref ──tell, call──▶ mailbox (lane) ──▶ companion task: Actor::handle(&mut state, msg)
//!     │ names, groups, topics              │ stays over restarts       │ Context: timers, links, monitors, futures
//!     └ reports, statistics, stop          └ bounded, in order         └ ends with the incarnation
//! ```
//!
//! **Promises**
//! - No queued message is lost over a restart; what one actor sends to another arrives in order, signals included.
//! - A panic costs the actor that it happened in, and nothing else.
//! - Every wait ends: calls after 5 s, tells inside handlers after 5 s, stops after their limit, each with a typed error.
//!
//! **Does not promise** to preempt: a handler that does not yield is noticed and named, and may be fenced off, but its
//! thread is its own.
//!
//! **Bounds**: mailboxes 1,024 messages by default, chosen in messages or bytes ([`Mailbox`]); what user code arms, links and attaches.
//!
//! **Cost**: an actor, two allocations and less than a kilobyte until it is told something; a message, one lock of its
//! sender and a share of one of the actor's. One thread for all nodes of a process, one task for each node.
//!
//! ```
//! use proscenium_runtime::{Node, actor};
//!
//! struct Counter { n: u64 }
//!
//! #[actor(crate = proscenium_runtime)]
//! impl Counter {
//!     #[cast] fn add(&mut self, by: u64) { self.n += by; }
//!     #[call] fn get(&mut self) -> u64 { self.n }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
//! let node = Node::start("doc").await?;
//! let counter = node.spawn(Counter { n: 0 }).await?;
//! counter.add(2).await?;
//! assert_eq!(counter.get().await?, 2);
//! # node.stop().await }
//! ```

#![deny(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(proscenium_loom, allow(dead_code, unused_imports))]

mod lane;
mod mailbox;

// Under loom only the lane is built: tokio and ractor do not run in a model.
#[cfg(not(proscenium_loom))]
mod actor;
#[cfg(not(proscenium_loom))]
mod actor_cell;
#[cfg(not(proscenium_loom))]
mod actor_id;
#[cfg(not(proscenium_loom))]
mod actor_ref;
#[cfg(not(proscenium_loom))]
mod attached;
#[cfg(not(proscenium_loom))]
mod block_on;
#[cfg(not(proscenium_loom))]
mod call;
#[cfg(not(proscenium_loom))]
mod cell;
#[cfg(not(proscenium_loom))]
mod clock;
#[cfg(not(proscenium_loom))]
mod companion;
#[cfg(not(proscenium_loom))]
mod context;
#[cfg(not(proscenium_loom))]
mod enter;
#[cfg(not(proscenium_loom))]
mod entry;
#[cfg(not(proscenium_loom))]
mod error;
#[cfg(not(proscenium_loom))]
mod exit;
#[cfg(not(proscenium_loom))]
mod failure;
#[cfg(not(proscenium_loom))]
mod func;
#[cfg(not(proscenium_loom))]
mod groups;
#[cfg(not(proscenium_loom))]
mod guarded;
#[cfg(not(proscenium_loom))]
mod life;
#[cfg(not(proscenium_loom))]
mod links;
#[cfg(not(proscenium_loom))]
mod names;
#[cfg(not(proscenium_loom))]
mod node;
#[cfg(not(proscenium_loom))]
mod now;
#[cfg(not(proscenium_loom))]
mod outcome;
#[cfg(not(proscenium_loom))]
mod panics;
#[cfg(not(proscenium_loom))]
mod ractor_shell;
#[cfg(not(proscenium_loom))]
mod recipient;
#[cfg(not(proscenium_loom))]
mod recorder;
#[cfg(not(proscenium_loom))]
mod registry;
#[cfg(not(proscenium_loom))]
mod reply;
#[cfg(not(proscenium_loom))]
mod report;
#[cfg(not(proscenium_loom))]
mod requests;
#[cfg(not(proscenium_loom))]
mod scope;
#[cfg(not(proscenium_loom))]
mod shutdown;
#[cfg(not(proscenium_loom))]
mod signal;
#[cfg(not(proscenium_loom))]
mod spawn;
#[cfg(not(proscenium_loom))]
mod sweeper;
#[cfg(not(proscenium_loom))]
mod sys;
#[cfg(not(proscenium_loom))]
mod task;
#[cfg(not(proscenium_loom))]
mod tell;
#[cfg(not(proscenium_loom))]
mod thread;
#[cfg(not(proscenium_loom))]
mod timers_core;
#[cfg(not(proscenium_loom))]
mod topics;
#[cfg(not(proscenium_loom))]
mod waits;
#[cfg(not(proscenium_loom))]
mod watch;

pub use mailbox::{CrashPolicy, Mailbox, Overflow, Unit};

#[cfg(not(proscenium_loom))]
pub use {
    actor::{Actor, Undelivered},
    actor_cell::{ActorCell, Ended, Owner},
    actor_id::ActorId,
    actor_ref::{AnyRef, Ref, Stop, StopError, UntypedRef, WeakRef},
    call::{Call, CallError},
    clock::ClockGuard,
    context::Context,
    enter::enter,
    error::{Error, Result, StartError},
    exit::{Exit, Panicked},
    func::{FnActor, actor_fn},
    groups::{Group, GroupEvent, GroupEvents, Roster},
    names::{IntoName, Name, NameError},
    node::{Node, NodeStop, NodeStopError, ShutdownSignal, Statistics},
    now::Now,
    proscenium_runtime_macros::{actor, main},
    ractor_shell::interop,
    recipient::Recipient,
    recorder::Recorded,
    reply::Reply,
    report::{CrashReport, Reported, Reports},
    requests::Requests,
    signal::{Down, Exited, MonitorId},
    spawn::{Spawn, SpawnError, Starting},
    sys::{Life, Status, Sys, SysError},
    task::{Awaited, Task, Work},
    tell::{Tell, TellError},
    timers_core::TimerId,
    topics::{Heard, Lag, Listener, Published, Topic},
};

#[cfg(not(proscenium_loom))]
#[doc(hidden)]
pub mod __private {
    pub use crate::outcome::{Duplicate, Outcome, outcome};
    pub use tokio;
}
