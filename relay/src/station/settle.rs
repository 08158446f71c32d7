//! Carries out what the registry's core wants done.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::transcoder;
use wire::code::ErrorCode;
use wire::frame::{Error, Push, Reply};
use wire::message::{ListenResult, STATIONS_CHANNEL, SubscribeParams, Subscribed};
use wire::{StationId, TrackId};

use super::core::Published;
use super::effect::{Audience, Back, Effect, Lane, Traits};
use super::ingest::Feed;
use super::{Inner, Live};
use crate::clock::Now;
use crate::fanout::rendition::Transcoder;
use crate::fanout::{Kept, Track};
use crate::session::SessionId;
use crate::session::gated::echo;
use crate::session::outbox::Frame;

impl Inner {
    /// Does everything the core wants done, in order.
    pub(super) fn settle(&mut self) {
        while let Some(effect) = self.core.poll_effect() {
            self.apply(effect);
        }
    }

    /// The same with a reply in its place: once it is told, the sound of before has
    /// ended and that of now flows; what follows from the request is told after it.
    pub(super) fn settle_around(&mut self, session: SessionId, reply: &Reply) {
        let effects = std::iter::from_fn(|| self.core.poll_effect());
        let is_telling = |effect: &Effect| matches!(effect, Effect::Tell(..) | Effect::Counts(_));
        let (tellings, changes): (Vec<_>, Vec<_>) = effects.partition(is_telling);
        changes.into_iter().for_each(|effect| self.apply(effect));
        self.reply(session, reply);
        tellings.into_iter().for_each(|effect| self.apply(effect));
    }

    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Tell(audience, lane, push) => self.tell(&audience, lane, &push),
            Effect::Counts(counts) => {
                let counts = Arc::new(counts);
                for session in self.core.subscribers() {
                    if let Some(member) = self.sessions.get(&session) {
                        member.outbox.push_counts(&counts);
                    }
                }
            }
            Effect::Open(track, traits) => self.open_source(track, traits),
            Effect::Make {
                track,
                from,
                rendition,
                traits,
            } => {
                self.open(track, traits);
                self.make(track, from, rendition);
            }
            Effect::Move(from, to) => self.move_listeners(from, to),
            Effect::Close(track) => self.close(track),
            Effect::Attach(session, track, back) => self.attach(session, track, back),
            Effect::Detach(session) => self.detach(session),
            Effect::End(source, code) => {
                if let Some(feed) = self.feeds.remove(&source) {
                    feed.end(code);
                }
            }
            Effect::Ring(station) => {
                if let Some(bell) = self.bells.get(&station) {
                    bell.ring();
                }
            }
            Effect::Cover(source, covered) => {
                if let Some(feed) = self.feeds.get(&source) {
                    feed.set_covered(covered);
                }
            }
            Effect::AskAside(source) => {
                if let Some(feed) = self.feeds.get(&source) {
                    feed.way.request();
                }
            }
            Effect::EndCarried(station) => self.players.stopped(&station),
            Effect::Happened(station, what) => self.follow(&station, what),
        }
    }

    /// Queues a reply.
    pub(super) fn reply(&self, session: SessionId, reply: &Reply) {
        if let Some(member) = self.sessions.get(&session) {
            member.outbox.push(Lane::Control, Frame::from(reply));
        }
    }

    /// What a new source's datagrams go through.
    pub(super) fn feed(&mut self, published: &Published) -> Arc<Feed> {
        // The track of a publish is opened by one of the effects that wait.
        self.settle();
        let live = self
            .tracks
            .get(&published.track.id)
            .expect("a source's track is open");
        let mut feed = Feed::new(
            published.source,
            published.track.params,
            Arc::clone(&live.track),
            Arc::clone(&published.clock),
        );
        feed.ear = self.listen_for_dead_air(published);
        let feed = Arc::new(feed);
        // Those that ended by themselves.
        self.feeds.retain(|source, _| self.core.has_source(*source));
        self.feeds.insert(published.source, Arc::clone(&feed));
        feed
    }

    /// How loud the station is, while that is measured.
    pub(super) fn loudness(&self, id: &StationId, now: Now) -> Option<transcoder::Loudness> {
        let (_, track, _) = self.core.on_air(id, now)?;
        self.tracks.get(&track)?.transcoder.as_ref()?.loudness()
    }

    pub(super) fn subscribe_all(
        &mut self,
        session: SessionId,
        wanted: &[SubscribeParams],
        bytes_max: usize,
        now: Now,
    ) -> Vec<Subscribed> {
        let mut seen = BTreeSet::new();
        let mut subscribe = |params: &SubscribeParams| {
            let subscribed = if seen.insert(params.channel.clone()) {
                self.subscribe(session, params, bytes_max, now)
            } else {
                Err(Error::new(
                    ErrorCode::BadRequest,
                    "this channel is named twice",
                ))
            };
            let refused = |error| Subscribed::refused(echo(&params.channel), error);
            subscribed.unwrap_or_else(refused)
        };
        wanted.iter().map(&mut subscribe).collect()
    }

    pub(super) fn subscribe(
        &mut self,
        session: SessionId,
        params: &SubscribeParams,
        bytes_max: usize,
        now: Now,
    ) -> Result<Subscribed, Error> {
        known_channel(&params.channel)?;
        let position = params.epoch.as_deref().zip(params.offset);
        Ok(self.core.subscribe(session, position, bytes_max, now))
    }

    /// Takes the session off its track.
    pub(super) fn detach(&mut self, session: SessionId) {
        let Some(member) = self.sessions.get_mut(&session) else {
            return;
        };
        let track = member.track.take();
        if let Some(live) = track.and_then(|track| self.tracks.get(&track)) {
            live.track.detach(&member.listener);
        }
    }

    /// Completes the answer to `listen` by where one begins who goes back.
    pub(super) fn look_back(&self, result: &mut ListenResult, rewind: Duration) {
        let most = Duration::from_millis(result.station.rewind_ms);
        let live = result.track.as_ref();
        let live = live.and_then(|track| self.tracks.get(&track.id));
        let begin = live.and_then(|live| live.track.begin(rewind.min(most)));
        if let Some(begin) = begin.filter(|_| !rewind.is_zero() && !most.is_zero()) {
            result.rewind_ms = begin.behind.as_millis() as u64;
            result.timestamp = Some(begin.timestamp);
        }
    }

    fn attach(&mut self, session: SessionId, track: TrackId, back: Option<Back>) {
        self.detach(session);
        let member = self.sessions.get_mut(&session);
        let live = self.tracks.get(&track);
        if let (Some(member), Some(live)) = (member, live) {
            match back {
                Some(back) => live
                    .track
                    .attach_back(&member.listener, back, Instant::now()),
                None => live.track.attach(&member.listener),
            }
            member.track = Some(track);
        }
    }

    fn tell(&self, audience: &Audience, lane: Lane, push: &Push) {
        let frame = Frame::durable(push);
        let tell = |session: SessionId| {
            if let Some(member) = self.sessions.get(&session) {
                member.outbox.push(lane, frame.clone());
            }
        };
        match audience {
            Audience::Session(session) => tell(*session),
            Audience::Listeners(station) => self.core.listeners(station).for_each(tell),
            Audience::Subscribers => self.core.subscribers().for_each(tell),
        }
    }

    fn open_source(&mut self, id: TrackId, traits: Traits) {
        self.open(id, traits);
        let live = self.tracks.get_mut(&id);
        if let Some(live) = live.filter(|live| live.is_measured()) {
            live.transcoder = Transcoder::start(&live.track, live.loudness, &self.metrics);
        }
    }

    fn open(&mut self, id: TrackId, traits: Traits) {
        let time = traits.kept;
        let kept = Kept {
            time,
            bytes: match time.is_zero() {
                true => 0,
                false => self.rewind_bytes,
            },
        };
        let track = Track::new(id, kept, Arc::clone(&self.metrics));
        let live = Live {
            track,
            transcoder: None,
            loudness: traits.loudness,
        };
        self.tracks.insert(id, live);
    }

    fn make(&mut self, id: TrackId, from: TrackId, rendition: transcoder::Rendition) {
        let made = self.tracks.get(&id).map(|live| Arc::clone(&live.track));
        let source = self.tracks.get_mut(&from);
        if let (Some(source), Some(made)) = (source, made) {
            if source.transcoder.is_none() {
                let (track, loudness) = (&source.track, source.loudness);
                source.transcoder = Transcoder::start(track, loudness, &self.metrics);
            }
            if let Some(transcoder) = &mut source.transcoder {
                transcoder.add(rendition, &made);
            }
        }
    }

    fn move_listeners(&mut self, from: TrackId, to: TrackId) {
        if let (Some(from), Some(to)) = (self.tracks.get(&from), self.tracks.get(&to)) {
            from.track.move_listeners(&to.track);
            self.players.moved(from.track.id(), to.track.id());
        }
        // It takes its source's packets as a listener of that track, which moved.
        let transcoder = self.tracks.get_mut(&from);
        let transcoder = transcoder.and_then(|live| live.transcoder.take());
        if let (Some(live), Some(transcoder)) = (self.tracks.get_mut(&to), transcoder) {
            // What was heard so far counts on.
            let own = live.transcoder.replace(transcoder);
            if let Some(own) = own {
                own.leave(&live.track);
            }
        }
        for member in self.sessions.values_mut() {
            if member.track == Some(from) {
                member.track = Some(to);
            }
        }
    }

    fn close(&mut self, id: TrackId) {
        let Some(live) = self.tracks.remove(&id) else {
            return;
        };
        live.track.close();
        self.players.closed(id);
        for source in self.tracks.values_mut() {
            let measured = source.is_measured();
            let transcoder = source.transcoder.as_mut();
            let unused =
                transcoder.is_some_and(|made| made.remove(id) && made.is_idle() && !measured);
            if let Some(transcoder) = source.transcoder.take_if(|_| unused) {
                transcoder.leave(&source.track);
            }
        }
        for member in self.sessions.values_mut() {
            if member.track == Some(id) {
                member.track = None;
            }
        }
    }
}

impl Live {
    /// Whether its sound is measured though no rendition may be made of it.
    fn is_measured(&self) -> bool {
        self.loudness.is_some_and(|loudness| loudness.measure)
    }
}

/// Whether it is a channel sessions can subscribe.
pub(super) fn known_channel(channel: &str) -> Result<(), Error> {
    if channel == STATIONS_CHANNEL {
        return Ok(());
    }
    let id = channel
        .strip_prefix("station:")
        .map(str::parse::<StationId>);
    let message = match id {
        Some(Ok(_)) => "a station's channel comes with listen and publish",
        _ => "there is no such channel",
    };
    Err(Error::new(ErrorCode::UnknownChannel, message))
}

pub(crate) fn not_listening() -> Error {
    Error::new(ErrorCode::NotListening, "this session listens to nothing")
}
