//! A value that belongs to one owner at a time and can be taken from it, wherever the owner is.
//!
//! **Promises**: an owner that has lost the value is told so at its next look, and touches it no more.
//! **Cost**: a lock that nobody else wants. An owner that is not locked out but only told, by plain stores, was 5 ns of 36
//! a message faster, and rested on a store being seen in time: not taken.

use super::lock::Lock;

/// See the module; owner 0 is nobody.
pub(crate) struct Owned<T>(Lock<(u32, T)>);

impl<T> Owned<T> {
    pub(crate) fn new(value: T) -> Self {
        Owned(Lock::new((0, value)))
    }

    #[inline(always)]
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
