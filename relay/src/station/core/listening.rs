//! Listening: joining, switching and leaving, and the counts that follow.

use std::sync::Arc;
use std::time::Duration;

use wire::StationId;
use wire::code::ErrorCode;
use wire::frame::{Error, Push};
use wire::message::{ListenResult, Track};

use super::super::effect::{Audience, Back, Effect, Happening, Lane};
use super::super::ladder::Rendition;
use super::super::media_clock::samples;
use super::{Core, Entry, Made, unknown_station};
use crate::clock::Now;
use crate::session::SessionId;

impl Core {
    /// Makes the session a listener of that station and of no other, live or from as far
    /// back on as the station lets it.
    pub(crate) fn listen(
        &mut self,
        session: SessionId,
        station: &StationId,
        rendition: &str,
        rewind: Duration,
        now: Now,
    ) -> Result<ListenResult, Error> {
        if !self.stations.contains_key(station) {
            return Err(unknown_station(station));
        }
        let Some(rendition) = Rendition::from_name(rendition) else {
            let known = Rendition::names().join(", ");
            let message = format!("{station} has no such rendition, only {known}");
            return Err(Error::new(ErrorCode::UnknownRendition, message));
        };
        let track = self.prepare_track(station, rendition)?;
        if self
            .listening
            .get(&session)
            .is_some_and(|other| other != station)
        {
            self.leave(session, now);
        }
        self.enter(session, station, rendition, now);
        let back = self.back(station, rewind);
        let time = back.as_ref().map_or(Duration::ZERO, |back| back.time);
        match &track {
            Some(track) => self
                .effects
                .push_back(Effect::Attach(session, track.id, back)),
            None => self.effects.push_back(Effect::Detach(session)),
        }
        self.tell_newcomer(session, station, time, now);
        let entry = self.stations.get(station).expect("it was found above");
        let on_air = entry.on_air.as_ref();
        Ok(ListenResult {
            timestamp: on_air
                .filter(|_| track.is_some())
                .map(|on_air| on_air.clock.newest(now.instant)),
            station: entry.view(station, now),
            track,
            rewind_ms: 0,
        })
    }

    /// How far back somebody begins who asks for `rewind`; none is live.
    fn back(&self, station: &StationId, rewind: Duration) -> Option<Back> {
        let entry = self.stations.get(station)?;
        let on_air = entry.on_air.as_ref()?;
        let time = rewind.min(entry.rewind);
        (!time.is_zero()).then(|| Back {
            time,
            clock: Arc::clone(&on_air.clock),
        })
    }

    /// The station the session listens to.
    pub(crate) fn listens_to(&self, session: SessionId) -> Option<&StationId> {
        self.listening.get(&session)
    }

    /// The session listens to nothing any more; false when it did not listen.
    pub(crate) fn unlisten(&mut self, session: SessionId, now: Now) -> bool {
        self.leave(session, now)
    }

    /// The track of a rendition, made now if nobody took it before; none off air.
    pub(super) fn prepare_track(
        &mut self,
        station: &StationId,
        rendition: Rendition,
    ) -> Result<Option<Track>, Error> {
        let entry = self.stations.get(station);
        let Some(on_air) = entry.and_then(|entry| entry.on_air.as_ref()) else {
            return Ok(None);
        };
        let (from, traits) = (on_air.track, entry.map(Entry::traits).unwrap_or_default());
        if let Rendition::Made(rendition) = rendition
            && !on_air.ladder.contains_key(&rendition)
        {
            if self.renditions >= self.limits.renditions {
                let message = format!("the relay makes {} renditions already", self.renditions);
                return Err(Error::new(ErrorCode::Overloaded, message).retry_after_ms(5_000));
            }
            let track = self.new_track();
            let made = Made {
                track,
                idle_since: None,
            };
            let on_air = self
                .on_air_mut(station)
                .expect("it is on air as seen above");
            on_air.ladder.insert(rendition, made);
            self.renditions += 1;
            self.effects.push_back(Effect::Make {
                track,
                from,
                rendition,
                traits,
            });
        }
        Ok(self
            .on_air_mut(station)
            .and_then(|on_air| on_air.track(rendition)))
    }

    /// Takes the session off whatever it listens to.
    pub(super) fn leave(&mut self, session: SessionId, now: Now) -> bool {
        let Some(station) = self.listening.remove(&session) else {
            return false;
        };
        self.effects.push_back(Effect::Detach(session));
        let entry = self.stations.get_mut(&station);
        let Some(rendition) = entry.and_then(|entry| entry.listeners.remove(&session)) else {
            return false;
        };
        self.rendition_left(&station, rendition, now);
        self.count_changed(&station, now);
        true
    }

