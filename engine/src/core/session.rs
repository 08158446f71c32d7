//! One connection and the WebTransport session on it.

mod closing;
mod datagrams;
mod requests;
mod streams;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quinn_proto::{
    Connection, ConnectionError, ConnectionEvent, Dir, Event as QuicEvent, StreamEvent, StreamId,
    VarInt,
};

use super::fast::Fast;
use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::tracks::Membership;
use crate::config::Config;
use crate::h3::{self, H3Error};
use crate::message::{Cause, Command, Event, Lane, SessionId, Summary, UNI_LANES};

/// Where a connection is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No WebTransport request yet.
    Arriving,
    /// Requested, and the answer is up to whoever serves.
    Asked,
    Open,
    /// Delivering what was written: first the lanes, then the close capsule.
    Closing {
        code: u32,
        told: bool,
    },
    /// QUIC's closing and draining.
    Over,
}

pub(super) struct Session {
    pub(super) conn: Connection,
    pub(super) id: SessionId,
    /// The address it counts for in admission, with what to count.
    pub(super) counted: Option<super::admission::Counted>,
    pub(super) membership: Option<Membership>,
    /// The way past quinn, unless that is off.
    pub(super) fast: Option<Fast>,
    /// Which encoding of a track's frames it takes.
    pub(super) level: u8,
    /// Waits in the core's list of connections to poll.
    pub(super) is_dirty: bool,
    /// Has input nobody had room for.
    pub(super) is_stalled: bool,
    /// Waits in the core's list of stalled sessions.
    pub(super) is_waiting: bool,
    /// Small packets not looked at yet; nothing else may be done before they are.
    pub(super) deferred: Vec<ConnectionEvent>,
    /// Since when the first of these waits.
    pub(super) deferred_since: Instant,
    /// Waits in the core's list of those with deferred packets.
    pub(super) is_deferred: bool,
    phase: Phase,
    /// [`Event::Opened`] was sent, and [`Event::Closed`] was not.
    is_announced: bool,
    /// What a close said, until the capsule carries it.
    reason: Option<String>,
    deadline: Option<Instant>,
    incoming: Vec<Incoming>,
    /// Control bytes told and not consumed.
    unconsumed: usize,
    has_control: bool,
    has_qpack: [bool; 2],
    /// The stream of the CONNECT request.
    connect: Option<StreamId>,
    settings: Outgoing,
    answer: Outgoing,
    control: Outgoing,
    unis: [Outgoing; UNI_LANES],
    has_datagrams: bool,
    /// Frames the congestion window held back, and since when.
    late: VecDeque<(Instant, Bytes)>,
    frames_dropped: u64,
    /// Of these, told to the core.
    frames_dropped_told: u64,
    /// [`Event::Opened`] was sent at some time.
    pub(super) has_opened: bool,
    /// Its end was counted.
    pub(super) is_counted_over: bool,
    /// Some lane has a fence.
    is_fenced: bool,
}

/// Where a session puts what happened, and what it must know.
pub(super) struct Context<'a> {
    pub(super) now: Instant,
    pub(super) config: &'a Config,
    pub(super) events: &'a mut VecDeque<Event>,
}

impl Context<'_> {
    /// Whether control bytes and datagrams may be read. Openings and ends always go out:
    /// each session has one of either.
    fn has_room(&self) -> bool {
        self.events.len() < self.config.events_max
    }
}

impl Session {
    pub(super) fn new(conn: Connection, id: SessionId, now: Instant, config: &Config) -> Self {
        let deadline = now + config.handshake_timeout;
        Self {
            deferred: Vec::new(),
            deferred_since: now,
            is_deferred: false,
            conn,
            id,
            counted: None,
            membership: None,
            fast: None,
            level: 0,
            is_dirty: false,
            is_stalled: false,
            is_waiting: false,
            phase: Phase::Arriving,
            is_announced: false,
            reason: None,
            deadline: Some(deadline),
            incoming: Vec::new(),
            unconsumed: 0,
            has_control: false,
            has_qpack: [false; 2],
            connect: None,
            settings: Outgoing::default(),
            answer: Outgoing::default(),
            control: Outgoing::default(),
            unis: Default::default(),
            has_datagrams: false,
            late: VecDeque::new(),
            frames_dropped: 0,
            frames_dropped_told: 0,
            has_opened: false,
            is_counted_over: false,
            is_fenced: false,
        }
    }

