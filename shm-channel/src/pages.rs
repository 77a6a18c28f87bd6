//! The two pages of words: the host's (`orders`), and the child's, which begins the region `fronts`.
//!
//! ```text
//!   orders  0 submitted u32   64 host_asleep u64    128 cancel u32   1024 cancels [u32; 128]   2048 entries [[u64; 2]; 128]
//!   fronts  0 completed u32   64 child_asleep u64   128 phase u32
//! ```
//!
//! What one side writes often lies 64 bytes from what it writes seldom. A word is reached through an atomic made from its
//! address, never through a reference to more than the word.

use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::protocol::{Answers, ORDERS, Orders, place};
use crate::region::Mapping;

/// Bytes of the host's page that are in use; there is no smaller page.
pub(crate) const ORDERS_LEN: usize = 4096;

const SUBMITTED: usize = 0;
const HOST_ASLEEP: usize = 64;
const CANCEL: usize = 128;
const CANCELS: usize = 1024;
const ENTRIES: usize = 2048;

const COMPLETED: usize = 0;
const CHILD_ASLEEP: usize = 64;
const PHASE: usize = 128;

const _: () = assert!(CANCELS + 4 * ORDERS as usize <= ENTRIES);
const _: () = assert!(ENTRIES + 16 * ORDERS as usize == ORDERS_LEN);

/// Words of the protocol in the host's page.
pub(crate) fn orders(page: &Mapping) -> Orders<'_> {
    assert!(page.len() >= ORDERS_LEN, "the host's page is a whole page");
    let first = page.base().as_ptr().wrapping_add(ENTRIES).cast::<[AtomicU64; 2]>();
    // SAFETY:
    // - in bounds: just asserted, and the entries end at `ORDERS_LEN`;
    // - aligned: a mapping begins at a page, and `ENTRIES` is a multiple of 16;
    // - alive: as long as the mapping is borrowed;
    // - atomics alone are made for these bytes, in both processes, and only the host writes them.
    let entries = unsafe { std::slice::from_raw_parts(first, ORDERS as usize) };
    Orders { submitted: word32(page, SUBMITTED), host_asleep: word64(page, HOST_ASLEEP), entries }
}

/// Words of the protocol in the child's page.
pub(crate) fn answers(fronts: &Mapping) -> Answers<'_> {
    Answers { completed: word32(fronts, COMPLETED), child_asleep: word64(fronts, CHILD_ASLEEP) }
}

/// Not 0: give up, whatever is under way. For calls that belong to no order.
pub(crate) fn cancel(page: &Mapping) -> &AtomicU32 {
    word32(page, CANCEL)
}

/// Not 0: give up the order with this number.
pub(crate) fn cancel_of(page: &Mapping, number: u64) -> &AtomicU32 {
    word32(page, CANCELS + 4 * place(number))
}

/// What the child says it is doing.
pub(crate) fn phase(fronts: &Mapping) -> &AtomicU32 {
    word32(fronts, PHASE)
}

fn word32(mapping: &Mapping, at: usize) -> &AtomicU32 {
    assert!(at.is_multiple_of(4) && at + 4 <= mapping.len(), "a word beyond its page");
    // SAFETY:
    // - in bounds and aligned: just asserted, and a mapping begins at a page;
    // - alive: as long as the mapping is borrowed;
    // - this crate makes nothing but atomics of this size for these bytes. What the other process does to them is no
    //   access of this program's: whatever value it leaves is one that a `u32` can have.
    unsafe { AtomicU32::from_ptr(mapping.base().as_ptr().add(at).cast()) }
}

fn word64(mapping: &Mapping, at: usize) -> &AtomicU64 {
    assert!(at.is_multiple_of(8) && at + 8 <= mapping.len(), "a word beyond its page");
    // SAFETY: as in `word32`, with 8 bytes.
    unsafe { AtomicU64::from_ptr(mapping.base().as_ptr().add(at).cast()) }
}
