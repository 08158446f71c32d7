//! What plays while no source is there: whose turn it is, and how it comes and goes.

use std::time::{Duration, Instant};

use wire::StationId;
use wire::message::Metadata;

use super::super::effect::{Effect, Happening, SourceId};
use super::super::local::Publication;
use super::{Core, Owner, Vacancy};
use crate::clock::Now;

/// Whether a stand-in may go on air.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// At once.
    Now,
    /// Then, unless the source returns before.
    At(Instant),
    /// Somebody is on air.
    No,
}

impl Core {
    /// Notes that a stand-in of the station has something to play, `wait` after a source
    /// vanished, or that it has nothing. Only for stations that are known.
    pub(crate) fn set_stand_in(&mut self, id: &StationId, wait: Option<Duration>) {
        if let Some(entry) = self.stations.get_mut(id) {
            entry.stand_in = wait;
        }
    }

    /// Whether the station's stand-in may go on air.
    pub(crate) fn turn(&self, id: &StationId, now: Now) -> Turn {
        let Some(entry) = self.stations.get(id) else {
            return Turn::No;
        };
        let Some(wait) = entry.stand_in else {
            return Turn::No;
        };
        let Some(on_air) = &entry.on_air else {
            return Turn::Now;
        };
        match on_air.vacancy {
            None if self.may_cover(id) => Turn::Now,
            None => Turn::No,
            Some(Vacancy {
                interrupted: false, ..
            }) => Turn::Now,
            Some(Vacancy { since, .. }) => {
                // Before the station would stop.
                let at = since + wait.min(self.timing.interruption / 2);
                match at <= now.instant {
                    true => Turn::Now,
                    false => Turn::At(at),
                }
            }
        }
    }

    /// The publish of the stand-in that is on air.
    pub(crate) fn stand_in_on(&self, id: &StationId) -> Option<SourceId> {
        let on_air = self.stations.get(id)?.on_air.as_ref()?;
        let cover = on_air.cover.as_ref().map(|cover| &cover.by);
        let source = cover.or(on_air.source.as_ref())?;
        (source.owner == Owner::StandIn).then_some(source.id)
    }

    /// The source left as it should: a stand-in follows at once, or the station stops.
    pub(super) fn hand_back(&mut self, id: &StationId, now: Now) {
        if self.promote_cover(id) {
            return;
        }
        let stood_in = self.stand_in_on(id).is_some();
        let followed = self
            .stations
            .get(id)
            .is_some_and(|entry| entry.stand_in.is_some());
        if stood_in || !followed {
            return self.stop(id, now);
        }
        let deadline = now.instant + self.timing.interruption;
        if let Some(on_air) = self.on_air_mut(id) {
            on_air.source = None;
            on_air.vacancy = Some(Vacancy {
                since: now.instant,
                interrupted: false,
            });
        }
        self.wake_by(Some(deadline));
        self.ring(id);
    }

    /// The source, still in its place, is gone.
    pub(super) fn tell_lost(&mut self, id: &StationId, source: SourceId, reason: &'static str) {
        let what = match self.stand_in_on(id) == Some(source) {
            true => Happening::StandIn(false),
            false => Happening::Lost(reason),
        };
        self.happened(id, what);
    }

    /// Wakes the station's stand-in.
    pub(super) fn ring(&mut self, id: &StationId) {
        let entry = self.stations.get(id);
        if entry.is_some_and(|entry| entry.stand_in.is_some()) {
            self.effects.push_back(Effect::Ring(id.clone()));
        }
    }

    /// Makes a stand-in's packets such that the track goes on, where it can.
    pub(super) fn fit_in(&self, publication: &mut Publication) {
        let entry = self.stations.get(&publication.station);
        let Some(on_air) = entry.and_then(|entry| entry.on_air.as_ref()) else {
            return;
        };
        if on_air.params.channels == publication.track.channels {
            publication.track.frame_us = on_air.params.frame_us;
        }
        if on_air.source.is_some() {
            // It plays over that source, whose track stays as it is.
            publication.track = on_air.params;
        }
    }

    /// What plays when nobody says: the station.
    pub(super) fn named(&self, id: &StationId) -> Metadata {
        let name = self.stations.get(id).map(|entry| entry.name.clone());
        Metadata {
            title: name.unwrap_or_else(|| id.to_string()),
            ..Metadata::default()
        }
    }
}
