//! An average of what was lately.

use std::time::Duration;

/// A new sample counts for this part.
const WEIGHT: u32 = 8;

/// Of times; the first one is all of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Average(Option<Duration>);

impl Average {
    pub(crate) fn add(&mut self, sample: Duration) {
        let average = self.0.unwrap_or(sample);
        self.0 = Some(average - average / WEIGHT + sample / WEIGHT);
    }

    /// None: there was nothing yet.
    pub(crate) fn get(self) -> Option<Duration> {
        self.0
    }
}
