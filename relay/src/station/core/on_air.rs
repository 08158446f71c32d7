//! Sources: coming, going, vanishing, returning, taking over.

use std::sync::Arc;

use wire::StationId;
use wire::code::ErrorCode;
use wire::frame::{Error, Push};
use wire::message::{
    Metadata, PublishEndCode, PublishEnded, Station, StationState, Track, clean_text,
};

use super::super::effect::{Audience, Effect, Happening, Lane, SourceId};
use super::super::ladder::Rendition;
use super::super::local::Publication;
use super::super::media_clock::MediaClock;
use super::{About, Core, Entry, Source, Vacancy};
use crate::clock::Now;
use crate::session::SessionId;

/// How far ahead of its media time metadata may be announced, in samples: 10 minutes.
const ANNOUNCE_AHEAD_MAX: u64 = 600 * 48_000;

/// Who publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A session.
    Session(SessionId),
    /// Something inside the process.
    Local,
    /// What plays while no other source is there; every other may replace it.
    StandIn,
}

/// What a new source needs to know.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) source: SourceId,
    pub(crate) station: Station,
    pub(crate) track: Track,
    /// The number of its first packet.
    pub(crate) sequence: u64,
    /// The timestamp of its first packet.
    pub(crate) timestamp: u64,
    pub(crate) clock: Arc<MediaClock>,
    /// Whether the station was off air before.
    pub(crate) started: bool,
}

impl Core {
    /// Makes somebody the station's source. That they may be was checked before.
    pub(crate) fn publish(
        &mut self,
        owner: Owner,
        publication: Publication,
        now: Now,
    ) -> Result<Published, Error> {
        let bad = |message: String| Error::new(ErrorCode::BadRequest, message);
        publication
            .track
            .validate()
            .map_err(|error| bad(error.to_string()))?;
        let mut publication = publication;
        let id = publication.station.clone();
        self.check_free(owner, &publication)?;
        self.find_or_make(&id, now)?;
        if owner == Owner::StandIn {
            self.fit_in(&mut publication);
        }
        let (sequence, timestamp) = match self.on_air_mut(&id) {
            Some(on_air) => on_air.clock.resume_point(now.instant),
            None => (0, 0),
        };
        let stood_in = self.stand_in_on(&id).is_some();
        let title = match publication.metadata {
            // The playlist's title is not what a live source plays.
            None if stood_in => Some(self.named(&id)),
            title => title.map(Metadata::cleaned),
        };
        if let Some(title) = &title {
            check_timestamp(title.timestamp, timestamp)?;
        }
        let titled = title.is_some();
        let covers = owner == Owner::StandIn && self.may_cover(&id);
        let displaced = !covers && self.displace(&id, owner);
        self.last_source += 1;
        let source = Source {
            id: SourceId(self.last_source),
            owner,
        };
        let source_id = source.id;
        self.sources.insert(source_id, id.clone());
        let renamed = self.rename(&id, publication.name, publication.description);
        // What the former source said is not true of this one.
        if !covers {
            self.set_about(&id, About::default());
        }
        let before = self.on_air_mut(&id).map(|on_air| on_air.state());
        match before {
            _ if covers => self.cover(&id, source, now),
            None => self.start(&id, source, publication.track, now),
            Some(_) => self.resume(&id, source, publication.track),
        }
        self.happened(
            &id,
            match owner {
                Owner::StandIn if covers => Happening::Covered(true),
                Owner::StandIn => Happening::StandIn(true),
                _ => Happening::Connected(displaced && !stood_in),
            },
        );
        if let Some(title) = title {
            self.set_title(&id, title, timestamp, now);
        }
        match before {
            None => self.announce("started", &id, now),
            Some(StationState::Interrupted) if !displaced => {
                self.announce("resumed", &id, now);
            }
            Some(_) if renamed || titled => self.update_soon(&id, now),
            Some(_) => {}
        }
        let mut published = self.published(&id, source_id, sequence, timestamp, now);
        published.started = before.is_none();
        Ok(published)
    }

    /// The station stops at once: its source said so.
    pub(crate) fn unpublish(&mut self, source: SourceId, now: Now) {
        if self.uncover(source, now) {
            return;
        }
        if let Some(id) = self.sources.remove(&source) {
            self.tell_lost(&id, source, "ended");
            self.hand_back(&id, now);
        }
    }

