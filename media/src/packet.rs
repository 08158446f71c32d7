//! The timed Opus packet, borrowed and owned, and the arithmetic of media time.

use std::time::Duration;

use wire::audio::Datagram;

/// Samples per second of every media timestamp and of all decoded sound.
pub const SAMPLE_RATE: u32 = 48_000;

/// The largest Opus packet, in bytes, that fits one audio datagram beside the longest header.
pub const PAYLOAD_BYTES_MAX: usize =
    wire::audio::DATAGRAM_BYTES_MAX - wire::audio::HEADER_BYTES_MAX;

/// A timed Opus packet, borrowed from the datagram it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The packet's number; rises by one per packet.
    pub sequence: u64,
    /// Media time of the packet's first sample, in samples at 48 kHz.
    pub timestamp: u64,
    /// When the source sent it: server time in microseconds modulo 2^32. `None` when unknown,
    /// as it is for copies that travel in a later datagram.
    pub send_time: Option<u32>,
    /// Whether this is a redundant copy that travelled in another packet's datagram. Copies
    /// fill gaps, but say nothing about the delay of the network.
    pub copy: bool,
    /// The Opus packet (RFC 6716).
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// The packet a datagram is for.
    #[must_use]
    pub fn of(datagram: &Datagram<'a>) -> Self {
        Self {
            sequence: datagram.sequence,
            timestamp: datagram.timestamp,
            send_time: Some(datagram.send_time.0),
            copy: false,
            payload: datagram.packet,
        }
    }

    /// The earlier packets that travel along in a datagram.
    pub fn copies_of(datagram: &Datagram<'a>) -> impl Iterator<Item = Self> + use<'a> {
        let (sequence, timestamp) = (datagram.sequence, datagram.timestamp);
        datagram.copies.into_iter().map(move |copy| Self {
            // A datagram whose copies reach back beyond zero is none.
            sequence: sequence - u64::from(copy.distance),
            timestamp: timestamp - copy.age,
            send_time: None,
            copy: true,
            payload: copy.packet,
        })
    }
}

/// A timed Opus packet that owns its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedPacket {
    /// The packet's number; rises by one per packet.
    pub sequence: u64,
    /// Media time of the packet's first sample, in samples at 48 kHz.
    pub timestamp: u64,
    /// How many samples at 48 kHz it decodes to.
    pub samples: u32,
    /// The Opus packet (RFC 6716), at most [`PAYLOAD_BYTES_MAX`] bytes.
    pub payload: Vec<u8>,
}

impl EncodedPacket {
    /// The same packet, borrowed, as sent at `send_time` (server time in microseconds
    /// modulo 2^32).
    #[must_use]
    pub fn as_packet(&self, send_time: Option<u32>) -> Packet<'_> {
        Packet {
            sequence: self.sequence,
            timestamp: self.timestamp,
            send_time,
            copy: false,
            payload: &self.payload,
        }
    }
}

/// Conversions between media time (samples at 48 kHz) and [`Duration`].
#[derive(Debug, Clone, Copy)]
pub struct MediaClock;

impl MediaClock {
    /// How long `samples` samples last, rounded down to the nanosecond.
    #[must_use]
    pub fn duration(samples: u64) -> Duration {
        let rate = u64::from(SAMPLE_RATE);
        let nanos = (samples % rate) * 1_000_000_000 / rate;
        Duration::new(samples / rate, nanos as u32)
    }

    /// How many whole samples begin within `duration`; saturates after 12 million years.
    #[must_use]
    pub fn samples(duration: Duration) -> u64 {
        let rate = u64::from(SAMPLE_RATE);
        let part = u64::from(duration.subsec_nanos()) * rate / 1_000_000_000;
        duration.as_secs().saturating_mul(rate).saturating_add(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_clock_converts_both_ways_without_drift() {
        let day = 24 * 3600 * 48_000 + 959;
        assert_eq!(MediaClock::samples(MediaClock::duration(48_000)), 48_000);
        assert_eq!(MediaClock::duration(960), Duration::from_millis(20));
        assert!(MediaClock::samples(MediaClock::duration(day)).abs_diff(day) <= 1);
    }
}
