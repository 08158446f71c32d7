//! The renditions of a station.

use wire::message::{Codec, SOURCE_RENDITION, TrackParams};

/// One way to hear a station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rendition {
    /// What the station sends, untouched.
    Source,
    /// 128 kb/s stereo.
    High,
    /// 64 kb/s stereo.
    Medium,
    /// 24 kb/s mono.
    Low,
}

impl Rendition {
    const ALL: [Self; 4] = [Self::Source, Self::High, Self::Medium, Self::Low];

    /// Its name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Source => SOURCE_RENDITION,
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }

    /// The rendition of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|rendition| rendition.name() == name)
    }

    /// The names of all, for stations and error messages.
    pub(crate) fn names() -> Vec<String> {
        Self::ALL
            .iter()
            .map(|rendition| rendition.name().to_owned())
            .collect()
    }

    /// What its packets are; none for the source, whose packets are what it sends.
    pub(crate) fn params(self) -> Option<TrackParams> {
        let (channels, bitrate) = match self {
            Self::Source => return None,
            Self::High => (2, 128_000),
            Self::Medium => (2, 64_000),
            Self::Low => (1, 24_000),
        };
        Some(TrackParams {
            codec: Codec::Opus,
            channels,
            frame_us: 20_000,
            bitrate,
        })
    }
}
