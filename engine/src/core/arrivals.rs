//! First packets: whose connections begin, and what the others are told.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use quinn_proto::{Incoming, Transmit};

use super::Core;
use super::admission::Verdict;
use super::fast::Fast;
use super::session::Session;
use crate::message::SessionId;

/// Stateless answers that wait; further ones are dropped, as they may be.
const RESPONSES_MAX: usize = 256;

/// First packets that wait for their turn, of clients that have shown their address to be their
/// own. Further ones are dropped, and their clients repeat them.
const WAITING_MAX: usize = 1000;

/// How long they wait at most.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// First packets that wait, and since when, the oldest first.
pub(super) type Waiting = VecDeque<(Instant, Incoming)>;

impl Core {
    pub(super) fn admit(&mut self, now: Instant, incoming: Incoming) {
        // Who waits comes first.
        self.admit_waiting(now);
        let remote = incoming.remote_address();
        let is_validated = incoming.remote_address_validated();
        let verdict = self
            .admission
            .judge(now, &self.config, remote, is_validated);
        if verdict == Verdict::Wait && self.waiting.len() < WAITING_MAX {
            self.admission.wait(remote);
            self.waiting.push_back((now, incoming));
            return;
        }
        self.carry_out(now, verdict, incoming);
    }

    /// Lets begin who has waited, as far as the rate allows.
    pub(super) fn admit_waiting(&mut self, now: Instant) {
        while let Some((since, incoming)) = self.waiting.pop_front() {
            let remote = incoming.remote_address();
            self.admission.waited(remote);
            let mut verdict = self.admission.judge(now, &self.config, remote, true);
            if now.saturating_duration_since(since) > WAIT_MAX {
                verdict = Verdict::Ignore;
            }
            if verdict == Verdict::Wait {
                self.admission.wait(remote);
                self.waiting.push_front((since, incoming));
                return;
            }
            self.carry_out(now, verdict, incoming);
        }
    }

    /// When [`admit_waiting`](Self::admit_waiting) has something to do.
    pub(super) fn next_turn(&self) -> Option<Instant> {
        let turn = self.admission.next_turn(&self.config);
        (!self.waiting.is_empty()).then_some(turn)
    }

    fn carry_out(&mut self, now: Instant, verdict: Verdict, incoming: Incoming) {
        self.scratch.clear();
        match verdict {
            Verdict::Accept => self.accept(now, incoming),
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
            Verdict::Ignore | Verdict::Wait => {
                self.stats.refused += 1;
                self.endpoint.ignore(incoming);
            }
        }
    }

    fn accept(&mut self, now: Instant, incoming: Incoming) {
        let remote = incoming.remote_address();
        let is_validated = incoming.remote_address_validated();
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
