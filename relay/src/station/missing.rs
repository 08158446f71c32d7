//! Packets of a source that did not come yet, and when to ask for them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use wire::repair::SEQUENCES_MAX;

/// How long a packet is sought: the source keeps no more than about this.
const SOUGHT: Duration = Duration::from_secs(1);

/// Packets sought at once: the newest, when more are lost.
const GAPS_MAX: usize = 128;

/// How often a packet is asked for.
const ASKS_MAX: u8 = 4;

/// Time from asking to the answer before one was measured.
const TRIP_START: Duration = Duration::from_millis(60);

/// Bounds of the wait before a packet is asked for again.
const WAIT_MIN: Duration = Duration::from_millis(20);
const WAIT_MAX: Duration = Duration::from_millis(400);

/// What is sought of one source.
#[derive(Debug)]
pub(crate) struct Missing {
    /// By sequence, rising.
    gaps: VecDeque<Gap>,
    newest: Option<u64>,
    first: u64,
    /// Smoothed time from asking to the answer.
    trip: Duration,
}

#[derive(Debug)]
struct Gap {
    sequence: u64,
    since: Instant,
    asked: Option<Instant>,
    asks: u8,
}

impl Missing {
    /// For a source whose first packet is to be `first`.
    pub(crate) fn new(first: u64) -> Self {
        Self {
            gaps: VecDeque::new(),
            newest: None,
            first,
            trip: TRIP_START,
        }
    }

    /// A packet came, by itself or as a copy. True when it had been asked for.
    pub(crate) fn came(&mut self, sequence: u64, now: Instant) -> bool {
        let expected = self.newest.map_or(self.first, |newest| newest + 1);
        if sequence >= expected {
            let from = expected.max(sequence.saturating_sub(GAPS_MAX as u64));
            self.gaps.extend((from..sequence).map(|sequence| Gap {
                sequence,
                since: now,
                asked: None,
                asks: 0,
            }));
            let over = self.gaps.len().saturating_sub(GAPS_MAX);
            self.gaps.drain(..over);
            self.newest = Some(sequence);
            return false;
        }
        let Ok(at) = self
            .gaps
            .binary_search_by_key(&sequence, |gap| gap.sequence)
        else {
            return false;
        };
        let Some(gap) = self.gaps.remove(at) else {
            return false;
        };
        // Of one asked for twice it is unknown which asking helped.
        if let (Some(asked), 1) = (gap.asked, gap.asks) {
            let trip = now.saturating_duration_since(asked);
            self.trip = (self.trip * 7 + trip) / 8;
        }
        gap.asks > 0
    }

    /// Packets to ask for now, rising; asking is noted. At most as many as a request holds.
    pub(crate) fn poll_request(&mut self, now: Instant) -> Vec<u64> {
        let wait = (self.trip * 3 / 2).clamp(WAIT_MIN, WAIT_MAX);
        self.gaps.retain(|gap| {
            now.saturating_duration_since(gap.since) < SOUGHT
                && (gap.asks < ASKS_MAX || gap.asked.is_none_or(|asked| now < asked + wait))
        });
        let due = self
            .gaps
            .iter_mut()
            .filter(|gap| gap.asks < ASKS_MAX && gap.asked.is_none_or(|asked| now >= asked + wait));
        let ask = |gap: &mut Gap| {
            gap.asked = Some(now);
            gap.asks += 1;
            gap.sequence
        };
        due.take(SEQUENCES_MAX).map(ask).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_gap_is_asked_for_at_once_and_again_until_it_is_filled() {
        let start = Instant::now();
        let mut missing = Missing::new(10);
        missing.came(10, start);
        assert!(missing.poll_request(start).is_empty());
        missing.came(13, at(start, 60));
        assert_eq!(missing.poll_request(at(start, 60)), [11, 12]);
        assert!(missing.poll_request(at(start, 61)).is_empty());
        assert!(missing.came(12, at(start, 90)));
        assert!(!missing.came(12, at(start, 91)), "only once");
        assert_eq!(missing.poll_request(at(start, 150)), [11]);
        assert!(missing.came(11, at(start, 200)));
        assert!(missing.poll_request(at(start, 400)).is_empty());
    }

    #[test]
    fn what_does_not_come_is_given_up() {
        let start = Instant::now();
        let mut missing = Missing::new(0);
        missing.came(1, start);
        let asked = (0..2_000).flat_map(|ms| missing.poll_request(at(start, ms)));
        assert_eq!(asked.collect::<Vec<_>>(), [0; 4]);
        assert!(!missing.came(0, at(start, 2_000)));
    }

    #[test]
    fn a_leap_is_bounded() {
        let start = Instant::now();
        let mut missing = Missing::new(0);
        missing.came(3_000, start);
        missing.came(6_000, start);
        let asked: Vec<_> = (0..10).flat_map(|_| missing.poll_request(start)).collect();
        assert_eq!(asked, (5_872..6_000).collect::<Vec<_>>());
    }

    #[test]
    fn patience_follows_the_time_answers_take() {
        let start = Instant::now();
        let mut missing = Missing::new(0);
        for turn in 0..40 {
            let (sequence, ms) = (turn * 2 + 1, turn * 40);
            missing.came(sequence, at(start, ms));
            assert_eq!(missing.poll_request(at(start, ms)), [sequence - 1]);
            assert!(missing.came(sequence - 1, at(start, ms + 10)));
        }
        missing.came(100, at(start, 5_000));
        assert!(!missing.poll_request(at(start, 5_000)).is_empty());
        assert!(!missing.poll_request(at(start, 5_025)).is_empty());
    }
}
