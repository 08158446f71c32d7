//! The rendition of a listener who leaves the choice to us.

use std::time::Duration;

use media::receiver::Stats;
use wire::message::{SOURCE_RENDITION, Track};

use super::Block;
use crate::auto::{Auto, Rung, Second, bitrate_of};

/// How often is looked at what came.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long what comes first is not judged: buffers fill, and delays are not known yet.
const BEGINNING: Duration = Duration::from_secs(3);

/// Watches what comes and chooses.
#[derive(Debug)]
pub(super) struct Chooser {
    /// None until the bitrate of the source is known.
    auto: Option<Auto>,
    source_bitrate: u32,
    looked_at: Duration,
    /// When it was first seen that something comes.
    begun_at: Option<Duration>,
    before: Stats,
    played_ms: f64,
}

impl Chooser {
    pub(super) fn new(now: Duration, stats: Stats) -> Self {
        Self {
            auto: None,
            source_bitrate: 0,
            looked_at: now,
            begun_at: None,
            before: stats,
            played_ms: 0.0,
        }
    }

    /// This flows now; a source of another bitrate is another choice.
    pub(super) fn flows(&mut self, renditions: &[String], track: &Track) {
        let bitrate = track.params.bitrate;
        if track.rendition != SOURCE_RENDITION || bitrate == self.source_bitrate {
            return;
        }
        self.source_bitrate = bitrate;
        let made = renditions.iter().filter_map(|name| {
            Some(Rung {
                name: name.clone(),
                bitrate: bitrate_of(name)?,
            })
        });
        let source = Rung {
            name: SOURCE_RENDITION.to_owned(),
            bitrate,
        };
        self.auto = Some(Auto::new(std::iter::once(source).chain(made).collect()));
    }

    /// Counts what was played.
    pub(super) fn handle_block(&mut self, block: &Block) {
        if block.position.is_some() {
            self.played_ms += 10.0;
        }
    }

    /// The rendition to take from now on, when it is another; looks once a second.
    pub(super) fn look(&mut self, now: Duration, stats: impl FnOnce() -> Stats) -> Option<String> {
        if now.saturating_sub(self.looked_at) < LOOK_INTERVAL {
            return None;
        }
        self.looked_at = now;
        let (before, stats) = (self.before, stats());
        self.before = stats;
        let repaired = |stats: &Stats| stats.recovered + stats.retransmitted;
        let since = |before: u64, now: u64| now.saturating_sub(before);
        let second = Second {
            received: since(before.packets, stats.packets),
            missing: since(before.lost, stats.lost) + since(repaired(&before), repaired(&stats)),
            concealed_ms: (stats.concealed_ms - before.concealed_ms).max(0.0),
            played_ms: std::mem::take(&mut self.played_ms),
        };
        if second.received > 0 {
            self.begun_at.get_or_insert(now);
        }
        if now.saturating_sub(self.begun_at?) < BEGINNING {
            return None;
        }
        let chosen = self.auto.as_mut()?.handle(now.as_millis() as u64, second);
        chosen.map(|rung| rung.name.clone())
    }

    /// The relay did not agree; `rendition` flows on.
    pub(super) fn refused(&mut self, rendition: &str, now: Duration) {
        if let Some(auto) = &mut self.auto {
            auto.refused(rendition, now.as_millis() as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::TrackId;
    use wire::message::{Codec, TrackParams};

    /// What is chosen within ten seconds in which so many of 100 packets are brought by repair,
    /// and so much is made up in the first two seconds.
    fn chosen(missing: u64, concealed_ms: f64) -> Option<String> {
        let mut stats = Stats::default();
        let mut chooser = Chooser::new(Duration::ZERO, stats);
        let track = Track {
            id: TrackId::new(1).unwrap(),
            rendition: SOURCE_RENDITION.to_owned(),
            params: TrackParams {
                codec: Codec::Opus,
                channels: 2,
                frame_us: 20_000,
                bitrate: 256_000,
            },
        };
        chooser.flows(&["source", "high", "low"].map(str::to_owned), &track);
        (1..=10).find_map(|second| {
            stats.packets += 100 - missing;
            stats.retransmitted += missing;
            if second <= 2 {
                stats.concealed_ms += concealed_ms;
            }
            chooser.played_ms = 1_000.0;
            chooser.look(Duration::from_secs(second), || stats)
        })
    }

    #[test]
    fn packets_that_repair_brings_are_counted_once() {
        assert_eq!(chosen(0, 0.0), None);
        assert_eq!(chosen(11, 0.0), None, "that is bearable");
        assert_eq!(chosen(14, 0.0).as_deref(), Some("high"));
    }

    #[test]
    fn the_beginning_is_not_judged() {
        assert_eq!(chosen(0, 300.0), None);
    }
}
