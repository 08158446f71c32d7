//! HTTP listeners: counted like any other, but a mount's sound is made once for all of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use wire::frame::Error;
use wire::message::{Metadata, SOURCE_RENDITION, Station};
use wire::{StationId, TrackId};

use super::{Inner, Stations};
use crate::clock::Now;
use crate::mount::{Carried, Kind, Outlet, Ring, Wanted};
use crate::session::SessionId;
use crate::tags::line;

/// Who plays what by HTTP.
#[derive(Debug)]
pub(super) struct Players {
    playing: HashMap<SessionId, Arc<Ring>>,
    /// Ogg streams by the track they are made of.
    outlets: HashMap<TrackId, (StationId, Outlet)>,
    /// Frames that are passed on, of stations whose source sends some.
    carried: HashMap<StationId, Arc<Carried>>,
    /// What the source that is about to begin sends.
    announced: Option<Kind>,
    burst: Duration,
}

/// A mount that can be played.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) station: Station,
    pub(crate) kind: Kind,
}

/// Why there is nothing to play.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NothingToPlay {
    #[error("there is no such station")]
    Unknown,
    #[error("the station is not on air")]
    OffAir,
    #[error("the station's source does not send that")]
    OtherKind,
    #[error(transparent)]
    Refused(Error),
}

impl Players {
    pub(super) fn new(burst: Duration) -> Self {
        Self {
            playing: HashMap::new(),
            outlets: HashMap::new(),
            carried: HashMap::new(),
            announced: None,
            burst,
        }
    }

    /// Says what the source that is published next sends beside its packets.
    pub(super) fn announce(&mut self, kind: Option<Kind>) {
        self.announced = kind;
    }

    /// What the station's source sends beside its packets.
    pub(super) fn carried(&self, station: &StationId) -> Option<&Arc<Carried>> {
        self.carried.get(station)
    }

    /// Another source is on air: who plays frames of the former plays on if it sends the same.
    pub(super) fn connected(&mut self, station: &StationId) {
        let kind = self.announced.take();
        let same = self.carried.get(station).map(|carried| carried.kind()) == kind;
        if same {
            return;
        }
        self.end_carried(station);
        if let Some(kind) = kind {
            let carried = Carried::new(kind, self.burst);
            self.carried.insert(station.clone(), carried);
        }
    }

    pub(super) fn stopped(&mut self, station: &StationId) {
        self.end_carried(station);
    }

    pub(super) fn title(&self, station: &StationId, timestamp: u64, metadata: &Metadata) {
        if let Some(carried) = self.carried.get(station) {
            carried.set_title(line(metadata));
        }
        let outlets = self.outlets.values().filter(|(of, _)| of == station);
        for (_, outlet) in outlets {
            outlet.title(timestamp, metadata.clone());
        }
    }

    /// The listeners of a track are on another now.
    pub(super) fn moved(&mut self, from: TrackId, to: TrackId) {
        if let Some(outlet) = self.outlets.remove(&from) {
            self.outlets.insert(to, outlet);
        }
    }

    /// A track is no more; its players hear what is there, and then the end.
    pub(super) fn closed(&mut self, track: TrackId) {
        self.outlets.remove(&track);
    }

    fn end_carried(&mut self, station: &StationId) {
        if let Some(carried) = self.carried.remove(station) {
            carried.end();
        }
    }

    fn end_all(&mut self) {
        self.outlets.clear();
        for (_, carried) in self.carried.drain() {
            carried.end();
        }
    }
}

impl Stations {
    /// What a player would hear.
    pub(crate) fn find(
        &self,
        station: &StationId,
        wanted: &Wanted,
    ) -> Result<Found, NothingToPlay> {
        self.lock().find(station, wanted, Now::read())
    }

    /// Makes `id` a listener of the station; answers what it hears and where from.
    ///
    /// Call it within a Tokio runtime.
    pub(crate) fn play(
        &self,
        id: SessionId,
        station: &StationId,
        wanted: &Wanted,
    ) -> Result<(Found, Arc<Ring>), NothingToPlay> {
        self.change(|inner, now| {
            let found = inner.find(station, wanted, now)?;
            let rendition = match wanted {
                Wanted::Opus(rendition) => rendition,
                Wanted::AsSent | Wanted::Carried(_) => SOURCE_RENDITION,
            };
            let result = inner
                .core
                .listen(id, station, rendition, Duration::ZERO, now);
            inner.settle();
            let track = result.map_err(NothingToPlay::Refused)?.track;
            let ring = match found.kind {
                Kind::Opus => track.and_then(|track| inner.outlet(station, track.id, now)),
                Kind::Mp3 | Kind::Aac => {
                    let carried = inner.players.carried(station);
                    carried.map(|carried| Arc::clone(carried.ring()))
                }
            };
            let Some(ring) = ring else {
                inner.core.unlisten(id, now);
                return Err(NothingToPlay::OffAir);
            };
            inner.players.playing.insert(id, Arc::clone(&ring));
            Ok((found, ring))
        })
    }

    /// The player is gone.
    pub(crate) fn stop_playing(&self, id: SessionId) {
        self.change(|inner, now| {
            inner.core.session_ended(id, now);
            inner.settle();
            let Some(ring) = inner.players.playing.remove(&id) else {
                return;
            };
            let mut outlets = inner.players.outlets.iter_mut();
            let own = outlets.find(|(_, (_, outlet))| Arc::ptr_eq(outlet.ring(), &ring));
            let Some((&track, (_, outlet))) = own else {
                return;
            };
            outlet.players -= 1;
            if outlet.players == 0
                && let Some((_, outlet)) = inner.players.outlets.remove(&track)
                && let Some(live) = inner.tracks.get(&track)
            {
                outlet.leave(&live.track);
            }
        });
    }

    /// Ends what all players hear: the relay shuts down.
    pub(crate) fn end_players(&self) {
        self.lock().players.end_all();
    }
}

impl Inner {
    fn find(&self, id: &StationId, wanted: &Wanted, now: Now) -> Result<Found, NothingToPlay> {
        let station = self.core.station(id, now).ok_or(NothingToPlay::Unknown)?;
        if self.core.on_air(id, now).is_none() {
            return Err(NothingToPlay::OffAir);
        }
        let sent = self.players.carried(id).map(|carried| carried.kind());
        let kind = match wanted {
            Wanted::AsSent => sent.unwrap_or(Kind::Opus),
            Wanted::Opus(_) => Kind::Opus,
            Wanted::Carried(kind) if sent == Some(*kind) => *kind,
            Wanted::Carried(_) => return Err(NothingToPlay::OtherKind),
        };
        Ok(Found { station, kind })
    }

    /// The stream of a track, begun if nobody plays it yet, with one player more.
    fn outlet(&mut self, id: &StationId, track: TrackId, now: Now) -> Option<Arc<Ring>> {
        if !self.players.outlets.contains_key(&track) {
            let (name, _, titles) = self.core.on_air(id, now)?;
            let live = self.tracks.get(&track)?;
            let burst = self.players.burst;
            let metrics = Arc::clone(&self.metrics);
            let outlet = Outlet::start(name.to_owned(), titles, &live.track, burst, metrics);
            self.players.outlets.insert(track, (id.clone(), outlet));
        }
        let (_, outlet) = self.players.outlets.get_mut(&track)?;
        outlet.players += 1;
        Some(Arc::clone(outlet.ring()))
    }
}
