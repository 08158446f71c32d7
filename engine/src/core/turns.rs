//! What is done with a session when it is its turn.

use std::time::Instant;

use wire::TrackId;

use super::session::Context;
use super::{Core, DEFERRED_FOR};
use crate::batch::{Batch, Way};

/// A packet below this size took all there was to send, but for large datagrams.
const ROOMY_BYTES: usize = 1000;

/// Datagrams of one connection that the kernel gets as one: a handshake's, a long history's.
const SEGMENTS_MAX: usize = 8;

impl Core {
    /// What follows any input to a session: its events, and a place among those to poll.
    pub(super) fn after_input(&mut self, now: Instant, slot: usize) {
        self.digest(now, slot);
        if let Some(Some(session)) = self.sessions.get_mut(slot)
            && !std::mem::replace(&mut session.is_dirty, true)
        {
            self.dirty.push_back(slot as u32);
        }
    }

    /// Takes what input has made of a session.
    fn digest(&mut self, now: Instant, slot: usize) {
        let Some(Some(session)) = self.sessions.get_mut(slot) else {
            return;
        };
        let mut context = Context {
            now,
            config: &self.config,
            events: &mut self.events,
        };
        session.look_at_path();
        session.handle_events(&mut context);
        if session.has_late() {
            session.send_late(&context);
        }
        if std::mem::take(&mut session.is_stalled)
            && !std::mem::replace(&mut session.is_waiting, true)
        {
            self.stalled.push_back(slot as u32);
        }
        if session.has_arrived()
            && let Some(counted) = &mut session.counted
        {
            self.admission.arrived(counted);
        }
        self.stats.frames_dropped += session.take_dropped();
        if session.is_over() {
            let is_news = !std::mem::replace(&mut session.is_counted_over, true);
            self.stats.handshakes_failed += u64::from(is_news && !session.has_opened);
            if session.membership.is_some() {
                self.leave(slot);
            }
        }
    }

    /// Fetches a connection's packets, and settles what they change.
    pub(super) fn poll_session(&mut self, now: Instant, slot: usize, batch: &mut Batch) {
        let Some(Some(session)) = self.sessions.get_mut(slot) else {
            return;
        };
        let buffer_bytes = self.config.datagram_buffer_bytes();
        let mut more = true;
        while more && !batch.is_full() {
            let (mut size, mut way) = (0, None);
            more = batch.push(|buffer| {
                let transmit = session.conn.poll_transmit(now, SEGMENTS_MAX, buffer)?;
                size = buffer.len();
                way = Some(Way {
                    to: transmit.destination,
                    from: transmit.src_ip,
                    segment: transmit.segment_size,
                });
                way
            });
            if let Some(way) = way {
                self.stats.packets_sent += size.div_ceil(way.segment.unwrap_or(size).max(1)) as u64;
                session.has_sent_to(way.to, way.from);
            }
            // Sparing the poll that finds nothing: a packet with room to spare took all.
            if size < ROOMY_BYTES && session.is_open() && session.has_sent_datagrams(buffer_bytes) {
                more = false;
            }
        }
        session.is_dirty = more;
        if more {
            self.dirty.push_front(slot as u32);
        }
        self.settle(slot);
    }

    /// Passes a connection's news to the endpoint and its deadline to the wheel; buries
    /// it when it is done.
    fn settle(&mut self, slot: usize) {
        let Some(Some(session)) = self.sessions.get_mut(slot) else {
            return;
        };
        let handle = quinn_proto::ConnectionHandle(slot);
        let mut is_drained = false;
        while let Some(event) = session.conn.poll_endpoint_events() {
            is_drained |= event.is_drained();
            if let Some(event) = self.endpoint.handle_event(handle, event) {
                session.conn.handle_event(event);
                if !std::mem::replace(&mut session.is_dirty, true) {
                    self.dirty.push_back(slot as u32);
                }
            }
        }
        if !is_drained {
            let deadline = session.next_timeout();
            self.wheel.set(slot, deadline);
            return;
        }
        self.wheel.set(slot, None);
        if session.membership.is_some() {
            self.leave(slot);
        }
        if let Some(gone) = self.sessions[slot].take() {
            self.forget(&gone);
            if let Some(counted) = gone.counted {
                self.admission.end(counted);
            }
        }
    }

