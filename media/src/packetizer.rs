//! Sound in pieces of any length to timed Opus packets.

use crate::encoder::{Config, ConfigError, EncodeError, Encoder};
use crate::{EncodedPacket, PAYLOAD_BYTES_MAX};

/// Cuts sound into frames, encodes, numbers and stamps them.
///
/// # Media time
///
/// The first packet bears the timestamp asked for. Decoded sound lags behind the encoder's
/// input by its look-ahead, so the first sample pushed sounds at `timestamp + lookahead`:
/// [`Self::position`] says at which media time the next sample pushed will sound, and is the
/// time to give to metadata that begins with it.
///
/// Holds less than one frame between calls.
#[derive(Debug)]
pub struct Packetizer {
    encoder: Encoder,
    sequence: u64,
    timestamp: u64,
    /// Values of the frame that is not full yet.
    partial: Vec<f32>,
}

impl Packetizer {
    /// A packetizer whose first packet has this sequence and timestamp (samples at 48 kHz).
    pub fn new(config: Config, sequence: u64, timestamp: u64) -> Result<Self, ConfigError> {
        let encoder = Encoder::new(config)?;
        Ok(Self {
            partial: Vec::with_capacity(encoder.frame_len()),
            encoder,
            sequence,
            timestamp,
        })
    }

    /// The encoder's configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        self.encoder.config()
    }

    /// Media time at which the next sample pushed will sound.
    #[must_use]
    pub fn position(&self) -> u64 {
        let held = self.partial.len() / self.config().channels.count();
        self.timestamp + (held + self.encoder.lookahead()) as u64
    }

    /// Sequence the next packet will have.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.sequence
    }

    /// Timestamp the next packet will have.
    #[must_use]
    pub fn next_timestamp(&self) -> u64 {
        self.timestamp
    }

    /// Continues elsewhere on the timeline, as after a pause: the next packet has this
    /// timestamp. Samples of a partial frame are kept. Never goes back: an earlier timestamp
    /// is ignored.
    pub fn jump_to(&mut self, timestamp: u64) {
        self.timestamp = self.timestamp.max(timestamp);
    }

    /// Takes interleaved samples (as many channels as configured) and hands every packet that
    /// became full to `emit`. A trailing part of a sample frame is taken with the next call.
    pub fn push(
        &mut self,
        mut samples: &[f32],
        mut emit: impl FnMut(EncodedPacket),
    ) -> Result<(), EncodeError> {
        let frame_len = self.encoder.frame_len();
        while !samples.is_empty() {
            let room = frame_len - self.partial.len();
            let (head, rest) = samples.split_at(room.min(samples.len()));
            self.partial.extend_from_slice(head);
            samples = rest;
            if self.partial.len() == frame_len {
                emit(self.encode()?);
            }
        }
        Ok(())
    }

    /// Fills the last frame with silence and encodes as much more silence as it takes for
    /// the last sample to come out of the decoder.
    pub fn flush(&mut self, mut emit: impl FnMut(EncodedPacket)) -> Result<(), EncodeError> {
        let frame_len = self.encoder.frame_len();
        let mut lag = self.encoder.lookahead() * self.config().channels.count();
        while !self.partial.is_empty() || lag > 0 {
            let padding = frame_len - self.partial.len();
            self.partial.resize(frame_len, 0.0);
            emit(self.encode()?);
            lag = lag.saturating_sub(padding);
        }
        Ok(())
    }

    fn encode(&mut self) -> Result<EncodedPacket, EncodeError> {
        let samples = self.config().frame.samples() as u32;
        let payload = self.encoder.encode(&self.partial)?;
        debug_assert!(payload.len() <= PAYLOAD_BYTES_MAX);
        let packet = EncodedPacket {
            sequence: self.sequence,
            timestamp: self.timestamp,
            samples,
            payload: payload.to_vec(),
        };
        self.partial.clear();
        self.sequence += 1;
        self.timestamp += u64::from(samples);
        Ok(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::Decoder;
    use crate::encoder::Frame;
    use proptest::prelude::*;

    fn packets(config: Config, chunks: &[usize]) -> Vec<EncodedPacket> {
        let mut packetizer = Packetizer::new(config, 7, 1000).unwrap();
        let mut packets = Vec::new();
        for &chunk in chunks {
            let samples = vec![0.1; chunk];
            packetizer
                .push(&samples, |packet| packets.push(packet))
                .unwrap();
        }
        packets
    }

    proptest! {
        #[test]
        fn any_chunks_make_the_same_packets(chunks in proptest::collection::vec(0usize..3000, 0..20)) {
            let total: usize = chunks.iter().sum();
            let config = Config { complexity: 0, ..Config::default() };
            let cut = packets(config, &chunks);
            prop_assert_eq!(cut.len(), total / 1920);
            prop_assert_eq!(&cut, &packets(config, &[total]));
            for (n, packet) in cut.iter().enumerate() {
                prop_assert_eq!(packet.sequence, 7 + n as u64);
                prop_assert_eq!(packet.timestamp, 1000 + 960 * n as u64);
            }
        }
    }

    #[test]
    fn a_click_sounds_at_the_position_told_for_it() {
        for frame in Frame::ALL {
            let config = Config {
                frame,
                ..Config::default()
            };
            let mut packetizer = Packetizer::new(config, 0, 0).unwrap();
            let mut packets = Vec::new();
            let mut emit = |packet| packets.push(packet);
            packetizer.push(&vec![0.0; 9_601 * 2], &mut emit).unwrap();
            let position = packetizer.position();
            packetizer.push(&[0.9; 6], &mut emit).unwrap();
            packetizer.flush(&mut emit).unwrap();
            let sound = decode(&packets);
            let loudest =
                (0..sound.len()).max_by(|&a, &b| sound[a].abs().total_cmp(&sound[b].abs()));
            let at = loudest.unwrap() as u64 / 2;
            assert!(at.abs_diff(position + 1) <= 2, "{frame:?}: {at} {position}");
        }
    }

    fn decode(packets: &[EncodedPacket]) -> Vec<f32> {
        let mut decoder = Decoder::new();
        let mut sound = Vec::new();
        let mut out = vec![0.0; 5760 * 2];
        for packet in packets {
            let samples = decoder.decode(&packet.payload, &mut out).unwrap();
            sound.extend_from_slice(&out[..samples * 2]);
        }
        sound
    }
}
