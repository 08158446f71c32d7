//! Least-squares fit of a tone of known frequency.
//!
//! The signal is cut into windows and in each the sine, the cosine and a constant that fit
//! best are subtracted; what is left is noise. Each window has its own phase, and a
//! frequency up to 0.5 % off is found first, so that play-out that corrects its clock by a
//! trifle measures as clean as it sounds. A gap, a click or a repeated sample does not.

use std::f64::consts::TAU;

/// Windows of this length, in seconds.
const WINDOW_S: f64 = 0.05;

/// A phase step between neighbouring windows counts as a jump above this many radians.
const JUMP_RADIANS: f64 = 0.35;

/// How a stretch of sound compares with a tone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ToneFit {
    /// Power of the tone over the power of everything else, in dB.
    pub snr_db: f64,
    /// Amplitude of the tone; full scale is 1.
    pub amplitude: f64,
    /// Phase at the first sample, in radians, -pi to pi.
    pub phase: f64,
    /// Frequency found, in Hz.
    pub freq: f64,
}

/// A stretch in which the tone was not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Number of its first sample.
    pub start: usize,
    /// Samples.
    pub length: usize,
}

/// The windows of a longer signal, summed up.
#[derive(Debug, Clone, PartialEq)]
pub struct ToneReport {
    /// Power of the tone over the power of everything else, over all windows.
    pub snr_db: f64,
    /// The worst window's.
    pub worst_snr_db: f64,
    /// Where the worst window begins.
    pub worst_at: usize,
    /// The mean amplitude.
    pub amplitude: f64,
    /// Windows measured.
    pub windows: usize,
    /// Where the phase jumped by more than 0.35 radians against the window before.
    pub phase_jumps: Vec<usize>,
}

/// Fits a tone of `freq` Hz to the mono `samples`: the power of its windows over that of
/// what they leave. `rate` is in Hz. Fewer than one window is fitted as one.
#[must_use]
pub fn tone_snr(samples: &[f32], rate: f64, freq: f64) -> ToneFit {
    let windows = windows(samples, rate, freq);
    let signal: f64 = windows.iter().map(|fit| fit.signal).sum();
    let noise: f64 = windows.iter().map(|fit| fit.noise).sum();
    let count = windows.len().max(1) as f64;
    ToneFit {
        snr_db: ratio_db(signal, noise),
        amplitude: windows.iter().map(|fit| fit.amplitude).sum::<f64>() / count,
        phase: windows.first().map_or(0.0, |fit| fit.phase),
        freq: windows.iter().map(|fit| fit.freq).sum::<f64>() / count,
    }
}

/// Like [`tone_snr`], with the worst window and phase jumps.
#[must_use]
pub fn tone_report(samples: &[f32], rate: f64, freq: f64) -> ToneReport {
    let windows = windows(samples, rate, freq);
    let total = tone_snr(samples, rate, freq);
    let worst = windows
        .iter()
        .min_by(|a, b| a.snr_db().total_cmp(&b.snr_db()));
    let phase_jumps = windows
        .windows(2)
        .filter(|pair| {
            let elapsed = (pair[1].start - pair[0].start) as f64 / rate;
            let expected = pair[0].phase + TAU * elapsed * (pair[0].freq + pair[1].freq) / 2.0;
            wrap(pair[1].phase - expected).abs() > JUMP_RADIANS
        })
        .map(|pair| pair[1].start)
        .collect();
    ToneReport {
        snr_db: total.snr_db,
        worst_snr_db: worst.map_or(f64::NEG_INFINITY, Window::snr_db),
        worst_at: worst.map_or(0, |window| window.start),
        amplitude: total.amplitude,
        windows: windows.len(),
        phase_jumps,
    }
}

/// Stretches of at least 1 ms in which the mono `samples` stay below a tenth of `amplitude`
/// for longer than half a period of `freq`.
#[must_use]
pub fn find_gaps(samples: &[f32], rate: f64, freq: f64, amplitude: f64) -> Vec<Gap> {
    let limit = (amplitude * 0.1) as f32;
    let shortest = (rate / 1000.0).max(rate / freq / 2.0) as usize;
    let mut gaps = Vec::new();
    let mut start = None;
    let beyond = std::iter::once(&f32::INFINITY);
    for (n, sample) in samples.iter().chain(beyond).enumerate() {
        if sample.abs() < limit {
            start.get_or_insert(n);
        } else if let Some(start) = start.take()
            && n - start >= shortest
        {
            let length = n - start;
            gaps.push(Gap { start, length });
        }
    }
    gaps
}

#[derive(Debug, Clone, Copy)]
struct Window {
    start: usize,
    signal: f64,
    noise: f64,
    amplitude: f64,
    phase: f64,
    freq: f64,
}

impl Window {
    fn snr_db(&self) -> f64 {
        ratio_db(self.signal, self.noise)
    }
}

fn windows(samples: &[f32], rate: f64, freq: f64) -> Vec<Window> {
    let length = (rate * WINDOW_S.max(8.0 / freq)) as usize;
    let starts = (0..samples.len()).step_by(length.max(1));
    starts
        .map(|start| (start, &samples[start..(start + length).min(samples.len())]))
        .filter(|(start, window)| *start == 0 || window.len() == length)
        .map(|(start, window)| fit(start, window, rate, freq))
        .collect()
}

