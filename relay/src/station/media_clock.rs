//! A station's media time: it runs on while sources come and go.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wire::audio::SAMPLE_RATE;

/// Media time of one station while it is on air, shared by the registry and
/// whoever takes the source's datagrams.
///
/// It runs at the relay's own pace and follows the source's by at most
/// [`SLEW_PER_SECOND`], so that it neither drifts off a sound card that is a
/// little fast over days nor is led away by a source that sends too much.
#[derive(Debug)]
pub(crate) struct MediaClock {
    started: Instant,
    /// Samples on top of those elapsed since `started`.
    offset: AtomicI64,
    /// The first sequence not passed on yet.
    next_sequence: AtomicU64,
    /// The first sample not passed on yet.
    next_timestamp: AtomicU64,
}

/// Samples the clock may be corrected by in one second: 1,000 ppm, three times
/// what the worst sound cards are off.
const SLEW_PER_SECOND: f64 = SAMPLE_RATE as f64 / 1000.0;

/// How far a timestamp may lie from the station's clock, in samples: 10 s.
pub(crate) const TIMESTAMP_RANGE: u64 = 10 * SAMPLE_RATE as u64;

impl MediaClock {
    /// A clock that reads 0 at `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            started: now,
            offset: AtomicI64::new(0),
            next_sequence: AtomicU64::new(0),
            next_timestamp: AtomicU64::new(0),
        }
    }

    /// The media time at `now`, in samples.
    pub(crate) fn timestamp(&self, now: Instant) -> u64 {
        let elapsed = samples(now.saturating_duration_since(self.started));
        elapsed.saturating_add_signed(self.offset.load(Ordering::Relaxed))
    }

    /// The sequence and timestamp a source must start with at `now`: behind
    /// everything passed on so far.
    pub(crate) fn resume_point(&self, now: Instant) -> (u64, u64) {
        let next = self.next_timestamp.load(Ordering::Relaxed);
        let sequence = self.next_sequence.load(Ordering::Relaxed);
        (sequence, self.timestamp(now).max(next))
    }

    /// The first sequence and sample not passed on yet.
    pub(crate) fn end(&self) -> (u64, u64) {
        let next = self.next_timestamp.load(Ordering::Relaxed);
        (self.next_sequence.load(Ordering::Relaxed), next)
    }

    /// What the source sends at `now`: the end of its newest packet, unless that is long past.
    pub(crate) fn newest(&self, now: Instant) -> u64 {
        let (clock, next) = (
            self.timestamp(now),
            self.next_timestamp.load(Ordering::Relaxed),
        );
        if clock.abs_diff(next) <= TIMESTAMP_RANGE {
            next
        } else {
            clock
        }
    }

    /// Notes the newest packet passed on: `sequence`, and the sample behind its last.
    pub(crate) fn passed(&self, sequence: u64, end: u64) {
        self.next_sequence.store(sequence + 1, Ordering::Relaxed);
        self.next_timestamp.fetch_max(end, Ordering::Relaxed);
    }

    /// Moves the clock towards a source whose packet begins at `timestamp` now,
    /// by what it may move in the time since the last correction.
    pub(crate) fn follow(&self, timestamp: u64, now: Instant, since_last: Duration) {
        let error = timestamp as i64 - self.timestamp(now) as i64;
        let most = (since_last.as_secs_f64() * SLEW_PER_SECOND) as i64;
        self.offset
            .fetch_add(error.clamp(-most, most), Ordering::Relaxed);
    }
}

/// Samples at 48 kHz in that time.
pub(crate) fn samples(time: Duration) -> u64 {
    (time.as_micros() * 48 / 1000) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_a_drifting_source_for_days_and_no_faster() {
        let start = Instant::now();
        let clock = MediaClock::new(start);
        // 300 ppm fast for ten days: 259 s in all.
        let hour = Duration::from_secs(1);
        let mut now = start;
        let mut timestamp = 0.0;
        for _ in 0..864_000 {
            now += hour;
            timestamp += 48_000.0 * 1.0003;
            clock.follow(timestamp as u64, now, hour);
        }
        assert!(clock.timestamp(now).abs_diff(timestamp as u64) < 100);

        let before = clock.timestamp(now);
        clock.follow(before + TIMESTAMP_RANGE, now, Duration::from_secs(1));
        assert_eq!(clock.timestamp(now), before + 48);
    }

    #[test]
    fn a_source_that_returns_continues_behind_what_was_sent() {
        let start = Instant::now();
        let clock = MediaClock::new(start);
        let at = start + Duration::from_secs(1);
        clock.passed(49, 57_600);
        assert_eq!(clock.resume_point(at), (50, 57_600));
        let later = start + Duration::from_secs(4);
        assert_eq!(clock.resume_point(later), (50, 192_000));
        assert_eq!(clock.newest(later), 57_600);
        assert_eq!(clock.newest(start + Duration::from_secs(60)), 2_880_000);
    }
}
