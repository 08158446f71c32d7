//! Datagrams of one session, out and in.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use prefetch::prefetch;
use quinn_proto::SendDatagramError;
use wire::varint;

use super::{Context, Phase, Session};
use crate::batch::Batch;
use crate::h3::H3Error;
use crate::message::{Event, Frame};

/// Frames held back for one listener: 200 ms of the shortest, 2.5 ms.
const LATE_MAX: usize = 80;

impl Session {
    /// Queues a frame for the next packet. The bytes are shared, not copied, unless the
    /// client opened its session on another stream than its first.
    #[inline]
    pub(in super::super) fn send_frame(&mut self, context: &Context<'_>, frame: &Frame) {
        if self.phase != Phase::Open {
            return;
        }
        let bytes = if self.is_usual() {
            frame.prefixed().clone()
        } else {
            reprefixed(self.connect.map_or(0, u64::from), frame)
        };
        if !self.late.is_empty() {
            self.hold_back(context, bytes);
            self.send_late(context);
            return;
        }
        match self.conn.datagrams().send(bytes, false) {
            Ok(()) => {}
            Err(SendDatagramError::Blocked(bytes)) => self.hold_back(context, bytes),
            Err(_) => self.frames_dropped += 1,
        }
    }

    /// Sends a frame past quinn, if it may go that way.
    #[inline]
    pub(in super::super) fn send_frame_fast(
        &mut self,
        now: Instant,
        frame: &Frame,
        batch: &mut Batch,
    ) -> bool {
        self.phase == Phase::Open
            && self.late.is_empty()
            && self.is_usual()
            && self.send_fast(now, frame.prefixed(), batch)
    }

    /// Has the processor fetch what sending a frame looks at here.
    pub(in super::super) fn prefetch_frame(&self) {
        prefetch(&self.phase);
        prefetch(&self.late);
        prefetch(&self.deferred);
        prefetch(&self.connect);
        prefetch(&self.frames_dropped);
        prefetch(&self.frames_dropped_told);
        prefetch(&self.membership);
        prefetch(&self.level);
    }

    /// Whether frames bear this session's prefix already: that of a connection's first stream.
    fn is_usual(&self) -> bool {
        self.connect.is_none_or(|connect| u64::from(connect) == 0)
    }

    /// Moves what was held back into the next packets, dropping what is too old.
    pub(in super::super) fn send_late(&mut self, context: &Context<'_>) {
        while let Some((since, bytes)) = self.late.pop_front() {
            if context.now.saturating_duration_since(since) > context.config.frame_age_max {
                self.frames_dropped += 1;
                continue;
            }
            match self.conn.datagrams().send(bytes, false) {
                Ok(()) => {}
                Err(SendDatagramError::Blocked(bytes)) => {
                    self.late.push_front((since, bytes));
                    return;
                }
                Err(_) => self.frames_dropped += 1,
            }
        }
        self.late = VecDeque::new();
    }

    /// Whether every datagram given to quinn is in a packet already.
    pub(in super::super) fn has_sent_datagrams(&mut self, buffer_bytes: usize) -> bool {
        let empty = buffer_bytes - size_of::<Bytes>();
        self.late.is_empty() && self.conn.datagrams().send_buffer_space() >= empty
    }

    /// Forgets what was held back: it is of a track that is not wanted any more.
    pub(in super::super) fn drop_late(&mut self) {
        self.late.clear();
    }

    /// Frames dropped since this was asked last.
    #[inline]
    pub(in super::super) fn take_dropped(&mut self) -> u64 {
        self.frames_dropped - std::mem::replace(&mut self.frames_dropped_told, self.frames_dropped)
    }

    pub(in super::super) fn has_late(&self) -> bool {
        !self.late.is_empty()
    }

    pub(super) fn read_datagrams(&mut self, context: &mut Context<'_>) {
        while self.has_datagrams && self.phase != Phase::Over {
            if !context.has_room() {
                self.is_stalled = true;
                return;
            }
            let Some(bytes) = self.conn.datagrams().recv() else {
                self.has_datagrams = false;
                return;
            };
            let mut rest = &bytes[..];
            let Ok(quarter) = varint::decode(&mut rest) else {
                return self.fail(context, H3Error::Datagram, H3Error::Datagram.text());
            };
            // Those of unknown streams are dropped (RFC 9297, section 2.1).
            let session = self.connect.map(u64::from);
            if self.phase == Phase::Open && quarter.checked_mul(4) == session {
                let bytes = bytes.slice(bytes.len() - rest.len()..);
                context.events.push_back(Event::Datagram {
                    session: self.id,
                    bytes,
                });
            }
        }
    }

    fn hold_back(&mut self, context: &Context<'_>, bytes: Bytes) {
        if self.late.len() >= LATE_MAX {
            self.late.pop_front();
            self.frames_dropped += 1;
        }
        self.late.push_back((context.now, bytes));
    }
}

/// The frame behind another stream's prefix. Browsers and wtransport open their session
/// on stream 0; this is for whoever does not.
fn reprefixed(connect: u64, frame: &Frame) -> Bytes {
    let mut prefix = Vec::with_capacity(varint::BYTES_MAX);
    varint::encode(connect / 4, &mut prefix);
    let mut bytes = BytesMut::with_capacity(prefix.len() + frame.payload().len());
    bytes.put_slice(&prefix);
    bytes.put_slice(frame.payload());
    bytes.freeze()
}