    /// Whether it is past its handshake and request.
    pub(super) fn has_arrived(&self) -> bool {
        self.phase != Phase::Arriving
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Looks at the packets that were put off. Returns whether there were any.
    pub(super) fn absorb(&mut self) -> bool {
        let any = !self.deferred.is_empty();
        // The list is as large as a dozen of acknowledgements, and seldom needed: it goes, too.
        for event in std::mem::take(&mut self.deferred) {
            self.conn.handle_event(event);
        }
        any
    }

    /// When it wants to be woken, quinn's timers and ours.
    pub(super) fn next_timeout(&mut self) -> Option<Instant> {
        let quic = self.conn.poll_timeout();
        match (quic, self.deadline) {
            (Some(quic), Some(own)) => Some(quic.min(own)),
            (quic, own) => quic.or(own),
        }
    }

    pub(super) fn handle_timeout(&mut self, context: &mut Context<'_>) {
        // quinn looks at every timer that has expired, and only at those.
        self.conn.handle_timeout(context.now);
        if self
            .deadline
            .is_some_and(|deadline| deadline <= context.now)
        {
            self.deadline = None;
            match self.phase {
                Phase::Arriving | Phase::Asked => {
                    self.fail(context, H3Error::Message, "no request in time");
                }
                Phase::Closing { .. } => self.hang_up(context),
                Phase::Open | Phase::Over => {}
            }
        }
    }

    /// Takes what quinn has to tell. Call after every packet and timeout.
    pub(super) fn handle_events(&mut self, context: &mut Context<'_>) {
        while let Some(event) = self.conn.poll() {
            match event {
                QuicEvent::Connected => self.open_settings(),
                QuicEvent::ConnectionLost { reason } => self.lost(context, reason),
                QuicEvent::Stream(event) => self.stream_event(event),
                QuicEvent::DatagramReceived => self.has_datagrams = true,
                QuicEvent::HandshakeDataReady | QuicEvent::DatagramsUnblocked => {}
            }
        }
        self.read(context);
        if let Phase::Closing { .. } = self.phase {
            self.advance_closing(context);
        }
        if self.is_fenced {
            self.tell_written(context);
        }
    }

    /// Reads streams and datagrams as far as there is room for events.
    pub(super) fn read(&mut self, context: &mut Context<'_>) {
        if self.phase == Phase::Over {
            return;
        }
        self.read_streams(context);
        self.read_datagrams(context);
    }

    pub(super) fn handle_command(&mut self, context: &mut Context<'_>, command: Command) {
        match command {
            Command::Accept { .. } => self.accept(context),
            Command::Refuse { status, .. } => self.refuse(context, status),
            Command::Consumed { bytes, .. } => self.consumed(context, bytes),
            Command::Write { lane, bytes, .. } => self.write(context, lane, bytes),
            Command::Fence { lane, .. } => self.fence(lane),
            Command::Datagram { frame, .. } => self.send_frame(context, &frame),
            Command::Close { code, reason, .. } => self.close(context, code, reason),
            // The core's: they are about tracks.
            Command::Join { .. } | Command::Leave { .. } | Command::Level { .. } => {}
        }
    }

    fn write(&mut self, context: &mut Context<'_>, lane: Lane, bytes: Bytes) {
        if !matches!(self.phase, Phase::Asked | Phase::Open) {
            return;
        }
        let Some(outgoing) = self.lane(lane) else {
            return;
        };
        match (bytes.is_empty(), lane) {
            (false, _) => outgoing.push(bytes),
            (true, Lane::Uni(_)) => outgoing.open(),
            (true, Lane::Control) => return,
        }
        self.flush();
        let (writes, bytes) = (
            context.config.lane_writes_max,
            context.config.lane_bytes_max,
        );
        let mut lanes = std::iter::once(&self.control).chain(&self.unis);
        if lanes.any(|lane| lane.check(writes, bytes).is_err()) {
            self.announce_end(context, Cause::SlowConsumer);
            self.conn
                .close(context.now, VarInt::from_u32(h3::NO_ERROR), Bytes::new());
            self.phase = Phase::Over;
        }
    }

    fn lane(&mut self, lane: Lane) -> Option<&mut Outgoing> {
        match lane {
            Lane::Control => Some(&mut self.control),
            Lane::Uni(number) => self.unis.get_mut(usize::from(number)),
        }
    }

    fn fence(&mut self, lane: Lane) {
        if let Some(outgoing) = self.lane(lane) {
            outgoing.fence();
            self.is_fenced = true;
        }
    }

    /// Tells of the lanes that are out of our hands. These events always go out: there is
    /// one for each fence at most.
    fn tell_written(&mut self, context: &mut Context<'_>) {
        let unis = (0..).map(Lane::Uni).zip(&mut self.unis);
        let lanes = std::iter::once((Lane::Control, &mut self.control)).chain(unis);
        self.is_fenced = false;
        for (lane, outgoing) in lanes {
            if outgoing.take_written() && self.is_announced {
                context.events.push_back(Event::Written {
                    session: self.id,
                    lane,
                });
            }
            self.is_fenced |= outgoing.is_fenced();
        }
    }

    fn stream_event(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Opened { dir } => {
                while let Some(id) = self.conn.streams().accept(dir) {
                    self.incoming.push(Incoming::new(id));
                }
            }
            StreamEvent::Readable { id } => {
                if let Some(stream) = self.incoming.iter_mut().find(|stream| stream.id == id) {
                    stream.readable = true;
                }
            }
            StreamEvent::Writable { .. } | StreamEvent::Available { dir: Dir::Uni } => self.flush(),
            StreamEvent::Finished { id } | StreamEvent::Stopped { id, .. } => {
                for outgoing in self.outgoing() {
                    if outgoing.stream() == Some(id) {
                        outgoing.over();
                    }
                }
            }
            StreamEvent::Available { dir: Dir::Bi } => {}
        }
    }

