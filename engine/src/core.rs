//! The engine without sockets, threads and clocks.

mod admission;
mod arrivals;
mod fast;
mod incoming;
mod outgoing;
mod session;
#[cfg(test)]
mod tests;
mod tracks;
mod turns;
mod wheel;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use quinn_proto::{ConnectionEvent, DatagramEvent, Endpoint, Transmit};
use rand::{RngCore, SeedableRng, rngs::StdRng};
use wire::TrackId;

use crate::batch::Batch;
use crate::config::{self, Config, ConfigError, Secrets};
use crate::message::{Command, Event, Frames, SessionId};
use admission::Admission;
use arrivals::Waiting;
use fast::Cids;
use session::{Context, Session};
use tracks::Tracks;
#[cfg(any(test, feature = "testing"))]
pub(crate) use wheel::Wheel;
#[cfg(not(any(test, feature = "testing")))]
use wheel::Wheel;

/// All sessions of one thread, driven in whatever time its caller keeps.
///
/// Input goes in by `handle_*`; after any of it, call [`poll_transmit`](Self::poll_transmit)
/// and send until it says that nothing is left, take the events with
/// [`poll_event`](Self::poll_event), and come back with
/// [`handle_timeouts`](Self::handle_timeouts) at [`next_timeout`](Self::next_timeout).
///
/// Time must not run backwards between calls. Fan-out happens inside `poll_transmit`:
/// each listener's connection is touched once, and goes from a queued frame to an
/// encrypted packet while it is in the processor's cache.
pub struct Core {
    config: Arc<Config>,
    endpoint: Endpoint,
    thread: u8,
    generation: u32,
    /// By quinn's handle, which is its slot in a slab.
    sessions: Vec<Option<Box<Session>>>,
    tracks: Tracks,
    wheel: Wheel,
    admission: Admission,
    waiting: Waiting,
    events: VecDeque<Event>,
    /// Connections to poll for packets.
    dirty: VecDeque<u32>,
    /// Sessions with input waiting for room among the events.
    stalled: VecDeque<u32>,
    /// Packets of no connection: retries, version negotiation, resets.
    responses: VecDeque<(Transmit, Vec<u8>)>,
    /// Listeners with packets put off, and until when at most.
    deferred: VecDeque<(Instant, u32)>,
    /// By connection id, of those that have sent a packet with it.
    cids: Cids,
    /// Received packets are copied behind each other into blocks of this size, which quinn
    /// holds slices of: one allocation for hundreds of packets.
    arena: BytesMut,
    opened: BytesMut,
    scratch: Vec<u8>,
    due: Vec<usize>,
    stats: Stats,
}

/// What a core has done since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections now, those in handshake and those draining included.
    pub sessions: usize,
    /// Of these, in handshake or without a request yet.
    pub handshakes: usize,
    /// Frames queued for listeners: one per frame and listener.
    pub frames_sent: u64,
    /// Frames dropped before fan-out because the thread was behind.
    pub frames_behind: u64,
    /// Frames dropped for single listeners: too old, or too large for their path.
    pub frames_dropped: u64,
    /// UDP datagrams sent.
    pub packets_sent: u64,
    /// UDP datagrams received.
    pub packets_received: u64,
    /// Of the datagrams sent, those that went past quinn.
    pub fast_sent: u64,
    /// Of the datagrams received likewise.
    pub fast_received: u64,
    /// First packets answered with a retry.
    pub retried: u64,
    /// First packets refused or dropped.
    pub refused: u64,
    /// Connections that ended before they asked for a session.
    pub handshakes_failed: u64,
}

/// Packets up to this size are taken for acknowledgements: header and tag take 27 bytes.
pub(crate) const SMALL_BYTES: usize = 56;

const ARENA_BYTES: usize = 64 * 1024;

/// Small packets put off for one listener; one more brings them all to attention.
const DEFERRED_MAX: usize = 3;

/// The longest they wait: an interval of the usual frames, and a little.
const DEFERRED_FOR: Duration = Duration::from_millis(22);

