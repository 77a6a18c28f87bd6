//! The child's end: one thread takes orders and completes them.

use std::hint;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::io::Errno;
use rustix::mm::ProtFlags;
use rustix::thread::futex;

use crate::entry;
use crate::geometry::{Geometry, page};
use crate::host_end::ChildFds;
use crate::pages;
use crate::protocol::{ChildSide, Look};
use crate::region::{self, Mapping};
use crate::spin_core::{SpinCore, Spun};

/// So many looks pass between two looks at the clock.
const LOOKS: u32 = 16;

/// What the child is to do.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// The host's word for what it is; means nothing to the channel.
    pub kind: u8,
    /// The slot that it is about.
    pub slot: Option<u32>,
    /// The slot's block: the front, which may be written, and right behind it the input, which may not. `None` without a slot.
    ///
    /// Valid until the [`ChildEnd`] is dropped. The host reads it after the completion, and a new order may follow at once:
    /// whoever writes to it after that spoils a batch of its own.
    pub block: Option<std::ptr::NonNull<u8>>,
    /// What the host allows for it, from when it is taken.
    pub budget: Option<Duration>,
    /// Not 0: give this order up. Valid until the [`ChildEnd`] is dropped; it is this order's until it is completed.
    pub cancel: *const u32,
}

/// What [`ChildEnd::take`] comes back with.
#[derive(Clone, Copy, Debug)]
pub enum Taken {
    /// The next order, the same one until it is [completed](ChildEnd::complete).
    Order(Order),
    /// None within the limit.
    Nothing,
    /// There will be none any more.
    Closed,
}

/// The child's end. One thread works with it, and blocks where it waits.
///
/// **Cost**: a wait spins for at most 20 µs, less where that did not pay off lately, and not at all on one processor; then it
/// sleeps in a futex. A completion costs one full fence, and a system call if the host sleeps.
#[derive(Debug)]
pub struct ChildEnd {
    geometry: Geometry,
    orders: Mapping,
    /// The child's words alone: the fronts lie in `blocks`.
    answers: Mapping,
    blocks: Mapping,
    wake: OwnedFd,
    side: ChildSide,
    spin: SpinCore,
    is_taken: bool,
}

