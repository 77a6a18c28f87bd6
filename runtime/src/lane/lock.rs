//! Locks for critical sections of a few instructions: one for a value that many want, with or without a bell that who
//! releases it may ring; one for a value that its owner uses all the time and others almost never.
//!
//! **Promise** mutual exclusion; a release makes everything done under the lock visible to the next holder.
//! **Do not promise** fairness. Fit only for what the lane does under them: no user code, no waking, no dropping of
//! messages; only the growth of a queue.
//! **Bounds**: a waiter spins 128 times, then gives its core away, and again.
//! **Cost**: [`Lock`]: one compare-and-swap to take. std's mutex cost a ring of actors about 40 % on one core, because its
//! release is a read-modify-write, too. [`Owned`]: for the owner three plain loads and stores; for who takes it from an
//! owner that is still there, a barrier in every thread of the process, a microsecond or two, and 5 ns an entry from then on.

#![allow(unsafe_code)]

use std::ops::{Deref, DerefMut};
use std::task::Waker;

use super::sync::{AtomicBool, AtomicU32, Ordering, Shared, heavy_barrier, light_barrier, yield_now};

#[cfg(not(proscenium_loom))]
pub(crate) use plain::{Guard, Lock};

#[cfg(proscenium_loom)]
pub(crate) use modelled::{Guard, Lock};

/// A lock with a waker that is exchanged under it and rung after it.
///
/// Rung by reference: to clone a tokio waker for that, and to drop it, are two read-modify-writes of seven on the way from
/// a sender to a sleeping consumer. Who rings says so under the lock, and who exchanges the waker waits until it has rung.
#[repr(C)]
pub(crate) struct Belled<T> {
    lock: Lock<T>,
    waker: Shared<Option<Waker>>,
}

// JUSTIFICATION: the waker is used by its ringer outside of the lock.
// SAFETY:
// - the waker is written in `exchange` alone, which has the lock and waits until nobody rings;
// - it is read by who has the lock, and by the one ringer: `rings` goes from false to true under the lock (Relaxed), and
//   back (Release) when the ringer has done with it; `exchange` sees that with Acquire, and no new ringer can begin while
//   it has the lock;
// - `Waker` is `Send + Sync`, and the value moves between threads with the lock: `T: Send`.
unsafe impl<T: Send> Sync for Belled<T> {}

/// The lock is held while this lives.
pub(crate) struct BelledGuard<'a, T> {
    guard: Guard<'a, T>,
    belled: &'a Belled<T>,
}

impl<T> Belled<T> {
    pub(crate) fn new(value: T) -> Self {
        Belled { lock: Lock::new(value), waker: Shared::new(None) }
    }

    #[inline(always)]
    pub(crate) fn lock(&self) -> BelledGuard<'_, T> {
        BelledGuard { guard: self.lock.lock(), belled: self }
    }
}

impl<'a, T> BelledGuard<'a, T> {
    /// Another waker; gives back the one before, to be dropped after the lock.
    #[must_use]
    pub(crate) fn exchange(&mut self, waker: Option<Waker>) -> Option<Waker> {
        while self.belled.lock.rings().load(Ordering::Acquire) {
            yield_now(); // The ringer does not need the lock.
        }
        // SAFETY: see `Sync` above: we have the lock, and nobody rings.
        self.belled.waker.with_mut(|place| unsafe { std::mem::replace(&mut *place, waker) })
    }

    /// A waker of one's own.
    pub(crate) fn waker(&self) -> Option<Waker> {
        // SAFETY: see `Sync` above: we have the lock, so nobody writes it.
        self.belled.waker.with(|waker| unsafe { (*waker).clone() })
    }

    /// Unlocks, and then wakes whoever the waker stands for.
    #[inline(always)]
    pub(crate) fn release(self, rings: bool) {
        if rings {
            self.ring();
        }
    }

    #[inline]
    fn ring(self) {
        let rings = self.belled.lock.rings();
        if rings.load(Ordering::Relaxed) {
            // The last one is still at it: this one takes a waker of its own.
            let waker = self.waker();
            drop(self);
            if let Some(waker) = waker {
                waker.wake();
            }
            return;
        }
        rings.store(true, Ordering::Relaxed);
        let BelledGuard { guard, belled } = self;
        drop(guard);
        let ringing = Ringing(rings);
        // SAFETY: see `Sync` above: nobody writes it before `rings` is false again.
        belled.waker.with(|waker| unsafe {
            if let Some(waker) = &*waker {
                waker.wake_by_ref();
            }
        });
        drop(ringing);
    }
}

/// Ends the ringing, also when a waker panics.
struct Ringing<'a>(&'a AtomicBool);

impl Drop for Ringing<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl<T> Deref for BelledGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for BelledGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

/// A value that belongs to one owner at a time and can be taken from it, wherever the owner is. Owner 0 is nobody.
///
/// The owner says that it is busy, looks whether it still is the owner, and only then touches the value. Who takes the
/// value from it names nobody as owner and waits until the owner is not busy. Each side writes one word and reads the
/// other, so each needs a full barrier in between; as one of them is rare, it has the other's carried out as well
/// (see `heavy_barrier`), and an entry of a queue costs 5 ns less of 19.
///
/// An owner from whom the value was taken may still be at its vain look, and clear `busy` under the next owner's feet. So
/// that next one, and all after it, take the lock instead: a cell whose actor was once given up is 5 ns a message slower.
///
/// **Promises**: an owner that has lost the value is told so at its next look, and touches it no more.
pub(crate) struct Owned<T> {
    /// Taken by all but a light owner.
    lock: Lock<()>,
    /// Changed under `lock`.
    owner: AtomicU32,
    /// Written by the light owner alone.
    busy: AtomicBool,
    /// There was one from whom the value was taken. Changed under `lock`.
    was_seized: AtomicBool,
    value: Shared<T>,
}

