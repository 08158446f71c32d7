//! The last events of the channel `stations`, so that clients can catch up.

use std::collections::VecDeque;

use serde::Serialize;
use wire::frame::Push;
use wire::message::STATIONS_CHANNEL;

/// Events kept for clients that return.
const EVENTS_MAX: usize = 256;

/// The most bytes of state or missed events told in one reply, so that it fits a
/// frame of 65,536 with what surrounds it, 63 refusals of other channels at worst.
pub(crate) const REPLY_BYTES_MAX: usize = 44 * 1024;

/// Numbers events within one epoch and keeps the last of them.
#[derive(Debug)]
pub(crate) struct EventLog {
    epoch: String,
    offset: u64,
    events: VecDeque<Push>,
}

impl EventLog {
    /// An empty log. `epoch` must differ from that of every earlier run.
    pub(crate) fn new(epoch: String) -> Self {
        Self {
            epoch,
            offset: 0,
            events: VecDeque::new(),
        }
    }

    pub(crate) fn epoch(&self) -> &str {
        &self.epoch
    }

    /// The newest event's offset.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Numbers and keeps an event.
    pub(crate) fn append<T: Serialize>(&mut self, kind: &str, data: &T) -> Push {
        self.offset += 1;
        let push = Push::new(STATIONS_CHANNEL, kind, data).at(self.offset);
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(push.clone());
        push
    }

    /// All events after that position, or none when they are not all here or
    /// have more than `bytes_max` of JSON.
    pub(crate) fn since(&self, epoch: &str, offset: u64, bytes_max: usize) -> Option<Vec<Push>> {
        let missed = self.offset.checked_sub(offset)?;
        let missed = usize::try_from(missed).ok()?;
        if epoch != self.epoch || missed > self.events.len() {
            return None;
        }
        let events = self.events.iter().skip(self.events.len() - missed);
        let bytes: usize = events
            .clone()
            .map(|event| event.data.get().len() + 100)
            .sum();
        (bytes <= bytes_max).then(|| events.cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_is_whole_or_refused() {
        let mut log = EventLog::new("e".into());
        for number in 1..=300 {
            log.append("started", &number);
        }
        let offsets = |from| {
            let events = log.since("e", from, REPLY_BYTES_MAX)?;
            Some(
                events
                    .iter()
                    .map(|event| event.offset.unwrap())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(offsets(300), Some(vec![]));
        assert_eq!(offsets(298), Some(vec![299, 300]));
        assert_eq!(offsets(44).unwrap().len(), 256);
        assert_eq!(offsets(43), None);
        assert_eq!(offsets(301), None, "from a future this log never had");
        assert!(log.since("f", 300, REPLY_BYTES_MAX).is_none());
    }

    #[test]
    fn events_that_fit_no_frame_are_refused() {
        let mut log = EventLog::new("e".into());
        for _ in 0..100 {
            log.append("started", &"x".repeat(1000));
        }
        assert!(log.since("e", 0, REPLY_BYTES_MAX).is_none());
        assert_eq!(log.since("e", 90, REPLY_BYTES_MAX).unwrap().len(), 10);
    }
}
