//! What can go wrong in the host.

use std::fmt;

/// The child's words make no sense. Nothing was accepted, and nothing that the child says can be trusted any more: end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The child's count of completed orders, as it stands in its page: 31 bits of it.
    pub claimed: u32,
    /// The count that was accepted before, whole.
    pub accepted: u64,
    /// How many orders are under way: the count may be ahead by so many.
    pub in_flight: u32,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { claimed, accepted, in_flight } = self;
        write!(
            f,
            "the child claims {claimed} completed orders after {accepted}, with {in_flight} under way; end it and replay"
        )
    }
}

impl std::error::Error for Violation {}

/// An order was not submitted. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubmitError {
    /// 128 orders are under way. Wait for a completion.
    Full,
    /// The order that this slot belongs to is not completed.
    InFlight,
    /// The slot is another pool's.
    ForeignSlot,
    /// The channel was closed by its host.
    Closed,
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "128 orders are under way: wait for a completion",
            Self::InFlight => "the slot is under way already: wait for its completion",
            Self::ForeignSlot => "the slot is another pool's: take it from the pool that the channel was made with",
            Self::Closed => "the channel was closed: make another one",
        })
    }
}

impl std::error::Error for SubmitError {}

/// A place that a front does not have was asked for. Nothing was read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessError {
    /// `len` bytes from `offset` are not within the front's `size`.
    OutOfBounds {
        /// From the front's first byte.
        offset: u32,
        /// Bytes.
        len: usize,
        /// Of the front.
        size: u32,
    },
    /// The slot is another pool's.
    ForeignSlot,
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfBounds { offset, len, size } => {
                write!(f, "{len} bytes at {offset} of a front of {size} bytes: check the offset before the copy")
            }
            Self::ForeignSlot => f.write_str("the slot is another pool's: take it from the pool of this channel"),
        }
    }
}

impl std::error::Error for AccessError {}
