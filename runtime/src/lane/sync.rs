//! The primitives under the lane, exchanged for loom's when the protocol is model-checked.

#[cfg(not(proscenium_loom))]
pub(crate) use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    thread::yield_now,
};

#[cfg(proscenium_loom)]
pub(crate) use loom::{
    cell::UnsafeCell as Shared,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    thread::yield_now,
};

/// Full barriers in pairs: where one side's is light, the other's is heavy and has every thread of the process pass one.
///
/// The system does it where it can (Linux, Windows, macOS, FreeBSD); elsewhere both are ordinary fences.
#[cfg(not(proscenium_loom))]
pub(crate) use membarrier2::{heavy as heavy_barrier, light as light_barrier};

#[cfg(proscenium_loom)]
pub(crate) fn light_barrier() {
    loom::sync::atomic::fence(Ordering::SeqCst);
}

#[cfg(proscenium_loom)]
pub(crate) use light_barrier as heavy_barrier;

/// A cell that a protocol of ours shares out.
#[cfg(not(proscenium_loom))]
pub(crate) struct Shared<T>(std::cell::UnsafeCell<T>);

#[cfg(not(proscenium_loom))]
impl<T> Shared<T> {
    pub(crate) fn new(value: T) -> Self {
        Shared(std::cell::UnsafeCell::new(value))
    }

    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}
