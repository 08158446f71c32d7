//! One packet to many listeners.
//!
//! A [`Track`] is a list of listeners that is copied when somebody joins or
//! leaves and read without a lock when a packet passes. Nothing in
//! [`Track::fan_out`] waits, allocates per listener or takes a lock that
//! listeners share; what a listener cannot take now is that listener's loss.
//! Listeners on WebTransport sit in a [`Crowd`], which is given a packet once
//! for all of them; the others are served in a plain loop.
//!
//! Listeners on bad networks take packets with copies of earlier ones, those who
//! would rather wait take several in one: one encoding per [`Level`], made when the
//! first of its listeners is served and shared by all of them. What was lost
//! nevertheless they ask for.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use bytes::{BufMut, Bytes, BytesMut};
use wire::TrackId;
use wire::audio::{Copy, Datagram, EncodeError};

use crate::metrics::Metrics;

mod bundle;
mod crowd;
mod level;
pub(crate) mod queue;
pub(crate) mod rendition;
mod repair;
mod rewind;
mod ring;

use bundle::Bundles;
use crowd::{Audience, Levels};
pub(crate) use crowd::{Crowd, Encodings, Made, Seat};
pub(crate) use level::Level;
use repair::Repair;
use rewind::Past;
pub(crate) use ring::Kept;
use ring::Ring;

/// One datagram as every listener of its track gets it.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    /// The track it belongs to.
    pub(crate) track: TrackId,
    /// Its number within the track.
    pub(crate) sequence: u64,
    /// The media time of its first sample.
    pub(crate) timestamp: u64,
    /// Microseconds one packet of the track lasts, for bounds in time.
    pub(crate) frame_us: u32,
    /// A zero byte, the HTTP/3 datagram prefix of session 0, and then the datagram.
    prefixed: Bytes,
}

/// Takes packets for one listener. Implementations never wait.
pub(crate) trait Sink: Send + Sync + 'static {
    /// Queues a packet, displacing the oldest ones when the listener is behind.
    fn send(&self, packet: &Packet) -> Sent;

    /// Its place in a crowd, when it is not served one by one. Then [`send`](Self::send)
    /// is for what goes to it alone.
    fn seat(&self) -> Option<&dyn Seat> {
        None
    }
}

/// What became of a packet and of those queued before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is on its way.
    Queued,
    /// It is, and so many older ones were dropped for it.
    Displaced(u32),
    /// It was dropped: it does not fit the path, or the listener is gone.
    Refused,
    /// It is on no way out: taken within the process, or not wanted any more.
    Aside,
}

/// Somebody who takes the packets of at most one track at a time.
pub(crate) struct Listener {
    sink: Box<dyn Sink>,
    tuned: Arc<Tuned>,
    /// A [`Level`].
    level: AtomicU8,
    repair: Mutex<Repair>,
    dropped: AtomicU64,
}

/// The track a listener is on, 0 for none. A packet of another track that is still
/// under way on another thread stops here, or where the transport looks again.
#[derive(Debug, Default)]
pub(crate) struct Tuned(AtomicU32);

/// The listeners of one series of packets.
#[derive(Debug)]
pub(crate) struct Track {
    id: TrackId,
    audience: ArcSwap<Audience>,
    levels: Levels,
    bundles: Bundles,
    /// What passed last, from the first packet on.
    ring: OnceLock<Ring>,
    kept: Kept,
    /// Who hears what passed before.
    past: Past,
    metrics: Arc<Metrics>,
}

impl Packet {
    /// Copies the bytes a datagram was read from.
    pub(crate) fn copy_from(frame_us: u32, datagram: &Datagram<'_>, bytes: &[u8]) -> Self {
        let place = (datagram.sequence, datagram.timestamp);
        Self::prefix(datagram.track, place, frame_us, bytes)
    }

    /// Encodes a datagram.
    pub(crate) fn encode(frame_us: u32, datagram: &Datagram<'_>) -> Result<Self, EncodeError> {
        Self::encode_with(frame_us, datagram, datagram.copies.into_iter())
    }

