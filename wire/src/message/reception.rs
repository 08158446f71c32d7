//! How sound reaches a listener, as the listener sees it.

use serde::{Deserialize, Serialize};

/// Parameters of `reception_report`: what a listener received since its last report.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReceptionReport {
    /// The time it is about, 1 ms to 10 minutes.
    pub interval_ms: u32,
    /// Packets that came, by themselves or as copies.
    pub received: u64,
    /// Packets that never came, or too late to be played.
    pub lost: u64,
    /// Sound that was made up for what did not come; no more than `played_ms`.
    pub concealed_ms: u32,
    /// Sound that was played, made up or not.
    pub played_ms: u32,
    /// From the source's sending to the sound card; none while the clocks are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<Percentiles>,
    /// How unevenly packets come.
    pub jitter_ms: f64,
    /// Sound that waits to be played.
    pub buffer_ms: f64,
    /// From the listener to the relay and back; none before the first answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<f64>,
}

/// A distribution by three of its percentiles, which do not fall.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// The median.
    pub p50: f64,
    /// Exceeded by one in twenty.
    pub p95: f64,
    /// Exceeded by one in a hundred.
    pub p99: f64,
}

/// A field of a report that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is out of range")]
pub struct InvalidReport(pub &'static str);

impl ReceptionReport {
    /// No time in a report is longer: 10 minutes.
    pub const MS_MAX: u32 = 600_000;

    /// Packets a report may speak of: twice what 10 minutes of the shortest frames hold.
    pub const PACKETS_MAX: u64 = 480_000;

    /// Whether a listener can have seen this.
    pub fn validate(&self) -> Result<(), InvalidReport> {
        let time = |ms: f64| (0.0..=f64::from(Self::MS_MAX)).contains(&ms);
        let delay = self.delay_ms.is_none_or(|delay| {
            time(delay.p50) && time(delay.p99) && delay.p50 <= delay.p95 && delay.p95 <= delay.p99
        });
        let fields = [
            (
                "interval_ms",
                (1..=Self::MS_MAX).contains(&self.interval_ms),
            ),
            ("received", self.received <= Self::PACKETS_MAX),
            ("lost", self.lost <= Self::PACKETS_MAX),
            ("played_ms", self.played_ms <= Self::MS_MAX),
            ("concealed_ms", self.concealed_ms <= self.played_ms),
            ("delay_ms", delay),
            ("jitter_ms", time(self.jitter_ms)),
            ("buffer_ms", time(self.buffer_ms)),
            ("round_trip_ms", self.round_trip_ms.is_none_or(time)),
        ];
        match fields.iter().find(|(_, good)| !good) {
            None => Ok(()),
            Some((field, _)) => Err(InvalidReport(field)),
        }
    }

    /// The part of the packets that did not come; none when none were due.
    #[must_use]
    pub fn loss(&self) -> Option<f64> {
        let due = self.received + self.lost;
        (due > 0).then(|| self.lost as f64 / due as f64)
    }

    /// The part of the sound that was made up; none when nothing was played.
    #[must_use]
    pub fn concealed(&self) -> Option<f64> {
        (self.played_ms > 0).then(|| f64::from(self.concealed_ms) / f64::from(self.played_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_named() {
        let good = ReceptionReport {
            interval_ms: 5_000,
            received: 240,
            lost: 10,
            concealed_ms: 50,
            played_ms: 5_000,
            delay_ms: Some(Percentiles {
                p50: 50.0,
                p95: 50.0,
                p99: 70.0,
            }),
            jitter_ms: 0.0,
            buffer_ms: 40.0,
            round_trip_ms: None,
        };
        assert_eq!(good.validate(), Ok(()));
        assert_eq!(good.loss(), Some(0.04));
        assert_eq!(good.concealed(), Some(0.01));
        let named = |change: fn(&mut ReceptionReport)| {
            let mut report = good;
            change(&mut report);
            report.validate().unwrap_err().0
        };
        assert_eq!(named(|report| report.interval_ms = 0), "interval_ms");
        assert_eq!(named(|report| report.received = u64::MAX), "received");
        assert_eq!(named(|report| report.lost = u64::MAX), "lost");
        assert_eq!(named(|report| report.concealed_ms = 5_001), "concealed_ms");
        assert_eq!(named(|report| report.played_ms = 600_001), "played_ms");
        assert_eq!(named(|report| report.jitter_ms = f64::NAN), "jitter_ms");
        assert_eq!(named(|report| report.buffer_ms = -1.0), "buffer_ms");
        assert_eq!(
            named(|report| report.round_trip_ms = Some(1e7)),
            "round_trip_ms"
        );
        let falling = |report: &mut ReceptionReport| {
            report.delay_ms.as_mut().expect("it is there").p50 = 60.0;
        };
        assert_eq!(named(falling), "delay_ms");
    }
}