    /// The source may not be one any more: it is told, and the station stops at once.
    pub(crate) fn revoke(&mut self, source: SourceId, now: Now) {
        let Some(id) = self.sources.remove(&source) else {
            return;
        };
        let reason = "the session's token does not allow it any more";
        self.end_source(&id, PublishEndCode::Forbidden, reason);
        self.happened(&id, Happening::Lost("forbidden"));
        self.hand_back(&id, now);
    }

    /// The source vanished: the station waits for it, or another.
    pub(crate) fn source_lost(&mut self, source: SourceId, now: Now) {
        let Some(id) = self.sources.remove(&source) else {
            return;
        };
        let deadline = now.instant + self.timing.interruption;
        self.tell_lost(&id, source, "vanished");
        if self.promote_cover(&id) {
            return;
        }
        let Some(on_air) = self.on_air_mut(&id) else {
            return;
        };
        on_air.source = None;
        on_air.vacancy = Some(Vacancy {
            since: now.instant,
            interrupted: true,
        });
        self.ring(&id);
        self.wake_by(Some(deadline));
        self.tell_all(&id, "interrupted");
        self.announce("interrupted", &id, now);
    }

    /// The source left and may return: a stand-in follows at once, or the station waits.
    pub(crate) fn source_left(&mut self, source: SourceId, now: Now) {
        let entry = self
            .sources
            .get(&source)
            .and_then(|id| self.stations.get(id));
        if entry.is_some_and(|entry| entry.stand_in.is_some()) {
            self.unpublish(source, now);
        } else {
            self.source_lost(source, now);
        }
    }

    /// What the source sends is something else from its timestamp on, or from now.
    pub(crate) fn update_metadata(
        &mut self,
        source: SourceId,
        metadata: Metadata,
        now: Now,
    ) -> Result<(), Error> {
        let not_publishing = || Error::new(ErrorCode::NotPublishing, "this session is no source");
        let id = self
            .sources
            .get(&source)
            .cloned()
            .ok_or_else(not_publishing)?;
        let on_air = self.on_air_mut(&id).ok_or_else(not_publishing)?;
        let newest = on_air.clock.newest(now.instant);
        let metadata = metadata.cleaned();
        check_timestamp(metadata.timestamp, newest)?;
        let Some(metadata) = on_air.keep_beneath(source, metadata) else {
            return Ok(());
        };
        self.set_title(&id, metadata, newest, now);
        self.update_soon(&id, now);
        Ok(())
    }

    /// Notes what the source says about its station.
    pub(crate) fn describe(&mut self, source: SourceId, about: About, now: Now) {
        let Some(id) = self.sources.get(&source).cloned() else {
            return;
        };
        let optional = |text: Option<String>| text.map(clean_text).filter(|text| !text.is_empty());
        let web = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        let about = About {
            genre: optional(about.genre),
            url: optional(about.url).filter(web),
            bitrate: about.bitrate,
        };
        if self.set_about(&id, about) {
            self.update_soon(&id, now);
        }
    }

    fn set_about(&mut self, id: &StationId, about: About) -> bool {
        let entry = self.stations.get_mut(id);
        let changed = entry.filter(|entry| entry.about != about);
        changed.map(|entry| entry.about = about).is_some()
    }

    /// Whether that publish is not over.
    pub(crate) fn has_source(&self, source: SourceId) -> bool {
        self.sources.contains_key(&source)
    }

    /// The station's present publish.
    pub(crate) fn source_on(&self, id: &StationId) -> Option<SourceId> {
        let on_air = self.stations.get(id)?.on_air.as_ref()?;
        Some(on_air.source.as_ref()?.id)
    }

    /// The session's publish, if it is a source.
    pub(crate) fn source_of(&self, session: SessionId) -> Option<SourceId> {
        let mine = |source: &Source| source.owner == Owner::Session(session);
        let sources = self.sources.iter().find(|(id, station)| {
            let on_air = self
                .stations
                .get(*station)
                .and_then(|entry| entry.on_air.as_ref());
            let current = on_air.and_then(|on_air| on_air.source.as_ref());
            current.is_some_and(|source| source.id == **id && mine(source))
        });
        sources.map(|(id, _)| *id)
    }

