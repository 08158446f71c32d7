//! The moment a thing happens, handed to every core as an argument.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One moment on two clocks: monotonic for deadlines, wall clock for what peers are told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// For deadlines.
    pub(crate) instant: Instant,
    /// Microseconds since the Unix epoch: server time.
    pub(crate) unix_us: u64,
}

impl Now {
    /// Reads both clocks; Tokio's, so that tests may pause it.
    pub(crate) fn read() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            instant: tokio::time::Instant::now().into_std(),
            unix_us: since_epoch.unwrap_or_default().as_micros() as u64,
        }
    }

    /// Whole seconds since the Unix epoch, as tokens count them.
    pub(crate) fn unix_s(self) -> u64 {
        self.unix_us / 1_000_000
    }

    /// The moment `wait` from this one on both clocks.
    #[cfg(test)]
    pub(crate) fn after(self, wait: Duration) -> Self {
        Self {
            instant: self.instant + wait,
            unix_us: self.unix_us + wait.as_micros() as u64,
        }
    }

    /// How long until that second since the Unix epoch; zero when it has passed.
    pub(crate) fn until_unix_s(self, second: u64) -> Duration {
        let us = second
            .saturating_mul(1_000_000)
            .saturating_sub(self.unix_us);
        // A token may expire in millions of years; deadlines must not overflow for it.
        Duration::from_micros(us).min(Duration::from_secs(365 * 86_400))
    }
}
