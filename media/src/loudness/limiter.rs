//! A true-peak limiter that looks ahead.
//!
//! What a peak asks for is held for the look-ahead and averaged over as long, so that the gain
//! has come down smoothly when the peak comes out, and never lies above what it asks for.

use std::collections::VecDeque;

/// How long before a peak the gain begins to move, in samples: 5 ms.
const AHEAD: usize = 240;

/// Points looked at for each sample: itself and three up to the next, as BS.1770 has it.
const OVERSAMPLING: usize = 4;

/// Samples each point between is made of.
const TAPS: usize = 12;

/// Where in [`Limiter::recent`] the sample is that is looked at.
const LOOKED_AT: usize = TAPS / 2 - 1;

/// How fast the gain returns, per sample: most of it within 100 ms.
const RELEASE: f64 = 1.0 / (0.04 * 48_000.0);

/// What a gain in motion adds between the samples, and peaks between the points looked at.
const MARGIN: f64 = 0.985;

#[derive(Debug)]
pub(super) struct Limiter {
    limit: f64,
    phases: [[f32; TAPS]; OVERSAMPLING - 1],
    /// The newest samples of each channel, the oldest first.
    recent: [[f32; TAPS]; 2],
    delayed: VecDeque<[f32; 2]>,
    /// What peaks of the last [`AHEAD`] samples ask for, ascending in time and gain.
    asked: VecDeque<(u64, f64)>,
    now: u64,
    held: f64,
    averaged: VecDeque<f64>,
    sum: f64,
}

impl Limiter {
    /// Samples by which sound comes out later.
    pub(super) const DELAY: usize = AHEAD - 1 + TAPS / 2;

    /// Nothing above `limit`, a linear amplitude, comes out.
    pub(super) fn new(limit: f64) -> Self {
        Self {
            limit: limit * MARGIN,
            phases: phases(),
            recent: [[0.0; TAPS]; 2],
            delayed: std::iter::repeat_n([0.0; 2], Self::DELAY).collect(),
            asked: VecDeque::with_capacity(AHEAD + 1),
            now: 0,
            held: 1.0,
            averaged: std::iter::repeat_n(1.0, AHEAD).collect(),
            sum: AHEAD as f64,
        }
    }

    /// Takes one sample of both channels and gives the one of [`Self::DELAY`] before.
    pub(super) fn process(&mut self, sample: [f32; 2]) -> [f32; 2] {
        let peak = self.peak(sample);
        let wanted = (self.limit / f64::from(peak).max(1e-9)).min(1.0);
        let gain = self.gain(wanted) as f32;
        self.delayed.push_back(sample);
        let out = self.delayed.pop_front().unwrap_or(sample);
        out.map(|value| value * gain)
    }

    /// The highest point from the sample of [`TAPS`]`/2` before up to the next.
    fn peak(&mut self, sample: [f32; 2]) -> f32 {
        let mut peak = 0f32;
        for (recent, value) in self.recent.iter_mut().zip(sample) {
            recent.rotate_left(1);
            recent[TAPS - 1] = value;
            peak = peak.max(recent[LOOKED_AT].abs());
            for phase in &self.phases {
                let point: f32 = phase.iter().zip(&*recent).map(|(tap, at)| tap * at).sum();
                peak = peak.max(point.abs());
            }
        }
        peak
    }

    fn gain(&mut self, wanted: f64) -> f64 {
        while self.asked.back().is_some_and(|(_, other)| *other >= wanted) {
            self.asked.pop_back();
        }
        self.asked.push_back((self.now, wanted));
        let since = (self.now + 1).saturating_sub(AHEAD as u64);
        while self.asked.front().is_some_and(|(at, _)| *at < since) {
            self.asked.pop_front();
        }
        self.now += 1;
        let least = self.asked.front().map_or(wanted, |(_, least)| *least);
        self.held = least.min(self.held + (least - self.held) * RELEASE);
        self.averaged.push_back(self.held);
        self.sum += self.held - self.averaged.pop_front().unwrap_or(self.held);
        // Rounding adds up over days; a mean of gains is one all the same.
        (self.sum / AHEAD as f64).clamp(0.0, 1.0)
    }
}

/// A low-pass at the original band under a Hann window, split into the phases between samples.
fn phases() -> [[f32; TAPS]; OVERSAMPLING - 1] {
    let mut phases = [[0.0; TAPS]; OVERSAMPLING - 1];
    for (n, phase) in phases.iter_mut().enumerate() {
        let point = LOOKED_AT as f64 + (n + 1) as f64 / OVERSAMPLING as f64;
        for (at, tap) in phase.iter_mut().enumerate() {
            let angle = std::f64::consts::PI * (at as f64 - point);
            let window = (angle / TAPS as f64).cos().powi(2);
            *tap = (window * angle.sin() / angle) as f32;
        }
    }
    phases
}
