//! First packets: whose connections begin, and what the others are told.

use std::time::Instant;

use quinn_proto::{Incoming, Transmit};

use super::Core;
use super::admission::Verdict;
use super::fast::Fast;
use super::session::Session;
use crate::message::SessionId;

/// Stateless answers that wait; further ones are dropped, as they may be.
const RESPONSES_MAX: usize = 256;

impl Core {
    pub(super) fn admit(&mut self, now: Instant, incoming: Incoming) {
        let remote = incoming.remote_address();
        let is_validated = incoming.remote_address_validated();
        self.scratch.clear();
        match self
            .admission
            .judge(now, &self.config, remote, is_validated)
        {
            Verdict::Accept => self.accept(now, incoming, is_validated),
            Verdict::Retry => {
                self.stats.retried += 1;
                match self.endpoint.retry(incoming, &mut self.scratch) {
                    Ok(transmit) => self.respond(transmit),
                    Err(error) => self.endpoint.ignore(error.into_incoming()),
                }
            }
            Verdict::Refuse => {
                self.stats.refused += 1;
                let transmit = self.endpoint.refuse(incoming, &mut self.scratch);
                self.respond(transmit);
            }
            Verdict::Ignore => {
                self.stats.refused += 1;
                self.endpoint.ignore(incoming);
            }
        }
    }

    fn accept(&mut self, now: Instant, incoming: Incoming, is_validated: bool) {
        let remote = incoming.remote_address();
        match self.endpoint.accept(incoming, now, &mut self.scratch, None) {
            Ok((handle, conn)) => {
                let slot = handle.0;
                self.generation = self.generation.wrapping_add(1);
                let id = SessionId::new(self.thread, slot, self.generation);
                let fast = fastpath::Link::of(&conn).map(|link| Fast::new(link, now));
                let mut session = Box::new(Session::new(conn, id, now, &self.config));
                session.fast = fast;
                session.counted = Some(self.admission.begin(remote, is_validated));
                if slot >= self.sessions.len() {
                    self.sessions.resize_with(slot + 1, || None);
                }
                self.sessions[slot] = Some(session);
                self.after_input(now, slot);
            }
            Err(error) => {
                tracing::debug!(%remote, cause = %error.cause, "handshake refused");
                if let Some(transmit) = error.response {
                    self.respond(transmit);
                }
            }
        }
    }

    pub(super) fn respond(&mut self, transmit: Transmit) {
        if self.responses.len() < RESPONSES_MAX {
            let bytes = self.scratch[..transmit.size].to_vec();
            self.responses.push_back((transmit, bytes));
        }
    }
}
