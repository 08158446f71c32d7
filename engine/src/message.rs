//! What crosses between the engine and whoever serves the sessions.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use wire::TrackId;

/// A session's name, never used again while the process runs.
///
/// It tells the thread that owns the session, so that commands find their way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u64);

impl SessionId {
    /// Bits for the place in a thread's table; the rest above counts that place's tenants.
    const SLOT_BITS: u32 = 24;
    const THREAD_BITS: u32 = 8;

    pub(crate) fn new(thread: u8, slot: usize, generation: u32) -> Self {
        let slot = slot as u64 & ((1 << Self::SLOT_BITS) - 1);
        Self(
            u64::from(generation) << (Self::SLOT_BITS + Self::THREAD_BITS)
                | u64::from(thread) << Self::SLOT_BITS
                | slot,
        )
    }

    pub(crate) fn slot(self) -> usize {
        (self.0 & ((1 << Self::SLOT_BITS) - 1)) as usize
    }

    /// The thread that owns the session.
    #[must_use]
    pub fn thread(self) -> u8 {
        (self.0 >> Self::SLOT_BITS) as u8
    }

    /// The id as a number, for logs.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({:x})", self.0)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// Which of a session's outgoing streams to write on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// The relay's half of the client's first bidirectional stream.
    Control,
    /// A unidirectional stream of the relay's, opened by the first write on it.
    /// Numbers from 0 to 3.
    Uni(u8),
}

/// How many unidirectional lanes a session has.
pub const UNI_LANES: usize = 4;

/// What the engine tells about sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A WebTransport session is asked for, or open already when
    /// [`Config::accept_at_once`](crate::Config::accept_at_once) is set.
    Opened(Box<Opened>),
    /// Bytes of the client's first bidirectional stream, in order.
    Control {
        /// Whose.
        session: SessionId,
        /// At least one byte; the boundaries mean nothing.
        bytes: Bytes,
    },
    /// The client finished or reset its control stream: nothing more comes on it.
    ControlEnd {
        /// Whose.
        session: SessionId,
    },
    /// A datagram from the client, without its HTTP/3 prefix.
    Datagram {
        /// Whose.
        session: SessionId,
        /// What it carries.
        bytes: Bytes,
    },
    /// All that was written on a lane before a [`Command::Fence`] is with the network stack,
    /// which has room for more.
    Written {
        /// Whose.
        session: SessionId,
        /// Where.
        lane: Lane,
    },
    /// The session is over. Comes once for each [`Event::Opened`], as its last event.
    Closed {
        /// Which.
        session: SessionId,
        /// Why.
        cause: Cause,
        /// What the path was like, for the log.
        summary: Summary,
    },
    /// A thread failed and started anew: all of its sessions opened before are gone,
    /// without [`Event::Closed`] of their own.
    ThreadRestarted {
        /// Which.
        thread: u8,
    },
}

impl Event {
    /// The session it is about, when it is about one.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Self::Opened(opened) => Some(opened.session),
            Self::Control { session, .. }
            | Self::ControlEnd { session }
            | Self::Datagram { session, .. }
            | Self::Written { session, .. }
            | Self::Closed { session, .. } => Some(*session),
            Self::ThreadRestarted { .. } => None,
        }
    }
}

/// What a client asked for when it opened a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Its name from now on.
    pub session: SessionId,
    /// Where the client is now; it may migrate later.
    pub remote: SocketAddr,
    /// `:path` of the request with its query.
    pub path: String,
    /// `:authority` of the request.
    pub authority: String,
    /// The page that opened it; browsers always say.
    pub origin: Option<String>,
    /// `user-agent`, as sent.
    pub user_agent: Option<String>,
    /// `wt-available-protocols`, a structured field, as sent.
    pub protocols: Option<String>,
    /// The largest datagram the session takes, in bytes behind the HTTP/3 prefix.
    pub datagram_bytes_max: usize,
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The client closed, with its code and reason (0 and empty when it gave none).
    Client {
        /// WebTransport's code, or QUIC's when the client closed the connection at once.
        code: u64,
        /// As sent, invalid UTF-8 replaced, at most 1,024 bytes.
        reason: String,
    },
    /// [`Command::Close`] or [`Command::Refuse`].
    Local,
    /// Nothing came for the idle timeout.
    TimedOut,
    /// The client lost its state (stateless reset).
    Reset,
    /// The client broke QUIC, HTTP/3 or WebTransport; the text says how.
    Protocol(&'static str),
    /// The client did not take what was written: a lane held more than
    /// [`Config::lane_writes_max`](crate::Config::lane_writes_max) writes or
    /// [`Config::lane_bytes_max`](crate::Config::lane_bytes_max) bytes.
    SlowConsumer,
}

