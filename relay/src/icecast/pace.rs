//! When a packet of a source goes out.

use std::time::Duration;

use media::pacer::{self, Pacer};

/// How long packets are watched before the pace is changed.
const WINDOW: Duration = Duration::from_secs(10);

/// The largest step after a [`WINDOW`]: 500 parts per million, which nobody hears.
const STEP: Duration = Duration::from_millis(5);

/// The first of them: what came while the station was being opened would wait for ever.
const OPENING: Duration = Duration::from_secs(3);

/// A source that sends at least so often is known after [`OPENING`].
const OPENING_GAP: Duration = Duration::from_millis(500);

/// What is too much then goes in steps of so much, one in [`OPENING_GAP`]. A step has to be
/// less than what the [`Pacer`] takes for a stall.
const OPENING_STEP: Duration = Duration::from_millis(80);

/// What a packet may lie here before its time, for the next one to be late without harm.
const SLACK: Duration = Duration::from_millis(20);

/// A [`Pacer`] that follows a source whose clock is a little fast, so that its sound does
/// not wait longer by the day.
#[derive(Debug)]
pub(super) struct Pace {
    pacer: Pacer,
    /// How much earlier than by the first packet's count everything goes.
    earlier: Duration,
    /// When the first packet was here.
    begun: Option<Duration>,
    /// When the bytes of the last packet arrived.
    arrived: Duration,
    window_from: Duration,
    /// The least time that the first packet of bytes which came at once lay here, of all
    /// that came within the window. Whoever sends in bursts shows it at their beginnings.
    slack_min: Option<Duration>,
    /// The longest time between arrivals in the first window.
    gap_max: Duration,
    /// What is still to be taken from the wait, and when some of it was.
    owed: Duration,
    stepped: Duration,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            pacer: Pacer::new(pacer::Config::default()),
            earlier: Duration::ZERO,
            begun: None,
            arrived: Duration::ZERO,
            window_from: Duration::ZERO,
            slack_min: None,
            gap_max: Duration::ZERO,
            owed: Duration::ZERO,
            stepped: Duration::ZERO,
        }
    }

    /// How long at `now` a packet has to wait whose last byte arrived at `arrived`.
    pub(super) fn wait(&mut self, now: Duration, timestamp: u64, arrived: Duration) -> Duration {
        let shifted = now + self.earlier;
        let wait = self.pacer.due(shifted, timestamp).saturating_sub(shifted);
        let Some(begun) = self.begun else {
            (self.begun, self.arrived, self.window_from) = (Some(now), arrived, now);
            return wait;
        };
        if arrived != self.arrived {
            self.gap_max = self.gap_max.max(arrived.saturating_sub(self.arrived));
            self.arrived = arrived;
            let slack = (now + wait).saturating_sub(arrived);
            self.slack_min = Some(self.slack_min.map_or(slack, |least| least.min(slack)));
        }
        let is_first = self.window_from == begun;
        let window = if is_first { OPENING } else { WINDOW };
        if now.saturating_sub(self.window_from) >= window {
            self.turn(now, is_first);
        }
        if self.owed > Duration::ZERO && now.saturating_sub(self.stepped) >= OPENING_GAP {
            let step = self.owed.min(OPENING_STEP);
            self.earlier += step;
            self.owed -= step;
            self.stepped = now;
        }
        wait
    }

    /// Ends a window.
    fn turn(&mut self, now: Duration, is_first: bool) {
        self.window_from = now;
        let gap = self.gap_max.max(now.saturating_sub(self.arrived));
        let spare = self
            .slack_min
            .take()
            .unwrap_or_default()
            .saturating_sub(SLACK);
        if !is_first {
            self.earlier += spare.min(STEP);
        } else if gap <= OPENING_GAP {
            self.owed = spare;
        }
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

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Plays packets that arrive as `arrives` tells, from `now` on; answers how long each lay
    /// here.
    fn lain(mut now: Duration, count: u64, arrives: impl Fn(u64) -> Duration) -> Vec<Duration> {
        let mut pace = Pace::new();
        let mut lain = Vec::new();
        for n in 0..count {
            let arrived = arrives(n);
            now = now.max(arrived);
            now += pace.wait(now, n * 960, arrived);
            assert_eq!(pace.sent(now, n * 960), Duration::ZERO, "packet {n}");
            lain.push(now - arrived);
        }
        lain
    }

    #[test]
    fn a_fast_clock_is_followed_and_a_true_one_is_kept() {
        let made_by =
            |ppm: f64| move |n: u64| Duration::from_secs_f64(n as f64 * 0.02 / (1.0 + ppm / 1e6));
        let most = |lain: Vec<Duration>| lain.into_iter().max().unwrap_or_default();
        assert!(most(lain(Duration::ZERO, 3600 * 50, made_by(0.0))) <= ms(20));
        // 8.6 s in twelve hours.
        let fast = most(lain(Duration::ZERO, 12 * 3600 * 50, made_by(200.0)));
        assert!(fast <= ms(30), "{fast:?}");
    }

    #[test]
    fn what_came_before_the_station_was_open_does_not_delay_the_rest() {
        // The first 400 ms are found at once, for nobody read before.
        let lain = lain(ms(400), 500, |n| ms(20 * n).max(ms(400)));
        assert!(lain[300..].iter().all(|&time| time <= ms(20)), "{lain:?}");
    }

    #[test]
    fn bursts_of_a_second_are_spread() {
        let lain = lain(Duration::ZERO, 1000, |n| Duration::from_secs(n / 50));
        let last = &lain[950..];
        assert!(last[0] <= ms(20) && last[49] >= ms(960), "{last:?}");
    }

    #[test]
    fn bursts_in_several_pieces_are_not_taken_for_a_fast_clock() {
        // Two seconds at once, every two seconds, in pieces of a quarter of a second.
        let lain = lain(ms(2000), 2000, |n| ms(2000 * (n / 100 + 1) + n % 100 / 12));
        let last = &lain[1900..];
        assert!(last[0] <= ms(20) && last[99] >= ms(1900), "{last:?}");
    }

    #[test]
    fn a_flood_goes_out_at_its_own_pace() {
        // Ten packets a millisecond.
        let lain = lain(Duration::ZERO, 3000, |n| ms(n / 10));
        let last = lain[2999] + ms(299);
        assert!(Duration::from_secs(60).abs_diff(last) < ms(900), "{last:?}");
    }
}
