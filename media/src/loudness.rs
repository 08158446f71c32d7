//! Loudness by EBU R128: measured, and brought to a target.
//!
//! # Normalization
//!
//! The gain follows how loud the last quarter of a minute was, gated as R128 gates: pauses do
//! not raise it, and within a piece it hardly moves. What would exceed the true-peak limit is
//! turned down 5 ms ahead and let go within some 100 ms, both channels alike. Encoding
//! afterwards moves peaks by up to about 1 dB, so leave that much below full scale.

mod limiter;
mod meter;

pub use meter::{Meter, Reading};

use limiter::Limiter;

/// What normalization aims at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Loudness in LUFS, -36 to -6.
    pub lufs: f64,
    /// True peak in dBTP that is not exceeded, -12 to 0.
    pub true_peak_dbtp: f64,
}

/// A target nobody should aim at.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTarget {
    /// Too loud, too soft, or no number.
    #[error("a target of {0} LUFS is not within -36 to -6")]
    Lufs(f64),
    /// Above full scale, far below it, or no number.
    #[error("a true peak of {0} dBTP is not within -12 to 0")]
    TruePeak(f64),
}

impl Target {
    /// Checks both values.
    pub fn validate(&self) -> Result<(), InvalidTarget> {
        if !(-36.0..=-6.0).contains(&self.lufs) {
            return Err(InvalidTarget::Lufs(self.lufs));
        }
        if !(-12.0..=0.0).contains(&self.true_peak_dbtp) {
            return Err(InvalidTarget::TruePeak(self.true_peak_dbtp));
        }
        Ok(())
    }
}

/// Samples in which the gain is led from one value to the next: 10 ms.
const STEP: usize = 480;

/// How fast the gain follows what is wanted of it, in seconds.
const FOLLOW_S: f64 = 1.5;

/// Loudness counted at most, in seconds: so long it takes to believe in a change.
const MEMORY_S: f64 = 15.0;

/// Softer than this is silence, and softer than the rest by this much a pause.
const SILENCE_LUFS: f64 = -60.0;
const PAUSE_LU: f64 = 10.0;

/// What the gain may be, in dB.
const GAIN_MIN_DB: f64 = -30.0;
const GAIN_MAX_DB: f64 = 20.0;

/// Brings sound to a loudness. Interleaved stereo at 48 kHz; sound comes out
/// [`Normalizer::DELAY`] samples later.
#[derive(Debug)]
pub struct Normalizer {
    target: Target,
    limiter: Limiter,
    /// Loudness energy of the recent past, and how many seconds of it there are.
    energy: f64,
    counted_s: f64,
    gain_db: f64,
    /// Whether any gain was applied; the first one is not approached but begun with.
    begun: bool,
}

impl Normalizer {
    /// Samples by which sound comes out later.
    pub const DELAY: usize = Limiter::DELAY;

    /// A normalizer that knows nothing yet and leaves sound as loud as it is, below the limit.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            limiter: Limiter::new(10f64.powf(target.true_peak_dbtp / 20.0)),
            target,
            energy: 0.0,
            counted_s: 0.0,
            gain_db: 0.0,
            begun: false,
        }
    }

    /// The gain now, in dB, the limiter's not included.
    #[must_use]
    pub fn gain_db(&self) -> f64 {
        self.gain_db
    }

    /// Takes note of how loud the last so many seconds were; none is silence.
    pub fn observe(&mut self, momentary_lufs: Option<f64>, seconds: f64) {
        let heard = momentary_lufs.filter(|lufs| *lufs >= SILENCE_LUFS);
        let recent = self.loudness();
        let pause = |lufs: f64| recent.is_some_and(|recent| lufs < recent - PAUSE_LU);
        let Some(lufs) = heard.filter(|lufs| self.counted_s <= 1.0 || !pause(*lufs)) else {
            return;
        };
        self.counted_s = (self.counted_s + seconds).min(MEMORY_S);
        let energy = 10f64.powf(lufs / 10.0);
        self.energy += (energy - self.energy) * seconds / self.counted_s;
    }

    /// Loudness of the recent past.
    fn loudness(&self) -> Option<f64> {
        (self.counted_s > 0.0).then(|| 10.0 * self.energy.log10())
    }

    /// Applies gain and limiter in place.
    pub fn process(&mut self, sound: &mut [f32]) {
        for step in sound.chunks_mut(STEP * 2) {
            let before = self.gain_db;
            let seconds = (step.len() / 2) as f64 / 48_000.0;
            self.follow(seconds);
            let [from, to] = [before, self.gain_db].map(|db| 10f64.powf(db / 20.0));
            let count = (step.len() / 2) as f64;
            for (n, pair) in step.chunks_exact_mut(2).enumerate() {
                let gain = (from + (to - from) * n as f64 / count) as f32;
                let [left, right] = self.limiter.process([pair[0] * gain, pair[1] * gain]);
                (pair[0], pair[1]) = (left, right);
            }
        }
    }

    fn follow(&mut self, seconds: f64) {
        let Some(loudness) = self.loudness() else {
            return;
        };
        let wanted = (self.target.lufs - loudness).clamp(GAIN_MIN_DB, GAIN_MAX_DB);
        if std::mem::replace(&mut self.begun, true) {
            self.gain_db += (wanted - self.gain_db) * (seconds / FOLLOW_S).min(1.0);
        } else {
            self.gain_db = wanted;
        }
    }
}

#[cfg(test)]
mod tests;
