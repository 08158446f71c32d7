//! What is played: a track's plan, and the notes of each step of it.

use super::random::Random;
use super::voices::{Instrument, Note, Sine};
use crate::SAMPLE_RATE;

/// Notes sounding at once; more are not begun.
const NOTES_MAX: usize = 48;

/// Steps in a bar: eighths.
const STEPS: u32 = 8;

/// Chord progressions that circle without end: semitones of the root above the key, and
/// whether the chord is minor.
const PROGRESSIONS: [[(i32, bool); 4]; 6] = [
    [(0, false), (9, true), (5, false), (7, false)],
    [(0, true), (8, false), (3, false), (10, false)],
    [(5, false), (4, true), (2, true), (0, false)],
    [(0, false), (4, true), (9, true), (5, false)],
    [(9, true), (5, false), (0, false), (7, false)],
    [(0, true), (5, true), (8, false), (7, true)],
];

/// Orders in which the arpeggio walks a chord's tones.
const WALKS: [[usize; 8]; 4] = [
    [0, 2, 4, 3, 1, 3, 2, 4],
    [0, 1, 2, 3, 4, 3, 2, 1],
    [4, 2, 3, 1, 2, 0, 1, 3],
    [0, 3, 1, 4, 2, 4, 1, 3],
];

const FIRST: [&str; 16] = [
    "Amber", "Quiet", "Paper", "Northern", "Slow", "Velvet", "Hidden", "Early", "Distant",
    "Silver", "Drifting", "Borrowed", "Golden", "Late", "Gentle", "Hollow",
];

const SECOND: [&str; 16] = [
    "Harbour",
    "Lanterns",
    "Tide",
    "Window",
    "Orchard",
    "Signal",
    "Garden",
    "Rain",
    "Letters",
    "Morning",
    "Staircase",
    "Horizon",
    "Meadow",
    "Station",
    "Fireflies",
    "Hours",
];

const ARTISTS: [&str; 10] = [
    "The Kite Makers",
    "Low Orbit Choir",
    "Mirela Sund",
    "Paper Lighthouse",
    "Tobin & Vale",
    "Nine Slow Rivers",
    "Aster Lane",
    "The Night Gardeners",
    "Ode to Weather",
    "Halden Grey",
];

/// A track's plan.
#[derive(Debug)]
pub(super) struct Composition {
    pub(super) title: String,
    pub(super) artist: String,
    random: Random,
    /// MIDI number of the key's root.
    key: i32,
    progression: [(i32, bool); 4],
    walk: [usize; 8],
    /// Samples in a step.
    step: u32,
    bars: u32,
    has_drums: bool,
    /// How much later every second step comes, as a share of a step.
    swing: f32,
}

impl Composition {
    pub(super) fn new(random: &mut Random) -> Self {
        let tempo = random.between(66.0, 84.0);
        let step = (SAMPLE_RATE as f32 * 30.0 / tempo) as u32;
        let bar_s = (step * STEPS) as f32 / SAMPLE_RATE as f32;
        let length_s = random.between(65.0, 170.0);
        Self {
            title: format!("{} {}", random.pick(&FIRST), random.pick(&SECOND)),
            artist: random.pick(&ARTISTS).to_owned(),
            key: 48 + random.below(9) as i32,
            progression: random.pick(&PROGRESSIONS),
            walk: random.pick(&WALKS),
            step,
            bars: (length_s / bar_s / 4.0).round().max(1.0) as u32 * 4,
            has_drums: random.chance(0.7),
            swing: random.between(0.0, 0.22),
            random: random.clone(),
        }
    }

    /// How long it is, in samples.
    pub(super) fn samples(&self) -> u64 {
        u64::from(self.bars) * u64::from(STEPS) * u64::from(self.step)
    }

    /// The tones of a bar's chord over two octaves: root, third, fifth, seventh or ninth.
    fn chord(&self, bar: u32) -> [i32; 5] {
        let (root, minor) = self.progression[(bar % 4) as usize];
        let third = if minor { 3 } else { 4 };
        // Up an octave too far it gets shrill; keep the roots together.
        let root = self.key + if root > 6 { root - 12 } else { root };
        [root, root + third, root + 7, root + 12, root + 14]
    }

    fn freq(midi: i32) -> f32 {
        440.0 * 2f32.powf((midi - 69) as f32 / 12.0)
    }

