//! A lock whose release is a plain store, for critical sections of a few instructions.
//!
//! **Promises** mutual exclusion; a release makes everything done under the lock visible to the next holder.
//! **Does not promise** fairness. Fit only for what the lane does under it: no user code, no waking, no dropping of
//! messages; only the growth of a queue.
//! **Bounds**: a waiter spins 128 times, then gives its core away, and again.
//! **Cost**: one compare-and-swap to take. std's mutex cost a ring of actors about 40 % on one core, because its
//! release is a read-modify-write, too.

#![allow(unsafe_code)]

#[cfg(not(proscenium_loom))]
pub(crate) use plain::{Guard, Lock};

#[cfg(proscenium_loom)]
pub(crate) use modelled::{Guard, Lock};

#[cfg(not(proscenium_loom))]
mod plain {
    use std::cell::UnsafeCell;
    use std::marker::PhantomData;
    use std::ops::{Deref, DerefMut};
    use std::sync::atomic::{AtomicBool, Ordering};

    const SPINS: u32 = 128;

    /// `held` comes first, so that it shares a cache line with the first fields of `T`.
    #[repr(C)]
    pub(crate) struct Lock<T> {
        held: AtomicBool,
        value: UnsafeCell<T>,
    }

    // JUSTIFICATION: a hand-written lock is `!Sync` without this, and std's mutex is too slow here (see above).
    // SAFETY:
    // - the value is reached only through a `Guard`, and `lock` hands out one at a time: `held` goes from false to
    //   true by compare-and-swap with `Acquire`, and back by the guard's `Drop` with `Release`;
    // - the value itself moves between threads with the lock: `T: Send`.
    unsafe impl<T: Send> Sync for Lock<T> {}

    /// The lock is held while this lives. It stays on its thread: releasing elsewhere is pointless, not unsound.
    pub(crate) struct Guard<'a, T> {
        lock: &'a Lock<T>,
        stays: PhantomData<*mut ()>,
    }

    impl<T> Lock<T> {
        pub(crate) fn new(value: T) -> Self {
            Lock { held: AtomicBool::new(false), value: UnsafeCell::new(value) }
        }

        #[inline(always)]
        pub(crate) fn lock(&self) -> Guard<'_, T> {
            if self.held.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
                self.wait();
            }
            Guard { lock: self, stays: PhantomData }
        }

        #[cold]
        fn wait(&self) {
            let mut spins = 0_u32;
            loop {
                while self.held.load(Ordering::Relaxed) {
                    spins = spins.wrapping_add(1);
                    if spins.is_multiple_of(SPINS) {
                        std::thread::yield_now();
                    } else {
                        std::hint::spin_loop();
                    }
                }
                if self.held.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                    return;
                }
            }
        }
    }

    impl<T> Deref for Guard<'_, T> {
        type Target = T;

        #[inline(always)]
        fn deref(&self) -> &T {
            // SAFETY:
            // - exclusive: a `Guard` exists only between the swap in `lock` and the store in `drop`;
            // - alive: the guard borrows the lock.
            unsafe { &*self.lock.value.get() }
        }
    }

    impl<T> DerefMut for Guard<'_, T> {
        #[inline(always)]
        fn deref_mut(&mut self) -> &mut T {
            // SAFETY:
            // - exclusive: as in `deref`, and `&mut self` keeps a second reference from this guard away;
            // - alive: the guard borrows the lock.
            unsafe { &mut *self.lock.value.get() }
        }
    }

    impl<T> Drop for Guard<'_, T> {
        #[inline(always)]
        fn drop(&mut self) {
            self.lock.held.store(false, Ordering::Release);
        }
    }
}

#[cfg(proscenium_loom)]
mod modelled {
    pub(crate) use loom::sync::MutexGuard as Guard;

    pub(crate) struct Lock<T>(loom::sync::Mutex<T>);

    impl<T> Lock<T> {
        pub(crate) fn new(value: T) -> Self {
            Lock(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> Guard<'_, T> {
            self.0.lock().expect("loom's mutex is poisoned only after a failed model")
        }
    }
}