    /// Encodes a datagram with `copies` in place of its own.
    fn encode_with<'a>(
        frame_us: u32,
        datagram: &Datagram<'_>,
        copies: impl Iterator<Item = Copy<'a>>,
    ) -> Result<Self, EncodeError> {
        let mut bytes =
            Vec::with_capacity(1 + wire::audio::HEADER_BYTES_MAX + datagram.packet.len());
        bytes.push(0);
        datagram.encode_with(copies, &mut bytes)?;
        Ok(Self {
            track: datagram.track,
            sequence: datagram.sequence,
            timestamp: datagram.timestamp,
            frame_us,
            prefixed: bytes.into(),
        })
    }

    /// A datagram that is no sound, for the source of a track.
    pub(crate) fn request(track: TrackId, frame_us: u32, bytes: &[u8]) -> Self {
        Self::prefix(track, (0, 0), frame_us, bytes)
    }

    fn prefix(
        track: TrackId,
        (sequence, timestamp): (u64, u64),
        frame_us: u32,
        datagram: &[u8],
    ) -> Self {
        let mut bytes = BytesMut::with_capacity(1 + datagram.len());
        bytes.put_u8(0);
        bytes.put_slice(datagram);
        Self {
            track,
            sequence,
            timestamp,
            frame_us,
            prefixed: bytes.freeze(),
        }
    }

    /// The datagram behind a zero byte: what a WebTransport session with id 0 sends.
    pub(crate) fn prefixed(&self) -> &Bytes {
        &self.prefixed
    }

    /// The datagram alone.
    pub(crate) fn datagram(&self) -> Bytes {
        self.prefixed.slice(1..)
    }
}

impl Listener {
    /// `tuned` is shared with the sink when that looks again before it sends.
    pub(crate) fn new(sink: Box<dyn Sink>, tuned: Arc<Tuned>) -> Arc<Self> {
        Arc::new(Self {
            sink,
            tuned,
            level: AtomicU8::new(Level::default() as u8),
            repair: Mutex::default(),
            dropped: AtomicU64::new(0),
        })
    }

    /// How it takes packets from the next one on.
    pub(crate) fn set_level(&self, level: Level) {
        // Held throughout, so that the track counts what the listener takes.
        let repair = self.repair();
        let before = self.level();
        self.level.store(level as u8, Ordering::Relaxed);
        let Some(seat) = self.sink.seat() else {
            return;
        };
        if repair.is_seated
            && let Some(track) = repair.track.upgrade()
        {
            track.levels.add(level);
            track.levels.remove(before);
        }
        seat.set_level(level);
    }

    /// Takes more or less against loss from the next packet on. In bundles nothing travels
    /// for that, and there is nothing to change.
    pub(crate) fn set_redundancy(&self, level: Level) {
        if self.level().bundle() == 1 {
            self.set_level(level);
        }
    }

    /// Asks the source at the other end for packets; it need not listen to anything.
    pub(crate) fn ask(&self, request: &Packet) {
        self.sink.send(request);
    }

    fn level(&self) -> Level {
        Level::from_number(self.level.load(Ordering::Relaxed)).unwrap_or_default()
    }

    fn repair(&self) -> MutexGuard<'_, Repair> {
        self.repair.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Packets dropped for this listener so far, as far as is known.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Tells of packets that were dropped further on.
    pub(crate) fn count_dropped(&self, packets: u64) {
        self.dropped.fetch_add(packets, Ordering::Relaxed);
    }

    /// The listener is on that track from now on, or on none.
    fn turn_to(&self, track: Option<&Arc<Track>>) {
        self.turn(track, track.is_some());
    }

    /// The listener is on that track, but takes what is sent to it alone.
    fn turn_back_on(&self, track: &Arc<Track>) {
        self.turn(Some(track), false);
    }

    fn turn(&self, track: Option<&Arc<Track>>, is_live: bool) {
        let mut repair = self.repair();
        let seat = self.sink.seat();
        if repair.is_seated
            && let Some(before) = repair.track.upgrade()
        {
            before.levels.remove(self.level());
        }
        *repair = Repair::on(track, seat.is_some() && is_live);
        self.tuned.set(track.map(|track| track.id));
        match (seat, track) {
            (Some(seat), Some(track)) if is_live => {
                track.levels.add(self.level());
                seat.take(track.id);
            }
            (Some(seat), _) => seat.leave(),
            (None, _) => {}
        }
    }

