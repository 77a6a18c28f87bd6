//! Two locks for critical sections of a few instructions: one whose release is a plain store, and one that its owner
//! takes by plain stores as well.
//!
//! **Promises** mutual exclusion; a release makes everything done under the lock visible to the next holder.
//! **Does not promise** fairness. Fit only for what the lane does under it: no user code, no waking, no dropping of
//! messages; only the growth of a queue.
//! **Bounds**: a waiter spins 128 times, then gives its core away, and again.
//! **Cost**: one compare-and-swap to take. std's mutex cost a ring of actors about 40 % on one core, because its
//! release is a read-modify-write, too.

#![allow(unsafe_code)]

#[cfg(not(proscenium_loom))]
pub(crate) use plain::{Guard, Lock, Owned};

#[cfg(proscenium_loom)]
pub(crate) use modelled::{Guard, Lock, Owned};

#[cfg(not(proscenium_loom))]
mod plain {
    use std::cell::UnsafeCell;
    use std::marker::PhantomData;
    use std::ops::{Deref, DerefMut};
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, compiler_fence};
    use std::time::Duration;

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

    /// Longer than any processor keeps a store from the others: they drain in well under a microsecond, and whoever
    /// takes a thread off its core drains its stores as well.
    const VISIBLE: Duration = Duration::from_millis(1);

    /// A value that belongs to one owner, who reaches it by plain stores; taking it away is the rare and slow side.
    ///
    /// A compare-and-swap for each message in hand was 6 ns of 26: it waits until the stores of the handler are out.
    pub(crate) struct Owned<T> {
        /// 0: nobody.
        owner: AtomicU32,
        /// The owner is at the value.
        inside: AtomicBool,
        /// Keeps those apart who come while nobody owns it.
        ownerless: Lock<()>,
        value: UnsafeCell<T>,
    }

    // JUSTIFICATION: as for `Lock`; a read-modify-write a message is what this is there to spare.
    // SAFETY:
    // - the owner is one task at a time: a number is given once, by `give`, to who enters with it;
    // - owner and others never meet: see `with_owner` and `seize`;
    // - the value moves between threads: `T: Send`.
    unsafe impl<T: Send> Sync for Owned<T> {}

    impl<T> Owned<T> {
        pub(crate) fn new(value: T) -> Self {
            Owned {
                owner: AtomicU32::new(0),
                inside: AtomicBool::new(false),
                ownerless: Lock::new(()),
                value: UnsafeCell::new(value),
            }
        }

        /// The owner's way in; `None`: it was taken from `me`. `f` must not panic.
        #[inline(always)]
        pub(crate) fn with_owner<R>(&self, me: u32, f: impl FnOnce(&mut T) -> R) -> Option<R> {
            // A former owner must not touch `inside`, which is its successor's.
            if self.owner.load(Ordering::Relaxed) != me {
                return None;
            }
            self.inside.store(true, Ordering::Relaxed);
            compiler_fence(Ordering::SeqCst);
            if self.owner.load(Ordering::Relaxed) != me {
                self.inside.store(false, Ordering::Release);
                return None;
            }
            // SAFETY:
            // - against `seize`: it takes the ownership away, waits until any store made before it could be seen is
            //   seen, and then until `inside` is false. If the look above came before, `inside` is seen by then; if it
            //   came after, this line is not reached. The processor may delay the store of `inside` past the look, but
            //   not for a millisecond: that is the one thing taken for granted here.
            // - against `without_owner`: it refuses while there is an owner, and `give` waits for it.
            let result = f(unsafe { &mut *self.value.get() });
            self.inside.store(false, Ordering::Release);
            Some(result)
        }

        /// Makes `me` the owner, after whoever is at the ownerless value.
        pub(crate) fn give(&self, me: u32) {
            let _ownerless = self.ownerless.lock();
            self.owner.store(me, Ordering::Release);
        }

        /// The owner gives it up of its own accord.
        pub(crate) fn leave(&self, me: u32) {
            let _ = self.owner.compare_exchange(me, 0, Ordering::AcqRel, Ordering::Relaxed);
        }

        /// Takes it from its owner, wherever that is. Takes a millisecond if there is one.
        pub(crate) fn seize(&self) {
            if self.owner.swap(0, Ordering::SeqCst) == 0 {
                return;
            }
            std::thread::sleep(VISIBLE);
            while self.inside.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
        }

        /// For everybody else, while nobody owns it; `None`: somebody does.
        pub(crate) fn without_owner<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
            let _ownerless = self.ownerless.lock();
            if self.owner.load(Ordering::Acquire) != 0 {
                return None;
            }
            // SAFETY:
            // - no owner: none was there just now, none is made while `ownerless` is held, and the last one has left by
            //   itself (Acquire, above) or was seized;
            // - no other: `ownerless` is held.
            Some(f(unsafe { &mut *self.value.get() }))
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

    /// The same promises by a plain mutex: loom has no notion of a store that is seen in time.
    pub(crate) struct Owned<T>(Lock<(u32, T)>);

    impl<T> Owned<T> {
        pub(crate) fn new(value: T) -> Self {
            Owned(Lock::new((0, value)))
        }

        pub(crate) fn with_owner<R>(&self, me: u32, f: impl FnOnce(&mut T) -> R) -> Option<R> {
            let mut held = self.0.lock();
            (held.0 == me).then(|| f(&mut held.1))
        }

        pub(crate) fn give(&self, me: u32) {
            self.0.lock().0 = me;
        }

        pub(crate) fn leave(&self, me: u32) {
            let mut held = self.0.lock();
            if held.0 == me {
                held.0 = 0;
            }
        }

        pub(crate) fn seize(&self) {
            self.0.lock().0 = 0;
        }

        pub(crate) fn without_owner<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
            let mut held = self.0.lock();
            (held.0 == 0).then(|| f(&mut held.1))
        }
    }
}
