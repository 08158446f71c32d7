//! What changes with a station's state: its tracks, and what its listeners are told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use wire::frame::Push;
use wire::message::{Empty, Metadata, Started, TrackParams};
use wire::{StationId, TrackId};

use super::super::effect::{Audience, Effect, Happening, Lane};
use super::super::ladder::Rendition;
use super::super::media_clock::{MediaClock, samples};
use super::super::timeline::Timeline;
use super::{Core, Entry, OnAir, Source};
use crate::clock::Now;

impl Core {
    pub(super) fn on_air_mut(&mut self, id: &StationId) -> Option<&mut OnAir> {
        self.stations.get_mut(id)?.on_air.as_mut()
    }

    /// Takes the station off air.
    pub(super) fn stop(&mut self, id: &StationId, now: Now) {
        let Some(entry) = self.stations.get_mut(id) else {
            return;
        };
        let Some(on_air) = entry.on_air.take() else {
            return;
        };
        entry.idle_since = now.instant;
        let cover = on_air.cover.map(|cover| cover.by);
        for source in [on_air.source, cover].into_iter().flatten() {
            self.sources.remove(&source.id);
        }
        self.renditions -= on_air.ladder.len();
        for made in on_air.ladder.values() {
            self.effects.push_back(Effect::Close(made.track));
        }
        self.happened(id, Happening::Stopped);
        self.effects.push_back(Effect::Close(on_air.track));
        self.tell_all(id, "stopped");
        self.announce("stopped", id, now);
        self.ring(id);
        self.wake_by(Some(now.instant + self.timing.station_memory));
    }

    /// Puts the station on air: everyone who waits for it gets a track.
    pub(super) fn start(&mut self, id: &StationId, source: Source, params: TrackParams, now: Now) {
        let track = self.new_track();
        let Some(entry) = self.stations.get_mut(id) else {
            return;
        };
        self.effects.push_back(Effect::Open(track, entry.traits()));
        entry.peak = entry.listeners.len() as u64;
        entry.peak_told = 0;
        entry.on_air = Some(OnAir {
            source: Some(source),
            cover: None,
            silent: false,
            vacancy: None,
            started_at: now.unix_us,
            params,
            track,
            ladder: BTreeMap::new(),
            clock: Arc::new(MediaClock::new(now.instant)),
            timeline: Timeline::default(),
            title_told: None,
        });
        let waiting: Vec<_> = entry
            .listeners
            .iter()
            .map(|(who, what)| (*who, *what))
            .collect();
        self.happened(id, Happening::Started);
        for (session, rendition) in waiting {
            // With too many renditions already, who waits for one goes on waiting.
            if let Ok(Some(track)) = self.prepare_track(id, rendition) {
                self.effects
                    .push_back(Effect::Attach(session, track.id, None));
                let push = Push::new(id.channel(), "started", &Started { track });
                self.tell(Audience::Session(session), Lane::Control, push);
            }
        }
    }

    /// Gives a station on air its next source, on the same track if it can be.
    pub(super) fn resume(&mut self, id: &StationId, source: Source, params: TrackParams) {
        let Some(on_air) = self.on_air_mut(id) else {
            return;
        };
        on_air.source = Some(source);
        on_air.silent = false;
        let vacancy = on_air.vacancy.take();
        let interrupted = vacancy.is_some_and(|vacancy| vacancy.interrupted);
        let former = on_air.track;
        // The bitrate is told and nothing more: the same track carries any.
        on_air.params.bitrate = params.bitrate;
        let same = on_air.params == params;
        if interrupted {
            self.tell_all(id, "resumed");
        }
        if !same {
            self.replace_track(id, former, params);
        }
    }

    fn replace_track(&mut self, id: &StationId, former: TrackId, params: TrackParams) {
        let track = self.new_track();
        let traits = self.stations.get(id).map(Entry::traits);
        let traits = traits.unwrap_or_default();
        self.effects.push_back(Effect::Open(track, traits));
        self.effects.push_back(Effect::Move(former, track));
        self.effects.push_back(Effect::Close(former));
        let Some(entry) = self.stations.get_mut(id) else {
            return;
        };
        let Some(on_air) = &mut entry.on_air else {
            return;
        };
        (on_air.track, on_air.params) = (track, params);
        let started = on_air
            .track(Rendition::Source)
            .map(|track| Started { track });
        let on_source = entry
            .listeners
            .iter()
            .filter(|(_, what)| **what == Rendition::Source);
        let sessions: Vec<_> = on_source.map(|(session, _)| *session).collect();
        for session in sessions {
            if let Some(started) = &started {
                let push = Push::new(id.channel(), "started", started);
                self.tell(Audience::Session(session), Lane::Control, push);
            }
        }
    }

    /// Notes what plays and tells the listeners.
    pub(super) fn set_title(&mut self, id: &StationId, mut title: Metadata, newest: u64, now: Now) {
        let from = *title.timestamp.get_or_insert(newest);
        let push = Push::new(id.channel(), "metadata", &title);
        let Some(entry) = self.stations.get_mut(id) else {
            return;
        };
        let kept_from = newest.saturating_sub(samples(entry.rewind));
        let Some(on_air) = &mut entry.on_air else {
            return;
        };
        on_air
            .timeline
            .insert(from, title.clone(), kept_from, newest);
        if from > newest {
            self.wake_by(Some(now.instant + Duration::from_millis(20)));
        }
        self.tell(Audience::Listeners(id.clone()), Lane::Metadata, push);
        self.happened(id, Happening::Title(from, title));
    }

    pub(super) fn happened(&mut self, id: &StationId, what: Happening) {
        self.effects.push_back(Effect::Happened(id.clone(), what));
    }

    /// Tells the subscribers of `stations` what is new about one, at most once a second.
    pub(super) fn update_soon(&mut self, id: &StationId, now: Now) {
        let Some(entry) = self.stations.get_mut(id) else {
            return;
        };
        if entry.update_told.change(now.instant) {
            self.announce("updated", id, now);
        } else {
            let deadline = entry.update_told.deadline();
            self.wake_by(deadline);
        }
    }

    pub(super) fn tell_all(&mut self, id: &StationId, kind: &str) {
        let push = Push::new(id.channel(), kind, &Empty {});
        self.tell(Audience::Listeners(id.clone()), Lane::Control, push);
    }
}
