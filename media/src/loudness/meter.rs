//! How loud sound is.

use ebur128::{EbuR128, Mode};

/// Samples of sound a momentary loudness is about: 0.4 s.
const MOMENTARY: u64 = 19_200;

/// Samples of sound a short-term loudness is about: 3 s.
const SHORT_TERM: u64 = 144_000;

/// How loud a programme is. Values are none before there is enough of it, and in silence.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reading {
    /// Of the last 0.4 s, in LUFS.
    pub momentary_lufs: Option<f64>,
    /// Of the last 3 s, in LUFS.
    pub short_term_lufs: Option<f64>,
    /// Of all that was measured, gated, in LUFS.
    pub integrated_lufs: Option<f64>,
    /// The highest true peak so far, in dBTP.
    pub true_peak_dbtp: Option<f64>,
}

/// Measures interleaved stereo at 48 kHz for as long as one likes, in 1.2 MB.
pub struct Meter {
    measure: EbuR128,
    /// Samples taken, in each channel.
    taken: u64,
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}

impl Meter {
    /// Measures everything a [`Reading`] holds.
    #[must_use]
    pub fn new() -> Self {
        // Histograms keep the memory bounded, whatever the length of the programme.
        let mode = Mode::I | Mode::S | Mode::M | Mode::TRUE_PEAK | Mode::HISTOGRAM;
        Self {
            measure: EbuR128::new(2, 48_000, mode).expect("stereo at 48 kHz is measurable"),
            taken: 0,
        }
    }

    /// Takes sound.
    pub fn push(&mut self, stereo: &[f32]) {
        // It refuses nothing but what is no stereo.
        if self.measure.add_frames_f32(stereo).is_ok() {
            self.taken += stereo.len() as u64 / 2;
        }
    }

    /// How loud it is and was.
    #[must_use]
    pub fn reading(&self) -> Reading {
        let measure = &self.measure;
        let finite =
            |value: Result<f64, ebur128::Error>| value.ok().filter(|value| value.is_finite());
        let momentary = finite(measure.loudness_momentary());
        let short_term = finite(measure.loudness_shortterm());
        let peaks = [0, 1].map(|channel| measure.true_peak(channel).unwrap_or(0.0));
        let peak = peaks[0].max(peaks[1]);
        Reading {
            momentary_lufs: momentary.filter(|_| self.taken >= MOMENTARY),
            short_term_lufs: short_term.filter(|_| self.taken >= SHORT_TERM),
            integrated_lufs: finite(measure.loudness_global()),
            true_peak_dbtp: (peak > 0.0).then(|| 20.0 * peak.log10()),
        }
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}
