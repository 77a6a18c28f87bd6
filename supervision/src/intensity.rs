//! How many restarts are too many: OTP's window.

use std::collections::VecDeque;

use proscenium_runtime::Now;

/// The restarts of the last period.
///
/// OTP counts in whole seconds, and the period is closed: with one of 5, restarts at 0 ms and at 5,999 ms are in one window.
/// **Bound**: as many entries as the intensity, and one while it is counted.
#[derive(Debug)]
pub(crate) struct Window {
    intensity: usize,
    period: u64,
    recent: VecDeque<u64>,
}

impl Window {
    pub(crate) fn new(intensity: usize, period: u64) -> Self {
        Window { intensity, period, recent: VecDeque::new() }
    }

    /// From now on so many in so long. What was counted counts.
    pub(crate) fn change(&mut self, intensity: usize, period: u64) {
        (self.intensity, self.period) = (intensity, period);
    }

    /// How many it counts now.
    pub(crate) fn count(&self, now: Now) -> usize {
        self.recent.iter().filter(|at| **at + self.period >= now.as_secs()).count()
    }

    /// Counts a restart. False: it is one too many.
    #[must_use]
    pub(crate) fn add(&mut self, now: Now) -> bool {
        let now = now.as_secs();
        while self.recent.front().is_some_and(|at| at + self.period < now) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        let fits = self.recent.len() <= self.intensity;
        if !fits {
            self.recent.pop_front();
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_no_more_than_it_counts() {
        for intensity in [0, 1, 3] {
            let mut window = Window::new(intensity, 5);
            let fine = (0..50).filter(|_| window.add(Now::default())).count();
            assert_eq!((fine, window.recent.len()), (intensity, intensity));
        }
    }

    #[test]
    fn the_period_is_closed_and_in_whole_seconds() {
        // Intensity, period, restarts at these milliseconds, and whether the last of them is one too many.
        let rows = [
            (1, 5, vec![0, 5_999], true),
            (1, 5, vec![0, 6_000], false),
            (1, 5, vec![999, 6_000], false), // 5,001 ms apart, six seconds by OTP's count.
            (0, 5, vec![0], true),
            (2, 1, vec![0, 1_000, 2_000], false),
            (2, 1, vec![0, 1_000, 2_000, 2_999], true),
        ];
        for (row, (intensity, period, restarts, is_too_many)) in rows.into_iter().enumerate() {
            let mut window = Window::new(intensity, period);
            let fine: Vec<bool> = restarts.iter().map(|ms| window.add(Now::from_millis(*ms))).collect();
            assert_eq!(fine.last(), Some(&!is_too_many), "row {row}");
            assert!(fine[..fine.len() - 1].iter().all(|is_fine| *is_fine), "row {row}");
        }
    }
}
