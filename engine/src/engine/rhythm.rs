//! Whether a thread with a crowd may look away from its socket, and for how long.
//!
//! A crowd's acknowledgements trickle in one by one, and to wake up for each costs more than to
//! take them. What is not to wait for long are the packets of sources; these come steadily, so
//! that it is known when the next is due.

use std::time::{Duration, Instant};

use crate::core::SMALL_BYTES;
use crate::message::SessionId;

/// The longest a thread looks away when nothing is expected; half of the time there is left
/// before a source's next packet, but no less than the least.
const DOZE_MAX: Duration = Duration::from_micros(2_500);
pub(super) const DOZE_MIN: Duration = Duration::from_micros(500);

/// It does not look away from so long before a packet is due until so long after.
const EARLY: Duration = Duration::from_micros(750);
const LATE: Duration = Duration::from_millis(1);

/// Whoever has sent so many datagrams with no more than this in between is a source; listeners
/// send one now and then.
const STEADY: u32 = 8;
const SILENCE: Duration = Duration::from_millis(200);

/// Sessions whose datagrams are told apart. With more of them one is always due.
const SESSIONS_MAX: usize = 64;

/// What came, and what is to be expected.
#[derive(Debug, Default)]
pub(super) struct Rhythm {
    sources: Vec<Source>,
    /// When there was last one too many.
    crowded: Option<Instant>,
    /// Since the last doze: packets that are more than acknowledgements, and datagrams in them.
    large: u32,
    datagrams: u32,
}

#[derive(Debug)]
struct Source {
    session: SessionId,
    heard: Instant,
    /// Between two datagrams, smoothed.
    interval: Duration,
    /// Datagrams in a row.
    count: u32,
}

impl Source {
    fn new(session: SessionId, now: Instant) -> Self {
        Self {
            session,
            heard: now,
            interval: Duration::ZERO,
            count: 1,
        }
    }

    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard) <= SILENCE
    }

    fn is_steady(&self, now: Instant) -> bool {
        self.count >= STEADY && self.is_fresh(now)
    }

    fn handle_datagram(&mut self, now: Instant) {
        if !self.is_fresh(now) {
            *self = Self::new(self.session, now);
            return;
        }
        let passed = now.saturating_duration_since(self.heard);
        self.interval = match self.count {
            1 => passed,
            _ => (self.interval * 7 + passed) / 8,
        };
        self.heard = now;
        self.count = self.count.saturating_add(1);
    }
}

impl Rhythm {
    /// A packet of that length has come.
    pub(super) fn handle_packet(&mut self, len: usize) {
        self.large += u32::from(len > SMALL_BYTES);
    }

    /// There was a session's datagram in it.
    pub(super) fn handle_datagram(&mut self, session: SessionId, now: Instant) {
        self.datagrams += 1;
        let known = self
            .sources
            .iter_mut()
            .find(|source| source.session == session);
        if let Some(source) = known {
            return source.handle_datagram(now);
        }
        let source = Source::new(session, now);
        if self.sources.len() < SESSIONS_MAX {
            return self.sources.push(source);
        }
        if let Some(oldest) = self.sources.iter_mut().min_by_key(|source| source.heard) {
            if oldest.is_fresh(now) {
                self.crowded = Some(now);
            }
            *oldest = source;
        }
    }

    /// How long the thread may look away now; not at all when a source's packet is due. What is
    /// no acknowledgement and no datagram is followed by more of the kind: a handshake, a
    /// request.
    pub(super) fn doze(&mut self, now: Instant) -> Option<Duration> {
        let (large, datagrams) = (
            std::mem::take(&mut self.large),
            std::mem::take(&mut self.datagrams),
        );
        let is_crowded = |at| now.saturating_duration_since(at) <= SILENCE;
        if large > datagrams || self.crowded.is_some_and(is_crowded) {
            return Some(DOZE_MIN);
        }
        let steady = self.sources.iter().filter(|source| source.is_steady(now));
        let due = steady.map(|source| source.heard + source.interval);
        if due
            .clone()
            .any(|due| now + EARLY >= due && now <= due + LATE)
        {
            return None;
        }
        let left = due.map(|due| due.saturating_duration_since(now)).min();
        Some(left.map_or(DOZE_MAX, |left| (left / 2).clamp(DOZE_MIN, DOZE_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    fn session(slot: u32) -> SessionId {
        SessionId::new(0, slot as usize, 0)
    }

    /// Twenty frames of that many sources one after the other, and when the first's last came.
    fn heard(sources: u32) -> (Rhythm, Instant) {
        let begun = Instant::now();
        let mut rhythm = Rhythm::default();
        for frame in 0..20 {
            for source in 0..sources {
                let now = begun + FRAME * frame + FRAME * source / sources;
                rhythm.handle_packet(300);
                rhythm.handle_datagram(session(source), now);
            }
        }
        (rhythm, begun + FRAME * 19)
    }

    #[test]
    fn before_a_sources_packet_a_thread_looks_away_for_half_of_what_is_left() {
        let (mut rhythm, now) = heard(1);
        assert_eq!(rhythm.doze(now), Some(DOZE_MAX));
        let left = Duration::from_millis(3);
        assert_eq!(rhythm.doze(now + FRAME - left), Some(left / 2));
        assert_eq!(rhythm.doze(now + FRAME - EARLY), None);
        assert_eq!(rhythm.doze(now + FRAME + LATE), None);
        assert_eq!(rhythm.doze(now + 2 * FRAME), Some(DOZE_MIN), "it is late");
        let gone = now + SILENCE + FRAME;
        assert_eq!(rhythm.doze(gone), Some(DOZE_MAX), "it is gone");
    }

    #[test]
    fn the_next_of_several_sources_counts_and_with_many_one_is_always_due() {
        let (mut rhythm, now) = heard(2);
        let left = Duration::from_millis(2);
        assert_eq!(rhythm.doze(now + FRAME - left), Some(left / 2));
        let (mut rhythm, now) = heard(SESSIONS_MAX as u32 + 1);
        assert_eq!(rhythm.doze(now), Some(DOZE_MIN));
    }

    #[test]
    fn listeners_datagrams_are_no_rhythm_unless_they_are_many() {
        let (mut rhythm, now) = heard(1);
        let mut listeners = 1..;
        let mut hear = |rhythm: &mut Rhythm, count| {
            for listener in listeners.by_ref().take(count) {
                rhythm.handle_packet(80);
                rhythm.handle_datagram(session(listener), now);
            }
        };
        hear(&mut rhythm, SESSIONS_MAX - 1);
        assert_eq!(rhythm.doze(now), Some(DOZE_MAX));
        assert_eq!(rhythm.doze(now + FRAME), None);
        hear(&mut rhythm, SESSIONS_MAX);
        assert_eq!(rhythm.doze(now), Some(DOZE_MIN));
    }

    #[test]
    fn what_is_neither_acknowledgement_nor_datagram_is_not_to_wait() {
        let mut rhythm = Rhythm::default();
        let now = Instant::now();
        rhythm.handle_packet(SMALL_BYTES);
        assert_eq!(rhythm.doze(now), Some(DOZE_MAX));
        rhythm.handle_packet(1200);
        assert_eq!(rhythm.doze(now), Some(DOZE_MIN));
        assert_eq!(rhythm.doze(now), Some(DOZE_MAX));
    }
}
