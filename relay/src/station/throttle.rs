//! At most one telling a second, the first at once.

use std::time::{Duration, Instant};

/// The least time between two tellings.
const INTERVAL: Duration = Duration::from_secs(1);

/// Spaces out tellings of something that changes often.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    told_at: Option<Instant>,
    due: bool,
}

impl Throttle {
    /// Notes a change; true when it is to be told now.
    pub(crate) fn change(&mut self, now: Instant) -> bool {
        self.due = true;
        self.take(now)
    }

    /// Notes that everything is told now.
    pub(crate) fn told(&mut self, now: Instant) {
        self.due = false;
        self.told_at = Some(now);
    }

    /// True when a change waits and its time has come.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let ripe = self.due && self.told_at.is_none_or(|at| at + INTERVAL <= now);
        if ripe {
            self.told(now);
        }
        ripe
    }

    /// When the change that waits is to be told.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let at = self.told_at.filter(|_| self.due)?;
        Some(at + INTERVAL)
    }
}
