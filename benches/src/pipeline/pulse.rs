//! A sink that knows when it was given something: the longest pause of a pipeline is between two of these moments.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proscenium_pipeline::{Boxed, Chunk, Disk, Sink, SinkSpec, Trouble};

use super::ends::done;
use crate::tally::now_ns;

/// A moment between two looks.
const MOMENT: Duration = Duration::from_micros(200);

#[derive(Clone, Default)]
pub struct Pulse(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    chunks: u64,
    /// When the last chunk was written.
    last: Option<u64>,
    longest: Gap,
}

/// Between the end of one chunk and the beginning of the next, in nanoseconds of [`now_ns`].
#[derive(Clone, Copy, Default)]
pub struct Gap {
    from: u64,
    pub until: u64,
}

impl Gap {
    pub fn nanoseconds(self) -> u64 {
        self.until.saturating_sub(self.from)
    }
}

impl Pulse {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gaps count from now on: one that is not over yet too.
    pub fn watch(&self) {
        self.state().longest = Gap::default();
    }

    /// Waits until so many more chunks have been written, and says the longest gap since [`watch`](Pulse::watch).
    pub async fn beats(&self, chunks: u64) -> Gap {
        let until = self.state().chunks + chunks;
        loop {
            {
                let state = self.state();
                if state.chunks >= until {
                    return state.longest;
                }
            }
            tokio::time::sleep(MOMENT).await;
        }
    }
}

/// Its pulse is no setting.
impl fmt::Debug for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pulse")
    }
}

impl SinkSpec for Pulse {
    fn kind(&self) -> &'static str {
        "pulse"
    }

    fn make(&self, _disk: &Arc<dyn Disk>) -> Box<dyn Sink> {
        Box::new(self.clone())
    }
}

impl Sink for Pulse {
    fn write<'a>(&'a mut self, _: &'a Chunk, _: &'a mut Vec<(usize, String)>) -> Boxed<'a, Result<(), Trouble>> {
        let now = now_ns();
        let mut state = self.state();
        let gap = Gap { from: state.last.unwrap_or(now), until: now };
        if gap.nanoseconds() > state.longest.nanoseconds() {
            state.longest = gap;
        }
        state.chunks += 1;
        state.last = Some(now);
        done()
    }
}
