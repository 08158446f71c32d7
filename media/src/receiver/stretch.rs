//! Makes sound a little shorter or longer at the same pitch, by waveform similarity (WSOLA).
//!
//! Where the sound resembles itself a few milliseconds on, that stretch is left out, or put
//! in once more, across a cross-fade of 10 ms. It resembles itself where it is stationary or
//! quiet, and only there anything is done: the less alike, the longer it waits for better.

/// Shortest and longest change, in samples: 2.5 and 25 ms, down to the pitch of 40 Hz.
pub(super) const LAG_MIN: usize = 120;
pub(super) const LAG_MAX: usize = 1200;

/// Length of the cross-fade and of what is compared: 10 ms.
const WINDOW: usize = 480;

/// Samples of sound at hand that a change needs: the window and the longest change.
pub(super) const ENOUGH: usize = WINDOW + LAG_MAX;

/// Every which sample the first search looks at.
const COARSE: usize = 4;

/// Below this mean square (-60 dB of full scale) anything fits anything.
const QUIET: f32 = 1e-6;

/// Where sound is alike: at which distance, and how much, up to 1.
#[derive(Debug, Clone, Copy)]
struct Match {
    lag: usize,
    likeness: f32,
}

/// Holds what was heard last and has room for what is made of it. 60 KB.
#[derive(Debug)]
pub(super) struct Stretcher {
    /// [`LAG_MAX`] samples heard last, interleaved stereo, then room to work in.
    work: Box<[f32]>,
    coarse: Box<[f32]>,
}

impl Stretcher {
    pub(super) fn new(samples_max: usize) -> Self {
        let room = LAG_MAX + samples_max;
        Self {
            work: vec![0.0; room * 2].into_boxed_slice(),
            coarse: vec![0.0; room / COARSE].into_boxed_slice(),
        }
    }

    /// Remembers the end of what is heard.
    pub(super) fn heard(&mut self, sound: &[f32]) {
        let history = &mut self.work[..LAG_MAX * 2];
        let new = &sound[sound.len().saturating_sub(LAG_MAX * 2)..];
        history.copy_within(new.len().., 0);
        let kept = history.len() - new.len();
        history[kept..].copy_from_slice(new);
    }

    /// Leaves out at most `most` samples of `sound`, interleaved stereo, where it is alike by
    /// at least `likeness`. Answers how many; what is left begins at the front of `sound`,
    /// the first [`Self::seam`] samples of it from before the cut.
    pub(super) fn shorten(&mut self, sound: &mut [f32], most: usize, likeness: f32) -> usize {
        let samples = sound.len() / 2;
        let most = most.min(LAG_MAX).min(samples.saturating_sub(WINDOW));
        if most < LAG_MIN {
            return 0;
        }
        // The sound with itself further on.
        let source = &sound[..(most / COARSE * COARSE + WINDOW) * 2];
        let Some(found) = search(source, &mut self.coarse, false) else {
            return 0;
        };
        if found.likeness < likeness {
            return 0;
        }
        let lag = found.lag;
        for n in 0..WINDOW {
            let rise = fade(n);
            for side in 0..2 {
                let (old, new) = (sound[n * 2 + side], sound[(n + lag) * 2 + side]);
                sound[n * 2 + side] = old + (new - old) * rise;
            }
        }
        sound.copy_within((WINDOW + lag) * 2.., WINDOW * 2);
        lag
    }

    /// Makes the first `samples` of `sound` longer by at most `most`, by repeating what was
    /// heard just before, and what the buffer has room for. Answers by how many samples.
    pub(super) fn lengthen(
        &mut self,
        sound: &mut [f32],
        samples: usize,
        most: usize,
        likeness: f32,
    ) -> usize {
        let history = LAG_MAX * 2;
        let end = history + samples * 2;
        let most = most.min(LAG_MAX).min(sound.len() / 2 - samples);
        if most < LAG_MIN || samples < WINDOW || end > self.work.len() {
            return 0;
        }
        self.work[history..end].copy_from_slice(&sound[..samples * 2]);
        let from = LAG_MAX - most / COARSE * COARSE;
        let source = &self.work[from * 2..(LAG_MAX + WINDOW) * 2];
        let Some(found) = search(source, &mut self.coarse, true) else {
            return 0;
        };
        if found.likeness < likeness {
            return 0;
        }
        // From `lag` before the end of what was heard on, everything once more.
        let again = &self.work[history - found.lag * 2..end];
        sound[WINDOW * 2..again.len()].copy_from_slice(&again[WINDOW * 2..]);
        for n in 0..WINDOW * 2 {
            sound[n] += (again[n] - sound[n]) * fade(n / 2);
        }
        found.lag
    }

    /// Samples before the cut that [`Self::shorten`] leaves in their place.
    pub(super) const fn seam() -> usize {
        WINDOW
    }

    /// The end of what was heard once more, interleaved stereo: from 2.5 to 15 ms, so long that
    /// what it follows ends alike, by at least `likeness`. The first `seam` samples are those
    /// to which the last ones heard are to be faded.
    pub(super) fn again(&mut self, seam: usize, likeness: f32) -> Option<&[f32]> {
        let source = &self.work[..LAG_MAX * 2];
        let found = search(source, &mut self.coarse, true)?;
        if found.likeness < likeness {
            return None;
        }
        let again = LAG_MAX - found.lag - seam.min(WINDOW);
        Some(&self.work[again * 2..LAG_MAX * 2])
    }
}

