//! An order as it lies in the host's page: what it is about, and how long it may take.

use std::io;
use std::time::Duration;

use crate::protocol::Entry;

/// An order that is about no slot.
pub(crate) const NO_SLOT: u8 = u8::MAX;

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) slot: Option<u32>,
    pub(crate) kind: u8,
    pub(crate) budget: Option<Duration>,
}

/// Slot in the low half, kind above it; nanoseconds, 0 for no limit.
pub(crate) fn pack(slot: Option<u32>, kind: u8, budget: Option<Duration>) -> Entry {
    let budget = budget.map_or(0, |budget| u64::try_from(budget.as_nanos()).unwrap_or(u64::MAX).max(1));
    [u64::from(slot.unwrap_or(u32::from(NO_SLOT))) | u64::from(kind) << 32, budget]
}

/// What an entry says, if it is one that a host writes.
pub(crate) fn unpack(entry: Entry, slots: u32) -> io::Result<Said> {
    let [order, budget] = entry;
    let slot = match order as u32 {
        slot if slot == u32::from(NO_SLOT) => None,
        slot if slot < slots => Some(slot),
        slot => {
            let what = format!("an order for slot {slot} of {slots}: host and child are of different versions");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
    };
    Ok(Said { slot, kind: (order >> 32) as u8, budget: (budget != 0).then(|| Duration::from_nanos(budget)) })
}