impl Core {
    /// A core for one thread. `generation` tells its sessions from those of a core that
    /// had this thread before; `seed` is secret and different for each core.
    pub fn new(
        config: Arc<Config>,
        secrets: &Secrets,
        thread: u8,
        generation: u32,
        seed: [u8; 32],
        now: Instant,
    ) -> Result<Self, ConfigError> {
        let mut rng = StdRng::from_seed(seed);
        let mut quic_seed = [0; 32];
        rng.fill_bytes(&mut quic_seed);
        let (endpoint, server) = config::quic(&config, secrets, thread, quic_seed)?;
        rng.fill_bytes(&mut quic_seed);
        Ok(Self {
            endpoint: Endpoint::new(
                Arc::new(endpoint),
                Some(Arc::new(server)),
                false,
                Some(quic_seed),
            ),
            thread,
            generation,
            sessions: Vec::new(),
            tracks: Tracks::default(),
            wheel: Wheel::new(now),
            admission: Admission::new(now, &config),
            waiting: Waiting::new(),
            events: VecDeque::new(),
            dirty: VecDeque::new(),
            stalled: VecDeque::new(),
            responses: VecDeque::new(),
            deferred: VecDeque::new(),
            cids: Cids::default(),
            arena: BytesMut::with_capacity(ARENA_BYTES),
            opened: BytesMut::new(),
            scratch: Vec::new(),
            due: Vec::new(),
            stats: Stats::default(),
            config,
        })
    }

