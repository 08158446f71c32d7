//! Listeners by plain HTTP: a station as a stream that every player can play.
//!
//! What a mount sends is made once and shared by all its players: a [`Ring`] holds its last
//! seconds, and each player reads it at its own pace. One that falls behind what the ring
//! holds is dropped, and nobody else notices. Opus becomes chained Ogg ([`outlet`]); the
//! frames of an MP3 or AAC source are passed on as they came ([`carried`]).

use std::time::Duration;

mod carried;
mod intake;
mod outlet;
mod pager;
mod ring;
mod sound;

pub(crate) use carried::Carried;
pub(crate) use outlet::Outlet;
pub(crate) use ring::Ring;
pub(crate) use sound::{Ended, Sound};

/// How far a player may fall behind the newest sound before it is dropped.
pub(crate) const PLAYER_WAIT: Duration = Duration::from_secs(10);

/// What a mount sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Chained Ogg Opus.
    Opus,
    /// The source's MP3 frames.
    Mp3,
    /// The source's AAC frames in ADTS.
    Aac,
}

impl Kind {
    /// Its media type.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Opus => "audio/ogg",
            Self::Mp3 => "audio/mpeg",
            Self::Aac => "audio/aac",
        }
    }
}

/// What a player asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// What the source sends where that is MP3 or AAC, else its Opus.
    AsSent,
    /// This rendition as Opus.
    Opus(String),
    /// What the source sends, if it is this.
    Carried(Kind),
}
