//! Medians and quartiles.

/// A set of numbers, as the table and the JSON show it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub q1: f64,
    pub q3: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// `None` for no numbers at all.
    pub fn of(numbers: &[f64]) -> Option<Self> {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            median: quantile(&sorted, 0.5)?,
            q1: quantile(&sorted, 0.25)?,
            q3: quantile(&sorted, 0.75)?,
            min: *sorted.first()?,
            max: *sorted.last()?,
        })
    }
}

/// The quantile of sorted numbers, between two of them by straight line.
pub fn quantile(sorted: &[f64], at: f64) -> Option<f64> {
    let place = at * (sorted.len().checked_sub(1)?) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

/// Whether chance alone would hardly (5 %) put so many of the numbers on one side of `bound`, were it their median: the sign
/// test.
pub fn is_clear_of(numbers: &[f64], bound: f64) -> bool {
    let count = numbers.len() as f64;
    let above = numbers.iter().filter(|number| **number > bound).count() as f64;
    above.min(count - above) <= (count - 1.96 * count.sqrt()) / 2.0
}

/// Median and 99th percentile of single latencies: the readings `p50` and `p99`.
pub fn p50_p99(mut latencies: Vec<f64>) -> Vec<f64> {
    latencies.sort_by(f64::total_cmp);
    [0.5, 0.99].into_iter().filter_map(|at| quantile(&latencies, at)).collect()
}
