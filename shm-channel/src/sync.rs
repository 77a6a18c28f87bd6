//! The primitives under the protocol, exchanged for loom's when it is model-checked.

#[cfg(not(proscenium_loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

#[cfg(proscenium_loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// An acquiring load of a word that may be mapped read-only: there only relaxed loads are sure to work, and a fence makes
/// it an acquire.
#[cfg(not(proscenium_words))]
pub(crate) fn load_acquire(word: &AtomicU32) -> u32 {
    let value = word.load(Ordering::Relaxed);
    fence(Ordering::Acquire);
    value
}

/// ThreadSanitizer knows no fences; where it runs the word is not mapped read-only.
#[cfg(proscenium_words)]
pub(crate) fn load_acquire(word: &AtomicU32) -> u32 {
    word.load(Ordering::Acquire)
}