    /// Which parts play in a bar: they come in one after another and leave the same way.
    fn has(&self, part: u32, bar: u32) -> bool {
        bar >= part * 2 && bar + part < self.bars
    }

    /// Begins the notes of a step.
    fn notes(&mut self, bar: u32, step: u32, begin: &mut impl FnMut(Note)) {
        let chord = self.chord(bar);
        let step_s = self.step as f32 / SAMPLE_RATE as f32;
        if step == 0 {
            self.begin_pad(&chord, step_s, begin);
        }
        if self.has(1, bar) && (step == 0 || step == 5 && self.random.chance(0.5)) {
            let long = if step == 0 { 4.5 } else { 2.5 };
            let freq = Self::freq(chord[0] - 12);
            begin(Note::new(Instrument::Bass, freq, step_s * long, 0.17, 0.0));
        }
        if self.has(2, bar)
            && self
                .random
                .chance(if step.is_multiple_of(2) { 0.85 } else { 0.6 })
        {
            let tone = chord[self.walk[step as usize]] + 12;
            let volume = self.random.between(0.05, 0.1);
            let pan = self.random.between(-0.6, 0.6);
            begin(Note::new(
                Instrument::Pluck,
                Self::freq(tone),
                2.2,
                volume,
                pan,
            ));
        }
        if self.has_drums && self.has(3, bar) {
            self.begin_drums(step, begin);
        }
    }

    fn begin_pad(&mut self, chord: &[i32; 5], step_s: f32, begin: &mut impl FnMut(Note)) {
        let pans = [-0.4, 0.45, -0.15, 0.2];
        let tones = [chord[0], chord[1], chord[2], chord[4]];
        for (tone, pan) in tones.into_iter().zip(pans) {
            let volume = self.random.between(0.036, 0.052);
            let seconds = step_s * STEPS as f32 + 1.4;
            begin(Note::new(
                Instrument::Pad,
                Self::freq(tone),
                seconds,
                volume,
                pan,
            ));
        }
    }

    fn begin_drums(&mut self, step: u32, begin: &mut impl FnMut(Note)) {
        if step == 0 || step == 5 && self.random.chance(0.35) {
            begin(Note::new(Instrument::Kick, 52.0, 0.45, 0.22, 0.0));
        }
        if step == 2 || step == 6 {
            let volume = self.random.between(0.07, 0.1);
            begin(Note::new(Instrument::Brush, 900.0, 0.22, volume, 0.12));
        } else if self.random.chance(0.5) {
            let volume = self.random.between(0.015, 0.035);
            let seed = self.random.between(300.0, 2000.0);
            begin(Note::new(Instrument::Brush, seed, 0.12, volume, -0.25));
        }
    }
}

/// Plays a composition sample by sample; silent once it is over.
#[derive(Debug)]
pub(super) struct Player {
    composition: Composition,
    sine: Sine,
    notes: Vec<Note>,
    /// Steps begun, and samples until the next.
    steps: u32,
    wait: u32,
}

impl Player {
    pub(super) fn new(composition: Composition) -> Self {
        Self {
            composition,
            sine: Sine::new(),
            notes: Vec::with_capacity(NOTES_MAX),
            steps: 0,
            wait: 0,
        }
    }

    /// The next sample, and what of it goes to the echo.
    pub(super) fn next(&mut self) -> ([f32; 2], [f32; 2]) {
        if self.wait == 0 {
            self.begin_step();
        }
        self.wait -= 1;
        let mut dry = [0.0; 2];
        let mut send = [0.0; 2];
        for note in &mut self.notes {
            let share = note.send();
            let sound = note.next(&self.sine);
            for side in 0..2 {
                dry[side] += sound[side];
                send[side] += sound[side] * share;
            }
        }
        (dry, send)
    }

    fn begin_step(&mut self) {
        self.notes.retain(|note| !note.is_over());
        let (bar, step) = (self.steps / STEPS, self.steps % STEPS);
        if bar < self.composition.bars {
            let notes = &mut self.notes;
            self.composition.notes(bar, step, &mut |note| {
                if notes.len() < NOTES_MAX {
                    notes.push(note);
                }
            });
        }
        let late = (self.composition.step as f32 * self.composition.swing) as u32;
        self.wait = if step.is_multiple_of(2) {
            self.composition.step + late
        } else {
            self.composition.step - late
        };
        self.steps += 1;
    }
}
