//! The primitives under the protocol, exchanged for loom's when it is model-checked.

#[cfg(not(proscenium_loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

#[cfg(proscenium_loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
