//! Looks after the time-outs of calls, so that a call arms no timer.
//!
//! **Promises**: a call is never ended early, and at most two sweeps late, after its own limit as after that of the call
//! in whose handler it was made; with no call out, nothing wakes up.
//! **Cost**: a load a call; while calls are out, a look at each slot every 20 ms.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::lane::{heavy_barrier, light_barrier, pool};

const PERIOD: Duration = Duration::from_millis(20);
/// Sweeps that found no call, after which the sweeper goes to sleep.
const QUIET: u32 = 50;

pub(crate) struct Sweeper {
    state: Arc<State>,
    started: Instant,
    task: AbortHandle,
}

#[derive(Default)]
struct State {
    awake: AtomicBool,
    called: Notify,
}

impl Sweeper {
    pub(crate) fn start(node: u32, runtime: &tokio::runtime::Handle) -> Sweeper {
        let state = Arc::new(State::default());
        let started = Instant::now();
        let task = runtime.spawn(sweep(node, state.clone(), started)).abort_handle();
        Sweeper { state, started, task }
    }

    /// The time by which calls are late.
    pub(crate) fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// A call goes out. Its slot is in use already: with the two barriers, either this sees that the sweeper goes to sleep,
    /// or the sweeper sees the slot.
    #[inline(always)]
    pub(crate) fn wake(&self) {
        light_barrier();
        if !self.state.awake.load(Ordering::Relaxed) {
            self.rouse();
        }
    }

    #[cold]
    fn rouse(&self) {
        self.state.awake.store(true, Ordering::SeqCst);
        self.state.called.notify_one();
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Follows tokio's clock, so that a paused one ends calls in virtual time.
async fn sweep(node: u32, state: Arc<State>, started: Instant) {
    loop {
        state.called.notified().await;
        let mut quiet = 0;
        while quiet < QUIET {
            tokio::time::sleep(PERIOD).await;
            let any = pool::sweep(node, started.elapsed().as_millis() as u64);
            quiet = if any { 0 } else { quiet + 1 };
        }
        state.awake.store(false, Ordering::SeqCst);
        heavy_barrier();
        if pool::sweep(node, started.elapsed().as_millis() as u64) {
            state.awake.store(true, Ordering::SeqCst);
            state.called.notify_one();
        }
    }
}
