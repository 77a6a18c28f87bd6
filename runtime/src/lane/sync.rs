//! The primitives under the lane, exchanged for loom's when the protocol is model-checked.

#[cfg(not(proscenium_loom))]
pub(crate) use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    thread::yield_now,
};

#[cfg(proscenium_loom)]
pub(crate) use loom::{
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    thread::yield_now,
};
