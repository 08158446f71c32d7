//! A fixed-size histogram of milliseconds with percentiles, optionally forgetting.

/// Bins are 1 ms wide up to here; the last one holds everything above.
const BINS: usize = 2048;

/// Counts of values in milliseconds. 8 KB; adding costs one multiplication, a percentile one
/// pass over the bins.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    bins: Box<[f32]>,
    total: f64,
    /// What the next value counts. Forgetting grows it instead of shrinking every bin.
    weight: f64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            bins: vec![0.0; BINS].into_boxed_slice(),
            total: 0.0,
            weight: 1.0,
        }
    }

    /// Counts `ms` as `times` values.
    pub(crate) fn add(&mut self, ms: f64, times: f64) {
        // Negative and NaN land in the first bin.
        let bin = (ms.max(0.0) as usize).min(BINS - 1);
        let weight = self.weight * times;
        self.bins[bin] += weight as f32;
        self.total += weight;
    }

    /// Makes all values so far count `keep` (0 to 1) of what they did.
    pub(crate) fn forget(&mut self, keep: f64) {
        self.weight /= keep.clamp(0.01, 1.0);
        if self.weight > 1e6 {
            let scale = 1.0 / self.weight;
            for bin in &mut self.bins {
                *bin *= scale as f32;
            }
            self.total *= scale;
            self.weight = 1.0;
        }
    }

    /// The upper edge in ms of the bin below which `share` (0 to 1) of the values lie;
    /// `None` while empty.
    pub(crate) fn percentile(&self, share: f64) -> Option<f64> {
        if self.total <= 0.0 {
            return None;
        }
        let mut left = self.total * share;
        for (bin, &count) in self.bins.iter().enumerate() {
            left -= f64::from(count);
            // The sums differ by rounding; a bin never filled is no answer.
            if count > 0.0 && left <= self.total * 1e-6 {
                return Some((bin + 1) as f64);
            }
        }
        let last = self.bins.iter().rposition(|&count| count > 0.0)?;
        Some((last + 1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_upper_edges() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.percentile(0.5), None);
        for ms in 0..100 {
            histogram.add(f64::from(ms), 1.0);
        }
        assert_eq!(histogram.percentile(0.5), Some(50.0));
        assert_eq!(histogram.percentile(1.0), Some(100.0));
        assert_eq!(histogram.percentile(0.0), Some(1.0));
    }

    #[test]
    fn old_values_are_forgotten() {
        let mut histogram = Histogram::new();
        for _ in 0..1000 {
            histogram.add(300.0, 1.0);
        }
        for _ in 0..5000 {
            histogram.forget(0.998);
            histogram.add(10.0, 1.0);
        }
        assert_eq!(histogram.percentile(0.999), Some(11.0));
    }

    #[test]
    fn absurd_values_stay_inside() {
        let mut histogram = Histogram::new();
        for ms in [-5.0, f64::NAN, f64::INFINITY, 1e12] {
            histogram.add(ms, 1.0);
        }
        assert_eq!(histogram.percentile(1.0), Some(BINS as f64));
    }
}