impl ChildEnd {
    /// Maps what the host has made. The geometry is the one that the host says it has.
    ///
    /// # Errors
    /// Regions that do not fit the geometry or are not sealed, as `InvalidData`; what the system says.
    pub fn open(fds: ChildFds, geometry: Geometry) -> io::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::open_among(fds, geometry, processors.try_into().unwrap_or(u32::MAX))
    }

    /// The same, where the caller knows how many processors there are for host and child: to find out takes longer than the
    /// rest. With one, this end never spins.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_among(fds: ChildFds, geometry: Geometry, processors: u32) -> io::Result<Self> {
        let geometry = geometry.check().map_err(|wrong| io::Error::new(io::ErrorKind::InvalidInput, wrong))?;
        let ChildFds { orders, inputs, fronts, wake } = fds;
        region::check("orders", orders.as_fd(), page())?;
        region::check("inputs", inputs.as_fd(), geometry.inputs_len())?;
        region::check("fronts", fronts.as_fd(), geometry.fronts_len())?;
        let both = ProtFlags::READ | ProtFlags::WRITE;
        let (front, input) = (geometry.front_size() as usize, geometry.input_size() as usize);
        let mut blocks = Mapping::reserve(geometry.slots as usize * (front + input))?;
        for slot in 0..geometry.slots as usize {
            let at = slot * (front + input);
            blocks.place(at, front, both, fronts.as_fd(), page() + slot * front)?;
            blocks.place(at + front, input, ProtFlags::READ, inputs.as_fd(), slot * input)?;
        }
        Ok(Self {
            geometry,
            orders: Mapping::new(orders.as_fd(), page(), ProtFlags::READ)?,
            answers: Mapping::new(fronts.as_fd(), page(), both)?,
            blocks,
            wake,
            side: ChildSide::new(),
            spin: SpinCore::new(processors),
            is_taken: false,
        })
    }

    /// What the slots have room for.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The next order, as soon as there is one; without a limit it waits for ever.
    ///
    /// # Errors
    /// An order that no host of this version writes, as `InvalidData`: end the process.
    pub fn take(&mut self, limit: Option<Duration>) -> io::Result<Taken> {
        let found = match self.look() {
            Look::Nothing => self.wait(limit),
            found => found,
        };
        match found {
            Look::Nothing => Ok(Taken::Nothing),
            Look::Closed => Ok(Taken::Closed),
            Look::Order(words) => {
                let said = entry::unpack(words, self.geometry.slots)?;
                self.is_taken = true;
                Ok(Taken::Order(Order {
                    kind: said.kind,
                    slot: said.slot,
                    block: said.slot.map(|slot| self.block(slot)),
                    budget: said.budget,
                    cancel: pages::cancel_of(&self.orders, self.side.completed()).as_ptr(),
                }))
            }
        }
    }

    /// Says that the order taken last is done, and wakes the host if it sleeps. False, and nothing happens, if none is taken.
    pub fn complete(&mut self) -> bool {
        if !self.is_taken {
            return false;
        }
        self.is_taken = false;
        if self.side.complete(pages::orders(&self.orders), pages::answers(&self.answers)) {
            // It fails only if the counter is full, and then the host has been rung for.
            let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        }
        true
    }

    /// Not 0: the host wants an end of everything, also of what is no order. Valid until the end is dropped.
    pub fn cancel_word(&self) -> *const u32 {
        pages::cancel(&self.orders).as_ptr()
    }

    /// Says what the child is doing, for the host's reports.
    pub fn set_phase(&self, phase: u32) {
        pages::phase(&self.answers).store(phase, Ordering::Relaxed);
    }

    /// The blocks of all slots: where they begin, and how many bytes they have. For who reports a crash.
    pub fn blocks(&self) -> (*const u8, usize) {
        (self.blocks.base().as_ptr(), self.blocks.len())
    }

    fn look(&self) -> Look {
        self.side.look(pages::orders(&self.orders))
    }

    fn block(&self, slot: u32) -> std::ptr::NonNull<u8> {
        let at = slot as usize * self.geometry.block_size() as usize;
        assert!(at < self.blocks.len(), "a slot beyond the blocks");
        // SAFETY: within the mapping, as was just asserted.
        unsafe { self.blocks.base().add(at) }
    }

    fn wait(&mut self, limit: Option<Duration>) -> Look {
        let spin = self.spin.limit().min(limit.unwrap_or(Duration::MAX));
        // Without either it is not asked what time it is: the host may wait for the processor that this runs on.
        let begin = (limit.is_some() || !spin.is_zero()).then(Instant::now);
        if let Some(begin) = begin.filter(|_| !spin.is_zero()) {
            let found = self.spin(begin, spin);
            self.spin.learn(if found == Look::Nothing { Spun::InVain } else { Spun::PaidOff });
            if found != Look::Nothing {
                return found;
            }
        }
        // A limit beyond what the clock can count is none.
        self.sleep(limit.and_then(|limit| begin?.checked_add(limit)))
    }

    fn spin(&self, begin: Instant, limit: Duration) -> Look {
        loop {
            for _ in 0..LOOKS {
                match self.look() {
                    Look::Nothing => hint::spin_loop(),
                    found => return found,
                }
            }
            if begin.elapsed() >= limit {
                return Look::Nothing;
            }
        }
    }

    fn sleep(&self, end: Option<Instant>) -> Look {
        let (orders, answers) = (pages::orders(&self.orders), pages::answers(&self.answers));
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if self.side.arm(orders, answers) {
                let timeout = left.and_then(|left| Timespec::try_from(left).ok());
                match futex::wait(orders.submitted, futex::Flags::empty(), self.side.nothing(), timeout.as_ref()) {
                    // Woken, something came just before, a signal, the limit: a look says which.
                    Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => (),
                    // No other error is known for a word that is mapped. To spin on is better than to be deaf.
                    Err(_) => thread::yield_now(),
                }
                self.side.disarm(answers);
            }
            match self.look() {
                Look::Nothing if left.is_some_and(|left| left.is_zero()) => return Look::Nothing,
                Look::Nothing => (),
                found => return found,
            }
        }
    }
}
