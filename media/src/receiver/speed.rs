//! Slow, inaudible correction of the delay: plays up to 0.15 % faster or slower.

/// Largest deviation: 2.6 cents, below what is heard even in direct comparison.
const MAX: f64 = 0.0015;

/// Deviation per second of error.
const GAIN: f64 = 0.3;

/// Errors in ms below which nothing is done. Within them sound passes bit for bit. Too
/// little delay risks a gap, so that side is narrower.
const TOO_LITTLE_MS: f64 = 1.0;
const TOO_MUCH_MS: f64 = 1.5;
/// Once correcting, on to here.
const DONE_MS: f64 = 0.5;

/// Smoothing of the measured delay, in seconds.
const SMOOTH_S: f64 = 0.7;

/// Largest change of the deviation per second: no audible step in pitch.
const SLEW: f64 = 0.002;

/// Errors in ms from which sound is stretched, when it suits.
const LONGER_FROM_MS: f64 = 3.0;
const SHORTER_FROM_MS: f64 = 5.0;

/// Largest share of time left out or put in.
const STRETCH_MAX: f64 = 0.04;

/// How alike sound is to be where it is stretched, at first and at least; in between it
/// takes a few seconds to become that modest.
const LIKENESS: f64 = 0.96;
const LIKENESS_MIN: f64 = 0.6;
const MODESTY_PER_S: f64 = 0.1;

/// Time between tries to stretch that found nothing alike.
const RETRY_S: f64 = 0.06;

#[derive(Debug, Default)]
pub(super) struct Speed {
    /// Until sound may be stretched again, in seconds.
    rest_s: f64,
    /// For how long stretching has been wanted in vain.
    wanting_s: f64,
    smooth_ms: Option<f64>,
    correcting: bool,
    deviation: f64,
}

impl Speed {
    /// 1 plus the deviation.
    pub(super) fn factor(&self) -> f64 {
        1.0 + self.deviation
    }

    /// The smoothed delay of the last updates.
    pub(super) fn delay_ms(&self) -> Option<f64> {
        self.smooth_ms
    }

    /// Starts measuring anew, after a jump.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    /// By how many ms sound had better be shorter now, or longer below 0.
    pub(super) fn stretch_ms(&self, target_ms: f64) -> f64 {
        let error_ms = self.smooth_ms.unwrap_or(target_ms) - target_ms;
        if self.rest_s > 0.0 || (-LONGER_FROM_MS..SHORTER_FROM_MS).contains(&error_ms) {
            return 0.0;
        }
        error_ms
    }

    /// How alike sound has to be to be stretched.
    pub(super) fn likeness(&self) -> f32 {
        (LIKENESS - self.wanting_s * MODESTY_PER_S).max(LIKENESS_MIN) as f32
    }

    /// Sound was made shorter by `ms`, or longer below 0, or nothing was found for 0.
    pub(super) fn stretched(&mut self, ms: f64) {
        if ms == 0.0 {
            self.rest_s = RETRY_S;
            self.wanting_s += RETRY_S;
            return;
        }
        self.rest_s = ms.abs() / 1e3 / STRETCH_MAX;
        self.wanting_s = 0.0;
        self.smooth_ms = self.smooth_ms.map(|smooth| smooth - ms);
    }

    /// The delay is `delay_ms`, should be `target_ms`; `seconds` passed since the last call.
    pub(super) fn update(&mut self, delay_ms: f64, target_ms: f64, seconds: f64) {
        let before = self.smooth_ms.unwrap_or(delay_ms);
        let smooth = before + (delay_ms - before) * (seconds / SMOOTH_S).min(1.0);
        self.smooth_ms = Some(smooth);
        self.rest_s -= seconds;
        let error_ms = smooth - target_ms;
        if !(-TOO_LITTLE_MS..=TOO_MUCH_MS).contains(&error_ms) {
            self.correcting = true;
        } else if error_ms.abs() < DONE_MS {
            self.correcting = false;
        }
        let wanted = if self.correcting {
            (error_ms / 1e3 * GAIN).clamp(-MAX, MAX)
        } else {
            0.0
        };
        let room = SLEW * seconds;
        self.deviation += (wanted - self.deviation).clamp(-room, room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays for `seconds` with clocks `ppm` apart; answers the last delay.
    fn run(speed: &mut Speed, mut delay_ms: f64, ppm: f64, seconds: u32) -> f64 {
        for _ in 0..seconds * 50 {
            speed.update(delay_ms, 30.0, 0.02);
            delay_ms += 20.0 * (ppm * 1e-6 - (speed.factor() - 1.0));
        }
        delay_ms
    }

    #[test]
    fn a_right_delay_is_left_alone() {
        let mut speed = Speed::default();
        run(&mut speed, 31.0, 0.0, 60);
        assert_eq!(speed.factor(), 1.0);
    }

    #[test]
    fn clocks_300_ppm_apart_stay_within_the_band_for_a_day() {
        for ppm in [300.0, -300.0, 100.0, -100.0] {
            let mut speed = Speed::default();
            let delay = run(&mut speed, 30.0, ppm, 24 * 3600);
            assert!((26.0..36.0).contains(&delay), "{ppm} ppm: {delay} ms");
        }
    }

    #[test]
    fn too_much_delay_shrinks_without_overshoot() {
        let mut speed = Speed::default();
        let delay = run(&mut speed, 60.0, 0.0, 90);
        assert!((29.0..32.0).contains(&delay), "{delay}");
    }
}
