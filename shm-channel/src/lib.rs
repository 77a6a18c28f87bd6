//! Memory shared with a process that is not trusted: a pool of slots, orders in one direction, completions in the other.
//!
//! ```text
//!   host                                                                          child (hostile)
//!   Pool ──take──▶ Slot ── writes ──▶ inputs  (sealed: nobody else can write) ── reads ──▶ ┐
//!   HostEnd ── submit: entry, count ──▶ orders (sealed likewise) ── take: spin, futex ───▶ │ ChildEnd: Order { block }
//!      ▲ completed: count ◀─────────── fronts (header, table, heap) ◀────────── writes ─── ┘   one block: front │ input
//!      └─ Front: copies, then judges        ▲ eventfd, only if the host sleeps ── complete ┘
//! ```
//!
//! **Promises**
//! - The child can write its own words and the fronts, and nothing else: not the inputs, not the orders, and it cannot
//!   change the size of a region, so no access of the host's can fault.
//! - Whatever the child writes, at whatever moment, the host neither panics nor blocks, and takes no completion for more
//!   than was submitted: a count that cannot be is a [`Violation`]. Contents are for the reader to judge, by copies.
//! - Orders are taken and completed in the order of submission. No wake-up is lost in either direction.
//! - No Rust reference is made to memory that the child can write, nor a plain access to it.
//! - A slot has one owner; who waits for one is served in turn. A steady state allocates nothing, on either side.
//!
//! **Does not promise** to notice the child's death, nor to end it: who owns the process does (pidfd), drops the [`HostEnd`],
//! and makes another one with the same [`Pool`]. A child learns of an orderly end ([`Taken::Closed`]), not of a host that was killed.
//! A completion says that the child says so; whether a budget is kept, and what a cancellation does, is between others.
//!
//! **Bounds**: 64 slots; 128 orders under way (at the bound [`SubmitError::Full`]); blocks of 2 GiB; waiting has the limit that
//! you give it; the child spins for 20 µs at most, the host never.
//!
//! **Cost**: memory as the [`Geometry`] says, taken when first written, and two pages. Descriptors: one for the pool; one for
//! an incarnation, and one more if its host blocks; one in the child. An order and its completion take well below a
//! microsecond if neither side sleeps; else a system call for each sleep, and for each wake-up one of 5 to 10 µs, which the
//! waker pays: who has several orders under way waits for several ([`HostEnd::wait_for`]).
//!
//! On Linux, 5.1 or later; elsewhere the crate is empty. The regions and their offsets: docs/memory-layout.md.
//!
//! ```
//! use proscenium_shm_channel::{ChildEnd, Geometry, HostEnd, Pool, Taken};
//! use std::{thread, time::Duration};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let geometry = Geometry { slots: 2, records: 16, heap: 4096, input: 4096 };
//! let pool = Pool::new(geometry)?;
//! let (mut host, fds) = HostEnd::new(&pool)?;
//! // In earnest this is another process, which got the four descriptors.
//! let child = thread::spawn(move || -> std::io::Result<()> {
//!     let mut child = ChildEnd::open(fds, geometry)?;
//!     while let Taken::Order(order) = child.take(None)? {
//!         let block = order.block.expect("the host gave a slot");
//!         // SAFETY: the block is this thread's until the order is completed; the input lies behind the front.
//!         unsafe { block.write(block.add(geometry.input_off() as usize).read().to_ascii_uppercase()) };
//!         child.complete();
//!     }
//!     Ok(())
//! });
//! let mut slot = pool.try_take().ok_or("two are free")?;
//! slot[0] = b'x';
//! host.submit(Some(&slot), 1, None)?;
//! assert!(host.wait(Duration::from_secs(5))?);
//! assert_eq!(host.completed()?, 1);
//! let mut first = [0];
//! host.front(&slot)?.read(0, &mut first)?;
//! assert_eq!(&first, b"X");
//! host.close();
//! child.join().expect("the child does not panic")?;
//! # Ok(()) }
//! ```
#![cfg(target_os = "linux")]
#![cfg_attr(proscenium_loom, allow(dead_code))]
#![warn(missing_docs)]

mod bell;
#[cfg(all(test, proscenium_loom))]
mod models;
mod protocol;
mod sync;

#[cfg(all(feature = "tokio", not(proscenium_loom)))]
mod async_end;
#[cfg(not(proscenium_loom))]
mod child_end;
#[cfg(not(proscenium_loom))]
mod edges;
#[cfg(not(proscenium_loom))]
mod entry;
#[cfg(not(proscenium_loom))]
mod error;
#[cfg(not(proscenium_loom))]
mod foreign;
#[cfg(not(proscenium_loom))]
mod front;
#[cfg(all(any(test, fuzzing), not(proscenium_loom)))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(not(proscenium_loom))]
mod geometry;
#[cfg(not(proscenium_loom))]
mod host_end;
#[cfg(not(proscenium_loom))]
mod pages;
#[cfg(not(proscenium_loom))]
mod park;
#[cfg(not(proscenium_loom))]
mod pool;
#[cfg(not(proscenium_loom))]
mod pool_core;
#[cfg(all(test, not(proscenium_loom)))]
mod races;
#[cfg(not(proscenium_loom))]
mod region;
#[cfg(not(proscenium_loom))]
mod spin_core;

#[cfg(all(feature = "tokio", not(proscenium_loom)))]
pub use async_end::AsyncHostEnd;
#[cfg(not(proscenium_loom))]
pub use child_end::{ChildEnd, Order, Taken};
#[cfg(not(proscenium_loom))]
pub use error::{AccessError, SubmitError, Violation};
#[cfg(not(proscenium_loom))]
pub use front::Front;
#[cfg(not(proscenium_loom))]
pub use geometry::{Geometry, GeometryError};
#[cfg(not(proscenium_loom))]
pub use host_end::{ChildFds, HostEnd, OrderNumber};
#[cfg(not(proscenium_loom))]
pub use pool::{Pool, Slot, Take};
