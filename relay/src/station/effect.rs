//! What the registry's core wants done.

use std::sync::Arc;
use std::time::Duration;

use media::transcoder;
use wire::frame::Push;
use wire::message::{CountsByStation, Metadata, PublishEndCode};
use wire::{StationId, TrackId};

use super::media_clock::MediaClock;
use crate::config;
use crate::session::SessionId;

/// One publish, by a session or from inside the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SourceId(pub(crate) u64);

/// Something to do, in order.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    /// Tell somebody.
    Tell(Audience, Lane, Push),
    /// Tell the subscribers of `stations` new counts.
    Counts(CountsByStation),
    /// A source's track begins to exist.
    Open(TrackId, Traits),
    /// A rendition's track begins to exist, to be made from another track.
    Make {
        track: TrackId,
        from: TrackId,
        rendition: transcoder::Rendition,
        traits: Traits,
    },
    /// All who take the first track, transcoders included, take the second instead.
    Move(TrackId, TrackId),
    /// A track ends to exist; nobody takes it any more.
    Close(TrackId),
    /// The session takes this track and no other, live or from so far back on.
    Attach(SessionId, TrackId, Option<Back>),
    /// The session takes no track.
    Detach(SessionId),
    /// That publish is over although its source did not end it.
    End(SourceId, PublishEndCode),
    /// The station's stand-in is to look whether it is its turn.
    Ring(StationId),
    /// What that source sends is not passed on, or again: a stand-in plays over it.
    Cover(SourceId, bool),
    /// That stand-in is to fade out.
    AskAside(SourceId),
    /// What the station's source sent beside its packets is over.
    EndCarried(StationId),
    /// Something happened to a station that parts of the relay follow.
    Happened(StationId, Happening),
}

/// What the tracks of a station are made with.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traits {
    /// How much is kept for those who go back.
    pub(crate) kept: Duration,
    /// What is done about its loudness.
    pub(crate) loudness: Option<config::Loudness>,
}

/// How a session hears what passed before.
#[derive(Debug, Clone)]
pub(crate) struct Back {
    /// How far back it begins.
    pub(crate) time: Duration,
    /// What its packets are paced by.
    pub(crate) clock: Arc<MediaClock>,
}

/// What happens to a station.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// It is on air.
    Started,
    /// It is off air.
    Stopped,
    /// A source connected; whether another had to go for it.
    Connected(bool),
    /// The source is gone, and why.
    Lost(&'static str),
    /// Silence of the source lasts, or has ended.
    DeadAir(bool),
    /// The stand-in begins to play, or no longer does.
    StandIn(bool),
    /// The same of one that plays over a silent source.
    Covered(bool),
    /// More listen than ever since it went on air.
    Peak(u64),
    /// Something else plays from this media time on.
    Title(u64, Metadata),
}

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Audience {
    /// One session.
    Session(SessionId),
    /// Everyone who listens to the station.
    Listeners(StationId),
    /// Everyone who subscribed `stations`.
    Subscribers,
}

/// Which of a session's streams carries a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Everything that has no stream of its own.
    Control,
    /// What plays.
    Metadata,
    /// Listener counts; only the latest matters.
    Listeners,
}
