//! What comes on a peer's streams.

use bytes::Bytes;
use quinn_proto::{StreamId, VarInt};
use wire::varint;

use super::{Context, Phase, Session};
use crate::core::incoming::{Kind, Read, read};
use crate::h3::frame::{FrameReader, Piece};
use crate::h3::{self, H3Error, stream_type};
use crate::message::{Cause, Event};

/// What becomes of a stream after a chunk of it.
enum Next {
    Keep(Kind),
    /// Nothing more of it matters.
    Gone,
}

impl Session {
    pub(super) fn read_streams(&mut self, context: &mut Context<'_>) {
        let mut at = 0;
        while at < self.incoming.len() && self.phase != Phase::Over {
            if !self.incoming[at].readable {
                at += 1;
                continue;
            }
            let id = self.incoming[at].id;
            let kind = std::mem::replace(&mut self.incoming[at].kind, Kind::Discard);
            match self.read_stream(context, id, kind) {
                Ok((Next::Keep(kind), readable)) => {
                    self.incoming[at].kind = kind;
                    self.incoming[at].readable = readable;
                    at += 1;
                }
                // Order does not matter; the one moved here is looked at next.
                Ok((Next::Gone, _)) => drop(self.incoming.swap_remove(at)),
                Err(error) => return self.fail(context, error, error.text()),
            }
        }
    }

    /// Reads one stream until it blocks, ends or there is no room for events. Also says
    /// whether more may be there.
    fn read_stream(
        &mut self,
        context: &mut Context<'_>,
        id: StreamId,
        mut kind: Kind,
    ) -> Result<(Next, bool), H3Error> {
        loop {
            if let Kind::Early { session, bytes } = kind {
                // Bytes behind the stream's header wait for the session.
                if !matches!(self.phase, Phase::Open | Phase::Closing { .. }) {
                    return Ok((Next::Keep(Kind::Early { session, bytes }), false));
                }
                let Some(lane) = self.begin_lane(context, id, session, bytes) else {
                    return Ok((Next::Gone, false));
                };
                kind = lane;
            }
            if !context.has_room() {
                self.is_stalled = true;
                return Ok((Next::Keep(kind), true));
            }
            if matches!(kind, Kind::Lane) && self.unconsumed >= context.config.control_bytes_max {
                return Ok((Next::Keep(kind), false));
            }
            let next = match read(&mut self.conn, id) {
                Read::Bytes(bytes) => self.chunk(context, id, kind, bytes)?,
                Read::Blocked => return Ok((Next::Keep(kind), false)),
                Read::Fin => {
                    self.ended(context, &kind, true)?;
                    return Ok((Next::Gone, false));
                }
                Read::Reset => {
                    self.ended(context, &kind, false)?;
                    return Ok((Next::Gone, false));
                }
            };
            match next {
                Next::Keep(next) if self.phase != Phase::Over => kind = next,
                _ => return Ok((Next::Gone, false)),
            }
        }
    }

    fn chunk(
        &mut self,
        context: &mut Context<'_>,
        id: StreamId,
        kind: Kind,
        bytes: Bytes,
    ) -> Result<Next, H3Error> {
        match kind {
            Kind::Untyped(held) => self.unidirectional(id, held, &bytes),
            Kind::Control { frames, settings } => control(frames, settings, &bytes),
            Kind::Qpack | Kind::Discard => Ok(Next::Keep(kind)),
            Kind::Request(frames) => self.bidirectional(context, id, frames, bytes),
            Kind::Connect { frames, capsules } => self.connect(context, frames, capsules, &bytes),
            Kind::Lane => {
                self.tell_control(context, bytes);
                Ok(Next::Keep(Kind::Lane))
            }
            Kind::Early { .. } => Ok(Next::Gone),
        }
    }

    /// Finds a unidirectional stream's type.
    fn unidirectional(
        &mut self,
        id: StreamId,
        mut held: Vec<u8>,
        bytes: &[u8],
    ) -> Result<Next, H3Error> {
        let taken = held.len();
        held.extend_from_slice(&bytes[..bytes.len().min(varint::BYTES_MAX)]);
        let mut rest = &held[..];
        let Ok(kind) = varint::decode(&mut rest) else {
            return Ok(Next::Keep(Kind::Untyped(held)));
        };
        let used = held.len() - rest.len() - taken;
        let once = |seen: &mut bool| match std::mem::replace(seen, true) {
            false => Ok(()),
            true => Err(H3Error::StreamCreation),
        };
        match kind {
            stream_type::CONTROL => {
                once(&mut self.has_control)?;
                control(FrameReader::default(), false, &bytes[used..])
            }
            stream_type::QPACK_ENCODER => {
                once(&mut self.has_qpack[0])?;
                Ok(Next::Keep(Kind::Qpack))
            }
            stream_type::QPACK_DECODER => {
                once(&mut self.has_qpack[1])?;
                Ok(Next::Keep(Kind::Qpack))
            }
            stream_type::PUSH => Err(H3Error::StreamCreation),
            stream_type::WEBTRANSPORT => {
                self.stop(id, h3::STREAM_REJECTED);
                Ok(Next::Gone)
            }
            _ => {
                // Grease, or an extension: not for us (RFC 9114, section 6.2).
                self.stop(id, H3Error::StreamCreation.code());
                Ok(Next::Gone)
            }
        }
    }

