//! What a part counts: a few additions for each chunk, so that a record costs next to nothing.

use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

/// Buckets of a histogram: each holds what takes twice as long as the one before, from a microsecond on.
const BUCKETS: usize = 28;

/// How long chunks have taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Latencies {
    buckets: [u64; BUCKETS],
}

impl Latencies {
    fn add(&mut self, took: Duration) {
        let micros = took.as_micros().max(1) as u64;
        let nth = (micros.ilog2() as usize).min(BUCKETS - 1);
        self.buckets[nth] += 1;
    }

    pub(crate) fn merge(&mut self, other: &Latencies) {
        self.buckets.iter_mut().zip(other.buckets).for_each(|(count, more)| *count += more);
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// At most this long did this share of them take, to a factor of two: `quantile(0.99)`. None: there are none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        let rank = (share.clamp(0.0, 1.0) * count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let nth = self.buckets.iter().position(|in_it| {
            seen += in_it;
            seen >= rank
        })?;
        Some(Duration::from_micros(2 << nth))
    }

    /// Upper bound of each bucket, and how many are in it.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        self.buckets.iter().enumerate().map(|(nth, count)| (Duration::from_micros(2 << nth), *count))
    }
}

/// A part's counts at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Records that came in; of a source, that it has read.
    pub taken: u64,
    /// Records that went on; of a sink, that it has written.
    pub passed: u64,
    /// Records that ended here on purpose.
    pub dropped: u64,
    /// Records that failed and were left out, by the policy `SkipAndContinue`.
    pub skipped: u64,
    /// Records that became dead letters.
    pub dead_letters: u64,
    /// Tries after the first.
    pub retries: u64,
    /// Chunks that were taken up; of a source, that it has sent; of a sink, that are written, or set aside.
    pub chunks: u64,
    /// Chunks that wait to be taken up.
    pub queue: u64,
    /// Records that wait for another try, and those of their keys behind them.
    pub waiting: u64,
    /// Times the part was started after its first start; of a plugin, its process too.
    pub restarts: u64,
    /// Times that it has tried in vain to read or to write: it is down while this grows.
    pub troubles: u64,
}

impl Counts {
    pub(crate) fn merge(&mut self, other: &Counts) {
        let Counts {
            taken,
            passed,
            dropped,
            skipped,
            dead_letters,
            retries,
            chunks,
            queue,
            waiting,
            restarts,
            troubles,
        } = other;
        self.taken += taken;
        self.passed += passed;
        self.dropped += dropped;
        self.skipped += skipped;
        self.dead_letters += dead_letters;
        self.retries += retries;
        self.chunks += chunks;
        self.queue += queue;
        self.waiting += waiting;
        self.restarts += restarts;
        self.troubles += troubles;
    }
}

/// A part's counters.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) taken: Counter,
    pub(crate) passed: Counter,
    pub(crate) dropped: Counter,
    pub(crate) skipped: Counter,
    pub(crate) dead_letters: Counter,
    pub(crate) retries: Counter,
    pub(crate) chunks: Counter,
    pub(crate) sent_here: Counter,
    /// Of a stage: what it has begun with, a chunk or a record that has waited, and what of that is over.
    pub(crate) begun: Counter,
    pub(crate) ended: Counter,
    pub(crate) waiting: Counter,
    pub(crate) starts: Counter,
    pub(crate) troubles: Counter,
    latencies: Mutex<Latencies>,
    last_trouble: Mutex<Option<String>>,
}

impl Stats {
    pub(crate) fn counts(&self) -> Counts {
        let chunks = self.chunks.get();
        Counts {
            taken: self.taken.get(),
            passed: self.passed.get(),
            dropped: self.dropped.get(),
            skipped: self.skipped.get(),
            dead_letters: self.dead_letters.get(),
            retries: self.retries.get(),
            chunks,
            queue: self.sent_here.get().saturating_sub(chunks),
            waiting: self.waiting.get(),
            restarts: self.starts.get().saturating_sub(1),
            troubles: self.troubles.get(),
        }
    }

    /// How much there is to do: chunks that wait to be taken up, and what is in hand.
    pub(crate) fn load(&self) -> u64 {
        // Others count on meanwhile, so that the later of two may be ahead.
        let in_hand = self.begun.get().saturating_sub(self.ended.get());
        self.sent_here.get().saturating_sub(self.chunks.get()) + in_hand
    }

    pub(crate) fn took(&self, time: Duration) {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).add(time);
    }

    pub(crate) fn latencies(&self) -> Latencies {
        *self.latencies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It could not read or write: counted, kept for the status.
    pub(crate) fn trouble(&self, what: &dyn fmt::Display) {
        self.troubles.add(1);
        *self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.to_string());
    }

    pub(crate) fn well(&self) {
        *self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn last_trouble(&self) -> Option<String> {
        self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A number that one actor changes and others read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, by: usize) {
        self.0.fetch_add(by as u64, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, to: usize) {
        self.0.store(to as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_upper_bound_of_its_bucket() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.5), None);
        for micros in [0, 1, 3, 100, 100, 100, 5_000, u64::MAX / 1_000_000] {
            latencies.add(Duration::from_micros(micros));
        }
        assert_eq!(latencies.count(), 8);
        assert_eq!(latencies.quantile(0.0), Some(Duration::from_micros(2)));
        assert_eq!(latencies.quantile(0.5), Some(Duration::from_micros(128)));
        assert_eq!(latencies.quantile(0.8), Some(Duration::from_micros(8_192)));
        assert!(latencies.quantile(1.0) > Some(Duration::from_secs(60)));
    }
}
