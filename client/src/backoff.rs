//! How long to wait before connecting again.

use std::time::Duration;

/// The longest the first wait can be.
const FIRST: Duration = Duration::from_millis(500);

/// The longest any wait can be.
const LONGEST: Duration = Duration::from_secs(30);

/// Full jitter: a wait between nothing and a bound that doubles with each failure, so
/// that the clients of a relay that restarts do not all come at once.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait; `random` is uniform from 0 to 1.
    pub(crate) fn next(&mut self, random: f64) -> Duration {
        let doubled = 2u32.saturating_pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let bound = FIRST.saturating_mul(doubled).min(LONGEST);
        bound.mul_f64(random.clamp(0.0, 1.0))
    }

    /// It worked.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..9).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(
            waits,
            [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]
        );
        assert_eq!(backoff.next(0.5).as_millis(), 15000);
        backoff.reset();
        assert_eq!(backoff.next(1.0), FIRST);
        let mut long = Backoff { failures: u32::MAX };
        assert_eq!(long.next(1.0), LONGEST);
    }
}
