//! What a queue is up to, in one word, so that one look tells that there is nothing special.

/// The consumer sleeps: the next push wakes its task.
pub(super) const PARKED: u32 = 1;
/// No incarnation: entries wait for the next `attach`. Neither this nor `PARKED`: a consumer is inside, or called, and a
/// push owes nobody anything.
pub(super) const DETACHED: u32 = 2;
/// The consumer takes requests only.
pub(super) const SUSPENDED: u32 = 4;
/// There are requests, or senders that wait for room.
pub(super) const COLD: u32 = 8;
/// A graceful stop: nothing new, what is queued is handled.
pub(super) const DRAINING: u32 = 16;
/// The end for good.
pub(super) const CLOSED: u32 = 32;

/// Entries are taken one by one.
pub(super) const ONE_BY_ONE: u32 = 64;

/// The bound is in bytes: `room` knows no weights, so every push goes the slow way.
pub(super) const BYTES: u32 = 512;

/// There is more than one block of entries.
pub(super) const SPLIT: u32 = 128;
/// The consumer has taken a whole block since it last slept: it gives memory back when it next does.
pub(super) const SWOLLEN: u32 = 256;

#[derive(Clone, Copy)]
pub(super) struct Mode(u32);

impl Mode {
    /// Of a lane that this incarnation has, or (0) nobody yet.
    pub(super) fn new(incarnation: u32) -> Self {
        Mode(if incarnation == 0 { DETACHED } else { 0 })
    }

    /// Any of these.
    #[inline(always)]
    pub(super) fn is(self, bits: u32) -> bool {
        self.0 & bits != 0
    }

    #[inline(always)]
    pub(super) fn set(&mut self, bits: u32) {
        self.0 |= bits;
    }

    #[inline(always)]
    pub(super) fn clear(&mut self, bits: u32) {
        self.0 &= !bits;
    }

    /// It takes what is new.
    #[inline(always)]
    pub(super) fn is_open(self) -> bool {
        !self.is(DRAINING | CLOSED)
    }

    /// It takes what is new, as far as there is room, and room is a matter of counting.
    #[inline(always)]
    pub(super) fn is_open_and_counts(self) -> bool {
        !self.is(DRAINING | CLOSED | BYTES)
    }

    /// Nothing but entries to look at.
    #[inline(always)]
    pub(super) fn is_plain(self) -> bool {
        !self.is(!PARKED)
    }

    /// The consumer sleeps, and wants to be woken for entries.
    #[inline(always)]
    pub(super) fn waits_for_entries(self) -> bool {
        self.0 & (PARKED | SUSPENDED) == PARKED
    }
}
