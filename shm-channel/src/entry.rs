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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Said, pack, unpack};

    #[test]
    fn what_is_packed_is_unpacked() {
        let longest = Duration::from_nanos(u64::MAX);
        for slot in [None, Some(0), Some(63)] {
            for kind in [0, 1, 255] {
                for (budget, told) in [
                    (None, None),
                    (Some(Duration::ZERO), Some(Duration::from_nanos(1))),
                    (Some(Duration::from_secs(5)), Some(Duration::from_secs(5))),
                    (Some(Duration::MAX), Some(longest)),
                ] {
                    let said = unpack(pack(slot, kind, budget), 64).unwrap();
                    assert_eq!(said, Said { slot, kind, budget: told });
                }
            }
        }
    }

    #[test]
    fn an_order_for_a_slot_that_is_not_there_is_refused() {
        assert!(unpack(pack(Some(3), 1, None), 4).is_ok());
        for slot in [4, 64, 254, 256, u32::MAX] {
            assert!(unpack(pack(Some(slot), 1, None), 4).is_err(), "slot {slot}");
        }
    }
}