    /// Looks at packets that were put off and that no frame came for.
    pub(super) fn handle_deferred(&mut self, now: Instant) {
        while let Some((due, slot)) = self.deferred.front().copied() {
            if due > now {
                return;
            }
            self.deferred.pop_front();
            let Some(Some(session)) = self.sessions.get_mut(slot as usize) else {
                continue;
            };
            session.is_deferred = false;
            if session.deferred.is_empty() {
                continue;
            }
            let due = session.deferred_since + DEFERRED_FOR;
            if due > now {
                // A frame came in between, and then another packet.
                session.is_deferred = true;
                self.deferred.push_back((due, slot));
            } else {
                session.absorb();
                self.after_input(now, slot as usize);
            }
        }
    }

    /// Sends the current frames to one more listener. Returns whether there was one.
    pub(super) fn fan_out_next(&mut self, now: Instant, batch: &mut Batch) -> bool {
        let Some(slot) = self.tracks.next() else {
            return false;
        };
        self.prefetch_upcoming();
        let Some(Some(session)) = self.sessions.get_mut(slot) else {
            return true;
        };
        let frames = self.tracks.frames();
        // Whoever takes several frames at a time is not even looked at in between.
        if frames
            .iter()
            .all(|frames| frames.at(session.level).is_none())
        {
            return true;
        }
        let mut is_slow = session.absorb();
        if is_slow {
            self.digest(now, slot);
        }
        let Some(Some(session)) = self.sessions.get_mut(slot) else {
            return true;
        };
        // What was put off may have been its end.
        if session.membership.is_some() {
            let context = Context {
                now,
                config: &self.config,
                events: &mut self.events,
            };
            let (level, frames) = (session.level, self.tracks.frames().iter());
            for frame in frames.filter_map(|frames| frames.at(level)) {
                // Once one goes the long way the others follow it.
                if !is_slow && session.send_frame_fast(now, frame, batch) {
                    self.stats.packets_sent += 1;
                    self.stats.fast_sent += 1;
                } else {
                    session.send_frame(&context, frame);
                    is_slow = true;
                }
                self.stats.frames_sent += 1;
            }
            self.stats.frames_dropped += session.take_dropped();
        }
        if is_slow && !batch.is_full() {
            self.poll_session(now, slot, batch);
        } else if is_slow {
            self.after_input(now, slot);
        }
        true
    }

    pub(super) fn join(&mut self, slot: usize, track: TrackId) {
        self.leave(slot);
        if let Some(Some(session)) = self.sessions.get_mut(slot) {
            session.membership = Some(self.tracks.join(track, slot));
        }
    }

    pub(super) fn leave(&mut self, slot: usize) {
        let Some(Some(session)) = self.sessions.get_mut(slot) else {
            return;
        };
        if let Some(membership) = session.membership.take() {
            session.drop_late();
            let sessions = &mut self.sessions;
            self.tracks.leave(membership, |moved, place| {
                if let Some(Some(session)) = sessions.get_mut(moved) {
                    session.membership = Some(place);
                }
            });
        }
    }

    /// Lets sessions go on reading that had found no room for events.
    pub(super) fn resume_stalled(&mut self, now: Instant) {
        // Half empty, so that it does not go one by one.
        while self.events.len() < self.config.events_max / 2 {
            let Some(slot) = self.stalled.pop_front() else {
                return;
            };
            if let Some(Some(session)) = self.sessions.get_mut(slot as usize) {
                session.is_waiting = false;
                self.after_input(now, slot as usize);
            }
        }
    }
}
