//! Stations: which there are, who is on air, who listens, and what they are told.
//!
//! [`Stations`] is the shell around the sans-IO [`core`]: one lock, held for as
//! long as it takes to change state and queue what follows from it, so that
//! everyone is told things in the order they happened. The sound never passes
//! this lock: a source holds its track, and a track its listeners.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use media::transcoder::Loudness;
use tokio::sync::Notify;
use wire::frame::{Error, Reply};
use wire::message::{
    Empty, ListenParams, Metadata, PublishResult, Station, SubscribeParams, Subscribed,
};
use wire::{StationId, TrackId};

use crate::clock::Now;
use crate::config::{self, Config};
use crate::fanout::rendition::Transcoder;
use crate::fanout::{Level, Listener, Track};
use crate::gate::Gate;
use crate::metrics::Metrics;
use crate::mount::{Carried, Kind};
use crate::recording::Recorders;
use crate::session::SessionId;
use crate::session::ingress::Ingress;
use crate::session::outbox::Outbox;
use crate::webhook::Hooks;

mod core;
mod effect;
mod events;
mod ingest;
mod ladder;
mod local;
mod media_clock;
mod missing;
mod players;
mod recorded;
mod settle;
mod standing_in;
mod throttle;
mod timeline;
mod window;

pub(crate) use self::core::About;
use self::core::{Core, Owner, Published};
pub(crate) use effect::{Back, Lane, SourceId};
pub(crate) use events::REPLY_BYTES_MAX;
pub(crate) use ingest::Ingest;
pub use local::{LocalSource, Publication, PublishEnded};
pub(crate) use media_clock::{MediaClock, samples};
use players::Players;
pub(crate) use players::{Found, NothingToPlay};
pub(crate) use recorded::Recorded;
pub(crate) use settle::not_listening;
pub use standing_in::{OnAir, StandIn};
pub(crate) use window::Rejected;

use ingest::Feed;
use standing_in::Bell;

/// Every station, shared by sessions, local sources and HTTP.
pub(crate) struct Stations {
    inner: Mutex<Inner>,
    /// Some deadline may have moved.
    changed: Notify,
    metrics: Arc<Metrics>,
    gate: Arc<dyn Gate>,
}

#[derive(Debug)]
struct Inner {
    core: Core,
    tracks: HashMap<TrackId, Live>,
    sessions: HashMap<SessionId, Member>,
    feeds: HashMap<SourceId, Arc<Feed>>,
    bells: HashMap<StationId, Arc<Bell>>,
    recorders: Recorders,
    players: Players,
    hooks: Arc<Hooks>,
    metrics: Arc<Metrics>,
    /// Bytes one track may keep for those who begin further back.
    rewind_bytes: u64,
    /// For threads that tell what they hear.
    stations: Weak<Stations>,
}

/// A track that exists, and what makes renditions of it.
#[derive(Debug)]
struct Live {
    track: Arc<Track>,
    transcoder: Option<Transcoder>,
    loudness: Option<config::Loudness>,
}

/// How a session is reached.
#[derive(Debug)]
struct Member {
    outbox: Arc<Outbox>,
    listener: Arc<Listener>,
    track: Option<TrackId>,
}

impl Stations {
    pub(crate) fn new(config: &Config, gate: Arc<dyn Gate>, metrics: Arc<Metrics>) -> Arc<Self> {
        let epoch = format!("{:016x}", rand::random::<u64>());
        let hooks = Hooks::new(&config.webhooks, &metrics);
        let inner = |stations: &Weak<Self>| Inner {
            core: Core::new(config, epoch, Now::read()),
            tracks: HashMap::new(),
            sessions: HashMap::new(),
            feeds: HashMap::new(),
            bells: HashMap::new(),
            recorders: Recorders::new(config, &hooks, Arc::clone(&metrics)),
            players: Players::new(config.burst.min(crate::config::BURST_MAX)),
            hooks: Arc::clone(&hooks),
            metrics: Arc::clone(&metrics),
            rewind_bytes: config.rewind.bytes,
            stations: Weak::clone(stations),
        };
        Arc::new_cyclic(|stations| Self {
            inner: Mutex::new(inner(stations)),
            changed: Notify::new(),
            metrics: Arc::clone(&metrics),
            gate,
        })
    }

