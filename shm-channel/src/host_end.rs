//! The host's end of the channel to one incarnation of the child.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::thread::futex;

use crate::edges::Edges;
use crate::entry::{self, NO_SLOT};
use crate::error::{AccessError, SubmitError, Violation};
use crate::front::Front;
use crate::geometry::{Geometry, page};
use crate::pages;
use crate::pool::{Pool, Slot};
#[cfg(any(test, fuzzing))]
use crate::protocol::shared;
use crate::protocol::{HostSide, ORDERS, place};
use crate::region::{self, Mapping, Writer};

/// The descriptors that a child needs for its end: [`ChildEnd::open`](crate::ChildEnd::open).
///
/// They are closed on exec: who spawns the child hands them over by number.
#[derive(Debug)]
pub struct ChildFds {
    /// The host's words: read-only for the child.
    pub orders: OwnedFd,
    /// The inputs of all slots: read-only for the child.
    pub inputs: OwnedFd,
    /// The child's words, and the fronts of all slots.
    pub fronts: OwnedFd,
    /// The eventfd by which the child wakes the host.
    pub wake: OwnedFd,
}

/// An order's number in its incarnation: counts up from 0 in the order of submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderNumber(u64);

/// The host's end.
///
/// Made for one incarnation of the child, and dropped with it: what a dead child has left in its words and fronts can be
/// read until then, and no later child sees it. The slots belong to the [`Pool`], and live on.
///
/// **Bound**: 128 orders under way, of which each slot can have one. **At the bound**: [`SubmitError::Full`].
/// **Calling order**: take a slot, write input and front, [`submit`](Self::submit); when [`completed`](Self::completed) says
/// so, read the front of the slot that was submitted first of those under way.
/// **Cost**: a submission or completion takes a full fence and a few stores; a system call only if the other side sleeps.
#[derive(Debug)]
pub struct HostEnd {
    pool: Pool,
    geometry: Geometry,
    orders: Mapping,
    fronts: Mapping,
    wake: Arc<OwnedFd>,
    edges: Edges,
    side: HostSide,
    /// Slots of the orders under way, by the order's number.
    under_way: [u8; ORDERS as usize],
    /// A bit for each slot that is under way.
    busy: u64,
    closed: bool,
}

impl HostEnd {
    /// Makes the regions of one incarnation.
    ///
    /// # Errors
    /// What the system says; nothing is left behind.
    pub fn new(pool: &Pool) -> io::Result<(Self, ChildFds)> {
        let geometry = pool.geometry();
        let (orders_file, orders) = region::create("proscenium-orders", page(), Writer::Maker)?;
        let (fronts_file, fronts) = region::create("proscenium-fronts", geometry.fronts_len(), Writer::Everybody)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let fds = ChildFds {
            orders: orders_file,
            inputs: pool.descriptor()?,
            fronts: fronts_file,
            wake: wake.as_fd().try_clone_to_owned()?,
        };
        let end = Self {
            pool: pool.clone(),
            geometry,
            orders,
            fronts,
            wake: Arc::new(wake),
            edges: Edges::new(),
            side: HostSide::new(),
            under_way: [NO_SLOT; ORDERS as usize],
            busy: 0,
            closed: false,
        };
        Ok((end, fds))
    }