    /// Finds out what a bidirectional stream is.
    fn bidirectional(
        &mut self,
        context: &mut Context<'_>,
        id: StreamId,
        mut frames: FrameReader,
        bytes: Bytes,
    ) -> Result<Next, H3Error> {
        let mut input = &bytes[..];
        while let Some(piece) = frames.next(&mut input)? {
            match piece {
                Piece::Skipped(_) => {}
                Piece::Headers(section) => {
                    let kind = self.request(context, id, &section, frames)?;
                    let rest = bytes.slice(bytes.len() - input.len()..);
                    return match kind {
                        Kind::Connect { frames, capsules } => {
                            self.connect(context, frames, capsules, &rest)
                        }
                        _ => Ok(Next::Gone),
                    };
                }
                Piece::WebTransport(session) => {
                    let bytes = bytes.slice(bytes.len() - input.len()..);
                    return Ok(Next::Keep(Kind::Early { session, bytes }));
                }
                Piece::Data(_) | Piece::Settings(_) => return Err(H3Error::FrameUnexpected),
            }
        }
        Ok(Next::Keep(Kind::Request(frames)))
    }

    /// Makes the stream the session's control stream, when it is the first.
    fn begin_lane(
        &mut self,
        context: &mut Context<'_>,
        id: StreamId,
        session: u64,
        bytes: Bytes,
    ) -> Option<Kind> {
        if self.connect.map(u64::from) != Some(session) || self.control.stream().is_some() {
            self.stop(id, h3::STREAM_REJECTED);
            let code = VarInt::from_u32(h3::STREAM_REJECTED);
            // Fails only when it was reset before.
            let _ = self.conn.send_stream(id).reset(code);
            return None;
        }
        self.control.begin(id);
        self.flush();
        if !bytes.is_empty() {
            self.tell_control(context, bytes);
        }
        Some(Kind::Lane)
    }

    fn tell_control(&mut self, context: &mut Context<'_>, bytes: Bytes) {
        self.unconsumed += bytes.len();
        context.events.push_back(Event::Control {
            session: self.id,
            bytes,
        });
    }

    /// Goes on reading the control stream when there is credit again.
    pub(super) fn consumed(&mut self, context: &mut Context<'_>, bytes: usize) {
        self.unconsumed = self.unconsumed.saturating_sub(bytes);
        for stream in &mut self.incoming {
            stream.readable |= matches!(stream.kind, Kind::Lane);
        }
        self.read(context);
    }

    /// Reads the session's own stream: a close capsule ends it.
    fn connect(
        &mut self,
        context: &mut Context<'_>,
        mut frames: FrameReader,
        mut capsules: crate::h3::capsule::CapsuleReader,
        bytes: &[u8],
    ) -> Result<Next, H3Error> {
        let mut input = bytes;
        while let Some(piece) = frames.next(&mut input)? {
            match piece {
                Piece::Data(bytes) => {
                    if let Some(close) = capsules.read(bytes)? {
                        self.closed_by_client(context, u64::from(close.code), close.reason);
                        return Ok(Next::Gone);
                    }
                }
                // Trailers, or frames of extensions.
                Piece::Headers(_) | Piece::Skipped(_) => {}
                Piece::Settings(_) | Piece::WebTransport(_) => {
                    return Err(H3Error::FrameUnexpected);
                }
            }
        }
        Ok(Next::Keep(Kind::Connect { frames, capsules }))
    }

    /// A stream's end. Some streams must not end.
    fn ended(
        &mut self,
        context: &mut Context<'_>,
        kind: &Kind,
        is_orderly: bool,
    ) -> Result<(), H3Error> {
        match kind {
            Kind::Control { .. } | Kind::Qpack => Err(H3Error::ClosedCriticalStream),
            Kind::Connect { frames, .. } => {
                if is_orderly && !frames.at_boundary() {
                    return Err(H3Error::Frame);
                }
                // The same as a close with code 0 (draft-ietf-webtrans-http3, section 5).
                self.closed_by_client(context, 0, String::new());
                Ok(())
            }
            Kind::Lane => {
                context
                    .events
                    .push_back(Event::ControlEnd { session: self.id });
                Ok(())
            }
            Kind::Untyped(_) | Kind::Discard | Kind::Request(_) | Kind::Early { .. } => Ok(()),
        }
    }

    fn closed_by_client(&mut self, context: &mut Context<'_>, code: u64, reason: String) {
        self.announce_end(context, Cause::Client { code, reason });
        let code = VarInt::from_u32(h3::NO_ERROR);
        self.conn.close(context.now, code, Bytes::new());
        self.phase = Phase::Over;
    }

    fn stop(&mut self, id: StreamId, code: u32) {
        // Fails only when all of it has come.
        let _ = self.conn.recv_stream(id).stop(VarInt::from_u32(code));
    }
}

/// The peer's control stream: settings, once and first.
fn control(mut frames: FrameReader, mut settings: bool, bytes: &[u8]) -> Result<Next, H3Error> {
    let mut input = bytes;
    while let Some(piece) = frames.next(&mut input)? {
        match piece {
            Piece::Settings(payload) if !settings => {
                h3::check_settings(&payload)?;
                settings = true;
            }
            _ if !settings => return Err(H3Error::MissingSettings),
            Piece::Skipped(_) => {}
            Piece::Settings(_) | Piece::Headers(_) | Piece::Data(_) | Piece::WebTransport(_) => {
                return Err(H3Error::FrameUnexpected);
            }
        }
    }
    Ok(Next::Keep(Kind::Control { frames, settings }))
}
