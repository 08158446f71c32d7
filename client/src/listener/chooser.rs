//! The rendition of a listener who leaves the choice to us.

use std::time::Duration;

use media::receiver::Stats;
use wire::message::{SOURCE_RENDITION, Track};

use super::Block;
use crate::auto::{Auto, Rung, Second, bitrate_of};

/// How often is looked at what came.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Watches what comes and chooses.
#[derive(Debug)]
pub(super) struct Chooser {
    /// None until the bitrate of the source is known.
    auto: Option<Auto>,
    source_bitrate: u32,
    looked_at: Duration,
    before: Stats,
    played_ms: f64,
}

impl Chooser {
    pub(super) fn new(now: Duration, stats: Stats) -> Self {
        Self {
            auto: None,
            source_bitrate: 0,
            looked_at: now,
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
        let again = since(before.retransmitted, stats.retransmitted);
        let second = Second {
            received: since(before.packets, stats.packets).saturating_sub(again),
            missing: since(before.lost, stats.lost) + since(repaired(&before), repaired(&stats)),
            concealed_ms: (stats.concealed_ms - before.concealed_ms).max(0.0),
            played_ms: std::mem::take(&mut self.played_ms),
        };
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