    fn enter(&mut self, session: SessionId, id: &StationId, rendition: Rendition, now: Now) {
        let Some(entry) = self.stations.get_mut(id) else {
            return;
        };
        let before = entry.listeners.insert(session, rendition);
        entry.peak = entry.peak.max(entry.listeners.len() as u64);
        if let Some(made) = entry.made_mut(rendition) {
            made.idle_since = None;
        }
        self.listening.insert(session, id.clone());
        match before {
            None => self.count_changed(id, now),
            Some(before) if before != rendition => self.rendition_left(id, before, now),
            Some(_) => {}
        }
    }

    /// Starts the grace of a rendition when its last listener left.
    fn rendition_left(&mut self, id: &StationId, rendition: Rendition, now: Now) {
        let Some(entry) = self.stations.get_mut(id) else {
            return;
        };
        if entry.listeners.values().any(|other| *other == rendition) {
            return;
        }
        if let Some(made) = entry.made_mut(rendition) {
            made.idle_since = Some(now.instant);
            self.wake_by(Some(now.instant + self.timing.rendition_grace));
        }
    }

    fn count_changed(&mut self, id: &StationId, now: Now) {
        let Some(entry) = self.stations.get_mut(id) else {
            return;
        };
        if entry.listeners.is_empty() {
            entry.idle_since = now.instant;
        }
        let edge = entry.listeners.len() <= 1;
        if entry.listeners_told.change(now.instant) || edge {
            entry.listeners_told.told(now.instant);
            self.tell_listeners(id);
        } else {
            let deadline = entry.listeners_told.deadline();
            self.wake_by(deadline);
        }
        self.counts_changed.insert(id.clone());
        if self.counts_told.change(now.instant) {
            self.tell_counts();
        } else {
            self.wake_by(self.counts_told.deadline());
        }
        let forget = now.instant + self.timing.station_memory;
        self.wake_by(Some(forget));
    }

    /// Tells the station's listeners how many they are.
    pub(super) fn tell_listeners(&mut self, id: &StationId) {
        if let Some(entry) = self
            .stations
            .get(id)
            .filter(|entry| !entry.listeners.is_empty())
        {
            let push = Push::new(id.channel(), "listeners", &entry.counts());
            self.tell(Audience::Listeners(id.clone()), Lane::Listeners, push);
            self.tell_peak(id);
        }
    }

    /// Tells a new peak of a station on air, at most as often as its listeners are told.
    fn tell_peak(&mut self, id: &StationId) {
        let entry = self.stations.get_mut(id);
        let Some(entry) = entry.filter(|entry| entry.on_air.is_some()) else {
            return;
        };
        if entry.peak > entry.peak_told {
            entry.peak_told = entry.peak;
            let peak = entry.peak;
            self.happened(id, Happening::Peak(peak));
        }
    }

    /// Tells the subscribers of `stations` the counts that changed.
    pub(super) fn tell_counts(&mut self) {
        let changed = std::mem::take(&mut self.counts_changed);
        let counts = changed.into_iter().filter_map(|id| {
            let counts = self.stations.get(&id)?.counts();
            Some((id, counts))
        });
        let counts = counts.collect();
        self.effects.push_back(Effect::Counts(counts));
    }

    /// Tells one listener what plays, from so far back on, and how many listen.
    fn tell_newcomer(&mut self, session: SessionId, id: &StationId, back: Duration, now: Now) {
        let Some(entry) = self.stations.get(id) else {
            return;
        };
        let channel = id.channel();
        let mut pushes = Vec::new();
        if let Some(on_air) = &entry.on_air {
            let newest = on_air.clock.newest(now.instant);
            let from = newest.saturating_sub(samples(back));
            for metadata in on_air.timeline.from(from) {
                pushes.push((Lane::Metadata, Push::new(&*channel, "metadata", metadata)));
            }
        }
        let counts = Push::new(&*channel, "listeners", &entry.counts());
        pushes.push((Lane::Listeners, counts));
        for (lane, push) in pushes {
            self.tell(Audience::Session(session), lane, push);
        }
    }
}

impl Entry {
    /// What is made for a rendition now.
    fn made_mut(&mut self, rendition: Rendition) -> Option<&mut Made> {
        match rendition {
            Rendition::Source => None,
            Rendition::Made(rendition) => self.on_air.as_mut()?.ladder.get_mut(&rendition),
        }
    }
}
