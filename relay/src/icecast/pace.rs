//! When a packet of a source goes out.

use std::time::Duration;

use media::pacer::{self, Pacer};

/// How long packets are watched before the pace is changed.
const WINDOW: Duration = Duration::from_secs(10);

/// Sound that may wait for its time without anybody minding.
const WAIT: Duration = Duration::from_millis(60);

/// The largest step in one [`WINDOW`]: 500 parts per million, which nobody hears.
const STEP: Duration = Duration::from_millis(5);

/// A [`Pacer`] that follows a source whose clock is a little fast, so that its sound does
/// not wait longer by the day.
#[derive(Debug)]
pub(super) struct Pace {
    pacer: Pacer,
    /// How much earlier than by the first packet's count everything goes.
    earlier: Duration,
    window_from: Duration,
    wait_min: Duration,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            pacer: Pacer::new(pacer::Config::default()),
            earlier: Duration::ZERO,
            window_from: Duration::ZERO,
            wait_min: Duration::MAX,
        }
    }

    /// How long a packet that is there at `now` has to wait.
    pub(super) fn wait(&mut self, now: Duration, timestamp: u64) -> Duration {
        let shifted = now + self.earlier;
        let wait = self.pacer.due(shifted, timestamp).saturating_sub(shifted);
        self.wait_min = self.wait_min.min(wait);
        if now.saturating_sub(self.window_from) >= WINDOW {
            self.earlier += self.wait_min.saturating_sub(WAIT).min(STEP);
            (self.window_from, self.wait_min) = (now, Duration::MAX);
        }
        wait
    }

    /// Notes that it was sent; answers how much sound is to be left out because the source
    /// had stalled.
    pub(super) fn sent(&mut self, now: Duration, timestamp: u64) -> Duration {
        self.pacer.handle_sent(now + self.earlier, timestamp)
    }

    /// The next packet is due at once, after the timeline jumped.
    pub(super) fn restart(&mut self) {
        self.pacer.restart();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends packets made by a clock that is `ppm` fast; answers how long the last waited.
    fn last_wait(ppm: f64, hours: u64) -> Duration {
        let mut pace = Pace::new();
        let mut now = Duration::ZERO;
        let mut wait = Duration::ZERO;
        for n in 0..hours * 3600 * 50 {
            let made = Duration::from_secs_f64(n as f64 * 0.02 / (1.0 + ppm / 1e6));
            now = now.max(made);
            wait = pace.wait(now, n * 960);
            now += wait;
            assert_eq!(pace.sent(now, n * 960), Duration::ZERO, "packet {n}");
        }
        wait
    }

    #[test]
    fn a_fast_clock_is_followed_and_a_true_one_is_kept() {
        assert!(last_wait(0.0, 1) <= Duration::from_millis(20));
        let wait = last_wait(200.0, 12);
        assert!(wait <= Duration::from_millis(90), "{wait:?}");
    }

    #[test]
    fn a_flood_goes_out_at_its_own_pace() {
        let mut pace = Pace::new();
        let mut now = Duration::ZERO;
        for n in 0..3000u64 {
            now += pace.wait(now, n * 960);
            pace.sent(now, n * 960);
        }
        let expected = Duration::from_secs(60);
        assert!(
            expected.abs_diff(now) < Duration::from_millis(60),
            "{now:?}"
        );
    }
}
