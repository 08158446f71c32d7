//! How microseconds are distributed.

/// Microseconds in buckets 6 % apart.
#[derive(Debug, Clone)]
pub struct Histogram {
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
    /// Counts one value.
    pub fn add(&mut self, micros: u64) {
        let bucket = (micros.max(1) as f64).ln() / STEP.ln();
        self.buckets[(bucket as usize).min(BUCKETS - 1)] += 1;
        self.count += 1;
    }

    /// The quantiles told everywhere: p50, p90, p99 and the greatest.
    pub fn summary(&self) -> [u64; 4] {
        [0.5, 0.9, 0.99, 1.0].map(|quantile| self.quantile(quantile))
    }

    /// The upper end of the bucket that holds the quantile, in microseconds.
    pub fn quantile(&self, quantile: f64) -> u64 {
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
}
