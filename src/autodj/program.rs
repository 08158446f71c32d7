//! What a station's threads and the API share about its playlist.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use media::input::Tags;
use relay::{OnAir, StandIn};
use wire::StationId;
use wire::message::Metadata;

use super::library;
use super::order::{Item, Order, Pick, Rules};
use crate::config::Fallback;

/// The shortest and the longest wait before what cannot be played is tried again.
const RETRY: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// One station's playlist.
#[derive(Debug)]
pub(crate) struct Program {
    station: StationId,
    name: String,
    fallback: Fallback,
    relay: relay::Handle,
    stand_in: StandIn,
    order: Mutex<Order>,
    now: Mutex<Now>,
    skip: AtomicBool,
}

/// What is under way.
#[derive(Debug, Default)]
struct Now {
    /// What is heard, and what is ready to be.
    playing: Option<Track>,
    cued: Option<Track>,
    /// When nothing could be played, the wait that began then, and since when.
    dry: Option<(Duration, Instant)>,
}

/// A track of the playlist that plays or is about to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Track {
    pub(crate) file: String,
    pub(crate) tags: Tags,
    /// Who asked for it.
    pub(crate) by: Option<String>,
}

impl Track {
    /// What listeners are shown.
    fn metadata(&self) -> Metadata {
        Metadata {
            title: title(&self.file, &self.tags),
            artist: self.tags.artist.clone(),
            album: self.tags.album.clone(),
            ..Metadata::default()
        }
    }
}

/// A file's title, or its name without folder and ending.
pub(crate) fn title(file: &str, tags: &Tags) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    tags.title.clone().unwrap_or_else(|| stem.to_owned())
}

impl Program {
    /// Looks at once which files there are.
    pub(super) fn new(
        station: StationId,
        name: String,
        fallback: Fallback,
        relay: &relay::Handle,
    ) -> Self {
        let rules = Rules {
            shuffle: fallback.shuffle,
            repeat: fallback.repeat,
            requests: fallback.requests,
        };
        let program = Self {
            stand_in: relay.stand_in(station.clone(), fallback.wait.0),
            order: Mutex::new(Order::new(rules, rand::random())),
            now: Mutex::default(),
            skip: AtomicBool::new(false),
            relay: relay.clone(),
            station,
            name,
            fallback,
        };
        program.scan();
        program
    }

    pub(crate) fn station(&self) -> &StationId {
        &self.station
    }

    /// What listeners are shown: the track, or in silence the station's name.
    pub(super) fn shown(&self, track: Option<&Track>) -> Metadata {
        let silence = || Metadata {
            title: self.name.clone(),
            ..Metadata::default()
        };
        track.map_or_else(silence, Track::metadata)
    }

    pub(crate) fn fallback(&self) -> &Fallback {
        &self.fallback
    }

    pub(super) fn stand_in(&self) -> &StandIn {
        &self.stand_in
    }

    /// Who is on air now.
    pub(crate) fn on_air(&self) -> OnAir {
        self.stand_in.on_air()
    }

    /// The order of what plays. Held for moments only.
    pub(crate) fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What plays, while the playlist is on air.
    pub(crate) fn playing(&self) -> Option<Track> {
        self.now().playing.clone()
    }

    /// What is next, decoded already.
    pub(crate) fn cued(&self) -> Option<Track> {
        self.now().cued.clone()
    }

    pub(super) fn set_playing(&self, track: Option<Track>) {
        let mut now = self.now();
        if track.is_some() && now.cued == track {
            now.cued = None;
        }
        now.playing = track;
    }

    pub(super) fn set_cued(&self, track: Option<Track>) {
        self.now().cued = track;
    }

    /// Ends the track that plays; false when the playlist is not on air.
    pub(crate) fn skip(&self) -> bool {
        let on_air = self.on_air() == OnAir::StandIn && self.playing().is_some();
        if on_air {
            self.skip.store(true, Ordering::Relaxed);
        }
        on_air
    }

    pub(super) fn take_skip(&self) -> bool {
        self.skip.swap(false, Ordering::Relaxed)
    }

    /// Looks which files there are now.
    pub(super) fn scan(&self) {
        let items = library::scan(&self.fallback.playlist);
        self.order().set_items(items);
    }

    /// The next file whose tags were not read yet.
    pub(super) fn unread(&self) -> Option<Item> {
        let order = self.order();
        let unread = |item: &&Item| item.tags.is_none() && item.broken.is_none();
        order.items().iter().find(unread).cloned()
    }

    /// What plays next. When there is nothing, broken files are tried again after a
    /// while that doubles each time; what is put into the queue is tried at once.
    pub(super) fn take_next(&self, now: Instant) -> Option<Pick> {
        let mut state = self.now();
        let mut order = self.order();
        if let Some((wait, since)) = state.dry
            && !order.is_queued()
        {
            if now.saturating_duration_since(since) < wait {
                return None;
            }
            order.forgive();
        }
        let pick = order.take_next();
        if pick.is_none() {
            let before = state.dry.map(|(wait, _)| wait * 2);
            let wait = before.unwrap_or(RETRY).min(RETRY_MAX);
            state.dry = Some((wait, now));
        }
        pick
    }

    /// Something was played after all.
    pub(super) fn has_sound(&self) {
        self.now().dry = None;
    }

    /// A file cannot be played: it is left out, which is told once.
    pub(super) fn leave_out(&self, file: &str, why: &dyn std::fmt::Display) {
        let why = why.to_string();
        if self.order().set_broken(file, &why) {
            let station = &self.station;
            tracing::warn!(%station, file, why, "a file of the playlist of {station} is left out");
            self.relay.playlist_skipped(station, file, &why);
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_title_is_called_by_its_name() {
        let tags = |title: Option<&str>| Tags {
            title: title.map(str::to_owned),
            ..Tags::default()
        };
        assert_eq!(title("a/b.c.mp3", &tags(None)), "b.c");
        assert_eq!(title("plain", &tags(None)), "plain");
        assert_eq!(title("a/b.mp3", &tags(Some("The Tone"))), "The Tone");
    }
}
