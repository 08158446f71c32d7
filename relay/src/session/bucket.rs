//! A token bucket.

use std::time::{Duration, Instant};

/// Lets `burst` things pass at once and `per_second` on average.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    per_second: f64,
    burst: f64,
    filled: f64,
    at: Instant,
}

impl Bucket {
    pub(crate) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        Self {
            per_second: f64::from(per_second),
            burst: f64::from(burst),
            filled: f64::from(burst),
            at: now,
        }
    }

    /// Takes one, or tells how long until there is one.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let elapsed = now.saturating_duration_since(self.at);
        self.at = now;
        self.filled = (self.filled + elapsed.as_secs_f64() * self.per_second).min(self.burst);
        if self.filled >= 1.0 {
            self.filled -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64(
            (1.0 - self.filled) / self.per_second,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(50, 100, start);
        assert_eq!((0..200).filter(|_| bucket.take(start).is_ok()).count(), 100);
        let wait = bucket.take(start).unwrap_err();
        assert!(wait <= Duration::from_millis(20) && wait > Duration::from_millis(19));
        let second =
            (0..1000).filter(|step| bucket.take(start + Duration::from_millis(*step)).is_ok());
        assert!((49..=50).contains(&second.count()));
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..200).filter(|_| bucket.take(later).is_ok()).count(), 100);
    }
}
