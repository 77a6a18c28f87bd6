//! Who sleeps says so with a number, and is rung for once under each number.
//!
//! The sleeper stores a new number in a word of its own, passes a full fence and looks once more for what it waits for;
//! who has something for it publishes that, passes a full fence and reads the number. One of the two sees what the other
//! wrote, so no wake-up is lost; and a sleeper that is slow to wake up costs one system call, not one for each publication.
//! The number is 64 bits wide: it never comes again.

use crate::sync::{AtomicU64, Ordering, fence};

/// The word of somebody who is awake.
const AWAKE: u64 = 0;

/// The side that sleeps.
#[derive(Debug)]
pub(crate) struct Sleeper {
    /// How often it went to sleep. Atomic only so that a shared reference is enough: one task or thread sleeps.
    naps: AtomicU64,
}

impl Sleeper {
    pub(crate) fn new() -> Self {
        Self { naps: AtomicU64::new(AWAKE) }
    }

    /// Says that it goes to sleep, and looks once more: true if `is_there` still sees nothing, so that it may sleep.
    pub(crate) fn arm(&self, word: &AtomicU64, is_there: impl FnOnce() -> bool) -> bool {
        let nap = self.naps.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        word.store(nap, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if is_there() {
            self.disarm(word);
            return false;
        }
        true
    }

    /// Says that it is awake.
    pub(crate) fn disarm(&self, word: &AtomicU64) {
        word.store(AWAKE, Ordering::Relaxed);
    }
}

/// The side that wakes the other.
#[derive(Debug)]
pub(crate) struct Ringer {
    /// The nap that it has rung for.
    rung: u64,
}

impl Ringer {
    pub(crate) fn new() -> Self {
        Self { rung: AWAKE }
    }

    /// To be called after a publication: whether the sleeper must be woken for it.
    #[must_use = "a ring that is owed and not carried out leaves the other side asleep"]
    pub(crate) fn owes(&mut self, word: &AtomicU64) -> bool {
        fence(Ordering::SeqCst);
        let nap = word.load(Ordering::Relaxed);
        if nap == AWAKE || nap == self.rung {
            return false;
        }
        self.rung = nap;
        true
    }
}