/// A session's counters at its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Smoothed round trip.
    pub rtt: Duration,
    /// UDP datagrams sent.
    pub packets_sent: u64,
    /// Of these, declared lost.
    pub packets_lost: u64,
    /// Audio datagrams dropped for this session because they waited too long or were too large.
    pub frames_dropped: u64,
}

/// What is asked of the engine. Commands for a session that is gone are ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Answers a request with 200.
    Accept {
        /// Whose.
        session: SessionId,
    },
    /// Answers a request with a status from 400 to 599 and ends it. Browsers back off for
    /// tens of seconds after one: prefer to accept, explain and close.
    Refuse {
        /// Whose.
        session: SessionId,
        /// The HTTP status.
        status: u16,
    },
    /// Control bytes were used up: as many more may be read. Without it a session stops
    /// being read at [`Config::control_bytes_max`](crate::Config::control_bytes_max).
    Consumed {
        /// Whose.
        session: SessionId,
        /// How many.
        bytes: usize,
    },
    /// Appends to a stream. Before the client opened its control stream, writes on
    /// [`Lane::Control`] wait. No bytes open a [`Lane::Uni`] all the same.
    Write {
        /// Whose.
        session: SessionId,
        /// Where.
        lane: Lane,
        /// What; handed over without a copy.
        bytes: Bytes,
    },
    /// Asks for [`Event::Written`] once what was written on the lane so far is out of the
    /// engine's hands: the pace for whoever has much to write. One at a time per lane.
    Fence {
        /// Whose.
        session: SessionId,
        /// Where.
        lane: Lane,
    },
    /// One datagram to one session.
    Datagram {
        /// Whose.
        session: SessionId,
        /// The datagram with its prefix.
        frame: Frame,
    },
    /// Ends the session after what was written is delivered, or after
    /// [`Config::close_timeout`](crate::Config::close_timeout).
    Close {
        /// Whose.
        session: SessionId,
        /// The client sees it as `closeCode`.
        code: u32,
        /// The client sees it as `reason`; cut to 1,024 bytes.
        reason: String,
    },
    /// Sends the track's frames to the session from now on, instead of another track's.
    Join {
        /// Whose.
        session: SessionId,
        /// Which.
        track: TrackId,
    },
    /// Sends no more frames to the session.
    Leave {
        /// Whose.
        session: SessionId,
    },
    /// Sends frames in that encoding from the next one on, on whatever track the session
    /// is. It begins with 0, and a level there is none of is 0.
    Level {
        /// Whose.
        session: SessionId,
        /// Which, below [`LEVELS`].
        level: u8,
    },
}

impl Command {
    /// The session it is for.
    #[must_use]
    pub fn session(&self) -> SessionId {
        match self {
            Self::Accept { session }
            | Self::Refuse { session, .. }
            | Self::Consumed { session, .. }
            | Self::Write { session, .. }
            | Self::Fence { session, .. }
            | Self::Datagram { session, .. }
            | Self::Close { session, .. }
            | Self::Join { session, .. }
            | Self::Level { session, .. }
            | Self::Leave { session } => *session,
        }
    }
}

