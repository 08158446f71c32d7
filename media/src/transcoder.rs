//! A rendition: timed Opus packets in, timed Opus packets of another bitrate out.
//!
//! # Media time
//!
//! A rendition is on the same timeline as its source. Encoding again makes the sound lag by
//! the encoder's look-ahead (6.5 ms); so each packet is stamped that much earlier than the
//! source's sound it was made of, and a sample plays at the same media time in every
//! rendition. Nothing waits for it: a rendition's packets are ready up to one frame after the
//! source's, by how the frames fall.
//!
//! # Loss
//!
//! Packets out of order are waited for while fewer than four later ones, or 100 ms of sound,
//! are there; then what is missing is concealed. A hole of more than a second, or a step back in time,
//! begins a new stretch: the rendition's timestamps step as the source's did.

use crate::decoder::Decoder;
use crate::encoder::{self, Channels, Encoder};
use crate::reorder::{Next, Reorder};
use crate::toc::{self, Toc};
use crate::{EncodedPacket, Packet};

/// What a station offers besides its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rendition {
    /// 128 kb/s stereo.
    High,
    /// 64 kb/s stereo.
    Medium,
    /// 24 kb/s mono.
    Low,
}

impl Rendition {
    /// All, best first.
    pub const ALL: [Self; 3] = [Self::High, Self::Medium, Self::Low];

    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }

    /// The rendition of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|rendition| rendition.name() == name)
    }

    /// How it is encoded: in 20 ms frames, at a complexity that costs half of the best.
    #[must_use]
    pub fn encoder(self) -> encoder::Config {
        let (bitrate, channels) = match self {
            Self::High => (128_000, Channels::Stereo),
            Self::Medium => (64_000, Channels::Stereo),
            Self::Low => (24_000, Channels::Mono),
        };
        encoder::Config {
            bitrate,
            channels,
            complexity: 7,
            ..encoder::Config::default()
        }
    }
}

/// Why a packet was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is no Opus packet.
    #[error(transparent)]
    Malformed(#[from] toc::Error),
    /// The rendition could not be encoded.
    #[error(transparent)]
    Encode(#[from] encoder::EncodeError),
}

/// Totals of a transcoder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Packets taken.
    pub packets: u64,
    /// Packets that came too late, twice, or not decodable.
    pub rejected: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Samples concealed for them, at 48 kHz.
    pub concealed_samples: u64,
    /// How often a new stretch of the timeline began.
    pub jumps: u64,
}

/// A hole up to this many samples (a second) is concealed, a longer one is jumped over.
const CONCEAL_MAX: u64 = 48_000;

/// Largest sequence and timestamp taken, that of a QUIC varint.
const NUMBER_MAX: u64 = (1 << 62) - 1;

/// Makes one rendition. Sans-IO: give it packets as they come, it hands out packets at once.
///
/// Costs one decoding and one encoding, about 0.4 % of a core for stereo, and 150 KB.
#[derive(Debug)]
pub struct Transcoder {
    reorder: Reorder,
    decoder: Decoder,
    encoder: Encoder,
    /// Sequence of the rendition's next packet.
    sequence: u64,
    /// Media time of the next sample to be decoded.
    next: Option<u64>,
    /// Media time of the first sample in `frame`.
    frame_start: u64,
    /// Samples of the frame under way, in the encoder's channels.
    frame: Vec<f32>,
    scratch: Box<[f32]>,
    stats: Stats,
}

impl Transcoder {
    /// A transcoder whose packets are numbered from `sequence`.
    pub fn new(config: encoder::Config, sequence: u64) -> Result<Self, encoder::ConfigError> {
        let encoder = Encoder::new(config)?;
        Ok(Self {
            reorder: Reorder::default(),
            decoder: Decoder::new(),
            sequence,
            next: None,
            frame_start: 0,
            frame: Vec::with_capacity(encoder.frame_len()),
            encoder,
            scratch: vec![0.0; toc::SAMPLES_MAX as usize * 2].into_boxed_slice(),
            stats: Stats::default(),
        })
    }

    /// Totals so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Takes a packet of the source and hands out what became ready. A packet in error
    /// counts as rejected and changes nothing.
    pub fn handle_packet(
        &mut self,
        packet: &Packet<'_>,
        mut emit: impl FnMut(EncodedPacket),
    ) -> Result<(), Error> {
        let toc = Toc::parse(packet.payload).inspect_err(|_| self.stats.rejected += 1)?;
        let numbers = packet.sequence.max(packet.timestamp);
        if numbers > NUMBER_MAX || !self.reorder.insert(packet, toc.samples()) {
            self.stats.rejected += 1;
            return Ok(());
        }
        self.stats.packets += 1;
        while let Some(next) = self.reorder.poll() {
            self.take(&next, &mut emit)?;
        }
        Ok(())
    }

    fn take(&mut self, next: &Next, emit: &mut impl FnMut(EncodedPacket)) -> Result<(), Error> {
        self.stats.lost += next.lost;
        let gap = self.next.map(|at| next.timestamp.checked_sub(at));
        match gap {
            Some(Some(gap)) if gap <= CONCEAL_MAX => self.conceal(gap, emit)?,
            _ => self.begin(next.timestamp),
        }
        let samples = next.samples as usize;
        if self
            .decoder
            .decode(&next.payload, &mut self.scratch)
            .is_err()
        {
            self.stats.rejected += 1;
            self.stats.concealed_samples += u64::from(next.samples);
            self.decoder.conceal(&mut self.scratch[..samples * 2]);
        }
        self.next = Some(next.timestamp + u64::from(next.samples));
        self.encode(samples, emit)
    }

    /// Begins a stretch of the timeline; an unfinished frame of the one before is dropped.
    fn begin(&mut self, timestamp: u64) {
        if self.next.is_some() {
            self.stats.jumps += 1;
        }
        self.frame.clear();
        self.frame_start = timestamp;
    }

    fn conceal(&mut self, gap: u64, emit: &mut impl FnMut(EncodedPacket)) -> Result<(), Error> {
        let mut left = gap as usize;
        self.stats.concealed_samples += gap;
        while left > 0 {
            let step = left.min(960);
            self.decoder.conceal(&mut self.scratch[..step * 2]);
            self.encode(step, emit)?;
            left -= step;
        }
        Ok(())
    }

    /// Adds `samples` of scratch to the frame; encodes each frame that gets full.
    fn encode(
        &mut self,
        samples: usize,
        emit: &mut impl FnMut(EncodedPacket),
    ) -> Result<(), Error> {
        let channels = self.encoder.config().channels;
        let frame_samples = self.encoder.config().frame.samples();
        for pair in self.scratch[..samples * 2].chunks_exact(2) {
            match channels {
                Channels::Mono => self.frame.push((pair[0] + pair[1]) / 2.0),
                Channels::Stereo => self.frame.extend_from_slice(pair),
            }
            if self.frame.len() < self.encoder.frame_len() {
                continue;
            }
            let lookahead = self.encoder.lookahead() as u64;
            emit(EncodedPacket {
                sequence: self.sequence,
                timestamp: self.frame_start.saturating_sub(lookahead),
                samples: frame_samples as u32,
                payload: self.encoder.encode(&self.frame)?.to_vec(),
            });
            self.sequence += 1;
            self.frame_start += frame_samples as u64;
            self.frame.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
