//! What a station plays while nobody is live.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::autodj::Requests;
use crate::cli::value::duration;
use crate::exit::BadArguments;

/// The longest cross-fade: each track is held decoded for that long.
const CROSSFADE_MAX: Duration = Duration::from_secs(12);

/// The longest fade before a live source, which waits for it.
const FADE_MAX: Duration = Duration::from_secs(2);

/// What plays while no source is there: a playlist, then silence or nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Fallback {
    /// A folder, or files and folders one after the other. None is no playlist.
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) playlist: Vec<PathBuf>,
    /// Whether each round is in an order of its own.
    pub(crate) shuffle: bool,
    /// Whether there is another round.
    pub(crate) repeat: bool,
    /// How long tracks fade into each other.
    pub(crate) crossfade: Span,
    /// How long the playlist fades out before a live source, and in after it.
    pub(crate) fade: Span,
    /// How long a source that vanished is waited for.
    pub(crate) wait: Span,
    /// What follows when there is nothing to play.
    pub(crate) then: Then,
    /// What becomes of listeners' requests.
    pub(crate) requests: Requests,
    /// In bits per second.
    pub(crate) bitrate: u32,
}

impl Default for Fallback {
    fn default() -> Self {
        Self {
            playlist: Vec::new(),
            shuffle: true,
            repeat: true,
            crossfade: Span(Duration::from_secs(3)),
            fade: Span(Duration::from_millis(500)),
            wait: Span(Duration::from_secs(2)),
            then: Then::Stop,
            requests: Requests::Off,
            bitrate: 128_000,
        }
    }
}

/// What a station does when nothing can be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Then {
    /// It stays on air, silent.
    Silence,
    /// It goes off air.
    Stop,
}

/// What silence of a live source is, and what is done about it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DeadAir {
    /// The level below which sound is silence, in dB relative to full scale.
    below_dbfs: f64,
    /// How long it lasts before it is told.
    after: Span,
    /// Whether the fallback plays until there is sound again.
    fallback: bool,
}

impl Default for DeadAir {
    fn default() -> Self {
        Self {
            below_dbfs: -50.0,
            after: Span(Duration::from_secs(10)),
            fallback: false,
        }
    }
}

impl DeadAir {
    /// What serde cannot see.
    pub(super) fn check(&self) -> Result<(), BadArguments> {
        let bad = |text: &str| Err(BadArguments(format!("stations.dead_air: {text}")));
        if !(-100.0..=-10.0).contains(&self.below_dbfs) {
            return bad("below_dbfs is -100 to -10");
        }
        if self.after.0 < Duration::from_millis(500) {
            return bad("silence lasts 500ms at least");
        }
        Ok(())
    }

    /// The same as the relay takes it.
    pub(super) fn relay(&self) -> relay::config::DeadAir {
        relay::config::DeadAir {
            below_dbfs: self.below_dbfs,
            after: self.after.0,
            fallback: self.fallback,
        }
    }
}

/// A time with its unit: `3s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Span(pub(crate) Duration);

impl Span {
    /// The same in samples at 48 kHz.
    pub(crate) fn samples(self) -> usize {
        media::MediaClock::samples(self.0) as usize
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        duration(&text).map(Self)
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        format!("{}ms", span.0.as_millis())
    }
}

impl Fallback {
    /// What serde cannot see.
    pub(super) fn check(&self) -> Result<(), BadArguments> {
        let bad = |text: &str| Err(BadArguments(format!("stations.fallback: {text}")));
        if self.crossfade.0 > CROSSFADE_MAX {
            return bad("a crossfade lasts 12s at most");
        }
        if self.fade.0 > FADE_MAX {
            return bad("a fade lasts 2s at most");
        }
        if !(6_000..=510_000).contains(&self.bitrate) {
            return bad("a bitrate is 6000 to 510000");
        }
        if self.playlist.is_empty() && self.then == Then::Stop {
            return bad("name a playlist, or set then = \"silence\"");
        }
        Ok(())
    }
}

/// A path alone, or a list of them.
fn one_or_many<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<PathBuf>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Paths {
        One(PathBuf),
        Many(Vec<PathBuf>),
    }
    Ok(match Paths::deserialize(from)? {
        Paths::One(path) => vec![path],
        Paths::Many(paths) => paths,
    })
}
