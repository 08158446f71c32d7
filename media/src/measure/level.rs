//! Level in dBFS.

/// What a stretch of sound measures; silence is -infinity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Root mean square in dB relative to a full-scale square wave: a full-scale sine is -3.
    pub rms_dbfs: f64,
    /// Largest magnitude in dB relative to full scale.
    pub peak_dbfs: f64,
}

/// Collects samples and answers their level. Channels are measured together.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    square_sum: f64,
    count: u64,
    peak: f32,
}

impl Meter {
    /// A meter that saw nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds samples; their order and channels do not matter.
    pub fn add(&mut self, samples: &[f32]) {
        for &sample in samples {
            self.square_sum += f64::from(sample) * f64::from(sample);
            self.peak = self.peak.max(sample.abs());
        }
        self.count += samples.len() as u64;
    }

    /// The level of what was added since the last call; starts over.
    pub fn take(&mut self) -> Level {
        let mean = self.square_sum / self.count.max(1) as f64;
        let level = Level {
            rms_dbfs: 10.0 * mean.log10(),
            peak_dbfs: 20.0 * f64::from(self.peak).log10(),
        };
        *self = Self::default();
        level
    }
}

/// One channel (counted from 0) of interleaved samples.
#[must_use]
pub fn deinterleave(samples: &[f32], channels: usize, channel: usize) -> Vec<f32> {
    samples
        .chunks_exact(channels.max(1))
        .filter_map(|frame| frame.get(channel).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_scale_sine_measures_minus_three() {
        let mut meter = Meter::new();
        let sine: Vec<f32> = (0..48_000).map(|n| (n as f32 * 0.1).sin()).collect();
        meter.add(&sine);
        let level = meter.take();
        assert!((level.rms_dbfs + 3.01).abs() < 0.05, "{level:?}");
        assert!(level.peak_dbfs.abs() < 0.01, "{level:?}");
        assert_eq!(meter.take().rms_dbfs, f64::NEG_INFINITY);
    }
}
