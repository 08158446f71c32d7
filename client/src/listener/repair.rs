//! What a listener tells the relay by itself: what is missing, how much is to travel along
//! against loss, and how sound arrives.

use std::time::Duration;

use media::receiver::Stats;
use tokio::task::JoinSet;
use wire::message::{Empty, Percentiles, ReceptionReport, SetRedundancyParams};

use super::Block;
use super::playout::Playout;
use crate::link::Transport;
use crate::session::Session;

/// How often the relay is told how sound arrives.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Requests that may wait for their answers; while there are as many none is made.
const ERRANDS_MAX: usize = 4;

/// Asks and tells; one for a listener's whole life.
#[derive(Debug)]
pub(super) struct Repairer {
    wanted: bool,
    errands: JoinSet<()>,
    reported_at: Duration,
    reported: Stats,
    played_ms: u32,
}

impl Repairer {
    /// `wanted` is whether anything is to be repaired; reports are made anyway.
    pub(super) fn new(wanted: bool, now: Duration) -> Self {
        Self {
            wanted,
            errands: JoinSet::new(),
            reported_at: now,
            reported: Stats::default(),
            played_ms: 0,
        }
    }

    /// Counts what was played.
    pub(super) fn handle_block(&mut self, block: &Block) {
        if block.position.is_some() {
            self.played_ms += 10;
        }
    }

    /// Does what is due; `level` is the redundancy the relay was asked for last.
    pub(super) fn run(
        &mut self,
        now: Duration,
        session: &Session,
        playout: &mut Playout,
        level: &mut u8,
    ) {
        while self.errands.try_join_next().is_some() {}
        if self.wanted {
            self.repair(now, session, playout, level);
        }
        let interval = now.saturating_sub(self.reported_at);
        if interval >= REPORT_INTERVAL {
            self.report(interval, session, playout.stats());
            self.reported_at = now;
        }
    }

    fn repair(&mut self, now: Duration, session: &Session, playout: &mut Playout, level: &mut u8) {
        // An ordered stream loses nothing; what it delays, copies would delay further.
        let lossy = session.transport() == Transport::WebTransport;
        if lossy && let Some(request) = playout.poll_request(now) {
            session.send_datagram(request);
        }
        let wanted = if lossy {
            playout.redundancy_wanted()
        } else {
            0
        };
        if wanted != *level && self.errands.len() < ERRANDS_MAX {
            *level = wanted;
            let params = SetRedundancyParams { level: wanted };
            self.errand(session, "set_redundancy", params);
        }
    }

    fn report(&mut self, interval: Duration, session: &Session, stats: Stats) {
        let played_ms = std::mem::take(&mut self.played_ms).min(ReceptionReport::MS_MAX);
        let before = std::mem::replace(&mut self.reported, stats);
        if played_ms == 0 || self.errands.len() >= ERRANDS_MAX {
            return;
        }
        let round_trip = session.estimate().map(|estimate| estimate.round_trip);
        let report = report(&before, &stats, interval, played_ms, round_trip);
        self.errand(session, "reception_report", report);
    }

    /// A failure costs a report or a level, which the next one makes good.
    fn errand<P>(&mut self, session: &Session, method: &'static str, params: P)
    where
        P: serde::Serialize + Send + Sync + 'static,
    {
        let session = session.clone();
        self.errands.spawn(async move {
            if let Err(error) = session.request::<_, Empty>(method, &params).await {
                tracing::debug!(%error, method, "the relay did not take it");
            }
        });
    }
}

fn report(
    before: &Stats,
    stats: &Stats,
    interval: Duration,
    played_ms: u32,
    round_trip: Option<Duration>,
) -> ReceptionReport {
    let since =
        |before: u64, now: u64| now.saturating_sub(before).min(ReceptionReport::PACKETS_MAX);
    let time = |ms: f64| ms.clamp(0.0, ReceptionReport::MS_MAX.into());
    let concealed_ms = (stats.concealed_ms - before.concealed_ms).max(0.0) as u32;
    ReceptionReport {
        interval_ms: (interval.as_millis() as u32).clamp(1, ReceptionReport::MS_MAX),
        received: since(
            before.packets + before.recovered,
            stats.packets + stats.recovered,
        ),
        lost: since(before.lost, stats.lost),
        concealed_ms: concealed_ms.min(played_ms),
        played_ms,
        delay_ms: stats.play.map(|play| Percentiles {
            p50: time(play.p50),
            p95: time(play.p95),
            p99: time(play.p99),
        }),
        jitter_ms: time(stats.jitter_ms),
        buffer_ms: time(stats.buffer_ms),
        round_trip_ms: round_trip.map(|round_trip| time(round_trip.as_secs_f64() * 1e3)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_was_counted_makes_a_valid_report() {
        let stats = Stats {
            packets: u64::MAX / 2,
            concealed_ms: 1e12,
            buffer_ms: -1.0,
            jitter_ms: 1e12,
            ..Stats::default()
        };
        for interval in [Duration::ZERO, Duration::MAX / 2] {
            let report = report(&Stats::default(), &stats, interval, 400, Some(interval));
            assert_eq!(report.validate(), Ok(()));
            assert_eq!(report.concealed(), Some(1.0));
        }
    }
}
