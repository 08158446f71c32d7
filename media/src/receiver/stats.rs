//! What a receiver counts.

/// Totals since the receiver was made, and a few current values. Copied out, no cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stats {
    /// Packets that came by themselves: neither as copies nor as answers to requests, nor
    /// again.
    pub packets: u64,
    /// Packets that never came, or only as neither packet nor copy in time and not later.
    pub lost: u64,
    /// Packets that came after their turn had passed.
    pub late: u64,
    /// Packets received again.
    pub duplicates: u64,
    /// Packets that did not come by themselves, before any repair.
    pub missing: u64,
    /// Packets that only a redundant copy brought in time.
    pub recovered: u64,
    /// Packets that only the answer to a request brought in time.
    pub retransmitted: u64,
    /// Packets asked for, every try counted.
    pub requested: u64,
    /// Packets refused: malformed, absurd, or undecodable.
    pub rejected: u64,
    /// Sound made up for missing packets, in ms, silence of an outage not included.
    pub concealed_ms: f64,
    /// Sound left out or repeated by time-stretching, also lest it run out, in ms.
    pub stretched_ms: f64,
    /// Sound passed over to reduce the delay, in ms.
    pub skipped_ms: f64,
    /// How often play-out ran dry although the packet was only late, or was interrupted.
    pub underruns: u64,
    /// How often the stream began anew: another sequence or timestamp, or after an outage.
    pub restarts: u64,
    /// Share of packets lost before repair, 0 to 1, of the last 20 s or so.
    pub loss: f64,
    /// Mean number of packets lost in a row, of the same time.
    pub burst: f64,
    /// Smoothed difference of the transit times of successive packets, in ms, as RTP
    /// receivers report it (RFC 3550).
    pub jitter_ms: f64,
    /// Sound received and not yet played, in ms.
    pub buffer_ms: f64,
    /// How far play-out aims to be behind the luckiest packet, in ms.
    pub target_ms: f64,
    /// How far it is behind it, in ms, when the sample after the last pull plays.
    pub delay_ms: f64,
    /// Play-out speed less one, in parts per million.
    pub speed_ppm: f64,
    /// Relative arrival delay of the last half minute: how much later than the luckiest.
    pub arrival: Percentiles,
    /// From the source's sending to the sample's leaving the receiver, of all packets played.
    /// `None` unless the clock offset is known and packets carry send times.
    pub play: Option<Percentiles>,
}

/// Percentiles in ms, rounded up to whole milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Percentiles {
    /// The median.
    pub p50: f64,
    /// 95 %.
    pub p95: f64,
    /// 99 %.
    pub p99: f64,
}

impl Percentiles {
    pub(super) fn of(percentile: impl Fn(f64) -> f64) -> Self {
        Self {
            p50: percentile(0.5),
            p95: percentile(0.95),
            p99: percentile(0.99),
        }
    }
}