/// A datagram encoded once for everybody: the HTTP/3 prefix of the first request
/// stream (one zero byte, RFC 9297) and the payload.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// Copies the payload behind the prefix: one allocation, however many listeners.
    #[must_use]
    pub fn new(payload: &[u8]) -> Self {
        let mut bytes = BytesMut::with_capacity(payload.len() + 1);
        bytes.put_u8(0);
        bytes.put_slice(payload);
        Self(bytes.freeze())
    }

    /// Takes bytes that begin with the prefix already, without a copy; `None` when they
    /// do not.
    #[must_use]
    pub fn from_prefixed(bytes: Bytes) -> Option<Self> {
        (bytes.first() == Some(&0)).then_some(Self(bytes))
    }

    /// What travels behind the prefix.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.0[1..]
    }

    pub(crate) fn prefixed(&self) -> &Bytes {
        &self.0
    }
}

/// How many encodings a frame may have.
pub const LEVELS: usize = 6;

/// A frame of a track in the encodings its listeners take, each made once for all of them.
#[derive(Debug, Clone)]
pub struct Frames {
    plain: Frame,
    others: [Option<Frame>; LEVELS - 1],
    /// A bit for each level that is sent nothing.
    silent: u8,
}

impl Frames {
    /// The frame with another encoding for a level from 1 to [`LEVELS`] - 1; others are
    /// ignored, and a level without one of its own takes the frame as it is.
    #[must_use]
    pub fn with(mut self, level: u8, encoding: Frame) -> Self {
        let other = usize::from(level).checked_sub(1);
        if let Some(other) = other.and_then(|other| self.others.get_mut(other)) {
            *other = Some(encoding);
        }
        self
    }

    /// The frame with nothing for a level from 1 to [`LEVELS`] - 1, whose listeners get it
    /// with another frame; others are ignored.
    #[must_use]
    pub fn without(mut self, level: u8) -> Self {
        if (1..LEVELS).contains(&usize::from(level)) {
            self.silent |= 1 << level;
        }
        self
    }

    /// What listeners of that level are sent, if anything.
    #[inline]
    pub(crate) fn at(&self, level: u8) -> Option<&Frame> {
        if self.silent.checked_shr(level.into()).unwrap_or(0) & 1 != 0 {
            return None;
        }
        let other = usize::from(level).checked_sub(1);
        let own = other.and_then(|other| self.others.get(other)?.as_ref());
        Some(own.unwrap_or(&self.plain))
    }
}

impl From<Frame> for Frames {
    fn from(plain: Frame) -> Self {
        Self {
            plain,
            others: Default::default(),
            silent: 0,
        }
    }
}

impl From<&Frame> for Frames {
    fn from(plain: &Frame) -> Self {
        plain.clone().into()
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.0.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_keep_their_parts() {
        let id = SessionId::new(7, 123_456, 99);
        assert_eq!((id.thread(), id.slot()), (7, 123_456));
        assert_ne!(id, SessionId::new(7, 123_456, 100));
    }

    #[test]
    fn a_frame_is_its_payload_behind_one_zero_byte() {
        let frame = Frame::new(b"abc");
        assert_eq!(frame.payload(), b"abc");
        assert_eq!(&frame.prefixed()[..], b"\0abc");
        let taken = Frame::from_prefixed(Bytes::from_static(b"\0abc"));
        assert_eq!(taken, Some(frame));
        assert_eq!(Frame::from_prefixed(Bytes::from_static(b"abc")), None);
        assert_eq!(Frame::from_prefixed(Bytes::new()), None);
    }

    #[test]
    fn each_level_has_its_encoding_and_others_the_plain_one() {
        let (plain, own) = (Frame::new(b"plain"), Frame::new(b"own"));
        let frames = Frames::from(&plain)
            .with(1, own.clone())
            .with(0, own.clone())
            .with(200, own.clone())
            .without(3)
            .without(0)
            .without(200);
        assert_eq!(frames.at(0), Some(&plain));
        assert_eq!(frames.at(1), Some(&own));
        assert_eq!(frames.at(2), Some(&plain));
        assert_eq!(frames.at(3), None);
        assert_eq!(frames.at(200), Some(&plain));
    }
}
