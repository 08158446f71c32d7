//! The packets of every scenario: 50 a second, with the time and the station inside.

use std::time::Duration;

use wire::TrackId;
use wire::audio::{Copies, Datagram, SendTime};

/// With the header of a datagram about 250 bytes.
pub(crate) const PACKET_BYTES: usize = 236;

pub(crate) const INTERVAL: Duration = Duration::from_millis(20);

/// Samples at 48 kHz in a packet.
pub(crate) const SAMPLES: u32 = 960;

/// An Opus table of contents: full band, 20 ms, stereo, one frame.
const TOC: u8 = 0xfc;

/// Writes a packet sent now by that station.
pub(crate) fn fill(packet: &mut [u8; PACKET_BYTES], station: u32) {
    packet[0] = TOC;
    packet[1..9].copy_from_slice(&micros().to_be_bytes());
    packet[9..13].copy_from_slice(&station.to_be_bytes());
}

/// When a packet was sent and by which station.
pub(crate) fn read(packet: &[u8]) -> Option<(u64, u32)> {
    let sent = packet.get(1..9)?.first_chunk()?;
    let station = packet.get(9..13)?.first_chunk()?;
    Some((u64::from_be_bytes(*sent), u32::from_be_bytes(*station)))
}

/// The datagram around a packet.
pub(crate) fn datagram(
    track: TrackId,
    sequence: u64,
    timestamp: u64,
    packet: &[u8],
    out: &mut Vec<u8>,
) -> anyhow::Result<()> {
    let datagram = Datagram {
        track,
        sequence,
        timestamp,
        send_time: SendTime::from_server_time(micros()),
        copies: Copies::none(),
        packet,
    };
    Ok(datagram.encode(out)?)
}

/// A clock all processes of a machine share.
pub(crate) fn micros() -> u64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_read_out_of_its_datagram() {
        let mut packet = [0; PACKET_BYTES];
        fill(&mut packet, 7);
        let mut bytes = Vec::new();
        let track = TrackId::new(3).unwrap();
        datagram(track, 1, 960, &packet, &mut bytes).unwrap();
        let datagram = Datagram::decode(&bytes).unwrap();
        let (sent, station) = read(datagram.packet).unwrap();
        assert_eq!(station, 7);
        assert!(sent <= micros() && micros() - sent < 10_000_000);
        assert_eq!(read(&[0; 12]), None);
    }
}
