//! The slots' inputs: memory that the host writes and the child reads, handed out to one owner at a time.

use std::future::Future;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::geometry::Geometry;
use crate::park;
use crate::pool_core::{Asked, PoolCore, Ticket};
use crate::region::{self, Mapping, Writer};

/// What the slots that are used in turn have at most of what owners write, unless the owners alone need more: so much as no
/// processor's own caches hold.
const IN_TURN: u32 = 6 << 20;

/// The memory pool: as many slots as its [`Geometry`] says, each with one owner.
///
/// It lives as long as somebody has a clone, a [`Slot`] or a [`HostEnd`](crate::HostEnd) of it: over all incarnations of the child.
///
/// Slots are taken in turn. Who writes to memory that the child has just read waits until the child's processor lets go of it,
/// some 7 ns for a line of 64 bytes; where there are [more slots than owners](Self::in_turn), its caches have
/// forgotten a slot when its turn comes again. While no other slot is in use, the last one is taken again.
///
/// **Bound**: `slots`, or fewer owners. **At the bound**: [`try_take`](Self::try_take) gives `None`, [`take`](Self::take) waits; who waits is
/// served in the order in which it came, and nobody overtakes.
/// **Cost**: one lock to take a slot, one to give it back; no allocation but for the queue, when more wait than ever before.
#[derive(Clone, Debug)]
pub struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    geometry: Geometry,
    /// Bytes of each input. Asked for with every look into a slot, so it is not reckoned from the page size each time.
    input: usize,
    inputs: Mapping,
    file: OwnedFd,
    core: Mutex<PoolCore<Waker>>,
}

impl Pool {
    /// Makes the region. Its memory is taken from the system when it is first written.
    ///
    /// # Errors
    /// A geometry that [`check`](Geometry::check) refuses, as `InvalidInput`; what the system says (descriptors, memory; a
    /// kernel before 5.1 has no `F_SEAL_FUTURE_WRITE`). Nothing is left behind.
    pub fn new(geometry: Geometry) -> io::Result<Self> {
        Self::in_turn(geometry, geometry.slots)
    }

    /// The same, of which no more than so many slots have an owner at once: one at least.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn in_turn(geometry: Geometry, owners: u32) -> io::Result<Self> {
        let geometry = geometry.check().map_err(|wrong| io::Error::new(io::ErrorKind::InvalidInput, wrong))?;
        let (file, inputs) = region::create("proscenium-inputs", geometry.inputs_len(), Writer::Maker)?;
        let core = Mutex::new(PoolCore::new(geometry.slots, owners.clamp(1, geometry.slots)));
        let input = geometry.input_size() as usize;
        Ok(Self { shared: Arc::new(Shared { geometry, input, inputs, file, core }) })
    }

    /// What the slots have room for.
    pub fn geometry(&self) -> Geometry {
        self.shared.geometry
    }

    /// How many slots may be taken.
    pub fn free(&self) -> usize {
        self.shared.core().free() as usize
    }

    /// A slot, if one is free. Never while somebody waits in [`take`](Self::take).
    #[must_use = "a slot that is dropped is given back"]
    pub fn try_take(&self) -> Option<Slot> {
        let taken = self.shared.core().take();
        taken.map(|index| self.slot(index))
    }

    /// A slot, as soon as one is free.
    ///
    /// Cancel-safe: dropped before it is ready, it leaves the queue, and a slot that it had been given in the meantime goes
    /// to the next. Whose turn it is does not depend on who polls first.
    pub fn take(&self) -> Take<'_> {
        Take { pool: self, ticket: None }
    }

    /// A slot, if one is free within `limit`. Blocks the thread, in the same queue as [`take`](Self::take).
    pub fn blocking_take(&self, limit: Duration) -> Option<Slot> {
        park::block_on(self.take(), limit)
    }

    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.shared.file.as_fd().try_clone_to_owned()
    }

    pub(crate) fn owns(&self, slot: &Slot) -> bool {
        Arc::ptr_eq(&self.shared, &slot.pool.shared)
    }

    fn slot(&self, index: u32) -> Slot {
        let input = self.shared.input;
        assert!(index < self.shared.geometry.slots, "a slot beyond the pool");
        // SAFETY: in bounds: below `slots`, as was just asserted, and so many inputs are mapped.
        let start = unsafe { self.shared.inputs.base().add(index as usize * input) };
        Slot { bytes: NonNull::slice_from_raw_parts(start, input), pool: self.clone(), index, used: 0 }
    }
}