    /// As after so many orders: what wraps does so at numbers that no test counts up to.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn after(mut self, count: u64) -> Self {
        self.side = HostSide::after(count);
        pages::orders(&self.orders).submitted.store(shared(count), Ordering::Relaxed);
        pages::answers(&self.fronts).completed.store(shared(count), Ordering::Relaxed);
        self
    }

    /// The pool that the slots come from.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The front of a slot.
    ///
    /// # Errors
    /// [`AccessError::ForeignSlot`].
    pub fn front(&self, slot: &Slot) -> Result<Front<'_>, AccessError> {
        if !self.pool.owns(slot) {
            return Err(AccessError::ForeignSlot);
        }
        let size = self.geometry.front_size();
        Ok(Front::of(&self.fronts, page() + slot.index() as usize * size as usize, size))
    }

    /// Hands an order to the child, and wakes it if it sleeps.
    ///
    /// `kind` means nothing to the channel. `budget` is what the child is told that it may take; nobody enforces it here.
    /// The slot stays with the caller, who must not give it back before the order is completed.
    ///
    /// # Errors
    /// [`SubmitError`]: nothing was handed over.
    pub fn submit(
        &mut self,
        slot: Option<&Slot>,
        kind: u8,
        budget: Option<Duration>,
    ) -> Result<OrderNumber, SubmitError> {
        let number = self.post(slot, kind, budget)?;
        self.wake_child();
        Ok(number)
    }

    /// Hands an order to the child, which goes on sleeping if it sleeps, until somebody [wakes](Self::wake_child) it.
    ///
    /// # Errors
    /// [`SubmitError`]: nothing was handed over.
    pub fn post(
        &mut self,
        slot: Option<&Slot>,
        kind: u8,
        budget: Option<Duration>,
    ) -> Result<OrderNumber, SubmitError> {
        let bit = match slot {
            _ if self.closed => return Err(SubmitError::Closed),
            Some(slot) if !self.pool.owns(slot) => return Err(SubmitError::ForeignSlot),
            Some(slot) => 1 << slot.index(),
            None => 0,
        };
        if self.busy & bit != 0 {
            return Err(SubmitError::InFlight);
        }
        if self.side.in_flight() == ORDERS {
            return Err(SubmitError::Full);
        }
        let number = self.side.submitted();
        let index = slot.map(Slot::index);
        self.busy |= bit;
        self.under_way[place(number)] = index.map_or(NO_SLOT, |index| index as u8);
        // Before the order is published: a cancellation of the one that had this number before is not for this one.
        pages::cancel_of(&self.orders, number).store(0, Ordering::Relaxed);
        self.side.submit(pages::orders(&self.orders), entry::pack(index, kind, budget));
        Ok(OrderNumber(number))
    }

    /// Wakes the child, if it sleeps and there is something for it that it was not woken for yet.
    pub fn wake_child(&mut self) {
        if self.side.owes(pages::answers(&self.fronts)) {
            self.ring();
        }
    }

    /// How many orders are newly completed, the oldest ones first. What the child has written for them can be read now.
    ///
    /// # Errors
    /// [`Violation`]: the count is one that an honest child cannot have.
    pub fn completed(&mut self) -> Result<u32, Violation> {
        let (accepted, in_flight) = (self.side.seen(), self.side.in_flight());
        let new = self.side.completed(pages::answers(&self.fronts)).map_err(|nonsense| Violation {
            claimed: nonsense.claimed,
            accepted,
            in_flight,
        })?;
        for number in accepted..self.side.seen() {
            let slot = self.under_way[place(number)];
            if slot != NO_SLOT {
                self.busy &= !(1 << slot);
            }
        }
        Ok(new)
    }

    /// Whether [`completed`](Self::completed) has something to say: new completions, or nonsense.
    pub fn has_news(&self) -> bool {
        self.has_come(1)
    }

    /// Whether so many orders are newly completed (of those under way: all of them are enough), or the count is nonsense.
    pub fn has_come(&self, count: u32) -> bool {
        self.side.has_come(pages::answers(&self.fronts), count)
    }

    /// Orders that are submitted and not yet seen completed.
    pub fn in_flight(&self) -> u32 {
        self.side.in_flight()
    }

    /// Asks for an end of one order that is under way; for one that is not, nothing happens. No other order is touched:
    /// each has a word of its own.
    pub fn cancel(&self, number: OrderNumber) {
        if (self.side.seen()..self.side.submitted()).contains(&number.0) {
            pages::cancel_of(&self.orders, number.0).store(1, Ordering::Relaxed);
        }
    }

    /// Asks for an end of whatever the child does, orders or not: before it is stopped.
    pub fn cancel_all(&self) {
        pages::cancel(&self.orders).store(1, Ordering::Relaxed);
        for number in self.side.seen()..self.side.submitted() {
            pages::cancel_of(&self.orders, number).store(1, Ordering::Relaxed);
        }
    }

    /// What the child says it is doing: its own number, to be believed by nobody.
    pub fn phase(&self) -> u32 {
        pages::phase(&self.fronts).load(Ordering::Relaxed)
    }

    /// Says that no order follows. The child completes those under way and then finds the channel closed.
    pub fn close(&mut self) {
        if !self.closed {
            self.closed = true;
            if self.side.close(pages::orders(&self.orders), pages::answers(&self.fronts)) {
                self.ring();
            }
        }
    }

    /// Says that the host goes to sleep until [`wake_fd`](Self::wake_fd) has an edge, which it has when `count` orders
    /// [have come](Self::has_come). False: they have, do not sleep.
    ///
    /// Only for who waits by means of its own; [`wait`](Self::wait) does all of it. Afterwards call [`disarm`](Self::disarm).
    #[must_use = "who sleeps all the same is not woken for what is there already"]
    pub fn arm(&self, count: u32) -> bool {
        self.side.arm(pages::orders(&self.orders), pages::answers(&self.fronts), count)
    }

    /// Says that the host is awake, so that the child saves the system call.
    pub fn disarm(&self) {
        self.side.disarm(pages::orders(&self.orders));
    }

    /// Blocks until there is [news](Self::has_news), for `limit` at most. True: there is.
    ///
    /// # Errors
    /// What the system says; the channel is as it was.
    pub fn wait(&self, limit: Duration) -> io::Result<bool> {
        self.wait_for(1, limit)
    }

    /// Blocks until `count` orders [have come](Self::has_come), for `limit` at most. True: they have.
    ///
    /// A wake-up costs the child a system call of some microseconds. With several orders under way it goes on
    /// meanwhile, so who waits for half of them pays for a fraction of the wake-ups; what it pays with is that the first result waits
    /// for the last one of that half.
    ///
    /// # Errors
    /// What the system says; the channel is as it was.
    pub fn wait_for(&self, count: u32, limit: Duration) -> io::Result<bool> {
        if !self.arm(count) {
            return Ok(true);
        }
        let came = self.edges.wait(self.wake.as_fd(), limit, || self.has_come(count));
        self.disarm();
        came
    }

    /// The eventfd that the child writes. Wait for its *edges*, and never read it: the child can empty it, and can make a
    /// read block.
    pub fn wake_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn shared_wake_fd(&self) -> Arc<OwnedFd> {
        self.wake.clone()
    }

    fn ring(&self) {
        // The only error is an address that is not mapped, and it is.
        let _ = futex::wake(pages::orders(&self.orders).submitted, futex::Flags::empty(), 1);
    }
}

impl Drop for HostEnd {
    /// Closes, so that a child that is alive ends in order.
    fn drop(&mut self) {
        self.close();
    }
}
