//! The client's clock and what it knows of the server's.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Round trips remembered: at one every 2 s, the last half minute.
const SAMPLES: usize = 16;

/// A monotonic clock that begins when it is made: the `now` of every sans-IO core here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalClock(Instant);

impl LocalClock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the clock began.
    pub(crate) fn now(&self) -> Duration {
        self.0.elapsed()
    }

    /// That moment as an [`Instant`].
    pub(crate) fn instant(&self, at: Duration) -> tokio::time::Instant {
        (self.0 + at).into()
    }
}

/// Where the server's clock is and how far away it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Microseconds since the Unix epoch by the server's clock, less those of the local one.
    pub(crate) offset_us: i64,
    /// The last round trip, from a request to its reply.
    pub round_trip: Duration,
}

impl Estimate {
    /// The server's time at `local`, in microseconds since the Unix epoch.
    pub(crate) fn server_time_us(&self, local: Duration) -> u64 {
        (local.as_micros() as u64).saturating_add_signed(self.offset_us)
    }
}

/// Estimates the server's clock from round trips: the quickest of the last few tells it
/// best, for what was not delayed was delayed alike both ways.
#[derive(Debug, Default)]
pub(crate) struct Estimator {
    samples: VecDeque<Estimate>,
}

impl Estimator {
    /// Takes one exchange: sent and answered by the local clock, and the time the server told.
    pub(crate) fn add(&mut self, sent: Duration, answered: Duration, server_time_us: u64) {
        let round_trip = answered.saturating_sub(sent);
        let middle = (sent + round_trip / 2).as_micros() as i64;
        let Ok(server) = i64::try_from(server_time_us) else {
            return;
        };
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(Estimate {
            offset_us: server - middle,
            round_trip,
        });
    }

    /// The best estimate so far.
    pub(crate) fn estimate(&self) -> Option<Estimate> {
        let best = self.samples.iter().min_by_key(|sample| sample.round_trip)?;
        Some(Estimate {
            offset_us: best.offset_us,
            round_trip: self.samples.back()?.round_trip,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn the_quickest_round_trip_tells_the_offset() {
        let mut estimator = Estimator::default();
        assert_eq!(estimator.estimate(), None);
        let server = |local_ms: u64| 1_000_000_000 + local_ms * 1000;
        // 10 ms both ways, then 10 ms there and 90 ms back.
        estimator.add(MS(0), MS(20), server(10));
        estimator.add(MS(100), MS(200), server(110));
        let estimate = estimator.estimate().unwrap();
        assert_eq!(estimate.offset_us, 1_000_000_000);
        assert_eq!(estimate.round_trip, MS(100));
        assert_eq!(estimate.server_time_us(MS(5)), server(5));
    }

    #[test]
    fn old_round_trips_are_forgotten_and_absurd_ones_ignored() {
        let mut estimator = Estimator::default();
        estimator.add(MS(0), MS(1), 0);
        for at in 0..SAMPLES as u64 {
            estimator.add(
                MS(at * 100),
                MS(at * 100 + 20),
                5_000_000 + (at * 100 + 10) * 1000,
            );
        }
        assert_eq!(estimator.estimate().unwrap().offset_us, 5_000_000);
        estimator.add(MS(5000), MS(5000), u64::MAX);
        assert_eq!(estimator.samples.len(), SAMPLES);
    }
}
