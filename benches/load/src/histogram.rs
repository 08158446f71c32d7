//! Numbers about numbers.

/// Microseconds in buckets 6 % apart.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
}

const STEP: f64 = 1.06;
const BUCKETS: usize = 320;

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; BUCKETS],
            count: 0,
        }
    }
}

impl Histogram {
    pub(crate) fn add(&mut self, micros: u64) {
        let bucket = (micros.max(1) as f64).ln() / STEP.ln();
        self.buckets[(bucket as usize).min(BUCKETS - 1)] += 1;
        self.count += 1;
    }

    /// The quantiles told everywhere: p50, p90, p99 and the greatest.
    pub(crate) fn summary(&self) -> [u64; 4] {
        [0.5, 0.9, 0.99, 1.0].map(|quantile| self.quantile(quantile))
    }

    /// The upper end of the bucket that holds the quantile, in microseconds.
    pub(crate) fn quantile(&self, quantile: f64) -> u64 {
        let rank = (self.count as f64 * quantile).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank.max(1) {
                return STEP.powi(bucket as i32 + 1) as u64;
            }
        }
        0
    }
}

/// The median, and the least and greatest of some values.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else {
            return Self::default();
        };
        Self {
            median: (sorted[last / 2] + sorted[last.div_ceil(2)]) / 2.0,
            least: sorted[0],
            greatest: sorted[last],
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.2} ({:.2}-{:.2})",
            self.median, self.least, self.greatest
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_bucket() {
        let mut histogram = Histogram::default();
        for micros in 1..=1000 {
            histogram.add(micros);
        }
        for (quantile, exact) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = histogram.quantile(quantile) as f64;
            assert!((found / exact - 1.0).abs() < 0.07, "{quantile}: {found}");
        }
        assert_eq!(Histogram::default().quantile(0.5), 0);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let spread = Spread::of(&[4.0, 1.0, 2.0, 3.0]);
        assert_eq!(
            (spread.median, spread.least, spread.greatest),
            (2.5, 1.0, 4.0)
        );
    }
}
