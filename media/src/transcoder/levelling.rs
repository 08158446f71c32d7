//! Loudness on the way from decoding to encoding.

use super::decoding::Piece;
use crate::loudness::{Meter, Normalizer, Reading, Target};

/// Samples between two looks at how loud it is: 100 ms.
const HOP: usize = 4_800;

/// How loud a source is, and what is done about it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Loudness {
    /// Of the source itself.
    pub reading: Reading,
    /// The gain its renditions get, in dB; none when they are left as they are.
    pub gain_db: Option<f64>,
}

/// Measures every piece, and brings it to the target if there is one.
#[derive(Debug)]
pub(super) struct Levelling {
    meter: Meter,
    normalizer: Option<Normalizer>,
    /// Samples since the last look.
    unseen: usize,
    loudness: Loudness,
    scratch: Vec<f32>,
    /// Samples to leave out, which the limiter still held of a stretch before.
    stale: usize,
    /// Whether what comes out next begins a stretch.
    begins: bool,
}

impl Levelling {
    pub(super) fn new(target: Option<Target>) -> Self {
        Self {
            meter: Meter::new(),
            normalizer: target.map(Normalizer::new),
            unseen: 0,
            loudness: Loudness::default(),
            scratch: Vec::new(),
            stale: Normalizer::DELAY,
            begins: true,
        }
    }

    pub(super) fn loudness(&self) -> Loudness {
        self.loudness
    }

    /// Measures a piece, and gives back what is to be encoded of it if anybody wants that.
    pub(super) fn handle_piece<'a>(
        &'a mut self,
        piece: Piece<'a>,
        wanted: bool,
    ) -> Option<Piece<'a>> {
        self.observe(&piece);
        if wanted {
            return self.level(piece);
        }
        self.pass_over();
        None
    }

    fn observe(&mut self, piece: &Piece<'_>) {
        self.meter.push(piece.sound);
        self.unseen += piece.sound.len() / 2;
        if self.unseen < HOP {
            return;
        }
        let seconds = self.unseen as f64 / 48_000.0;
        self.unseen = 0;
        let reading = self.meter.reading();
        if let Some(normalizer) = &mut self.normalizer {
            normalizer.observe(reading.momentary_lufs, seconds);
        }
        self.loudness = Loudness {
            reading,
            gain_db: self.normalizer.as_ref().map(Normalizer::gain_db),
        };
    }

    /// Nobody wants to hear it: what follows does not follow from what went in before.
    fn pass_over(&mut self) {
        self.stale = Normalizer::DELAY;
        self.begins = true;
    }

    /// The piece at the target's loudness, on its own media time; the piece itself without a
    /// target. None while the limiter fills.
    fn level<'a>(&'a mut self, piece: Piece<'a>) -> Option<Piece<'a>> {
        if piece.begins {
            self.pass_over();
        }
        let Some(normalizer) = &mut self.normalizer else {
            return Some(piece);
        };
        self.scratch.clear();
        self.scratch.extend_from_slice(piece.sound);
        normalizer.process(&mut self.scratch);
        let stale = self.stale.min(self.scratch.len() / 2);
        self.stale -= stale;
        let sound = &self.scratch[stale * 2..];
        if sound.is_empty() {
            return None;
        }
        Some(Piece {
            // What comes out is as much older than what went in.
            timestamp: (piece.timestamp + stale as u64).saturating_sub(Normalizer::DELAY as u64),
            begins: std::mem::take(&mut self.begins),
            sound,
        })
    }
}
