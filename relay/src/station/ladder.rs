//! The renditions of a station.

use media::transcoder;
use wire::message::{Codec, SOURCE_RENDITION, TrackParams};

/// One way to hear a station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rendition {
    /// What the station sends, untouched.
    Source,
    /// Made from it while somebody takes it.
    Made(transcoder::Rendition),
}

impl Rendition {
    /// Its name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Source => SOURCE_RENDITION,
            Self::Made(rendition) => rendition.name(),
        }
    }

    /// The rendition of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            SOURCE_RENDITION => Some(Self::Source),
            _ => transcoder::Rendition::from_name(name).map(Self::Made),
        }
    }

    /// The names of all, for stations and error messages.
    pub(crate) fn names() -> Vec<String> {
        let made = transcoder::Rendition::ALL.map(Self::Made);
        let all = std::iter::once(Self::Source).chain(made);
        all.map(|rendition| rendition.name().to_owned()).collect()
    }

    /// What its packets are, when the source's are `source`.
    pub(crate) fn params(self, source: TrackParams) -> TrackParams {
        let Self::Made(rendition) = self else {
            return source;
        };
        let encoder = rendition.encoder();
        TrackParams {
            codec: Codec::Opus,
            channels: encoder.channels.count() as u8,
            frame_us: encoder.frame.micros(),
            bitrate: encoder.bitrate,
        }
    }
}
