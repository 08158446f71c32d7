//! The instruments: sines from a table, envelopes, and a little filtered noise.

use crate::SAMPLE_RATE;

const TABLE: usize = 2048;

/// One period of a sine, with one value more for the interpolation.
#[derive(Debug)]
pub(super) struct Sine(Box<[f32]>);

impl Sine {
    pub(super) fn new() -> Self {
        let value = |n: usize| (n as f32 / TABLE as f32 * std::f32::consts::TAU).sin();
        Self((0..=TABLE).map(value).collect())
    }

    /// At `phase`, 0 to 1.
    fn at(&self, phase: f32) -> f32 {
        let place = phase * TABLE as f32;
        let index = (place as usize).min(TABLE - 1);
        let blend = place - index as f32;
        self.0[index] + (self.0[index + 1] - self.0[index]) * blend
    }
}

/// What a note is played on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instrument {
    /// Swells and fades, slightly detuned from side to side.
    Pad,
    /// Round and low.
    Bass,
    /// Struck and dying away, bell-like by frequency modulation.
    Pluck,
    /// A low thump.
    Kick,
    /// A breath of noise.
    Brush,
}

/// A sounding note.
#[derive(Debug, Clone, Copy)]
pub(super) struct Note {
    instrument: Instrument,
    /// Phases per sample of the carrier, for each side.
    steps: [f32; 2],
    phases: [f32; 2],
    modulator: f32,
    gains: [f32; 2],
    /// Samples since it began, and that it lasts.
    age: u32,
    length: u32,
    decay: f32,
    level: f32,
    noise: u32,
    filter: f32,
}

impl Note {
    /// A note of `freq` Hz and `seconds`, at `pan` from -1 (left) to 1.
    pub(super) fn new(
        instrument: Instrument,
        freq: f32,
        seconds: f32,
        volume: f32,
        pan: f32,
    ) -> Self {
        let rate = SAMPLE_RATE as f32;
        let detune = if instrument == Instrument::Pad {
            1.0018
        } else {
            1.0
        };
        let angle = (pan + 1.0) * std::f32::consts::FRAC_PI_4;
        // The time in which a struck note falls to a third.
        let fall_s = match instrument {
            Instrument::Pluck => 0.45,
            Instrument::Kick => 0.09,
            Instrument::Brush => 0.045,
            Instrument::Bass => 1.2,
            Instrument::Pad => 100.0,
        };
        Self {
            instrument,
            steps: [freq / rate, freq * detune / rate],
            phases: [0.0, 0.25],
            modulator: 0.0,
            gains: [angle.cos() * volume, angle.sin() * volume],
            age: 0,
            length: (seconds * rate) as u32,
            decay: (-1.0 / (fall_s * rate)).exp(),
            level: 1.0,
            noise: (freq * 7919.0) as u32 | 1,
            filter: 0.0,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.age >= self.length
    }

    /// The share of it that goes to the echo.
    pub(super) fn send(&self) -> f32 {
        match self.instrument {
            Instrument::Pad => 0.3,
            Instrument::Bass | Instrument::Kick => 0.0,
            Instrument::Pluck => 0.55,
            Instrument::Brush => 0.2,
        }
    }

    pub(super) fn next(&mut self, sine: &Sine) -> [f32; 2] {
        let gain = self.envelope() * self.level;
        self.level *= self.decay;
        self.age += 1;
        let sound = match self.instrument {
            Instrument::Pad => self.pad(sine),
            Instrument::Bass => self.bass(sine),
            Instrument::Pluck => self.pluck(sine),
            Instrument::Kick => self.kick(sine),
            Instrument::Brush => self.brush(),
        };
        [
            sound[0] * gain * self.gains[0],
            sound[1] * gain * self.gains[1],
        ]
    }

    /// Rises and falls without a click.
    fn envelope(&self) -> f32 {
        let (rise_s, fall_s) = match self.instrument {
            Instrument::Pad => (1.1, 1.6),
            Instrument::Bass => (0.03, 0.12),
            Instrument::Pluck => (0.004, 0.2),
            Instrument::Kick => (0.004, 0.05),
            Instrument::Brush => (0.012, 0.04),
        };
        let rate = SAMPLE_RATE as f32;
        let rise = self.age as f32 / (rise_s * rate);
        let fall = self.length.saturating_sub(self.age) as f32 / (fall_s * rate);
        let x = rise.min(fall).min(1.0);
        x * x * (3.0 - 2.0 * x)
    }

    fn advance(&mut self) {
        for (phase, step) in self.phases.iter_mut().zip(self.steps) {
            *phase += step;
            *phase -= phase.floor();
        }
    }

    fn pad(&mut self, sine: &Sine) -> [f32; 2] {
        self.advance();
        self.phases.map(|phase| {
            let second = (phase * 2.0).fract();
            let third = (phase * 3.0).fract();
            sine.at(phase) + 0.22 * sine.at(second) + 0.08 * sine.at(third)
        })
    }

    fn bass(&mut self, sine: &Sine) -> [f32; 2] {
        self.advance();
        let phase = self.phases[0];
        let value = sine.at(phase) + 0.18 * sine.at((phase * 2.0).fract());
        [value; 2]
    }

    fn pluck(&mut self, sine: &Sine) -> [f32; 2] {
        self.advance();
        self.modulator += self.steps[0] * 2.0;
        self.modulator -= self.modulator.floor();
        // The brightness dies away faster than the tone.
        let bend = sine.at(self.modulator) * 0.14 * self.level * self.level;
        let value = sine.at((self.phases[0] + bend + 1.0).fract());
        [value; 2]
    }

    fn kick(&mut self, sine: &Sine) -> [f32; 2] {
        // Falls from twice its pitch.
        self.phases[0] += self.steps[0] * (1.0 + self.level);
        self.phases[0] -= self.phases[0].floor();
        [sine.at(self.phases[0]); 2]
    }

    fn brush(&mut self) -> [f32; 2] {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 17;
        self.noise ^= self.noise << 5;
        let white = self.noise as f32 / u32::MAX as f32 * 2.0 - 1.0;
        // Between 1 and 4 kHz: nothing sharp, nothing dull.
        let before = self.filter;
        self.filter += (white - self.filter) * 0.35;
        [self.filter - before; 2]
    }
}
