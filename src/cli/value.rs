//! Values people type: 128k, 20ms, 12h.

use std::time::Duration;

use media::encoder::Frame;
use wire::message::BUNDLE_MAX;

/// A time with its unit: `500ms`, `90s`, `30m`, `12h`, `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || "a time is a number and a unit: 500ms, 90s, 30m, 12h, 7d".to_owned();
    let at = text
        .find(|char: char| char.is_ascii_alphabetic())
        .ok_or_else(bad)?;
    let (number, unit) = text.split_at(at);
    let number: f64 = number.parse().map_err(|_| bad())?;
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(bad()),
    };
    // A hundred years: what is beyond would overflow clocks.
    let seconds = number * seconds;
    if !(0.0..=3.2e9).contains(&seconds) {
        return Err(bad());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Bits per second: `128k`, `96000`.
pub(super) fn bitrate(text: &str) -> Result<u32, String> {
    let bad = || "a bitrate is 6k to 510k".to_owned();
    let (number, unit) = match text.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1000.0),
        None => (text, 1.0),
    };
    let number: f64 = number.parse().map_err(|_| bad())?;
    let bits = number * unit;
    if !(6_000.0..=510_000.0).contains(&bits) {
        return Err(bad());
    }
    Ok(bits as u32)
}

/// The duration of a packet: `20ms`.
pub(super) fn frame(text: &str) -> Result<Frame, String> {
    let micros = duration(text).ok().map(|time| time.as_micros() as u32);
    micros
        .and_then(Frame::from_micros)
        .ok_or_else(|| "a packet is 2.5ms, 5ms, 10ms, 20ms, 40ms or 60ms".to_owned())
}

/// Packets in a datagram; none leaves it to the latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bundle(pub(crate) Option<u8>);

/// A number of packets, or `auto`.
pub(super) fn bundle(text: &str) -> Result<Bundle, String> {
    if text == "auto" {
        return Ok(Bundle(None));
    }
    let packets = text.parse().ok();
    let packets = packets.filter(|packets| (1..=BUNDLE_MAX).contains(packets));
    packets
        .map(|packets| Bundle(Some(packets)))
        .ok_or_else(|| format!("1 to {BUNDLE_MAX}, or auto"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("2.5ms"), Ok(Duration::from_micros(2500)));
        for bad in ["", "10", "s", "-1s", "1y", "1e300d", "NaNs", "10 s x"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bitrates_and_frames_are_those_of_opus() {
        assert_eq!(bitrate("128k"), Ok(128_000));
        assert_eq!(bitrate("96000"), Ok(96_000));
        for bad in ["", "5k", "511k", "k", "-64k", "inf"] {
            assert!(bitrate(bad).is_err(), "{bad}");
        }
        assert_eq!(frame("2.5ms"), Ok(Frame::Ms2_5));
        assert_eq!(frame("60ms"), Ok(Frame::Ms60));
        assert!(frame("30ms").is_err() && frame("20").is_err());
    }

    #[test]
    fn a_bundle_is_a_few_packets() {
        assert_eq!(bundle("auto"), Ok(Bundle(None)));
        assert_eq!(bundle("4"), Ok(Bundle(Some(4))));
        for bad in ["0", "5", "two", ""] {
            assert!(bundle(bad).is_err(), "{bad}");
        }
    }
}