    fn send(&self, packet: &Packet) -> Sent {
        if !self.tuned.is_to(packet.track) {
            return Sent::Aside;
        }
        let sent = self.sink.send(packet);
        match sent {
            Sent::Queued | Sent::Aside => {}
            Sent::Displaced(count) => {
                self.dropped.fetch_add(count.into(), Ordering::Relaxed);
            }
            Sent::Refused => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        sent
    }
}

impl Tuned {
    /// Whether packets of that track are wanted now.
    pub(crate) fn is_to(&self, track: TrackId) -> bool {
        self.0.load(Ordering::Acquire) == track.number()
    }

    fn set(&self, track: Option<TrackId>) {
        self.0
            .store(track.map_or(0, TrackId::number), Ordering::Release);
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

impl Track {
    /// A track that keeps so much of what it carries.
    pub(crate) fn new(id: TrackId, kept: Kept, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            id,
            audience: ArcSwap::default(),
            levels: Levels::default(),
            bundles: Bundles::default(),
            ring: OnceLock::new(),
            kept,
            past: Past::default(),
            metrics,
        })
    }

    pub(crate) fn id(&self) -> TrackId {
        self.id
    }

    /// Gives the packet to every listener: to the crowd at once, to others one by one.
    pub(crate) fn fan_out(&self, packet: &Packet) {
        debug_assert_eq!(packet.track, self.id, "a track carries its own packets");
        let ring = self
            .ring
            .get_or_init(|| Ring::new(packet.frame_us, self.kept));
        ring.put(packet);
        let mut encodings = Encodings::new(packet, ring, &self.bundles);
        let audience = self.audience.load();
        let (mut queued, mut dropped) = (0, 0);
        if let Some(crowd) = audience.crowd() {
            queued += audience.seated.len() as u64;
            for level in Level::MADE {
                let listeners = self.levels.count(level);
                if listeners > 0 && encodings.make(level).is_none() {
                    queued = queued.saturating_sub(listeners.into());
                }
            }
            crowd.send(&encodings);
        }
        for listener in &audience.single {
            let Some(packet) = encodings.make(listener.level()) else {
                continue;
            };
            match listener.send(packet) {
                Sent::Queued => queued += 1,
                Sent::Displaced(count) => {
                    queued += 1;
                    dropped += u64::from(count);
                }
                Sent::Refused => dropped += 1,
                Sent::Aside => {}
            }
        }
        self.metrics.datagrams_out.inc_by(queued);
        if dropped > 0 {
            self.metrics.datagrams_dropped.inc_by(dropped);
        }
    }

    /// The last second of it, in order.
    pub(crate) fn recent(&self) -> Vec<Arc<Packet>> {
        let ring = self.ring.get();
        ring.map(|ring| ring.last(48_000)).unwrap_or_default()
    }

    /// Starts the packets of this track for a listener who takes none.
    pub(crate) fn attach(self: &Arc<Self>, listener: &Arc<Listener>) {
        // In the list first: whoever is told to take the track finds its level encoded.
        self.audience.rcu(|before| before.with(listener));
        listener.turn_to(Some(self));
    }

    /// Stops them. Once this returns the listener is tuned to nothing.
    pub(crate) fn detach(&self, listener: &Arc<Listener>) {
        if !listener.tuned.is_to(self.id) {
            return;
        }
        listener.turn_to(None);
        if self.past.leave(listener) {
            return;
        }
        self.audience.rcu(|before| before.without(listener));
    }

    /// Stops them for everyone.
    pub(crate) fn close(&self) {
        let past = self.past.take();
        for listener in self.audience.swap(Arc::default()).all().chain(&past) {
            listener.turn_to(None);
        }
    }

    /// Moves all listeners to another track, which must have none.
    pub(crate) fn move_listeners(&self, to: &Arc<Self>) {
        // What the other track carried before is not there: they all hear the present.
        let mut audience = self.audience.swap(Arc::default());
        for listener in self.past.take() {
            audience = Arc::new(audience.with(&listener));
        }
        for listener in audience.all() {
            listener.turn_to(Some(to));
        }
        to.audience.store(audience);
    }
}

#[cfg(test)]
mod tests;
