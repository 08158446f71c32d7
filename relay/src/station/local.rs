//! A source inside the process: the demo station, later recordings and HTTP sources.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wire::StationId;
use wire::audio::{Copies, Datagram, SendTime};
use wire::message::{Metadata, PublishEndCode, TrackParams};

use super::Stations;
use super::core::{About, Published};
use super::effect::SourceId;
use super::ingest::Feed;
use crate::clock::Now;
use crate::fanout::Packet;

/// What a source announces.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The station to be the source of.
    pub station: StationId,
    /// What the packets are.
    pub track: TrackParams,
    /// The station's name for people; none leaves it as it is.
    pub name: Option<String>,
    /// A sentence about the station; none leaves it as it is.
    pub description: Option<String>,
    /// What plays first.
    pub metadata: Option<Metadata>,
    /// Whether to replace a source that is on air.
    pub takeover: bool,
}

/// Another source took over; this one sends no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the publish has ended: {0:?}")]
pub struct PublishEnded(pub PublishEndCode);

/// A station's source inside the process. Dropping it stops the station.
#[derive(Debug)]
pub struct LocalSource {
    stations: Arc<Stations>,
    feed: Arc<Feed>,
    sequence: u64,
    timestamp: u64,
    followed_at: Instant,
    /// Whether a stand-in plays over it, or did until a moment ago.
    covered: bool,
}

impl LocalSource {
    pub(super) fn new(
        stations: Arc<Stations>,
        feed: Arc<Feed>,
        published: &Published,
        now: Now,
    ) -> Self {
        Self {
            stations,
            feed,
            sequence: published.sequence,
            timestamp: published.timestamp,
            followed_at: now.instant,
            covered: false,
        }
    }

    /// Sends the next Opus packet; it gets the next sequence number and the
    /// next timestamp, one frame after the last. The caller keeps the pace.
    ///
    /// Never waits: every listener is served before it returns, about a
    /// microsecond each. Packets that fit no datagram are left out.
    pub fn send(&mut self, packet: &[u8]) -> Result<(), PublishEnded> {
        self.send_lasting(packet, self.feed.params.frame_samples() as u32)
    }

    /// The same for a packet of another duration than the track's, in samples at 48 kHz.
    pub fn send_lasting(&mut self, packet: &[u8], samples: u32) -> Result<(), PublishEnded> {
        self.check()?;
        let now = Now::read();
        self.follow_cover();
        let datagram = Datagram {
            track: self.feed.track.id(),
            sequence: self.sequence,
            timestamp: self.timestamp,
            send_time: SendTime::from_server_time(now.unix_us),
            copies: Copies::none(),
            packet,
        };
        let end = self.timestamp + u64::from(samples);
        let packet = Packet::encode(self.feed.params.frame_us, &datagram);
        if let Ok(packet) = &packet {
            self.feed.hear(packet);
            self.stations.metrics.datagrams_in.inc();
        }
        if self.covered {
            self.timestamp = end;
            return Ok(());
        }
        if let Ok(packet) = &packet {
            self.feed.track.fan_out(packet);
        }
        self.feed.clock.passed(self.sequence, end);
        let since = now.instant.saturating_duration_since(self.followed_at);
        if since >= Duration::from_millis(250) {
            self.feed.clock.follow(self.timestamp, now.instant, since);
            self.followed_at = now.instant;
        }
        self.sequence += 1;
        self.timestamp = end;
        Ok(())
    }

    /// Media time of the next packet's first sample, in samples at 48 kHz.
    #[must_use]
    pub fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// Leaves out so many samples at 48 kHz: listeners hear a pause. For a source
    /// that fell behind and goes on in the present.
    pub fn skip(&mut self, samples: u64) {
        self.timestamp += samples;
    }

    /// Tells what plays, from `metadata.timestamp` on or else from the next packet on.
    /// Metadata announced more than 10 minutes ahead is left out.
    pub fn set_metadata(&mut self, mut metadata: Metadata) -> Result<(), PublishEnded> {
        self.check()?;
        metadata.timestamp.get_or_insert(self.timestamp);
        if let Err(error) = self.stations.update_metadata(self.feed.source, metadata) {
            tracing::warn!(%error, "metadata of a local source left out");
        }
        Ok(())
    }

    /// Tells what the source says about its station.
    pub(crate) fn describe(&self, about: About) {
        self.stations.describe(self.feed.source, about);
    }

    /// Which publish it is.
    pub(crate) fn id(&self) -> SourceId {
        self.feed.source
    }

    /// What its packets are: a stand-in's are made such that the track goes on.
    #[must_use]
    pub fn params(&self) -> TrackParams {
        self.feed.params
    }

    /// Whether a stand-in is to fade out and then say so with [`LocalSource::step_aside`],
    /// for another source waits. Never of any other source.
    #[must_use]
    pub fn is_asked_aside(&self) -> bool {
        self.feed.way.is_asked()
    }

    /// Lets the source that waits go on air. The stand-in is ended when it does; until
    /// then it sends nothing.
    pub fn step_aside(&self) {
        self.feed.way.give();
        self.stations.uncover(self.feed.source);
    }

    /// Goes on, because the source that waited did not come.
    pub fn step_back(&self) {
        self.feed.way.keep();
    }

    /// Whether another source is on air in its place.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.feed.ended().is_some()
    }

    /// Goes without a word: the station waits for a source to return.
    pub fn lose(self) {
        self.stations.lose(self.feed.source);
    }

    /// Goes without saying whether it returns: a stand-in follows at once; without one the
    /// station waits.
    pub(crate) fn leave(self) {
        self.stations.source_left(self.feed.source);
    }

    /// Behind a stand-in that played over it, it goes on with the numbers that follow.
    fn follow_cover(&mut self) {
        if self.feed.is_covered() {
            self.covered = true;
        } else if self.covered {
            let (next, end) = self.feed.clock.end();
            if self.timestamp >= end {
                self.sequence = next;
                self.covered = false;
            }
        }
    }

    fn check(&self) -> Result<(), PublishEnded> {
        self.feed
            .ended()
            .map_or(Ok(()), |code| Err(PublishEnded(code)))
    }
}

impl Drop for LocalSource {
    fn drop(&mut self) {
        if self.feed.ended().is_none() {
            self.stations.unpublish(self.feed.source);
        }
    }
}
