//! When a channel's subscribers are told what happened there.
//!
//! Telling a crowd costs each of its sessions a hand-over and a write, however many events
//! go with it. So where many listen and much is said, events wait a moment for one another:
//! too short a moment to be noticed by people who write to each other.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// Up to so many subscribers are told at once: there is little to save.
const FEW: usize = 100;

/// How long an event waits for others, for each subscriber: some times what telling one costs,
/// so that a crowd takes its share of the processor and no more.
const WAIT_EACH: Duration = Duration::from_micros(45);

/// The longest an event waits for others.
const WAIT_MAX: Duration = Duration::from_millis(45);

/// An event after so long a silence is told at once: none is likely to come with it.
const SILENCE: Duration = Duration::from_millis(250);

/// With so many events all are told, due or not.
const EVENTS_MAX: usize = 64;

/// Something that happened in a channel, encoded once for all subscribers.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) seq: u64,
    pub(super) frame: Arc<str>,
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
        self.waiting.push(event);
        if self.waiting.len() >= EVENTS_MAX {
            self.due = Some(now);
        }
        *self.due.get_or_insert_with(|| {
            if is_busy && subscribers > FEW {
                let each = u32::try_from(subscribers).unwrap_or(u32::MAX);
                now + WAIT_EACH.saturating_mul(each).min(WAIT_MAX)
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

    fn event(seq: u64) -> Event {
        Event {
            seq,
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
            (200, ms(0), ms(9)),
            (1_000, ms(0), WAIT_MAX),
            (1_000, ms(249), WAIT_MAX),
            (1_000, SILENCE, ms(0)),
            (usize::MAX, ms(0), WAIT_MAX),
        ] {
            let mut pace = Pace::default();
            assert_eq!(pace.handle_event(event(1), subscribers, begin), begin);
            assert_eq!(pace.take().len(), 1);
            let now = begin + silence;
            let due = pace.handle_event(event(2), subscribers, now);
            assert_eq!(due - now, wait, "{subscribers} after {silence:?}");
        }
    }

    #[test]
    fn the_first_that_waits_says_how_long_and_too_many_wait_no_more() {
        let begin = Instant::now();
        let mut pace = Pace::default();
        pace.handle_event(event(0), 1_000, begin);
        pace.take();
        for seq in 1..EVENTS_MAX as u64 {
            let due = pace.handle_event(event(seq), 1_000, begin + ms(seq / 2));
            assert_eq!(due, begin + WAIT_MAX);
        }
        let now = begin + ms(40);
        assert_eq!(pace.handle_event(event(99), 1_000, now), now);
        assert_eq!(pace.take().len(), EVENTS_MAX);
        assert!(pace.waiting().is_empty());
        assert_eq!(pace.handle_event(event(100), 1_000, now), now + WAIT_MAX);
    }
}
