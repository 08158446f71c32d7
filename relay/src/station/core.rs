//! The registry's core: which stations there are, who is on air, who listens.
//!
//! Plain state, no lock and no clock. Every method takes the moment it happens
//! at; what is to be done about it waits in [`Core::poll_effect`], in order.
//! After each call drain the effects, and call [`Core::handle_timeout`] when
//! [`Core::poll_timeout`] has come.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::transcoder;
use wire::code::ErrorCode;
use wire::frame::{Error, Push};
use wire::message::{Counts, Metadata, Station, StationState, Track, TrackParams};
use wire::{StationId, TrackId};

use super::effect::{Audience, Effect, Lane, SourceId, Traits};
use super::events::EventLog;
use super::ladder::Rendition;
use super::media_clock::MediaClock;
use super::throttle::Throttle;
use super::timeline::Timeline;
use crate::clock::Now;
use crate::config;
use crate::session::SessionId;

mod dead_air;
mod listening;
mod on_air;
mod standing_in;
mod subscribing;
#[cfg(test)]
mod tests;
mod timers;
mod transitions;

use dead_air::Cover;
pub(crate) use on_air::{Owner, Published};
pub(crate) use standing_in::Turn;

/// All stations and everyone who has to do with them.
#[derive(Debug)]
pub(crate) struct Core {
    limits: config::Limits,
    timing: config::Timing,
    /// How far back listeners of stations that are not configured may begin.
    rewind: Duration,
    log: EventLog,
    stations: BTreeMap<StationId, Entry>,
    listening: HashMap<SessionId, StationId>,
    subscribers: BTreeSet<SessionId>,
    sources: HashMap<SourceId, StationId>,
    last_track: u32,
    last_source: u64,
    renditions: usize,
    counts_changed: BTreeSet<StationId>,
    counts_told: Throttle,
    wake_at: Option<Instant>,
    effects: VecDeque<Effect>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    description: String,
    about: About,
    configured: bool,
    /// How far back its listeners may begin.
    rewind: Duration,
    on_air: Option<OnAir>,
    listeners: BTreeMap<SessionId, Rendition>,
    peak: u64,
    /// The peak that was told as an event last.
    peak_told: u64,
    /// Since when the station is off air without listeners.
    idle_since: Instant,
    listeners_told: Throttle,
    update_told: Throttle,
    /// How long a stand-in waits for a source that vanished; none while there is no
    /// stand-in with something to play.
    stand_in: Option<Duration>,
    dead_air: Option<config::DeadAir>,
    loudness: Option<config::Loudness>,
}

/// What a source says about its station besides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) genre: Option<String>,
    pub(crate) url: Option<String>,
    /// Bits per second.
    pub(crate) bitrate: Option<u32>,
}

#[derive(Debug)]
struct OnAir {
    source: Option<Source>,
    /// What plays over the source while it sends silence.
    cover: Option<Cover>,
    /// Whether the source sends silence.
    silent: bool,
    /// Set while there is no source.
    vacancy: Option<Vacancy>,
    started_at: u64,
    params: TrackParams,
    track: TrackId,
    ladder: BTreeMap<transcoder::Rendition, Made>,
    clock: Arc<MediaClock>,
    timeline: Timeline,
    /// The timestamp of the metadata subscribers were told of last.
    title_told: Option<u64>,
}

#[derive(Debug)]
struct Source {
    id: SourceId,
    owner: Owner,
}

/// A station on air without a source.
#[derive(Debug, Clone, Copy)]
struct Vacancy {
    since: Instant,
    /// Whether the source vanished, which everybody was told; otherwise it left in an
    /// orderly way and a stand-in follows at once.
    interrupted: bool,
}

/// A rendition that is made now.
#[derive(Debug)]
struct Made {
    track: TrackId,
    idle_since: Option<Instant>,
}

impl Core {
    /// Knows the configured stations. `epoch` must differ from every earlier run's.
    pub(crate) fn new(config: &config::Config, epoch: String, now: Now) -> Self {
        let mut core = Self {
            limits: config.limits.clone(),
            timing: config.timing.clone(),
            rewind: Duration::from_secs(60 * u64::from(config.rewind.minutes)),
            log: EventLog::new(epoch),
            stations: BTreeMap::new(),
            listening: HashMap::new(),
            subscribers: BTreeSet::new(),
            sources: HashMap::new(),
            last_track: 0,
            last_source: 0,
            renditions: 0,
            counts_changed: BTreeSet::new(),
            counts_told: Throttle::default(),
            wake_at: None,
            effects: VecDeque::new(),
        };
        for station in &config.stations {
            let name = station
                .name
                .clone()
                .unwrap_or_else(|| station.id.to_string());
            let description = station.description.clone();
            let mut entry = Entry::new(
                name,
                description,
                config.rewind_of(&station.id),
                now.instant,
            );
            entry.configured = true;
            entry.dead_air = station.dead_air;
            entry.loudness = station.loudness;
            core.stations.insert(station.id.clone(), entry);
        }
        core
    }

    /// The next thing to do.
    pub(crate) fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The station as others see it.
    pub(crate) fn station(&self, id: &StationId, now: Now) -> Option<Station> {
        Some(self.stations.get(id)?.view(id, now))
    }

