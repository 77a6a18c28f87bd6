//! Plugins for Proscenium: the C header `include/proscenium_plugin.h`, its mirror in Rust, and what an author in Rust
//! writes against.
//!
//! ```text
//!   your type ──impl Plugin──▶ export_plugin! ──▶ C functions of a cdylib ◀── the runner, in a child process
//!                                   │                                              │
//!                              panics end here                        Batch: one block of shared memory
//! ```
//!
//! **Promises**
//! - A plugin needs no `unsafe`: [`Batch`] and [`Record`] check every offset once a call, or where it is used.
//! - No panic leaves a function: it is told to the host with its text, and the process is started anew.
//! - The layouts are those of the header, by the compiler's word on both sides ([`abi`]).
//!
//! **Does not promise** to keep anything over a crash (that is what [`Plugin::export`] is for), or that a batch comes
//! back with the same borders when it is replayed.
//!
//! **Bounds**: a block of 2 GiB; new payloads and reasons up to the room of the heap, then [`Code::NoSpace`], and the
//! host hands over smaller batches; a reason of 1,024 bytes, then it is cut.
//!
//! **Cost**: a few nanoseconds a call to look at the header, one store a record for its progress, no allocation.
//!
//! A whole plugin, in a crate of type `cdylib`:
//!
//! ```standalone_crate
//! use proscenium_plugin_sdk::{Batch, Context, Error, Plugin, Value, export_plugin};
//!
//! struct Short {
//!     limit: i64,
//! }
//!
//! impl Plugin for Short {
//!     fn new(ctx: &Context) -> Result<Self, Error> {
//!         Ok(Self { limit: ctx.param_int("limit")?.unwrap_or(1024) })
//!     }
//!
//!     fn process(&mut self, batch: &mut Batch, _ctx: &Context) -> Result<(), Error> {
//!         batch.for_each(|mut record| {
//!             match record.get("note") {
//!                 Some(Value::Str(note)) if note.len() as i64 > self.limit => record.fail(1, "the note is too long"),
//!                 _ => (),
//!             }
//!             Ok(())
//!         })
//!     }
//! }
//!
//! export_plugin!(Short, c"name" => c"short", c"version" => c"1.0.0", c"description" => c"Fails long notes");
//! # fn main() {}
//! ```

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod abi;
mod batch;
mod context;
mod error;
// The one exception: what the C functions of a plugin are made of.
#[allow(unsafe_code)]
pub mod export;
pub mod msgpack;
mod plugin;
mod record;
pub mod testing;

pub use batch::Batch;
pub use context::Context;
pub use error::{Code, Error, SetError};
pub use msgpack::Value;
pub use plugin::{Flushed, Plugin, State};
pub use record::Record;

#[cfg(doctest)]
#[doc = include_str!("../../docs/writing-plugins.md")]
mod writing_plugins {}