impl Shared {
    /// No panic can leave the core half-changed, so a poisoned lock is as good as another.
    fn core(&self) -> MutexGuard<'_, PoolCore<Waker>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a slot: [`Pool::take`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is polled"]
pub struct Take<'a> {
    pool: &'a Pool,
    ticket: Option<Ticket>,
}

impl Future for Take<'_> {
    type Output = Slot;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Slot> {
        let pool = self.pool;
        let mut core = pool.shared.core();
        let index = match self.ticket {
            None => core.take(),
            Some(ticket) => match core.ask(ticket, |kept| kept.clone_from(cx.waker())) {
                Asked::Slot(index) => Some(index),
                Asked::Waits => return Poll::Pending,
            },
        };
        if let Some(index) = index {
            drop(core);
            self.ticket = None;
            return Poll::Ready(pool.slot(index));
        }
        let ticket = core.wait(cx.waker().clone());
        drop(core);
        self.ticket = Some(ticket);
        Poll::Pending
    }
}

impl Drop for Take<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let next = self.pool.shared.core().leave(ticket);
            // Not under the lock: a waker runs code of others.
            if let Some(waker) = next {
                waker.wake();
            }
        }
    }
}

/// One slot's input, until it is dropped: then it goes back to the pool, to who waits longest.
///
/// What lies in it is what its last owner left there. The child can read it at any time and write it at none.
#[derive(Debug)]
pub struct Slot {
    /// Where they are. To reckon it from the pool would be a fifth of what it costs to add a small record.
    bytes: NonNull<[u8]>,
    pool: Pool,
    index: u32,
    /// Bytes of its block that were in use.
    used: u32,
}

// SAFETY: the bytes are the owner's alone, as those of a `Box<[u8]>` are, and no thread's in particular.
unsafe impl Send for Slot {}
// SAFETY: as above; a shared slot is only read.
unsafe impl Sync for Slot {}

impl Slot {
    /// Its number: below [`Geometry::slots`].
    pub fn index(&self) -> u32 {
        self.index
    }

    /// So many bytes of its block were in use. From when it goes back on, no more slots are used in turn than have 6 MiB of such
    /// blocks, unless there are more owners: a few large batches need no memory of their own.
    pub fn has_used(&mut self, bytes: u32) {
        self.used = bytes;
    }

    /// The pool that it belongs to.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }
}

impl Deref for Slot {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY:
        // - in bounds: `Pool::slot` has seen to it;
        // - initialised: a memory file begins with zeros; `u8` has no alignment and no invalid value;
        // - no other writer: the core gives a slot to one owner, who lends it out by Rust's rules; the region is sealed with
        //   F_SEAL_FUTURE_WRITE, so no other process ever has a writable mapping of it;
        // - alive: the mapping lives as long as the pool, which `self` holds.
        unsafe { self.bytes.as_ref() }
    }
}

impl DerefMut for Slot {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `&mut self` is the owner's only access. That the child may be reading while we write is
        // the child's concern: a foreign read changes nothing here.
        unsafe { self.bytes.as_mut() }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut core = self.pool.shared.core();
        core.turn_among(IN_TURN / self.used.max(1));
        let next = core.give_back(self.index);
        drop(core);
        if let Some(waker) = next {
            waker.wake();
        }
    }
}
