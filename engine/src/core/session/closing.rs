//! An orderly end: everything written is delivered, then the code and the reason.

use bytes::Bytes;
use quinn_proto::VarInt;

use super::{Context, LINGER, Phase, Session};
use crate::h3;
use crate::message::Cause;

impl Session {
    pub(super) fn close(&mut self, context: &mut Context<'_>, code: u32, reason: String) {
        match self.phase {
            Phase::Open => {}
            Phase::Asked => self.accept(context),
            Phase::Arriving | Phase::Closing { .. } | Phase::Over => return,
        }
        self.reason = Some(reason);
        self.phase = Phase::Closing { code, told: false };
        self.deadline = Some(context.now + context.config.close_timeout);
        self.flush();
        self.control.end();
        for outgoing in &mut self.unis {
            outgoing.end();
        }
        self.flush();
        self.advance_closing(context);
    }

    /// Goes on when the peer has acknowledged what the last step sent. The lanes come
    /// first and alone: a browser drops unread stream data once it sees the capsule.
    pub(super) fn advance_closing(&mut self, context: &mut Context<'_>) {
        let Phase::Closing { code, told } = self.phase else {
            return;
        };
        let delivered = self.control.is_over() && self.unis.iter().all(|uni| uni.is_over());
        if !told && delivered {
            self.tell(context, code);
        } else if told && self.answer.is_over() {
            self.hang_up(context);
        }
    }

    /// Sends the capsule that carries code and reason.
    fn tell(&mut self, context: &mut Context<'_>, code: u32) {
        let reason = self.reason.take().unwrap_or_default();
        self.answer
            .push(h3::capsule::close_frame(code, &reason).into());
        self.answer.end();
        self.phase = Phase::Closing { code, told: true };
        self.deadline = Some(context.now + LINGER);
        self.flush();
    }

    /// Ends the connection. What the peer did not take by now it does not get, but the
    /// capsule is tried once.
    pub(super) fn hang_up(&mut self, context: &mut Context<'_>) {
        if let Phase::Closing { code, told: false } = self.phase {
            return self.tell(context, code);
        }
        self.abandon(context, None);
    }

    /// Ends the connection now, an open session with that code.
    pub(in super::super) fn abandon(&mut self, context: &mut Context<'_>, code: Option<u32>) {
        if self.phase == Phase::Over {
            return;
        }
        self.announce_end(context, Cause::Local);
        // Clients that know of no capsule see the session's code in QUIC's own close.
        let code = match self.phase {
            Phase::Closing { code, .. } => code,
            Phase::Open => code.unwrap_or(h3::NO_ERROR),
            _ => h3::NO_ERROR,
        };
        self.conn
            .close(context.now, VarInt::from_u32(code), Bytes::new());
        self.phase = Phase::Over;
    }
}
