//! The demo station's music: calm, endless, made here, the same for the same seed.
//!
//! A track of one to three minutes has its own key, tempo, chord progression and title; slow
//! pads, a soft bass, a plucked arpeggio, brushed percussion, a touch of echo. Tracks fade
//! into silence for a breath and the next begins. The peak stays below -3 dBFS.

mod compose;
mod effects;
mod random;
mod voices;

use compose::{Composition, Player};
use effects::Echo;
use random::Random;

use crate::SAMPLE_RATE;

/// A track's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Its invented title.
    pub title: String,
    /// Its invented artist.
    pub artist: String,
    /// Samples at 48 kHz since the beginning, from which it plays.
    pub position: u64,
    /// How many samples it lasts, the pause after it included.
    pub samples: u64,
}

/// Largest magnitude: -3 dBFS.
const CEILING: f32 = 0.707;

/// Seconds to fade in and out, and of silence between tracks.
const FADE_IN_S: f32 = 2.0;
const FADE_OUT_S: f32 = 5.0;
const PAUSE_S: f32 = 0.7;

/// Endless generated music: stereo at 48 kHz. Costs about 2 % of a core and 400 KB.
#[derive(Debug)]
pub struct Synth {
    random: Random,
    track: Track,
    player: Player,
    echo: Echo,
    position: u64,
    /// Tracks begun and not told yet; at most a few.
    begun: Vec<Track>,
}

impl Synth {
    /// Music that is always the same for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let (track, player) = next_track(&mut random, 0, None);
        Self {
            random,
            begun: vec![track.clone()],
            track,
            player,
            echo: Echo::new(),
            position: 0,
        }
    }

    /// Fills `out` with interleaved stereo; an odd last value is set to 0.
    pub fn fill(&mut self, out: &mut [f32]) {
        let mut frames = out.chunks_exact_mut(2);
        for frame in &mut frames {
            if self.position >= self.track.position + self.track.samples {
                self.turn();
            }
            let gain = self.gain();
            let (dry, send) = self.player.next();
            let wet = self.echo.process(send);
            for side in 0..2 {
                frame[side] = limit((dry[side] + wet[side]) * gain);
            }
            self.position += 1;
        }
        frames.into_remainder().fill(0.0);
    }

    /// Samples made so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The track that plays at [`Self::position`].
    #[must_use]
    pub fn track(&self) -> &Track {
        &self.track
    }

    /// The next track that began since the last call, the first included: what to tell as
    /// metadata, with the position from which it holds.
    pub fn poll_track(&mut self) -> Option<Track> {
        (!self.begun.is_empty()).then(|| self.begun.remove(0))
    }

    fn turn(&mut self) {
        let (track, player) = next_track(&mut self.random, self.position, Some(&self.track));
        self.track = track.clone();
        self.player = player;
        // Nobody may be asking; the newest few are enough.
        if self.begun.len() == 8 {
            self.begun.remove(0);
        }
        self.begun.push(track);
    }

    fn gain(&self) -> f32 {
        let rate = SAMPLE_RATE as f32;
        let into = (self.position - self.track.position) as f32 / rate;
        let left = (self.track.position + self.track.samples - self.position) as f32 / rate;
        let rise = (into / FADE_IN_S).min(1.0);
        let fall = ((left - PAUSE_S) / FADE_OUT_S).clamp(0.0, 1.0);
        let smooth = |x: f32| x * x * (3.0 - 2.0 * x);
        smooth(rise) * smooth(fall)
    }
}

fn next_track(random: &mut Random, position: u64, before: Option<&Track>) -> (Track, Player) {
    let composition = loop {
        let composition = Composition::new(random);
        if before.is_none_or(|before| before.title != composition.title) {
            break composition;
        }
    };
    let track = Track {
        title: composition.title.clone(),
        artist: composition.artist.clone(),
        position,
        samples: composition.samples(),
    };
    (track, Player::new(composition))
}

/// Leaves quiet sound alone and bends loud sound towards the ceiling.
fn limit(value: f32) -> f32 {
    let knee = CEILING * 0.7;
    let size = value.abs();
    if size <= knee {
        return value;
    }
    let room = CEILING - knee;
    let over = (size - knee) / room;
    (knee + room * over / (1.0 + over)).copysign(value)
}

#[cfg(test)]
mod tests;
