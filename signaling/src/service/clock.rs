//! The service's clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Microseconds since the Unix epoch that never go back while the process runs.
#[derive(Debug)]
pub(super) struct Clock {
    base: i64,
    started: Instant,
    #[cfg(test)]
    ahead: std::sync::atomic::AtomicI64,
}

impl Clock {
    pub(super) fn start() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            base: i64::try_from(since.as_micros()).unwrap_or(i64::MAX / 2),
            started: Instant::now(),
            #[cfg(test)]
            ahead: std::sync::atomic::AtomicI64::new(0),
        }
    }

    pub(super) fn now(&self) -> i64 {
        let passed = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX / 2);
        let now = self.base.saturating_add(passed);
        #[cfg(test)]
        let now = now + self.ahead.load(std::sync::atomic::Ordering::Relaxed);
        now
    }

    /// Lets time pass.
    #[cfg(test)]
    pub(super) fn advance(&self, micros: i64) {
        self.ahead
            .fetch_add(micros, std::sync::atomic::Ordering::Relaxed);
    }
}
