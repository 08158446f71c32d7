//! How late packets arrive, and how much delay that asks for.
//!
//! A packet's *relative delay* is its arrival minus its media time, less the smallest such
//! difference of the last ten seconds: 0 for the luckiest packet. Play-out that runs `d`
//! behind the luckiest packet gets every packet whose relative delay is below `d` in time.
//! The window lets the floor follow a drifting clock and a changed path.

use std::time::Duration;

use super::histogram::Histogram;
use super::{Config, Profile};
use crate::SAMPLE_RATE;

/// Length of one piece of the window over which the floor is kept.
const PIECE: Duration = Duration::from_millis(2500);
const PIECES: usize = 4;

/// How long it takes the histogram to forget two thirds of what it saw.
const MEMORY_S: f64 = 30.0;

/// How many packets the start-up assumption counts for: it fades in ten seconds.
const PRIOR_PACKETS: f64 = 0.5;

/// Packets over which it is averaged how late they are at the moment.
const USUAL_PACKETS: f64 = 4.0;

/// Over how much time sessions average the round trip, in seconds.
const ROUND_TRIP_MEMORY_S: f64 = 8.0;

/// How fast the target sinks, in ms per second.
const FALL_MS_PER_S: f64 = 10.0;

/// Arrival minus media time, in milliseconds; only differences mean anything.
fn offset_ms(now: Duration, timestamp: u64) -> f64 {
    let whole = (timestamp / u64::from(SAMPLE_RATE)) as f64 * 1e3;
    let part = (timestamp % u64::from(SAMPLE_RATE)) as f64 * 1e3 / f64::from(SAMPLE_RATE);
    now.as_secs_f64() * 1e3 - whole - part
}

#[derive(Debug)]
pub(super) struct Delay {
    profile: Profile,
    max_ms: f64,
    fixed_ms: Option<f64>,
    /// When packets came by themselves.
    arrivals: Histogram,
    /// When they were first there, by whatever means.
    needs: Histogram,
    floor: Floor,
    target_ms: f64,
    /// What repair asks for on top of arrivals.
    repair_ms: f64,
    /// How late the last few packets were, and how much later than that the next one was.
    usual_ms: f64,
    surprises: Histogram,
    /// How late packets were while the round trip was measured.
    before_ms: Option<f64>,
    transit_ms: Option<f64>,
    jitter_ms: f64,
}

impl Delay {
    pub(super) fn new(config: &Config) -> Self {
        let start_ms = config.start_delay.as_secs_f64() * 1e3;
        let mut needs = Histogram::new();
        needs.add(start_ms, PRIOR_PACKETS);
        let fixed_ms = config.fixed_delay.map(|delay| delay.as_secs_f64() * 1e3);
        Self {
            profile: config.profile,
            max_ms: config.max_delay.as_secs_f64() * 1e3,
            fixed_ms,
            arrivals: Histogram::new(),
            needs,
            floor: Floor::default(),
            target_ms: fixed_ms.unwrap_or(start_ms),
            repair_ms: 0.0,
            usual_ms: 0.0,
            surprises: Histogram::new(),
            before_ms: None,
            transit_ms: None,
            jitter_ms: 0.0,
        }
    }

    pub(super) fn set_profile(&mut self, profile: Profile) {
        self.profile = profile;
    }

    /// Tells the delay with which repair comes in time; 0 when it is not waited for.
    pub(super) fn set_repair_ms(&mut self, repair_ms: f64) {
        self.repair_ms = repair_ms;
    }

