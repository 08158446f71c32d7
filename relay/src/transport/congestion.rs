//! Congestion control that does not starve constant-rate sound.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use quinn::congestion::{Controller, ControllerFactory, CubicConfig};
use quinn_proto::RttEstimator;

/// What may be in flight at the least: 510 kb/s over a round trip of 250 ms.
///
/// Sound cannot slow down: a window below its rate times the round trip only
/// turns congestion loss into loss at the sender, for good. Above the floor,
/// where pages and files would be, it is Cubic as everywhere.
const WINDOW_MIN: u64 = 16 * 1024;

/// Makes [`FlooredCubic`].
#[derive(Debug, Default)]
pub(super) struct FlooredCubicConfig {
    cubic: Arc<CubicConfig>,
}

impl ControllerFactory for FlooredCubicConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(FlooredCubic(
            Arc::clone(&self.cubic).build(now, current_mtu),
        ))
    }
}

/// Cubic whose window never falls below [`WINDOW_MIN`].
struct FlooredCubic(Box<dyn Controller>);

impl Controller for FlooredCubic {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.0.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.0.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.0
            .on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.0
            .on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.0.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.0.window().max(WINDOW_MIN)
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self(self.0.clone_box()))
    }

    fn initial_window(&self) -> u64 {
        self.0.initial_window().max(WINDOW_MIN)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
