//! One at a time, with a limit on how long to wait for one's turn.
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::deadline::Deadline;

/// Requests go to the guard one by one: it takes them one by one anyway, and the kernel limits the descriptors that a
/// user may have under way in sockets.
#[derive(Debug, Default)]
pub struct Turns {
    taken: Mutex<bool>,
    given_back: Condvar,
}

#[must_use = "the turn is over when this is dropped"]
pub struct Turn<'a>(&'a Turns);

impl Turns {
    /// `None` at the deadline.
    pub fn take(&self, deadline: Deadline) -> Option<Turn<'_>> {
        let left = deadline.left().unwrap_or(Duration::MAX);
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.given_back.wait_timeout_while(taken, left, |taken| *taken);
        let (mut taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *taken {
            return None;
        }
        *taken = true;
        Some(Turn(self))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_is_not_given_back_is_not_waited_for_beyond_the_limit() {
        let turns = Turns::default();
        let first = turns.take(Deadline::after(Duration::ZERO));
        assert!(first.is_some() && turns.take(Deadline::after(Duration::from_millis(5))).is_none());
        drop(first);
        assert!(turns.take(Deadline::after(Duration::ZERO)).is_some());
    }
}
