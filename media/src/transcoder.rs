//! Renditions: timed Opus packets in, timed Opus packets of other bitrates out.
//!
//! The source is decoded once, however many renditions are made of it.
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

mod decoding;
mod encoding;
mod levelling;

use crate::encoder::{self, Channels};
use crate::loudness::Target;
use crate::toc;
use crate::{EncodedPacket, Packet};
use decoding::Decoding;
use encoding::Encoding;
use levelling::Levelling;
pub use levelling::Loudness;

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

/// Makes renditions of one source. Sans-IO: give it packets as they come, it hands out packets
/// at once.
///
/// Costs one decoding and an encoding for each rendition, about 0.1 % and 0.3 % of a core for
/// stereo, and 50 KB and 100 KB.
#[derive(Debug)]
pub struct Transcoder {
    decoding: Decoding,
    levelling: Option<Levelling>,
    encodings: Vec<(Rendition, Encoding)>,
}

impl Default for Transcoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Transcoder {
    /// A transcoder that makes nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            decoding: Decoding::new(),
            levelling: None,
            encodings: Vec::new(),
        }
    }

    /// Measures how loud the source is from the next packet on, and with a target brings its
    /// renditions to that. Costs about 0.8 % of a core, with a target another 0.6 %.
    pub fn measure(&mut self, target: Option<Target>) {
        self.levelling = Some(Levelling::new(target));
    }

    /// How loud the source is, a tenth of a second ago at most, when that is measured.
    #[must_use]
    pub fn loudness(&self) -> Option<Loudness> {
        self.levelling.as_ref().map(Levelling::loudness)
    }

    /// Makes a rendition from the next packet on, whose packets are numbered from 0. One that
    /// is made already begins anew.
    pub fn add(&mut self, rendition: Rendition) -> Result<(), encoder::ConfigError> {
        let encoding = Encoding::new(rendition.encoder())?;
        self.remove(rendition);
        self.encodings.push((rendition, encoding));
        Ok(())
    }

    /// Makes a rendition no more.
    pub fn remove(&mut self, rendition: Rendition) {
        self.encodings.retain(|(other, _)| *other != rendition);
    }

    /// Totals of the decoding so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.decoding.stats
    }

    /// Takes a packet of the source and hands out what became ready of each rendition. A
    /// packet in error counts as rejected and changes nothing; a rendition that cannot be
    /// encoded lacks a frame, the others do not.
    pub fn handle_packet(
        &mut self,
        packet: &Packet<'_>,
        mut emit: impl FnMut(Rendition, EncodedPacket),
    ) -> Result<(), Error> {
        let (levelling, encodings) = (&mut self.levelling, &mut self.encodings);
        let mut failed = None;
        self.decoding.handle_packet(packet, |piece| {
            let piece = match levelling {
                None => Some(piece),
                Some(levelling) => levelling.handle_piece(piece, !encodings.is_empty()),
            };
            let Some(piece) = piece else {
                return;
            };
            for (rendition, encoding) in &mut *encodings {
                let encoded = encoding.push(piece, |packet| emit(*rendition, packet));
                failed = failed.or(encoded.err());
            }
        })?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

#[cfg(test)]
mod tests;