    /// Takes one UDP datagram. `local` is the address it was sent to, when known.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        local: Option<IpAddr>,
        bytes: &[u8],
    ) {
        self.stats.packets_received += 1;
        if self.open_fast(remote, bytes) {
            self.stats.fast_received += 1;
            return;
        }
        self.scratch.clear();
        let len = bytes.len();
        if self.arena.capacity() < len {
            // The old block lives on in what quinn holds of it, and comes back here when
            // that is nothing.
            self.arena.reserve(ARENA_BYTES);
        }
        self.arena.extend_from_slice(bytes);
        let copy = self.arena.split();
        let event = self
            .endpoint
            .handle(now, remote, local, None, copy, &mut self.scratch);
        match event {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                self.learn(handle.0, bytes);
                self.packet(now, handle.0, event, len);
            }
            Some(DatagramEvent::NewConnection(incoming)) => self.admit(now, incoming),
            Some(DatagramEvent::Response(transmit)) => self.respond(transmit),
            None => {}
        }
    }

    /// Passes a packet on, at once or, when it looks like a listener's acknowledgement,
    /// with the next frame: then the connection is in the processor's cache anyway, and
    /// one poll serves both. It keeps the time it came at.
    fn packet(&mut self, now: Instant, slot: usize, event: ConnectionEvent, len: usize) {
        let Some(Some(session)) = self.sessions.get_mut(slot) else {
            return;
        };
        // Of those on the fast way few come here, and each keeps its next frame off that way.
        let is_listening =
            session.membership.is_some() && session.is_open() && !session.is_fast(now);
        if is_listening && len <= SMALL_BYTES && session.deferred.len() < DEFERRED_MAX {
            if session.deferred.is_empty() {
                session.deferred_since = now;
            }
            session.deferred.push(event);
            if !std::mem::replace(&mut session.is_deferred, true) {
                self.deferred.push_back((now + DEFERRED_FOR, slot as u32));
            }
            return;
        }
        session.absorb();
        session.conn.handle_event(event);
        self.after_input(now, slot);
    }

    /// Whether new connections are refused, those established left alone: for when the
    /// thread has no time left, so that the sound of those it has does not come late.
    pub fn set_full(&mut self, is_full: bool) {
        self.admission.set_full(is_full);
    }

    /// What [`set_full`](Self::set_full) said last.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.admission.is_full()
    }

    /// Does what a command says.
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        let id = command.session();
        let slot = id.slot();
        if self.session(id).is_none_or(Session::is_over) {
            return;
        }
        match command {
            Command::Join { track, .. } => self.join(slot, track),
            Command::Leave { .. } => self.leave(slot),
            Command::Level { level, .. } => {
                if let Some(Some(session)) = self.sessions.get_mut(slot) {
                    session.level = level;
                }
            }
            command => {
                if let Some(Some(session)) = self.sessions.get_mut(slot) {
                    let mut context = Context {
                        now,
                        config: &self.config,
                        events: &mut self.events,
                    };
                    session.absorb();
                    session.handle_command(&mut context, command);
                    self.after_input(now, slot);
                }
            }
        }
    }

    /// Queues a frame for everybody who joined the track. It goes out with the following
    /// polls; frames beyond [`Config::frames_behind_max`] push out the oldest.
    pub fn handle_frame(&mut self, track: TrackId, frame: impl Into<Frames>) {
        let waiting_max = self.config.frames_behind_max;
        let dropped = self.tracks.push(track, frame.into(), waiting_max);
        self.stats.frames_behind += dropped as u64;
    }

    /// Fires the timers that are due.
    pub fn handle_timeouts(&mut self, now: Instant) {
        self.handle_deferred(now);
        self.admit_waiting(now);
        let mut due = std::mem::take(&mut self.due);
        self.wheel.expire(now, &mut due);
        for slot in due.drain(..) {
            if let Some(Some(session)) = self.sessions.get_mut(slot) {
                let mut context = Context {
                    now,
                    config: &self.config,
                    events: &mut self.events,
                };
                session.absorb();
                session.handle_timeout(&mut context);
                self.after_input(now, slot);
            }
        }
        self.due = due;
    }

    /// When [`handle_timeouts`](Self::handle_timeouts) wants to be called; it may find
    /// nothing to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let deferred = self.deferred.front().map(|(due, _)| *due);
        let all = [self.wheel.next_deadline(), deferred, self.next_turn()];
        all.into_iter().flatten().min()
    }

    /// Fills `batch` with packets. Returns whether there are more to fetch.
    pub fn poll_transmit(&mut self, now: Instant, batch: &mut Batch) -> bool {
        self.resume_stalled(now);
        while !batch.is_full() {
            if let Some((transmit, bytes)) = self.responses.pop_front() {
                batch.push(|buffer| {
                    buffer.extend_from_slice(&bytes);
                    Some((transmit.destination, transmit.src_ip))
                });
            } else if let Some(slot) = self.dirty.pop_front() {
                // A fan-out in between may have polled it.
                if matches!(self.sessions.get(slot as usize), Some(Some(session)) if session.is_dirty)
                {
                    self.poll_session(now, slot as usize, batch);
                }
            } else if !self.fan_out_next(now, batch) {
                break;
            }
        }
        !self.dirty.is_empty() || !self.responses.is_empty() || self.tracks.has_frames()
    }

    /// Closes every connection at once. To part in peace, close sessions one by one
    /// before, each with its code.
    pub fn shut_down(&mut self, now: Instant) {
        self.end_all(now, None);
    }

    /// Closes every connection at once, those with a session with that code.
    pub(crate) fn end_all(&mut self, now: Instant, code: Option<u32>) {
        for slot in 0..self.sessions.len() {
            if let Some(Some(session)) = self.sessions.get_mut(slot) {
                let mut context = Context {
                    now,
                    config: &self.config,
                    events: &mut self.events,
                };
                session.absorb();
                session.abandon(&mut context, code);
                self.after_input(now, slot);
            }
        }
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Counters since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            sessions: self.admission.sessions(),
            handshakes: self.admission.handshakes(),
            ..self.stats
        }
    }

    /// The session of that id while it lives.
    fn session(&self, id: SessionId) -> Option<&Session> {
        let session = self.sessions.get(id.slot())?.as_deref()?;
        (session.id == id).then_some(session)
    }
}

impl Drop for Core {
    /// quinn wants to be told of each first packet what became of it.
    fn drop(&mut self) {
        for (_, incoming) in self.waiting.drain(..) {
            self.endpoint.ignore(incoming);
        }
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("thread", &self.thread)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
