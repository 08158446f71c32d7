//! Reads samples between samples: a windowed-sinc interpolator of freely variable step.
//!
//! One filter serves two ends: converting 48 kHz to the sound card's rate, and playing a
//! trifle faster or slower to follow a drifting clock. Opus carries nothing above 20 kHz, so
//! the filter has from there to 28 kHz, the first image, to fall 80 dB: 32 taps.

use crate::SAMPLE_RATE;

/// Filter positions between two samples; linear between them, an error of -98 dB.
const PHASES: usize = 256;

const TAPS: usize = 32;

/// Kaiser window shape for 80 dB.
const BETA: f64 = 8.0;

/// Below this output rate content would fold back; the filter narrows and lengthens.
const FULL_BAND_RATE: u32 = 40_000;

#[derive(Debug)]
pub(super) struct Interpolator {
    taps: usize,
    /// `PHASES + 1` filters of `taps` coefficients.
    table: Box<[f32]>,
}

impl Interpolator {
    /// For `output_rate` from 8 to 192 kHz. 33 KB at 40 kHz and above.
    pub(super) fn new(output_rate: u32) -> Self {
        let narrow = f64::from(FULL_BAND_RATE.max(output_rate)) / f64::from(output_rate);
        let taps = ((TAPS as f64 * narrow) as usize).next_multiple_of(2);
        // In units of the input's Nyquist frequency; with room for the transition band.
        let cutoff = if narrow > 1.0 {
            f64::from(output_rate) / f64::from(SAMPLE_RATE) * 0.86
        } else {
            1.0
        };
        let mut table = Vec::with_capacity((PHASES + 1) * taps);
        for phase in 0..=PHASES {
            filter(taps, cutoff, phase as f64 / PHASES as f64, &mut table);
        }
        Self {
            taps,
            table: table.into_boxed_slice(),
        }
    }

    /// Samples needed before the one at or before the position.
    pub(super) fn before(&self) -> usize {
        self.taps / 2 - 1
    }

    /// Samples needed after it.
    pub(super) fn after(&self) -> usize {
        self.taps / 2
    }

    /// The stereo sample `fraction` (0 to 1) behind the middle of `window`, which is
    /// interleaved stereo of [`Self::before`] + 1 + [`Self::after`] samples.
    pub(super) fn at(&self, window: &[f32], fraction: f64) -> [f32; 2] {
        let place = fraction * PHASES as f64;
        let phase = (place as usize).min(PHASES - 1);
        let blend = (place - phase as f64) as f32;
        let start = phase * self.taps;
        let (here, next) = self.table[start..start + 2 * self.taps].split_at(self.taps);
        let mut out = [0.0f32; 2];
        for ((pair, &a), &b) in window.chunks_exact(2).zip(here).zip(next) {
            let coefficient = a + (b - a) * blend;
            out[0] += pair[0] * coefficient;
            out[1] += pair[1] * coefficient;
        }
        out
    }
}

fn filter(taps: usize, cutoff: f64, fraction: f64, out: &mut Vec<f32>) {
    let half = taps as f64 / 2.0;
    let start = out.len();
    for tap in 0..taps {
        // The position lies `fraction` after tap number taps/2 - 1.
        let x = tap as f64 - (half - 1.0) - fraction;
        let edge = (x / half).clamp(-1.0, 1.0);
        let window = bessel_i0(BETA * (1.0 - edge * edge).sqrt()) / bessel_i0(BETA);
        out.push((sinc(x * cutoff) * cutoff * window) as f32);
    }
    // Unity gain at every phase, or a moving position would modulate the level.
    let sum: f32 = out[start..].iter().sum();
    for value in &mut out[start..] {
        *value /= sum;
    }
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-12 {
        return 1.0;
    }
    let x = x * std::f64::consts::PI;
    x.sin() / x
}

/// The modified Bessel function of order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..40 {
        term *= quarter / f64::from(k * k);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure;

    fn tone(freq: f64, samples: usize) -> Vec<f32> {
        (0..samples)
            .flat_map(|n| {
                let phase = n as f64 * freq / 48_000.0 * std::f64::consts::TAU;
                [(phase.sin() * 0.5) as f32, (phase.cos() * 0.5) as f32]
            })
            .collect()
    }

    fn check(output_rate: u32, freq: f64, snr_min: f64) {
        let interpolator = Interpolator::new(output_rate);
        let input = tone(freq, 24_000);
        let step = 48_000.0 / f64::from(output_rate) * 1.0003;
        let mut left = Vec::new();
        let mut position = interpolator.before() as f64;
        while position as usize + interpolator.after() < 24_000 {
            let first = position as usize - interpolator.before();
            let window = &input[first * 2..(position as usize + interpolator.after() + 1) * 2];
            left.push(interpolator.at(window, position.fract())[0]);
            position += step;
        }
        let fit = measure::tone_snr(&left, f64::from(output_rate), freq * 1.0003);
        assert!(fit.snr_db > snr_min, "{output_rate} {freq}: {fit:?}");
        assert!((fit.amplitude - 0.5).abs() < 0.01, "{fit:?}");
    }

    #[test]
    fn tones_come_out_clean_at_every_rate() {
        check(48_000, 440.0, 90.0);
        check(48_000, 15_000.0, 75.0);
        check(44_100, 440.0, 90.0);
        check(44_100, 12_000.0, 75.0);
        check(96_000, 10_000.0, 75.0);
        check(16_000, 1_000.0, 75.0);
    }

    #[test]
    fn whole_positions_are_untouched() {
        let interpolator = Interpolator::new(48_000);
        let input = tone(997.0, 32);
        let out = interpolator.at(&input, 0.0);
        assert!((out[0] - input[15 * 2]).abs() < 1e-6);
    }
}
