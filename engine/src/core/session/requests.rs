//! The CONNECT request that opens a session, and its answer.

use quinn_proto::{StreamId, VarInt};

use super::{Context, Phase, Session};
use crate::core::incoming::Kind;
use crate::core::outgoing::Outgoing;
use crate::h3::capsule::CapsuleReader;
use crate::h3::frame::{self, FrameReader};
use crate::h3::qpack::{self, Fields};
use crate::h3::{self, H3Error};
use crate::message::{Cause, Event, Opened};

impl Session {
    /// Handles a request's headers. `frames` goes on reading the stream when it becomes
    /// the session's; otherwise the request is refused and the session goes on.
    pub(super) fn request(
        &mut self,
        context: &mut Context<'_>,
        id: StreamId,
        section: &[u8],
        frames: FrameReader,
    ) -> Result<Kind, H3Error> {
        let fields = qpack::decode(section)?;
        let Some(opened) = self.session_request(fields)? else {
            self.reject(id, 404);
            return Ok(Kind::Discard);
        };
        if self.connect.is_some() {
            // One session a connection, as the settings say.
            self.reject(id, 429);
            return Ok(Kind::Discard);
        }
        self.connect = Some(id);
        self.answer = Outgoing::on(id);
        self.phase = Phase::Asked;
        self.is_announced = true;
        self.has_opened = true;
        self.deadline = Some(context.now + context.config.handshake_timeout);
        context.events.push_back(Event::Opened(Box::new(opened)));
        if context.config.accept_at_once {
            self.accept(context);
        }
        Ok(Kind::Connect {
            frames,
            capsules: CapsuleReader::default(),
        })
    }

    /// What the request asks for, when it asks for a WebTransport session.
    fn session_request(&mut self, fields: Fields) -> Result<Option<Opened>, H3Error> {
        let method = fields.method.ok_or(H3Error::Message)?;
        let protocol = fields.protocol.as_deref();
        if method != "CONNECT" || !matches!(protocol, Some("webtransport" | "webtransport-h3")) {
            return Ok(None);
        }
        let (Some("https"), Some(authority), Some(path)) =
            (fields.scheme.as_deref(), fields.authority, fields.path)
        else {
            return Err(H3Error::Message);
        };
        // Without datagrams there is no sound: better a refusal than a silent session.
        let Some(bytes_max) = self.conn.datagrams().max_size() else {
            return Ok(None);
        };
        Ok(Some(Opened {
            session: self.id,
            remote: self.conn.remote_address(),
            path,
            authority,
            origin: fields.origin,
            user_agent: fields.user_agent,
            protocols: fields.protocols,
            datagram_bytes_max: bytes_max.saturating_sub(1),
        }))
    }

    pub(super) fn accept(&mut self, _context: &mut Context<'_>) {
        if self.phase != Phase::Asked {
            return;
        }
        let mut headers = Vec::new();
        frame::write(frame::HEADERS, &qpack::encode_status(200), &mut headers);
        self.answer.push(headers.into());
        self.phase = Phase::Open;
        self.deadline = None;
        // Streams that came before the request can be read now.
        for stream in &mut self.incoming {
            stream.readable = true;
        }
        self.flush();
    }

    pub(super) fn refuse(&mut self, context: &mut Context<'_>, status: u16) {
        if self.phase != Phase::Asked {
            return;
        }
        let mut headers = Vec::new();
        let status = status.clamp(400, 599);
        frame::write(frame::HEADERS, &qpack::encode_status(status), &mut headers);
        self.answer.push(headers.into());
        self.answer.end();
        self.announce_end(context, Cause::Local);
        self.phase = Phase::Closing {
            code: 0,
            told: true,
        };
        self.deadline = Some(context.now + super::LINGER);
        self.flush();
    }

    /// Answers a request that is none for a session.
    fn reject(&mut self, id: StreamId, status: u16) {
        let mut headers = Vec::new();
        frame::write(frame::HEADERS, &qpack::encode_status(status), &mut headers);
        let mut stream = self.conn.send_stream(id);
        // An answer of a few bytes on a new stream; whoever gives it no credit gets none.
        let _ = stream.write(&headers);
        let _ = stream.finish();
        let _ = self
            .conn
            .recv_stream(id)
            .stop(VarInt::from_u32(h3::REQUEST_REJECTED));
    }
}