fn fit(start: usize, samples: &[f32], rate: f64, freq: f64) -> Window {
    let mut freq_found = freq;
    let mut best = fit_at(start, samples, rate, freq_found);
    // Twice is enough: the first step removes all but the square of the deviation.
    for _ in 0..2 {
        let step = freq_step(samples, rate, &best);
        let limit = freq * 0.005;
        freq_found = (freq_found + step).clamp(freq - limit, freq + limit);
        let next = fit_at(start, samples, rate, freq_found);
        if next.noise >= best.noise {
            break;
        }
        best = next;
    }
    best
}

/// How much higher the frequency is than assumed: by the phase of the window's halves.
fn freq_step(samples: &[f32], rate: f64, at: &Window) -> f64 {
    let half = samples.len() / 2;
    let (first, second) = samples.split_at(half);
    let a = fit_at(0, first, rate, at.freq);
    let b = fit_at(half, second, rate, at.freq);
    let elapsed = half as f64 / rate;
    wrap(b.phase - a.phase - TAU * at.freq * elapsed) / (TAU * elapsed)
}

fn fit_at(start: usize, samples: &[f32], rate: f64, freq: f64) -> Window {
    let step = TAU * freq / rate;
    let mut normal = [[0.0f64; 3]; 3];
    let mut right = [0.0f64; 3];
    for (n, &sample) in samples.iter().enumerate() {
        let (sin, cos) = (n as f64 * step).sin_cos();
        let basis = [sin, cos, 1.0];
        for row in 0..3 {
            for column in 0..3 {
                normal[row][column] += basis[row] * basis[column];
            }
            right[row] += basis[row] * f64::from(sample);
        }
    }
    let [a, b, c] = solve(normal, right);
    let mut noise = 0.0;
    for (n, &sample) in samples.iter().enumerate() {
        let (sin, cos) = (n as f64 * step).sin_cos();
        noise += (f64::from(sample) - a * sin - b * cos - c).powi(2);
    }
    let amplitude = a.hypot(b);
    Window {
        start,
        signal: amplitude * amplitude / 2.0 * samples.len() as f64,
        noise,
        amplitude,
        phase: b.atan2(a),
        freq,
    }
}

/// Cramer's rule; a singular system (too few samples) gives zeros.
fn solve(m: [[f64; 3]; 3], right: [f64; 3]) -> [f64; 3] {
    let whole = determinant(m);
    if whole.abs() < 1e-12 {
        return [0.0; 3];
    }
    std::array::from_fn(|column| {
        let mut replaced = m;
        for row in 0..3 {
            replaced[row][column] = right[row];
        }
        determinant(replaced) / whole
    })
}

fn determinant(m: [[f64; 3]; 3]) -> f64 {
    m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
}

fn ratio_db(signal: f64, noise: f64) -> f64 {
    if signal <= 0.0 {
        return f64::NEG_INFINITY;
    }
    10.0 * (signal / noise.max(signal * 1e-15)).log10()
}

fn wrap(radians: f64) -> f64 {
    radians - (radians / TAU).round() * TAU
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(freq: f64, count: usize) -> Vec<f32> {
        (0..count)
            .map(|n| (0.5 * (n as f64 * TAU * freq / 48_000.0).sin()) as f32)
            .collect()
    }

    #[test]
    fn a_pure_tone_fits_to_rounding() {
        let fit = tone_snr(&tone(440.0, 48_000), 48_000.0, 440.0);
        assert!(fit.snr_db > 130.0, "{fit:?}");
        assert!((fit.amplitude - 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_tenth_of_noise_is_twenty_db() {
        let mut samples = tone(440.0, 48_000);
        for (sample, other) in samples.iter_mut().zip(tone(3130.0, 48_000)) {
            *sample += other / 10.0;
        }
        let fit = tone_snr(&samples, 48_000.0, 440.0);
        assert!((fit.snr_db - 20.0).abs() < 0.2, "{fit:?}");
    }

    #[test]
    fn a_trifle_of_speed_is_no_noise_but_another_tone_is() {
        let fit = tone_snr(&tone(440.0 * 1.0015, 48_000), 48_000.0, 440.0);
        assert!(fit.snr_db > 80.0, "{fit:?}");
        let fit = tone_snr(&tone(470.0, 48_000), 48_000.0, 440.0);
        assert!(fit.snr_db < 15.0, "{fit:?}");
    }

    #[test]
    fn gaps_and_jumps_are_found_where_they_are() {
        let mut samples = tone(440.0, 48_000);
        samples[20_000..20_480].fill(0.0);
        let gaps = find_gaps(&samples, 48_000.0, 440.0, 0.5);
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        assert!(gaps[0].start.abs_diff(20_000) < 20 && gaps[0].length.abs_diff(480) < 40);
        let report = tone_report(&samples, 48_000.0, 440.0);
        assert!(
            report.worst_snr_db < 12.0 && report.worst_at == 19_200,
            "{report:?}"
        );
        assert!(report.phase_jumps.is_empty(), "{report:?}");

        samples.drain(24_000..24_030);
        let report = tone_report(&samples, 48_000.0, 440.0);
        assert!(!report.phase_jumps.is_empty(), "{report:?}");
        assert!(
            tone_report(&tone(440.0, 48_000), 48_000.0, 440.0)
                .phase_jumps
                .is_empty()
        );
    }
}
