//! A host to test a plugin against, in the test's own process: no child, no shared memory, no sandbox.
//!
//! It goes by the functions that [`export_plugin!`](crate::export_plugin) exports, on a block like a real host's.
//!
//! ```
//! use proscenium_plugin_sdk::abi::{ReturnCode, Verdict};
//! use proscenium_plugin_sdk::testing::{Stage, TestBatch};
//! use proscenium_plugin_sdk::{Batch, Context, Error, Plugin};
//!
//! struct Odd;
//!
//! impl Plugin for Odd {
//!     fn new(_ctx: &Context) -> Result<Self, Error> {
//!         Ok(Self)
//!     }
//!
//!     fn process(&mut self, batch: &mut Batch, _ctx: &Context) -> Result<(), Error> {
//!         batch.for_each(|mut record| {
//!             if record.payload().len() % 2 == 0 {
//!                 record.drop("even");
//!             }
//!             Ok(())
//!         })
//!     }
//! }
//!
//! let mut stage = Stage::<Odd>::start(&[])?;
//! let mut batch = TestBatch::new().record(b"one").record(b"four").build();
//! assert_eq!(stage.process(&mut batch), Ok(ReturnCode::Ok));
//! let after = batch.records();
//! assert_eq!((after[0].verdict, after[1].verdict), (Some(Verdict::Ok), Some(Verdict::Drop)));
//! assert_eq!(after[1].reason, "even");
//! # Ok::<(), proscenium_plugin_sdk::testing::Failure>(())
//! ```
mod block;
// A host in C's eyes: functions by pointer, and calls of the plugin's.
#[allow(unsafe_code)]
mod host;

pub use block::{Block, Judged, TestBatch};
pub use host::{Failure, Host, Stage};