    /// Does what is due by itself, until it is dropped.
    pub(crate) async fn run_timers(&self) {
        loop {
            let deadline = self.lock().core.poll_timeout();
            let ripe = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = ripe => self.change(|inner, now| inner.core.handle_timeout(now)),
                () = self.changed.notified() => {}
            }
        }
    }

    /// A session begins; it is told nothing before it asks.
    pub(crate) fn join(&self, id: SessionId, outbox: &Arc<Outbox>, listener: &Arc<Listener>) {
        let member = Member {
            outbox: Arc::clone(outbox),
            listener: Arc::clone(listener),
            track: None,
        };
        self.lock().sessions.insert(id, member);
    }

    /// A session is gone.
    pub(crate) fn leave(&self, id: SessionId) {
        self.change(|inner, now| {
            inner.core.session_ended(id, now);
            inner.settle();
            inner.sessions.remove(&id);
        });
    }

    /// Subscribes what a `hello` asks for and queues its reply. `bytes_max` bounds the
    /// JSON of a state or of missed events.
    pub(crate) fn greet(
        &self,
        id: SessionId,
        subscriptions: &[SubscribeParams],
        bytes_max: usize,
        reply: impl FnOnce(Vec<Subscribed>) -> Reply,
    ) {
        self.change(|inner, now| {
            let subscribed = inner.subscribe_all(id, subscriptions, bytes_max, now);
            inner.reply(id, &reply(subscribed));
        });
    }

    /// Answers `subscribe`.
    pub(crate) fn subscribe(&self, id: SessionId, request: u64, params: &SubscribeParams) {
        self.change(|inner, now| {
            let subscribed = inner.subscribe(id, params, REPLY_BYTES_MAX, now);
            inner.reply(
                id,
                &Reply::new(request, subscribed.as_ref().map_err(Clone::clone)),
            );
        });
    }

    /// Answers `unsubscribe`.
    pub(crate) fn unsubscribe(&self, id: SessionId, request: u64, channel: &str) {
        self.change(|inner, _| {
            let result = settle::known_channel(channel).map(|()| {
                inner.core.unsubscribe(id);
            });
            inner.reply(id, &Reply::new(request, result.map(|()| &Empty {})));
        });
    }

    /// Answers `listen`.
    pub(crate) fn listen(&self, id: SessionId, request: u64, params: &ListenParams, level: Level) {
        self.change(|inner, now| {
            let (station, rendition) = (&params.station, &params.rendition);
            let rewind = Duration::from_millis(params.rewind_ms);
            let mut result = inner.core.listen(id, station, rendition, rewind, now);
            if let (Ok(result), Some(member)) = (&mut result, inner.sessions.get(&id)) {
                member.listener.set_level(level);
                inner.look_back(result, rewind);
            }
            let reply = Reply::new(request, result.as_ref().map_err(Clone::clone));
            inner.settle_around(id, &reply);
        });
    }

    /// Answers `set_redundancy`: without a seam, for the packets stay the same.
    pub(crate) fn set_redundancy(&self, id: SessionId, request: u64, level: Level) {
        let inner = self.lock();
        let member = inner.sessions.get(&id);
        let listening = member.filter(|_| inner.core.listens_to(id).is_some());
        let result = listening.ok_or_else(settle::not_listening).map(|member| {
            member.listener.set_redundancy(level);
            &Empty {}
        });
        inner.reply(id, &Reply::new(request, result));
    }

    /// The station the session listens to.
    pub(crate) fn listens_to(&self, id: SessionId) -> Option<StationId> {
        self.lock().core.listens_to(id).cloned()
    }

    /// Answers `unlisten`.
    pub(crate) fn unlisten(&self, id: SessionId, request: u64) {
        self.change(|inner, now| {
            let result = match inner.core.unlisten(id, now) {
                true => Ok(&Empty {}),
                false => Err(settle::not_listening()),
            };
            inner.settle_around(id, &Reply::new(request, result));
        });
    }

    /// Answers `publish`; on success the session's datagrams go to the station's listeners.
    pub(crate) fn publish(
        &self,
        id: SessionId,
        request: u64,
        publication: Publication,
        ingress: &Ingress,
    ) -> bool {
        let (started, is_source) = self.change(|inner, now| {
            let published = inner.core.publish(Owner::Session(id), publication, now);
            let started = started(published.as_ref().ok());
            let result = published.map(|published| {
                let feed = inner.feed(&published);
                let metrics = Arc::clone(&inner.metrics);
                ingress.start(Ingest::new(feed, published.sequence, metrics, now));
                PublishResult {
                    station: published.station,
                    track: published.track,
                    sequence: published.sequence,
                    timestamp: published.timestamp,
                }
            });
            inner.reply(
                id,
                &Reply::new(request, result.as_ref().map_err(Clone::clone)),
            );
            (started, result.is_ok())
        });
        self.tell_gate(started.as_ref());
        is_source
    }

    /// Makes something inside the process a station's source.
    pub(crate) fn publish_local(
        self: &Arc<Self>,
        publication: Publication,
    ) -> Result<LocalSource, Error> {
        self.publish_within(Owner::Local, publication)
    }

    fn publish_within(
        self: &Arc<Self>,
        owner: Owner,
        publication: Publication,
    ) -> Result<LocalSource, Error> {
        self.publish_as(owner, publication, None)
            .map(|(source, _)| source)
    }

    /// The same as [`Stations::publish_local`] for a source that sends frames of that kind,
    /// too; they go where the second value says.
    pub(crate) fn publish_carrying(
        self: &Arc<Self>,
        publication: Publication,
        kind: Option<Kind>,
    ) -> Result<(LocalSource, Option<Arc<Carried>>), Error> {
        self.publish_as(Owner::Local, publication, kind)
    }

    fn publish_as(
        self: &Arc<Self>,
        owner: Owner,
        publication: Publication,
        kind: Option<Kind>,
    ) -> Result<(LocalSource, Option<Arc<Carried>>), Error> {
        let station = publication.station.clone();
        let (started, source) = self.change(|inner, now| {
            inner.players.announce(kind);
            let published = inner.core.publish(owner, publication, now);
            inner.settle();
            inner.players.announce(None);
            let published = published?;
            let carried = inner.players.carried(&station).cloned();
            let started = started(Some(&published));
            let feed = inner.feed(&published);
            let source = LocalSource::new(Arc::clone(self), feed, &published, now);
            Ok((started, (source, carried)))
        })?;
        self.tell_gate(started.as_ref());
        Ok(source)
    }

    /// Tells the gate of a station that went on air.
    fn tell_gate(&self, started: Option<&Station>) {
        if let Some(station) = started {
            self.gate.station_started(station);
        }
    }

    /// The source ends its publish in an orderly way.
    pub(crate) fn unpublish(&self, source: SourceId) {
        self.change(|inner, now| inner.core.unpublish(source, now));
    }

    /// The source may not be one any more.
    pub(crate) fn revoke(&self, source: SourceId) {
        self.change(|inner, now| inner.core.revoke(source, now));
    }

    /// The source vanished: the station waits for it, or another.
    pub(crate) fn lose(&self, source: SourceId) {
        self.change(|inner, now| inner.core.source_lost(source, now));
    }

    /// The source left and may return: a stand-in follows at once, or the station waits.
    pub(crate) fn source_left(&self, source: SourceId) {
        self.change(|inner, now| inner.core.source_left(source, now));
    }

    /// Notes what the station plays from now on, for whoever its source is.
    pub(crate) fn set_title(&self, station: &StationId, title: Metadata) -> Result<(), Error> {
        self.change(|inner, now| {
            let source = inner.core.source_on(station).ok_or_else(|| {
                let message = format!("{station} has no source now");
                Error::new(wire::code::ErrorCode::NotPublishing, message)
            })?;
            inner.core.update_metadata(source, title, now)
        })
    }

    /// Notes what the source says about its station.
    pub(crate) fn describe(&self, source: SourceId, about: About) {
        self.change(|inner, now| inner.core.describe(source, about, now));
    }

    /// Notes what the source plays.
    pub(crate) fn update_metadata(&self, source: SourceId, title: Metadata) -> Result<(), Error> {
        self.change(|inner, now| inner.core.update_metadata(source, title, now))
    }

    /// The station as others see it.
    pub(crate) fn station(&self, id: &StationId) -> Option<Station> {
        self.lock().core.station(id, Now::read())
    }

    /// All stations by id.
    pub(crate) fn all(&self) -> Vec<Station> {
        self.lock().core.stations(Now::read()).collect()
    }

    /// Listeners of each station.
    pub(crate) fn counts(&self) -> Vec<(String, u64)> {
        let inner = self.lock();
        inner
            .core
            .counts()
            .map(|(id, count)| (id.to_string(), count))
            .collect()
    }

    /// How loud the station is, while that is measured.
    pub(crate) fn loudness(&self, id: &StationId) -> Option<Loudness> {
        self.lock().loudness(id, Now::read())
    }

    /// Integrated loudness in LUFS of each station that is measured and was heard.
    pub(crate) fn all_loudness(&self) -> Vec<(String, f64)> {
        let (inner, now) = (self.lock(), Now::read());
        let ids = inner.core.counts().map(|(id, _)| id);
        let measured = ids.filter_map(|id| {
            let loudness = inner.loudness(id, now)?;
            Some((id.to_string(), loudness.reading.integrated_lufs?))
        });
        measured.collect()
    }

    /// Bytes kept of what stations sent last.
    pub(crate) fn kept_bytes(&self) -> u64 {
        let inner = self.lock();
        let tracks = inner.tracks.values();
        tracks.map(|live| live.track.kept_bytes()).sum()
    }

    /// Changes the core and does what follows from it, as one step.
    fn change<T>(&self, change: impl FnOnce(&mut Inner, Now) -> T) -> T {
        let mut inner = self.lock();
        let result = change(&mut inner, Now::read());
        inner.settle();
        drop(inner);
        self.changed.notify_one();
        result
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic under the lock would be a bug; going on with what is there serves
        // everyone better than ending every session.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The station, if that publish put it on air.
fn started(published: Option<&Published>) -> Option<Station> {
    let published = published.filter(|published| published.started)?;
    Some(published.station.clone())
}

impl std::fmt::Debug for Stations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stations").finish_non_exhaustive()
    }
}