    /// A station on air: its name, its source's track, what plays and what was announced.
    pub(crate) fn on_air(
        &self,
        id: &StationId,
        now: Now,
    ) -> Option<(&str, TrackId, Vec<Metadata>)> {
        let entry = self.stations.get(id)?;
        let on_air = entry.on_air.as_ref()?;
        let newest = on_air.clock.newest(now.instant);
        let titles = on_air.timeline.from(newest).cloned().collect();
        Some((&entry.name, on_air.track, titles))
    }

    /// All stations by id.
    pub(crate) fn stations(&self, now: Now) -> impl Iterator<Item = Station> {
        self.stations
            .iter()
            .map(move |(id, entry)| entry.view(id, now))
    }

    /// How many listen to each station.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&StationId, u64)> {
        self.stations
            .iter()
            .map(|(id, entry)| (id, entry.listeners.len() as u64))
    }

    /// The sessions that listen to the station.
    pub(crate) fn listeners(&self, id: &StationId) -> impl Iterator<Item = SessionId> {
        let entry = self.stations.get(id);
        entry
            .into_iter()
            .flat_map(|entry| entry.listeners.keys().copied())
    }

    /// The sessions that subscribed `stations`.
    pub(crate) fn subscribers(&self) -> impl Iterator<Item = SessionId> {
        self.subscribers.iter().copied()
    }

    /// A session is gone: it listens to nothing and its station is interrupted.
    pub(crate) fn session_ended(&mut self, session: SessionId, now: Now) {
        self.subscribers.remove(&session);
        self.leave(session, now);
        if let Some(source) = self.source_of(session) {
            self.source_lost(source, now);
        }
    }

    fn tell(&mut self, audience: Audience, lane: Lane, push: Push) {
        self.effects.push_back(Effect::Tell(audience, lane, push));
    }

    /// Tells the subscribers of `stations` about one of them.
    fn announce(&mut self, kind: &str, id: &StationId, now: Now) {
        let Some(entry) = self.stations.get_mut(id) else {
            return;
        };
        // Every event carries the whole station, so nothing is left to tell.
        entry.update_told.told(now.instant);
        if let Some(on_air) = &mut entry.on_air {
            on_air.title_told = on_air.title_from(now);
        }
        let push = self.log.append(kind, &entry.view(id, now));
        self.tell(Audience::Subscribers, Lane::Control, push);
    }

    fn wake_by(&mut self, deadline: Option<Instant>) {
        let earlier = [self.wake_at, deadline].into_iter().flatten().min();
        self.wake_at = earlier;
    }

    fn new_track(&mut self) -> TrackId {
        self.last_track = self.last_track % TrackId::MAX + 1;
        TrackId::new(self.last_track.into()).expect("1 to the largest track id")
    }
}

impl Entry {
    fn new(name: String, description: String, rewind: Duration, now: Instant) -> Self {
        Self {
            name,
            description,
            about: About::default(),
            configured: false,
            rewind,
            on_air: None,
            listeners: BTreeMap::new(),
            peak: 0,
            peak_told: 0,
            idle_since: now,
            listeners_told: Throttle::default(),
            update_told: Throttle::default(),
            stand_in: None,
            dead_air: None,
            loudness: None,
        }
    }

    fn view(&self, id: &StationId, now: Now) -> Station {
        let on_air = self.on_air.as_ref();
        Station {
            id: id.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            genre: self.about.genre.clone(),
            url: self.about.url.clone(),
            bitrate: self.about.bitrate,
            state: on_air.map_or(StationState::Offline, OnAir::state),
            started_at: on_air.map(|on_air| on_air.started_at),
            listeners: self.counts().count,
            listeners_peak: self.peak,
            metadata: on_air.and_then(|on_air| on_air.metadata(now)).cloned(),
            renditions: Rendition::names(),
            rewind_ms: self.rewind.as_millis() as u64,
        }
    }

    /// What its tracks are made with.
    fn traits(&self) -> Traits {
        Traits {
            kept: self.rewind,
            loudness: self.loudness,
        }
    }

    fn counts(&self) -> Counts {
        Counts {
            count: self.listeners.len() as u64,
            peak: self.peak,
        }
    }
}

impl OnAir {
    fn state(&self) -> StationState {
        match self.vacancy {
            Some(vacancy) if vacancy.interrupted => StationState::Interrupted,
            _ => StationState::Live,
        }
    }

    fn metadata(&self, now: Now) -> Option<&Metadata> {
        let current = self.timeline.current(self.clock.newest(now.instant))?;
        Some(&current.1)
    }

    /// The timestamp from which on it plays what it plays.
    fn title_from(&self, now: Now) -> Option<u64> {
        let current = self.timeline.current(self.clock.newest(now.instant))?;
        Some(current.0)
    }

    /// The track of a rendition, when it is there.
    fn track(&self, rendition: Rendition) -> Option<Track> {
        let id = match rendition {
            Rendition::Source => self.track,
            Rendition::Made(made) => self.ladder.get(&made)?.track,
        };
        Some(Track {
            id,
            rendition: rendition.name().to_owned(),
            params: rendition.params(self.params),
        })
    }
}

fn unknown_station(id: &StationId) -> Error {
    Error::new(
        ErrorCode::UnknownStation,
        format!("there is no station {id} now"),
    )
}
