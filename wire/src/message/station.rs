//! Stations, tracks and what plays on them.

use serde::{Deserialize, Serialize};

use crate::{StationId, TrackId};

/// A station as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Station {
    /// The station's id.
    pub id: StationId,
    /// Its name for people.
    pub name: String,
    /// A sentence about it.
    pub description: String,
    /// What kind of music it plays, as its source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genre: Option<String>,
    /// Its page, as its source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Bits per second its source says it sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u32>,
    /// Whether it is on air.
    pub state: StationState,
    /// Since when it is on air, in microseconds since the Unix epoch.
    pub started_at: Option<u64>,
    /// How many sessions listen now.
    pub listeners: u64,
    /// The most that ever listened at once since it started.
    pub listeners_peak: u64,
    /// What plays.
    pub metadata: Option<Metadata>,
    /// The renditions a listener may choose.
    pub renditions: Vec<String>,
    /// How far back a listener may begin at most, in milliseconds; 0 where only live is heard.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub rewind_ms: u64,
}

/// Whether a station is on air.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StationState {
    /// A source sends.
    Live,
    /// The source vanished moments ago and may return.
    Interrupted,
    /// No source.
    Offline,
}

/// A series of packets a listener can take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// What its datagrams carry as track.
    pub id: TrackId,
    /// Which of the station's renditions it is.
    pub rendition: String,
    /// What the packets are.
    #[serde(flatten)]
    pub params: TrackParams,
}

/// What the packets of a track are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackParams {
    /// The codec.
    pub codec: Codec,
    /// 1 or 2.
    pub channels: u8,
    /// Duration of a packet in microseconds.
    pub frame_us: u32,
    /// Bits per second the encoder aims at.
    pub bitrate: u32,
}

/// A codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// Opus (RFC 6716).
    Opus,
}

/// Track parameters outside what Opus and the protocol allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTrack {
    /// Neither mono nor stereo.
    #[error("track.channels is {0}, not 1 or 2")]
    Channels(u8),
    /// No duration of an Opus packet.
    #[error("track.frame_us is {0}, not one of 2500, 5000, 10000, 20000, 40000, 60000")]
    Frame(u32),
    /// Outside 6 to 510 kb/s.
    #[error("track.bitrate is {0}, not 6000 to 510000")]
    Bitrate(u32),
}

impl TrackParams {
    /// The durations a packet may have, in microseconds.
    pub const FRAMES_US: [u32; 6] = [2_500, 5_000, 10_000, 20_000, 40_000, 60_000];

    /// Checks channels, frame duration and bitrate.
    pub fn validate(&self) -> Result<(), InvalidTrack> {
        if !matches!(self.channels, 1 | 2) {
            return Err(InvalidTrack::Channels(self.channels));
        }
        if !Self::FRAMES_US.contains(&self.frame_us) {
            return Err(InvalidTrack::Frame(self.frame_us));
        }
        if !(6_000..=510_000).contains(&self.bitrate) {
            return Err(InvalidTrack::Bitrate(self.bitrate));
        }
        Ok(())
    }

    /// Samples at 48 kHz in one packet.
    #[must_use]
    pub fn frame_samples(&self) -> u64 {
        u64::from(self.frame_us) * 48 / 1000
    }
}

/// What plays, from a media timestamp on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The media time of the first sample it holds for; left out it means now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
    /// The title.
    pub title: String,
    /// Who performs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    /// From which album.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub album: Option<String>,
    /// A page about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artwork_url: Option<String>,
}

/// How many listen to a station; data of the push `listeners`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Now.
    pub count: u64,
    /// At most since the station started.
    pub peak: u64,
}

impl Metadata {
    /// The most characters a field holds.
    pub const CHARS_MAX: usize = 512;

    /// Removes control characters, cuts fields to [`Self::CHARS_MAX`] characters, drops
    /// empty optional fields and URLs that are not `http:` or `https:`.
    #[must_use]
    pub fn cleaned(self) -> Self {
        let web = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        let optional = |text: Option<String>| text.map(clean_text).filter(|text| !text.is_empty());
        Self {
            timestamp: self.timestamp,
            title: clean_text(self.title),
            artist: optional(self.artist),
            album: optional(self.album),
            url: optional(self.url).filter(web),
            artwork_url: optional(self.artwork_url).filter(web),
        }
    }
}

/// A line of text as it may be shown: no control characters, at most [`Metadata::CHARS_MAX`] characters.
#[must_use]
pub fn clean_text(text: String) -> String {
    let visible = text.chars().filter(|char| !char.is_control());
    let cut: String = visible.take(Metadata::CHARS_MAX).collect();
    cut.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_cleaned_of_what_a_page_must_not_show() {
        let cleaned = Metadata {
            timestamp: Some(5),
            title: format!(" A\u{0}\r\nB\u{1b}[31m {}", "x".repeat(1 << 20)),
            artist: Some("\u{7}".into()),
            url: Some("javascript:alert(1)".into()),
            artwork_url: Some("https://a.example/b.png".into()),
            ..Metadata::default()
        }
        .cleaned();
        assert!(cleaned.title.starts_with("AB[31m x"));
        assert!(cleaned.title.chars().count() <= Metadata::CHARS_MAX);
        assert_eq!((cleaned.artist, cleaned.url), (None, None));
        assert_eq!(
            cleaned.artwork_url.as_deref(),
            Some("https://a.example/b.png")
        );
    }

    #[test]
    fn track_parameters_outside_opus_are_named() {
        let good = TrackParams {
            codec: Codec::Opus,
            channels: 2,
            frame_us: 20_000,
            bitrate: 128_000,
        };
        assert_eq!(good.validate(), Ok(()));
        assert_eq!(good.frame_samples(), 960);
        let bad = |change: fn(&mut TrackParams)| {
            let mut params = good;
            change(&mut params);
            params.validate()
        };
        assert_eq!(
            bad(|params| params.channels = 0),
            Err(InvalidTrack::Channels(0))
        );
        assert_eq!(
            bad(|params| params.frame_us = 30_000),
            Err(InvalidTrack::Frame(30_000))
        );
        assert_eq!(
            bad(|params| params.bitrate = 5_999),
            Err(InvalidTrack::Bitrate(5_999))
        );
    }
}