    /// Learns from a packet of `samples` that arrived at `now` by itself.
    pub(super) fn observe(&mut self, now: Duration, timestamp: u64, samples: u32) {
        let offset = offset_ms(now, timestamp);
        let relative = offset - self.floor.observe(now, offset);
        if relative > self.max_ms {
            // No delay would have waited for it, or its source began anew.
            return;
        }
        let seconds = f64::from(samples) / f64::from(SAMPLE_RATE);
        let keep = (-seconds / MEMORY_S).exp();
        self.arrivals.forget(keep);
        self.arrivals.add(relative, 1.0);
        self.needs.forget(keep);
        self.needs.add(relative, 1.0);
        self.surprises.forget(keep);
        self.surprises.add(relative - self.usual_ms, 1.0);
        self.usual_ms += (relative - self.usual_ms) / USUAL_PACKETS;
        let before_ms = self.before_ms.get_or_insert(relative);
        *before_ms += (relative - *before_ms) * (seconds / ROUND_TRIP_MEMORY_S).min(1.0);
        let moved = (offset - self.transit_ms.unwrap_or(offset)).abs();
        self.transit_ms = Some(offset);
        self.jitter_ms += (moved - self.jitter_ms) / 16.0;
        self.retarget(seconds);
    }

    /// Learns from a packet that only repair brought, at `now`.
    pub(super) fn observe_repair(&mut self, now: Duration, timestamp: u64) {
        let Some(relative) = self.slack_ms(now, timestamp) else {
            return;
        };
        if relative <= self.profile.repair_ms_max() {
            self.needs.add(relative, 1.0);
        }
    }

    /// Up at once, as being late is heard; down slowly, so that one calm minute within a
    /// rough hour does not cost a gap.
    fn retarget(&mut self, seconds: f64) {
        if self.fixed_ms.is_some() {
            return;
        }
        let wanted = self
            .needs
            .percentile(self.profile.quantile())
            .unwrap_or(0.0);
        let wanted = wanted.max(self.repair_ms) + self.profile.margin_ms();
        let wanted = wanted.min(self.max_ms);
        let fall = FALL_MS_PER_S * seconds;
        self.target_ms = wanted.max(self.target_ms - fall);
    }

    pub(super) fn jitter_ms(&self) -> f64 {
        self.jitter_ms
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

    /// Below which the next packet's relative delay lies with the probability `share`, after those
    /// that came last.
    pub(super) fn expected_ms(&self, share: f64) -> f64 {
        self.usual_ms + self.surprises.percentile(share).unwrap_or(0.0)
    }

    /// How much later packets are at the moment than they were while the round trip was
    /// measured.
    pub(super) fn later_ms(&self) -> f64 {
        self.usual_ms - self.before_ms.unwrap_or(self.usual_ms)
    }

    pub(super) fn percentile_ms(&self, share: f64) -> f64 {
        self.arrivals.percentile(share).unwrap_or(0.0)
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
        Delay::new(&Config::default())
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
    fn what_to_expect_follows_a_delay_that_wanders() {
        let mut delay = delay();
        let mut rng = crate::testing::Rng::new(2);
        for n in 0..3000 {
            // Up and down by 40 ms in 8 s, ending at the bottom.
            let wander = 20.0 - 20.0 * (n as f64 / 200.0 * std::f64::consts::PI + 1.0).cos();
            let wander = if n < 2800 { wander } else { 0.0 };
            let late = wander + rng.unit() * 4.0;
            delay.observe(ms(n as f64 * 20.0 + late), n * 960, 960);
        }
        let (always, now) = (delay.percentile_ms(0.98), delay.expected_ms(0.98));
        assert!(always > 35.0, "{always}");
        assert!((3.0..10.0).contains(&now), "{now}");
    }

    #[test]
    fn a_path_that_became_slower_is_later_for_as_long_as_the_round_trip_is_averaged() {
        let mut delay = delay();
        let mut later = Vec::new();
        for n in 0..3000 {
            let late = if n < 1000 { 5.0 } else { 25.0 };
            delay.observe(ms(n as f64 * 20.0 + late), n * 960, 960);
            later.push(delay.later_ms());
        }
        assert!(later[999].abs() < 1.0, "{}", later[999]);
        assert!((17.0..20.0).contains(&later[1020]), "{}", later[1020]);
        assert!(later[2999].abs() < 1.0, "{}", later[2999]);
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