/// The distance at which the sound at one end of `source` is found again: at its beginning
/// later, or at its end `earlier`.
fn search(source: &[f32], coarse: &mut [f32], earlier: bool) -> Option<Match> {
    let total = source.len() / 2;
    let most = total - WINDOW;
    let coarse = &mut coarse[..total / COARSE];
    for (out, frames) in coarse.iter_mut().zip(source.chunks_exact(2 * COARSE)) {
        // Left and right count differently, so that opposite ones do not cancel out.
        let sum: f32 = frames.chunks_exact(2).map(|f| f[0] + 0.7 * f[1]).sum();
        *out = sum;
    }
    let window = WINDOW / COARSE;
    let reference = if earlier { most / COARSE } else { 0 };
    let place = |lag: usize| {
        if earlier {
            reference - lag
        } else {
            reference + lag
        }
    };
    let lags = LAG_MIN / COARSE..=most / COARSE;
    // Once for each: this is the most that a pull ever does at once.
    let scored = lags.map(|lag| {
        let (a, b) = (&coarse[reference..], &coarse[place(lag)..]);
        (lag, likeness(&a[..window], &b[..window], 0.0))
    });
    let (best, _) = scored.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let anchor = if earlier { most } else { 0 };
    let fine =
        (best * COARSE).saturating_sub(COARSE).max(LAG_MIN)..=(best * COARSE + COARSE).min(most);
    fine.map(|lag| {
        let other = if earlier { anchor - lag } else { anchor + lag };
        let a = &source[anchor * 2..(anchor + WINDOW) * 2];
        let b = &source[other * 2..(other + WINDOW) * 2];
        let likeness = likeness(a, b, QUIET * a.len() as f32);
        Match { lag, likeness }
    })
    .max_by(|a, b| a.likeness.total_cmp(&b.likeness))
}

/// Rises from 0 to 1 over the window. What is faded is alike, so amplitudes add up.
fn fade(n: usize) -> f32 {
    rise(n, WINDOW)
}

/// Rises from 0 to 1 over `length`.
pub(super) fn rise(n: usize, length: usize) -> f32 {
    let angle = (n as f32 + 0.5) / length as f32 * std::f32::consts::PI;
    0.5 - 0.5 * angle.cos()
}

/// The normalised correlation of two pieces; 1 where both have less energy than `quiet`.
fn likeness(a: &[f32], b: &[f32], quiet: f32) -> f32 {
    let (mut ab, mut aa, mut bb) = (0.0f32, 0.0f32, 0.0f32);
    for (&a, &b) in a.iter().zip(b) {
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    if aa < quiet && bb < quiet {
        return 1.0;
    }
    // Unequal levels would be heard even where the shapes agree.
    ab / aa.max(bb).max(f32::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tone_report;

    fn tone(from: usize, samples: usize) -> Vec<f32> {
        (from..from + samples)
            .flat_map(|n| {
                let value = (n as f32 * 440.0 / 48_000.0 * std::f32::consts::TAU).sin() * 0.5;
                [value, -value]
            })
            .collect()
    }

    #[test]
    fn a_tone_changes_its_length_and_nothing_else() {
        for shorter in [true, false] {
            let mut stretcher = Stretcher::new(5760);
            let mut out = Vec::new();
            let mut changed = 0;
            for n in 0..100 {
                let mut sound = tone(n * 1920, 1920);
                let wanted = n % 5 == 4;
                if wanted && shorter {
                    let lag = stretcher.shorten(&mut sound, 720, 0.9);
                    sound.truncate((1920 - lag) * 2);
                    changed += lag;
                } else if wanted {
                    sound.resize(5760, 0.0);
                    let lag = stretcher.lengthen(&mut sound, 1920, 720, 0.9);
                    sound.truncate((1920 + lag) * 2);
                    changed += lag;
                }
                stretcher.heard(&sound);
                out.extend(sound);
            }
            assert!(changed > 20 * LAG_MIN, "{changed}");
            let left: Vec<f32> = out.iter().step_by(2).copied().collect();
            let expected = if shorter {
                192_000 - changed
            } else {
                192_000 + changed
            };
            assert_eq!(left.len(), expected);
            let report = tone_report(&left, 48_000.0, 440.0);
            assert!(report.worst_snr_db > 30.0, "{report:?}");
            assert!(report.phase_jumps.is_empty(), "{report:?}");
        }
    }

    #[test]
    fn noise_is_left_alone_and_silence_is_not() {
        let mut rng = crate::testing::Rng::new(3);
        let mut noise: Vec<f32> = (0..3840).map(|_| rng.unit() as f32 - 0.5).collect();
        let mut stretcher = Stretcher::new(5760);
        stretcher.heard(&noise);
        assert_eq!(stretcher.shorten(&mut noise, 960, 0.9), 0);
        assert_eq!(stretcher.lengthen(&mut noise, 960, 960, 0.9), 0);
        let mut silence = vec![0.0; 3840];
        assert!(stretcher.shorten(&mut silence, 960, 0.9) >= LAG_MIN);
    }
}