/// Somebody's right to the value while he is its owner.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    number: u32,
    /// By plain stores.
    light: bool,
}

impl Owner {
    /// Somebody who never had the value.
    pub(crate) const NOBODY: Owner = Owner { number: u32::MAX, light: false };
}

// JUSTIFICATION: std has no lock of which one side costs nothing.
// SAFETY:
// - `value` is reached through a `Held` only;
// - two that hold `lock` exclude each other; a light owner is the only one of the cell's life, because `give` makes none
//   after a seizure and an owner that leaves is not inside;
// - a light owner and a holder of `lock`: the latter touches the value as an owner after a seizure, or if there is no
//   owner. The owner's store of `busy` comes before its load of `owner`, the taker's store of `owner` before its load of
//   `busy`, with a barrier between either pair: not both read the old value. So either the owner finds that it is none,
//   or `seize` waits for its `busy` (Release) to go (Acquire);
// - the value itself moves between threads with the lock: `T: Send`.
unsafe impl<T: Send> Sync for Owned<T> {}

/// The value is ours while this lives.
pub(crate) struct Held<'a, T> {
    owned: &'a Owned<T>,
    /// None: by plain stores.
    lock: Option<Guard<'a, ()>>,
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY:
        // - exclusive: see `Sync` above; only who was found to be the owner, or holds the lock, has a `Held`;
        // - alive: it borrows the `Owned`.
        unsafe { &*self.owned.value.with_mut(|value| value) }
    }
}

impl<T> DerefMut for Held<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY:
        // - exclusive: as in `deref`, and `&mut self` keeps a second reference from this one away;
        // - alive: it borrows the `Owned`.
        unsafe { &mut *self.owned.value.with_mut(|value| value) }
    }
}

impl<T> Drop for Held<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.lock.is_none() {
            self.owned.busy.store(false, Ordering::Release);
        }
    }
}

impl<T> Owned<T> {
    /// Of this owner, or (0) nobody's.
    #[inline(always)]
    pub(crate) fn new(value: T, owner: u32) -> Self {
        Owned {
            lock: Lock::new(()),
            owner: AtomicU32::new(owner),
            busy: AtomicBool::new(false),
            was_seized: AtomicBool::new(false),
            value: Shared::new(value),
        }
    }

    /// The value, unless it was taken from this owner. Call it from one thread at a time.
    #[inline(always)]
    pub(crate) fn by_owner(&self, me: Owner) -> Option<Held<'_, T>> {
        if !me.light {
            return self.by_lock(me.number);
        }
        self.busy.store(true, Ordering::Relaxed);
        light_barrier();
        let held = Held { owned: self, lock: None };
        // Otherwise dropped, which clears `busy`.
        (self.owner.load(Ordering::Relaxed) == me.number).then_some(held)
    }

    #[cold]
    fn by_lock(&self, owner: u32) -> Option<Held<'_, T>> {
        let held = Held { owned: self, lock: Some(self.lock.lock()) };
        (self.owner.load(Ordering::Relaxed) == owner).then_some(held)
    }

    /// The value, if it is nobody's.
    pub(crate) fn by_nobody(&self) -> Option<Held<'_, T>> {
        self.by_lock(0)
    }

    /// Makes `number` the owner. The last one has left, or it was taken from him.
    #[inline]
    pub(crate) fn give(&self, number: u32) -> Owner {
        if self.owner.load(Ordering::Relaxed) == number {
            return Owner { number, light: true }; // From the start on, unless it was taken just now: he will see.
        }
        let _locked = self.lock.lock();
        self.owner.store(number, Ordering::Relaxed);
        Owner { number, light: !self.was_seized.load(Ordering::Relaxed) }
    }

    /// The owner has done with it.
    pub(crate) fn leave(&self, me: Owner) {
        let _locked = self.lock.lock();
        if self.owner.load(Ordering::Relaxed) == me.number {
            self.owner.store(0, Ordering::Relaxed);
        }
    }

    /// Takes the value from its owner, whoever and wherever it is.
    pub(crate) fn seize(&self) {
        let _locked = self.lock.lock();
        if self.owner.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.owner.store(0, Ordering::Relaxed);
        if !self.was_seized.load(Ordering::Relaxed) {
            self.was_seized.store(true, Ordering::Relaxed);
            heavy_barrier();
            while self.busy.load(Ordering::Acquire) {
                yield_now();
            }
        }
    }
}

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
        /// Of a `Belled`; here, because there is room for it.
        rings: AtomicBool,
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
            Lock { held: AtomicBool::new(false), rings: AtomicBool::new(false), value: UnsafeCell::new(value) }
        }

        #[inline(always)]
        pub(super) fn rings(&self) -> &AtomicBool {
            &self.rings
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
    use loom::sync::atomic::AtomicBool;

    pub(crate) struct Lock<T> {
        value: loom::sync::Mutex<T>,
        rings: AtomicBool,
    }

    impl<T> Lock<T> {
        pub(crate) fn new(value: T) -> Self {
            Lock { value: loom::sync::Mutex::new(value), rings: AtomicBool::new(false) }
        }

        pub(super) fn rings(&self) -> &AtomicBool {
            &self.rings
        }

        pub(crate) fn lock(&self) -> Guard<'_, T> {
            self.value.lock().expect("loom's mutex is poisoned only after a failed model")
        }
    }
}