    /// Whether the station is free for `owner`, or may be taken.
    fn check_free(&self, owner: Owner, publication: &Publication) -> Result<(), Error> {
        if let Owner::Session(session) = owner
            && let Some(other) = self.source_of(session).and_then(|id| self.sources.get(&id))
            && *other != publication.station
        {
            let message = format!("this session is the source of {other}; unpublish first");
            return Err(Error::new(ErrorCode::BadRequest, message));
        }
        let entry = self.stations.get(&publication.station);
        let on_air = entry.and_then(|entry| entry.on_air.as_ref());
        match on_air.and_then(|on_air| on_air.source.as_ref()) {
            Some(_) if owner == Owner::StandIn && self.may_cover(&publication.station) => Ok(()),
            // A session may announce its own track anew; every local source is somebody else.
            Some(source) if source.owner != owner || !matches!(owner, Owner::Session(_)) => {
                let stands_in = source.owner == Owner::StandIn && owner != Owner::StandIn;
                if publication.takeover || stands_in {
                    return Ok(());
                }
                let message = format!("{} has another source on air", publication.station);
                Err(Error::new(ErrorCode::StationBusy, message).retry_after_ms(2_000))
            }
            _ => Ok(()),
        }
    }

    /// Knows the station from now on, forgetting one that nobody needs if there are too many.
    fn find_or_make(&mut self, id: &StationId, now: Now) -> Result<(), Error> {
        if self.stations.contains_key(id) {
            return Ok(());
        }
        if self.stations.len() >= self.limits.stations {
            let idle = self
                .stations
                .iter()
                .filter_map(|(id, entry)| Some((entry.idle_since()?, id)));
            let oldest = idle.min().map(|(_, id)| id.clone()).ok_or_else(|| {
                let message = format!("the relay has {} stations already", self.stations.len());
                Error::new(ErrorCode::Overloaded, message).retry_after_ms(10_000)
            })?;
            self.stations.remove(&oldest);
        }
        let entry = Entry::new(id.to_string(), String::new(), self.rewind, now.instant);
        self.stations.insert(id.clone(), entry);
        Ok(())
    }

    /// Ends the present source in favour of a new one; true when the station was live.
    fn displace(&mut self, id: &StationId, owner: Owner) -> bool {
        let source = self
            .on_air_mut(id)
            .and_then(|on_air| on_air.source.as_ref());
        let Some(source) = source else {
            return false;
        };
        let same = source.owner == owner && matches!(owner, Owner::Session(_));
        let (former, stood_in) = (source.id, source.owner == Owner::StandIn);
        self.sources.remove(&former);
        if stood_in {
            self.happened(id, Happening::StandIn(false));
        }
        self.end_cover(id);
        match same {
            true => self
                .effects
                .push_back(Effect::End(former, PublishEndCode::TakenOver)),
            false => self.end_source(id, PublishEndCode::TakenOver, "another source took over"),
        }
        true
    }

    /// Ends the station's present source and tells it.
    fn end_source(&mut self, id: &StationId, code: PublishEndCode, reason: &str) {
        let source = self.on_air_mut(id).and_then(|on_air| on_air.source.take());
        let Some(source) = source else {
            return;
        };
        self.effects.push_back(Effect::End(source.id, code));
        if let Owner::Session(session) = source.owner {
            let reason = reason.to_owned();
            let push = Push::new(
                id.channel(),
                "publish_ended",
                &PublishEnded { code, reason },
            );
            self.tell(Audience::Session(session), Lane::Control, push);
        }
    }

    fn rename(&mut self, id: &StationId, name: Option<String>, about: Option<String>) -> bool {
        let Some(entry) = self.stations.get_mut(id) else {
            return false;
        };
        let before = (entry.name.clone(), entry.description.clone());
        if let Some(name) = name.map(clean_text).filter(|name| !name.is_empty()) {
            entry.name = name;
        }
        if let Some(about) = about.map(clean_text) {
            entry.description = about;
        }
        before != (entry.name.clone(), entry.description.clone())
    }

    fn published(
        &self,
        id: &StationId,
        source: SourceId,
        sequence: u64,
        timestamp: u64,
        now: Now,
    ) -> Published {
        let entry = self
            .stations
            .get(id)
            .expect("the station was made by publish");
        let on_air = entry.on_air.as_ref().expect("publish put it on air");
        Published {
            source,
            station: entry.view(id, now),
            track: on_air
                .track(Rendition::Source)
                .expect("the source is always there"),
            sequence,
            timestamp,
            clock: Arc::clone(&on_air.clock),
            started: false,
        }
    }
}

fn check_timestamp(timestamp: Option<u64>, newest: u64) -> Result<(), Error> {
    match timestamp {
        Some(timestamp) if timestamp > newest.saturating_add(ANNOUNCE_AHEAD_MAX) => {
            let message = "metadata.timestamp is more than 10 minutes ahead";
            Err(Error::new(ErrorCode::BadRequest, message))
        }
        _ => Ok(()),
    }
}
