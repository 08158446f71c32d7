//! Congestion control for constant-rate audio.
//!
//! A listener's sound has one rate; the engine cannot slow it down, only drop frames.
//! Reno and Cubic fall to two packets after a burst of loss, which at a round trip of
//! 200 ms would starve 50 frames a second that are no cause of the congestion; BBR
//! probes for bandwidth an audio stream never uses. So:
//!
//! * The window never falls below [`FLOOR`]: audio flows at its own rate through
//!   ordinary loss. With 32 KiB that holds for 128 kb/s up to a round trip of 2 s and
//!   for 510 kb/s up to half a second.
//! * It never grows above [`CEILING`], and above the floor it is Reno: what is left to
//!   congestion control are bursts on streams (histories, control), which stay small.
//! * In persistent congestion (RFC 9002, section 7.6: everything lost for three probe
//!   timeouts) it falls to [`TRICKLE`] until something is acknowledged again: a circuit
//!   breaker as in RFC 8083, so that a dead path gets a trickle, not a stream.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn_proto::RttEstimator;
use quinn_proto::congestion::{Controller, ControllerFactory};

/// The least window while packets get through, in bytes.
const FLOOR: u64 = 32 * 1024;

/// The largest window, in bytes.
const CEILING: u64 = 256 * 1024;

/// The window of a path that swallows everything, in bytes: four packets of 1,200.
const TRICKLE: u64 = 4 * 1200;

/// RFC 9002's initial window; the handshake and a first burst fit.
const INITIAL: u64 = 14_720;

#[derive(Debug, Clone)]
struct Steady {
    window: u64,
    threshold: u64,
    recovery_start: Instant,
    acked: u64,
    mtu: u64,
    validated: bool,
}

impl Steady {
    fn new(now: Instant, mtu: u16) -> Self {
        Self {
            window: INITIAL,
            threshold: u64::MAX,
            // Just before the first packet, so that its acknowledgement counts.
            recovery_start: now.checked_sub(Duration::from_micros(1)).unwrap_or(now),
            acked: 0,
            mtu: u64::from(mtu),
            validated: false,
        }
    }

    fn acknowledged(&mut self, sent: Instant, bytes: u64, app_limited: bool) {
        self.validated = true;
        self.window = self.window.max(FLOOR);
        if app_limited || sent <= self.recovery_start || self.window >= CEILING {
            return;
        }
        if self.window < self.threshold {
            self.window += bytes;
        } else {
            self.acked += bytes;
            if self.acked >= self.window {
                self.acked -= self.window;
                self.window += self.mtu;
            }
        }
        self.window = self.window.min(CEILING);
    }
}

impl Controller for Steady {
    fn on_ack(
        &mut self,
        _now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        _rtt: &RttEstimator,
    ) {
        self.acknowledged(sent, bytes, app_limited);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        _lost_bytes: u64,
    ) {
        if is_persistent_congestion {
            self.window = TRICKLE;
            self.recovery_start = now;
            return;
        }
        if sent <= self.recovery_start {
            return;
        }
        self.recovery_start = now;
        self.acked = 0;
        let least = if self.validated { FLOOR } else { TRICKLE };
        self.window = (self.window / 2).max(least);
        self.threshold = self.window;
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.mtu = u64::from(new_mtu);
    }

    fn window(&self) -> u64 {
        self.window
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        INITIAL
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Makes the controller of a connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SteadyFactory;

impl ControllerFactory for SteadyFactory {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Steady::new(now, current_mtu))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_never_starves_audio_and_a_dead_path_gets_a_trickle() {
        let start = Instant::now();
        let mut control = Steady::new(start, 1200);
        assert_eq!(control.window(), INITIAL);
        control.acknowledged(start, 1200, false);
        for burst in 1..100_u64 {
            let now = start + Duration::from_millis(100 * burst);
            control.on_congestion_event(now, now, false, 10_000);
            assert!(control.window() >= FLOOR);
        }
        let now = start + Duration::from_secs(60);
        control.on_congestion_event(now, now, true, 10_000);
        assert_eq!(control.window(), TRICKLE);
        control.acknowledged(now, 300, true);
        assert_eq!(control.window(), FLOOR);
    }

    #[test]
    fn one_loss_event_counts_once_per_round() {
        let start = Instant::now();
        let mut control = Steady::new(start, 1200);
        control.window = 200_000;
        let sent = start + Duration::from_millis(1);
        let now = start + Duration::from_millis(50);
        control.on_congestion_event(now, sent, false, 1200);
        assert_eq!(control.window(), 100_000);
        control.on_congestion_event(now, sent, false, 1200);
        assert_eq!(control.window(), 100_000);
    }

    #[test]
    fn growth_ends_at_the_ceiling_and_waits_while_there_is_nothing_to_send() {
        let start = Instant::now();
        let mut control = Steady::new(start, 1200);
        control.acknowledged(start, 1200, true);
        assert_eq!(control.window(), FLOOR);
        for _ in 0..1000 {
            control.acknowledged(start, 1200, false);
        }
        assert_eq!(control.window(), CEILING);
    }
}
