//! How late packets arrive, and how much delay that asks for.
//!
//! A packet's *relative delay* is its arrival minus its media time, less the smallest such
//! difference of the last ten seconds: 0 for the luckiest packet. Play-out that runs `d`
//! behind the luckiest packet gets every packet whose relative delay is below `d` in time.
//! The window lets the floor follow a drifting clock and a changed path.

use std::time::Duration;

use super::histogram::Histogram;
use crate::SAMPLE_RATE;

/// Length of one piece of the window over which the floor is kept.
const PIECE: Duration = Duration::from_millis(2500);
const PIECES: usize = 4;

/// How long it takes the histogram to forget two thirds of what it saw.
const MEMORY_S: f64 = 30.0;

/// How many packets the start-up assumption counts for: it fades in half a minute.
const PRIOR_PACKETS: f64 = 5.0;

/// Added to the wanted percentile, for rounding and for the callback's own jitter.
const MARGIN_MS: f64 = 3.0;

/// Arrival minus media time, in milliseconds; only differences mean anything.
fn offset_ms(now: Duration, timestamp: u64) -> f64 {
    let whole = (timestamp / u64::from(SAMPLE_RATE)) as f64 * 1e3;
    let part = (timestamp % u64::from(SAMPLE_RATE)) as f64 * 1e3 / f64::from(SAMPLE_RATE);
    now.as_secs_f64() * 1e3 - whole - part
}

#[derive(Debug)]
pub(super) struct Delay {
    quantile: f64,
    max_ms: f64,
    histogram: Histogram,
    floor: Floor,
    target_ms: f64,
}

impl Delay {
    pub(super) fn new(quantile: f64, start: Duration, max: Duration) -> Self {
        let mut histogram = Histogram::new();
        let start_ms = start.as_secs_f64() * 1e3;
        histogram.add(start_ms, PRIOR_PACKETS);
        Self {
            quantile,
            max_ms: max.as_secs_f64() * 1e3,
            histogram,
            floor: Floor::default(),
            target_ms: start_ms,
        }
    }

    /// Learns from a packet of `samples` that arrived at `now`.
    pub(super) fn observe(&mut self, now: Duration, timestamp: u64, samples: u32) {
        let offset = offset_ms(now, timestamp);
        let relative = offset - self.floor.observe(now, offset);
        let seconds = f64::from(samples) / f64::from(SAMPLE_RATE);
        self.histogram.forget((-seconds / MEMORY_S).exp());
        self.histogram.add(relative, 1.0);
        self.retarget(seconds);
    }

    /// Up at once, as being late is heard; down slowly, so that one calm minute within a
    /// rough hour does not cost a gap.
    fn retarget(&mut self, seconds: f64) {
        let wanted = self.histogram.percentile(self.quantile).unwrap_or(0.0) + MARGIN_MS;
        let wanted = wanted.min(self.max_ms);
        let fall = 5.0 * seconds;
        self.target_ms = wanted.max(self.target_ms - fall);
    }

    /// How far play-out is to run behind the luckiest packet, in ms.
    pub(super) fn target_ms(&self) -> f64 {
        self.target_ms
    }

    /// How long before its luckiest packet's need the sample `timestamp` would be decoded at
    /// `now`: its packet is there if its relative delay is below. `None` before any packet.
    pub(super) fn slack_ms(&self, now: Duration, timestamp: u64) -> Option<f64> {
        Some(offset_ms(now, timestamp) - self.floor.value()?)
    }

    pub(super) fn percentile_ms(&self, share: f64) -> f64 {
        self.histogram.percentile(share).unwrap_or(0.0)
    }

    /// Forgets the path's floor, not its jitter: after an outage the path may be another.
    pub(super) fn forget_floor(&mut self) {
        self.floor = Floor::default();
    }
}

/// The smallest offset of the last [`PIECE`] x [`PIECES`].
#[derive(Debug, Default)]
struct Floor {
    /// Newest piece first.
    pieces: [Option<f64>; PIECES],
    piece_began: Duration,
    smallest: Option<f64>,
}

impl Floor {
    fn observe(&mut self, now: Duration, offset: f64) -> f64 {
        let turn = now.saturating_sub(self.piece_began) >= PIECE;
        if self.smallest.is_none() || turn {
            self.pieces.rotate_right(1);
            self.pieces[0] = None;
            self.piece_began = now;
        }
        let newest = self.pieces[0].map_or(offset, |smallest| smallest.min(offset));
        self.pieces[0] = Some(newest);
        let smallest = self.pieces.iter().flatten().fold(newest, |a, &b| a.min(b));
        self.smallest = Some(smallest);
        smallest
    }

    fn value(&self) -> Option<f64> {
        self.smallest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: f64) -> Duration {
        Duration::from_secs_f64(ms / 1e3)
    }

    fn delay() -> Delay {
        Delay::new(0.999, ms(30.0), ms(2000.0))
    }

    #[test]
    fn a_steady_stream_needs_almost_nothing() {
        let mut delay = delay();
        for n in 0..6000 {
            delay.observe(ms(n as f64 * 20.0 + 1000.0), n * 960, 960);
        }
        assert!(delay.target_ms() <= 5.0, "{}", delay.target_ms());
    }

    #[test]
    fn the_target_covers_measured_lateness_quickly() {
        let mut delay = delay();
        for n in 0..500 {
            let late = if n % 50 == 49 { 80.0 } else { 0.0 };
            delay.observe(ms(n as f64 * 20.0 + late), n * 960, 960);
        }
        assert!(
            (80.0..90.0).contains(&delay.target_ms()),
            "{}",
            delay.target_ms()
        );
    }

    #[test]
    fn the_floor_follows_a_drifting_clock() {
        let mut delay = delay();
        for n in 0..30_000u64 {
            delay.observe(ms(n as f64 * 20.0 * 1.0003), n * 960, 960);
        }
        assert!(delay.target_ms() < 9.0, "{}", delay.target_ms());
    }
}
