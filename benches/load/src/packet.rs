//! The packets of every scenario: 50 a second, with the time and the station inside.

use std::time::Duration;

/// Bytes of a packet. With the header of a datagram it is about 250.
pub const PACKET_BYTES: usize = 236;

/// From one packet to the next.
pub const INTERVAL: Duration = Duration::from_millis(20);

/// An Opus table of contents: full band, 20 ms, stereo, one frame.
const TOC: u8 = 0xfc;

/// Writes a packet sent now by that station.
pub fn fill(packet: &mut [u8; PACKET_BYTES], station: u32) {
    packet[0] = TOC;
    packet[1..9].copy_from_slice(&micros().to_be_bytes());
    packet[9..13].copy_from_slice(&station.to_be_bytes());
}

/// When a packet was sent and by which station.
pub fn read(packet: &[u8]) -> Option<(u64, u32)> {
    let sent = packet.get(1..9)?.first_chunk()?;
    let station = packet.get(9..13)?.first_chunk()?;
    Some((u64::from_be_bytes(*sent), u32::from_be_bytes(*station)))
}

/// A clock all processes of a machine share.
pub fn micros() -> u64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_is_read() {
        let mut packet = [0; PACKET_BYTES];
        fill(&mut packet, 7);
        let (sent, station) = read(&packet).unwrap();
        assert_eq!(station, 7);
        assert!(sent <= micros() && micros() - sent < 10_000_000);
        assert_eq!(read(&[0; 12]), None);
    }
}
