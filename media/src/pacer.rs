//! When a packet is due: media time against the clock.

use std::time::Duration;

use crate::MediaClock;

/// How a source is paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// How much earlier than its media time a packet may go. Default 5 ms: timers wake late.
    pub lead: Duration,
    /// How far behind the source may fall and catch up in a burst. When it is later than
    /// this, the clock is moved instead. Default 100 ms, five packets of 20 ms.
    pub burst: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lead: Duration::from_millis(5),
            burst: Duration::from_millis(100),
        }
    }
}

/// Maps media time to the clock. The first packet is due at once.
///
/// Ask [`Self::due`] when a packet may go, wait until then, send it, and say so with
/// [`Self::handle_sent`].
#[derive(Debug, Clone)]
pub struct Pacer {
    config: Config,
    /// Where media time `timestamp` lies on the clock.
    anchor: Option<(Duration, u64)>,
}

impl Pacer {
    /// A pacer that has not begun.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            anchor: None,
        }
    }

    /// When the packet with this timestamp may be sent, on the clock of `now`; not after
    /// `now` if it may be sent already.
    #[must_use]
    pub fn due(&self, now: Duration, timestamp: u64) -> Duration {
        let Some((start, from)) = self.anchor else {
            return now;
        };
        let ahead = MediaClock::duration(timestamp.saturating_sub(from));
        (start + ahead).saturating_sub(self.config.lead)
    }

    /// Whether that time has come.
    #[must_use]
    pub fn is_due(&self, now: Duration, timestamp: u64) -> bool {
        self.due(now, timestamp) <= now
    }

    /// Notes that the packet with this timestamp is sent at `now`. Answers by how much the
    /// clock was moved, because the source had stalled for longer than it may catch up:
    /// listeners will hear a gap of about that length.
    pub fn handle_sent(&mut self, now: Duration, timestamp: u64) -> Duration {
        let (start, from) = *self.anchor.get_or_insert((now, timestamp));
        let place = start + MediaClock::duration(timestamp.saturating_sub(from));
        let late = now.saturating_sub(place);
        let slip = late.saturating_sub(self.config.burst);
        if slip > Duration::ZERO {
            self.anchor = Some((start + slip, from));
        }
        slip
    }

    /// Begins anew: the next packet is due at once.
    pub fn restart(&mut self) {
        self.anchor = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn packets_are_due_by_their_media_time_less_the_lead() {
        let mut pacer = Pacer::new(Config::default());
        assert_eq!(pacer.due(ms(1000), 500), ms(1000));
        pacer.handle_sent(ms(1000), 500);
        assert_eq!(pacer.due(ms(1000), 500 + 960), ms(1015));
        assert!(!pacer.is_due(ms(1014), 500 + 960) && pacer.is_due(ms(1015), 500 + 960));
        let day = 24 * 3600 * 48_000;
        assert_eq!(
            pacer.due(ms(1000), 500 + day),
            ms(1000 + 24 * 3_600_000 - 5)
        );
    }

    #[test]
    fn a_stall_is_caught_up_by_no_more_than_the_burst() {
        let mut pacer = Pacer::new(Config::default());
        let mut now = ms(0);
        let mut timestamp = 0;
        let mut send_all_due = |now: Duration| {
            let mut sent = 0;
            while pacer.is_due(now, timestamp) {
                pacer.handle_sent(now, timestamp);
                timestamp += 960;
                sent += 1;
            }
            sent
        };
        for _ in 0..50 {
            send_all_due(now);
            now += ms(20);
        }
        assert_eq!(send_all_due(now + ms(80)), 5, "caught up");
        assert_eq!(send_all_due(now + ms(10_000)), 6, "one and the burst");
        assert_eq!(send_all_due(now + ms(10_019)), 1, "then at pace");
    }
}