    fn outgoing(&mut self) -> impl Iterator<Item = &mut Outgoing> {
        [&mut self.settings, &mut self.answer, &mut self.control]
            .into_iter()
            .chain(&mut self.unis)
    }

    /// Gives quinn all it takes of what waits.
    fn flush(&mut self) {
        if let Some(connect) = self.connect.filter(|_| self.phase != Phase::Arriving) {
            for outgoing in &mut self.unis {
                if outgoing.wants_stream()
                    && let Some(stream) = self.conn.streams().open(Dir::Uni)
                {
                    outgoing.begin(stream);
                    outgoing.push_front(h3::uni_stream_opening(u64::from(connect)).into());
                }
            }
        }
        self.settings.flush(&mut self.conn);
        self.answer.flush(&mut self.conn);
        // Nothing of the session's own goes out before the answer that opens it.
        if self.phase != Phase::Asked {
            self.control.flush(&mut self.conn);
            for outgoing in &mut self.unis {
                outgoing.flush(&mut self.conn);
            }
        }
    }

    fn open_settings(&mut self) {
        if let Some(stream) = self.conn.streams().open(Dir::Uni) {
            self.settings = Outgoing::on(stream);
            self.settings.push(h3::control_stream_opening().into());
            self.flush();
        }
    }

    fn lost(&mut self, context: &mut Context<'_>, reason: ConnectionError) {
        let cause = match reason {
            ConnectionError::ApplicationClosed(close) => Cause::Client {
                code: close.error_code.into_inner(),
                reason: clean(&close.reason),
            },
            ConnectionError::ConnectionClosed(close) => Cause::Client {
                code: u64::from(close.error_code),
                reason: clean(&close.reason),
            },
            ConnectionError::TimedOut => Cause::TimedOut,
            ConnectionError::Reset => Cause::Reset,
            ConnectionError::LocallyClosed => Cause::Local,
            ConnectionError::TransportError(_)
            | ConnectionError::VersionMismatch
            | ConnectionError::CidsExhausted => Cause::Protocol("QUIC was broken"),
        };
        self.announce_end(context, cause);
        self.phase = Phase::Over;
    }

    /// Tells the end of a session whose beginning was told.
    fn announce_end(&mut self, context: &mut Context<'_>, cause: Cause) {
        self.deadline = None;
        self.late = VecDeque::new();
        if !std::mem::take(&mut self.is_announced) {
            return;
        }
        let stats = self.conn.stats();
        let fast = self.fast.as_ref().map(Fast::counts).unwrap_or_default();
        context.events.push_back(Event::Closed {
            session: self.id,
            cause,
            summary: Summary {
                rtt: stats.path.rtt,
                packets_sent: stats.udp_tx.datagrams + fast.sent,
                packets_lost: stats.path.lost_packets + fast.lost,
                frames_dropped: self.frames_dropped,
            },
        });
    }

    /// Ends the connection because the peer broke the rules.
    fn fail(&mut self, context: &mut Context<'_>, error: H3Error, text: &'static str) {
        if self.phase == Phase::Over {
            return;
        }
        self.announce_end(context, Cause::Protocol(text));
        let reason = Bytes::from_static(text.as_bytes());
        self.conn
            .close(context.now, VarInt::from_u32(error.code()), reason);
        self.phase = Phase::Over;
    }
}

/// A reason for people: valid UTF-8 and not long.
fn clean(reason: &[u8]) -> String {
    let reason = &reason[..reason.len().min(h3::capsule::REASON_BYTES_MAX)];
    String::from_utf8_lossy(reason).into_owned()
}

/// How long after the close capsule the connection stays for its acknowledgement.
const LINGER: Duration = Duration::from_millis(500);
