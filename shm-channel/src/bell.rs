//! Who sleeps says what count it waits for, and is rung for once for that.
//!
//! The sleeper stores that count in a word of its own, passes a full fence and looks at the other's count once more; the
//! other publishes a new count, passes a full fence and reads the word. One of the two sees what the other wrote, so no
//! wake-up is lost. And a sleeper that is slow to wake up costs one system call, not one for each publication: a count that
//! was reached stays reached, however often somebody goes to sleep on it again.
//!
//! A number of the nap instead of the count will not do: who publishes may be so late with its ring that it rings for the
//! next nap, before the futex sleeps; the wake-up is lost, and the number used up.
//!
//! Counts are 64 bits wide here: none comes again.

use crate::sync::{AtomicU64, Ordering, fence};

/// The word of somebody who is awake.
const AWAKE: u64 = 0;

/// Says that the caller goes to sleep until the other's count is `target`, which is not 0, and looks once more: false if
/// `is_there` sees that it is, so that it must not sleep.
pub(crate) fn arm(word: &AtomicU64, target: u64, is_there: impl FnOnce() -> bool) -> bool {
    word.store(target, Ordering::Relaxed);
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
    /// What the sleeper waited for when it was rung for.
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
        if said == AWAKE || said > count || said == self.rung {
            return false;
        }
        self.rung = said;
        true
    }
}
