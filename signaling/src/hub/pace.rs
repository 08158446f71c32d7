//! When a channel's subscribers are told what happened there.
//!
//! Telling a crowd costs each of its sessions a hand-over and a write, however many events
//! go with it. So where many listen and much is said, events wait a moment for one another:
//! too short a moment to be noticed by people who write to each other.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// Up to so many subscribers are told at once: there is little to save.
const FEW: usize = 100;

/// How long after it was asked for an event waits for others, for each subscriber: some times
/// what telling one costs, so that a crowd takes its share of the processor and no more.
const WAIT_EACH: Duration = Duration::from_micros(42);

/// The longest an event waits for others. As the time its commit takes counts, a slow disk makes
/// it no later.
const WAIT_MAX: Duration = Duration::from_millis(42);

/// An event after so long a silence is told at once: none is likely to come with it.
const SILENCE: Duration = Duration::from_millis(250);

/// With so many events all are told, due or not.
const EVENTS_MAX: usize = 64;

/// With so many bytes of frames also: what a client is slow to read is kept until it has.
const BYTES_MAX: usize = 16 * 1024;

/// Something that happened in a channel, encoded once for all subscribers.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) seq: u64,
    /// When it was asked for.
    pub(crate) asked: Instant,
    pub(crate) frame: Arc<str>,
}

/// The events of one channel that wait to be told together.
#[derive(Debug, Default)]
pub(super) struct Pace {
    waiting: Vec<Event>,
    due: Option<Instant>,
    last_event: Option<Instant>,
}

impl Pace {
    /// Takes an event in; gives when those that wait are due.
    pub(super) fn handle_event(
        &mut self,
        event: Event,
        subscribers: usize,
        now: Instant,
    ) -> Instant {
        let is_busy = self.last_event.is_some_and(|last| now < last + SILENCE);
        self.last_event = Some(now);
        let asked = event.asked;
        self.waiting.push(event);
        let bytes: usize = self.waiting.iter().map(|event| event.frame.len()).sum();
        if self.waiting.len() >= EVENTS_MAX || bytes >= BYTES_MAX {
            self.due = Some(now);
        }
        *self.due.get_or_insert_with(|| {
            if is_busy && subscribers > FEW {
                let each = u32::try_from(subscribers).unwrap_or(u32::MAX);
                let due = asked + WAIT_EACH.saturating_mul(each).min(WAIT_MAX);
                due.max(now)
            } else {
                now
            }
        })
    }

    /// What waits, in the order it happened.
    pub(super) fn waiting(&self) -> &[Event] {
        &self.waiting
    }

    /// Takes what waits.
    pub(super) fn take(&mut self) -> Vec<Event> {
        self.due = None;
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: u64, asked: Instant) -> Event {
        Event {
            seq,
            asked,
            frame: "".into(),
        }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_crowd_that_is_told_much_waits_and_nobody_else_does() {
        let begin = Instant::now();
        // (subscribers, time since the event before, how long this one waits)
        for (subscribers, silence, wait) in [
            (1, ms(0), ms(0)),
            (FEW, ms(0), ms(0)),
            (200, ms(0), 200 * WAIT_EACH),
            (1_000, ms(0), WAIT_MAX),
            (1_000, ms(249), WAIT_MAX),
            (1_000, SILENCE, ms(0)),
            (usize::MAX, ms(0), WAIT_MAX),
        ] {
            let mut pace = Pace::default();
            assert_eq!(
                pace.handle_event(event(1, begin), subscribers, begin),
                begin
            );
            assert_eq!(pace.take().len(), 1);
            let now = begin + silence;
            let due = pace.handle_event(event(2, now), subscribers, now);
            assert_eq!(due - now, wait, "{subscribers} after {silence:?}");
        }
    }

    #[test]
    fn the_first_that_waits_says_how_long_and_too_many_wait_no_more() {
        let begin = Instant::now();
        let mut pace = Pace::default();
        pace.handle_event(event(0, begin), 1_000, begin);
        pace.take();
        for seq in 1..EVENTS_MAX as u64 {
            let due = pace.handle_event(event(seq, begin), 1_000, begin + ms(seq / 2));
            assert_eq!(due, begin + WAIT_MAX);
        }
        let now = begin + ms(40);
        assert_eq!(pace.handle_event(event(99, now), 1_000, now), now);
        assert_eq!(pace.take().len(), EVENTS_MAX);
        assert!(pace.waiting().is_empty());
        assert_eq!(
            pace.handle_event(event(100, now), 1_000, now),
            now + WAIT_MAX
        );
        let large = Event {
            seq: 101,
            asked: now,
            frame: "x".repeat(BYTES_MAX).into(),
        };
        assert_eq!(pace.handle_event(large, 1_000, now), now);
    }
    #[test]
    fn what_the_commit_took_is_not_waited_for_again() {
        let begin = Instant::now();
        for (took, wait) in [
            (ms(0), WAIT_MAX),
            (ms(14), WAIT_MAX - ms(14)),
            (ms(200), ms(0)),
        ] {
            let mut pace = Pace::default();
            pace.handle_event(event(0, begin), 1_000, begin);
            pace.take();
            let now = begin + took;
            let due = pace.handle_event(event(1, begin), 1_000, now);
            assert_eq!(due - now, wait, "{took:?}");
        }
    }
}
