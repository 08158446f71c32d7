//! The datagrams of every scenario.

use wire::TrackId;
use wire::audio::{Copies, Datagram, SendTime};

pub(crate) use load::packet::{INTERVAL, PACKET_BYTES, fill, micros};

/// Samples at 48 kHz in a packet.
pub(crate) const SAMPLES: u32 = 960;

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

#[cfg(test)]
mod tests {
    use load::packet::read;

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
        assert!(sent <= micros());
    }
}
