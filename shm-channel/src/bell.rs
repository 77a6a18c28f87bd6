//! Who sleeps says what it has seen, and is rung for once for that.
//!
//! The sleeper stores the count that it waits to see grow in a word of its own, passes a full fence and looks at the count
//! once more; the other publishes a new count, passes a full fence and reads that word. One of the two sees what the other
//! wrote, so no wake-up is lost. And a sleeper that is slow to wake up costs one system call, not one for each publication:
//! what it has said to have seen has been left behind, and so it stays, however often it goes to sleep on it again.
//!
//! A number of the nap instead of the count will not do: who publishes may be so late with its ring that it rings for the
//! next nap, before the futex sleeps; the wake-up is lost, and the number used up.
//!
//! Counts are 64 bits wide here: none comes again.

use crate::sync::{AtomicU64, Ordering, fence};

/// The word of somebody who is awake.
const AWAKE: u64 = 0;

/// The word of somebody who waits for more than `count`.
fn beyond(count: u64) -> u64 {
    count + 1
}

/// Says that the caller goes to sleep until there is more than `count`, and looks once more: false if `is_there` sees
/// that there is, so that it must not sleep.
pub(crate) fn arm(word: &AtomicU64, count: u64, is_there: impl FnOnce() -> bool) -> bool {
    word.store(beyond(count), Ordering::Relaxed);
    fence(Ordering::SeqCst);
    if is_there() {
        disarm(word);
        return false;
    }
    true
}

/// Says that the caller is awake.
pub(crate) fn disarm(word: &AtomicU64) {
    word.store(AWAKE, Ordering::Relaxed);
}

/// The side that wakes the other.
#[derive(Debug)]
pub(crate) struct Ringer {
    /// What the sleeper said when it was rung for.
    rung: u64,
}

impl Ringer {
    pub(crate) fn new() -> Self {
        Self { rung: AWAKE }
    }

    /// To be called when `count` is published: whether the sleeper must be woken for it.
    #[must_use = "a ring that is owed and not carried out leaves the other side asleep"]
    pub(crate) fn owes(&mut self, word: &AtomicU64, count: u64) -> bool {
        fence(Ordering::SeqCst);
        let said = word.load(Ordering::Relaxed);
        // Who waits for more than this has seen it, and sleeps on for good reason.
        if said == AWAKE || said == beyond(count) || said == self.rung {
            return false;
        }
        self.rung = said;
        true
    }
}
