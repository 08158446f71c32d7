//! One rendition of sound that is decoded already.

use super::decoding::Piece;
use crate::EncodedPacket;
use crate::encoder::{self, Channels, EncodeError, Encoder};

#[derive(Debug)]
pub(super) struct Encoding {
    encoder: Encoder,
    /// Sequence of the next packet.
    sequence: u64,
    /// Media time of the first sample in `frame`; none before the first sound.
    frame_start: Option<u64>,
    /// Samples of the frame under way, in the encoder's channels.
    frame: Vec<f32>,
}

impl Encoding {
    pub(super) fn new(config: encoder::Config) -> Result<Self, encoder::ConfigError> {
        let encoder = Encoder::new(config)?;
        Ok(Self {
            sequence: 0,
            frame_start: None,
            frame: Vec::with_capacity(encoder.frame_len()),
            encoder,
        })
    }

    /// Adds a piece to the frame; encodes each frame that gets full.
    pub(super) fn push(
        &mut self,
        piece: Piece<'_>,
        mut emit: impl FnMut(EncodedPacket),
    ) -> Result<(), EncodeError> {
        if piece.begins || self.frame_start.is_none() {
            self.frame.clear();
            self.frame_start = Some(piece.timestamp);
        }
        let channels = self.encoder.config().channels;
        let per_sample = channels.count();
        let mut rest = piece.sound;
        while !rest.is_empty() {
            let room = (self.encoder.frame_len() - self.frame.len()) / per_sample;
            let (now, later) = rest.split_at(rest.len().min(room * 2));
            rest = later;
            match channels {
                Channels::Stereo => self.frame.extend_from_slice(now),
                Channels::Mono => {
                    let middle = now.chunks_exact(2).map(|pair| (pair[0] + pair[1]) / 2.0);
                    self.frame.extend(middle);
                }
            }
            if self.frame.len() == self.encoder.frame_len() {
                emit(self.encode()?);
            }
        }
        Ok(())
    }

    fn encode(&mut self) -> Result<EncodedPacket, EncodeError> {
        let samples = self.encoder.config().frame.samples();
        let start = self.frame_start.unwrap_or(0);
        self.frame_start = Some(start + samples as u64);
        let lookahead = self.encoder.lookahead() as u64;
        let payload = self.encoder.encode(&self.frame);
        self.frame.clear();
        let sequence = self.sequence;
        self.sequence += 1;
        Ok(EncodedPacket {
            sequence,
            timestamp: start.saturating_sub(lookahead),
            samples: samples as u32,
            payload: payload?.to_vec(),
        })
    }
}
