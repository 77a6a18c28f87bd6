//! Holding a paused clock while something outside the runtime is waited for.
//!
//! A paused tokio clock jumps ahead whenever the runtime has nothing to do. A thread, a process or a socket that an actor
//! waits for is something to do, but tokio cannot see it; the one thing that it heeds is a running blocking task. So a
//! node keeps one such task while anybody holds the clock.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::runtime::{Handle, RuntimeFlavor};

pub(crate) struct Clock {
    runtime: Handle,
    /// Only a current-thread runtime can have a paused clock.
    matters: bool,
    held: Arc<Held>,
}

#[derive(Default)]
struct Held {
    count: Mutex<Count>,
    none: Condvar,
}

#[derive(Default)]
struct Count {
    guards: usize,
    /// The blocking task is there: it may be about to notice that the last guard has gone.
    task: bool,
}

/// Keeps a paused clock where it is; from [`Node::hold_clock`](crate::Node::hold_clock).
#[must_use = "the clock runs on when this is dropped"]
pub struct ClockGuard(Option<Arc<Held>>);

impl Clock {
    pub(crate) fn new(runtime: &Handle) -> Self {
        let matters = runtime.runtime_flavor() == RuntimeFlavor::CurrentThread;
        Clock { runtime: runtime.clone(), matters, held: Arc::default() }
    }

    pub(crate) fn hold(&self) -> ClockGuard {
        if !self.matters {
            return ClockGuard(None);
        }
        let mut count = self.held.count.lock().unwrap_or_else(PoisonError::into_inner);
        count.guards += 1;
        if !std::mem::replace(&mut count.task, true) {
            let held = self.held.clone();
            self.runtime.spawn_blocking(move || {
                let count = held.count.lock().unwrap_or_else(PoisonError::into_inner);
                let waited = held.none.wait_while(count, |count| count.guards > 0);
                waited.unwrap_or_else(PoisonError::into_inner).task = false;
            });
        }
        ClockGuard(Some(self.held.clone()))
    }
}

impl Drop for ClockGuard {
    fn drop(&mut self) {
        let Some(held) = self.0.take() else { return };
        let mut count = held.count.lock().unwrap_or_else(PoisonError::into_inner);
        count.guards -= 1;
        if count.guards == 0 {
            held.none.notify_all();
        }
    }
}

impl fmt::Debug for ClockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClockGuard")
    }
}
