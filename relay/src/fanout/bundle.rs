//! Fewer datagrams: several packets in one, for listeners who can wait for the last of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wire::audio::{Copies, DATAGRAM_BYTES_MAX, Datagram};

use super::repair::copy_of;
use super::ring::Ring;
use super::{Level, Packet};

/// Packets this far behind belong to no bundle any more: the track was silent, or nobody
/// took the level.
const STALE: u64 = 8;

/// What a packet's header inside a datagram takes at most, and the next one's own.
const HEADERS_BYTES: usize = 2 * 8;

/// For each size of bundle the first packet that was in none. Touched by the thread that
/// brings the track's packets.
#[derive(Debug, Default)]
pub(super) struct Bundles([AtomicU64; 3]);

impl Bundles {
    /// The datagram that goes out at this packet, which the ring has already: none while it
    /// waits for others. A bundle is sent when it is full, or has no room for another packet
    /// like this; what comes late goes alone, for its bundle has left.
    pub(super) fn put(&self, level: Level, packet: &Packet, ring: &Ring) -> Option<Packet> {
        let size = level.bundle();
        let next = &self.0[(size - 2) as usize];
        let sequence = packet.sequence;
        let mut first = next.load(Ordering::Relaxed);
        if sequence < first {
            return Some(packet.clone());
        }
        if sequence - first >= STALE {
            first = sequence;
        }
        let Some(bundle) = Bundle::collect(packet, first, ring) else {
            // Those before it fill a datagram. They leave now, and it begins another.
            next.store(sequence, Ordering::Relaxed);
            let last = (first..sequence)
                .rev()
                .find_map(|number| ring.get(number))?;
            return Bundle::collect(&last, first, ring)?.encode();
        };
        let has_room = bundle.bytes + bundle.own_bytes + HEADERS_BYTES <= DATAGRAM_BYTES_MAX;
        if sequence + 1 - first < size && has_room {
            next.store(first, Ordering::Relaxed);
            return None;
        }
        next.store(sequence + 1, Ordering::Relaxed);
        bundle.encode()
    }
}

/// A packet and those before it that wait.
struct Bundle<'a> {
    last: &'a Packet,
    /// With their distances, oldest first, as they would have come by themselves.
    earlier: Vec<(u8, Arc<Packet>)>,
    /// Of the whole datagram.
    bytes: usize,
    /// Of the last packet alone.
    own_bytes: usize,
}

impl<'a> Bundle<'a> {
    /// All from `first` on; none when they do not fit one datagram.
    fn collect(last: &'a Packet, first: u64, ring: &Ring) -> Option<Self> {
        let own = last.datagram();
        let own = Datagram::decode(&own).ok()?;
        let earlier: Vec<_> = (first..last.sequence)
            .filter_map(|number| Some(((last.sequence - number) as u8, ring.get(number)?)))
            .collect();
        let mut bundle = Self {
            last,
            earlier,
            bytes: wire::audio::HEADER_BYTES_MAX + own.packet.len(),
            own_bytes: own.packet.len(),
        };
        for (distance, packet) in &bundle.earlier {
            let datagram = packet.datagram();
            let copy = copy_of(&datagram, *distance, own.timestamp)?;
            bundle.bytes += copy.encoded_len();
        }
        (bundle.bytes <= DATAGRAM_BYTES_MAX || bundle.earlier.is_empty()).then_some(bundle)
    }

    fn encode(&self) -> Option<Packet> {
        let own = self.last.datagram();
        // What the source sent along against loss is not for those who save datagrams.
        let own = Datagram {
            copies: Copies::none(),
            ..Datagram::decode(&own).ok()?
        };
        let earlier: Vec<_> = self
            .earlier
            .iter()
            .map(|(distance, packet)| (*distance, packet.datagram()))
            .collect();
        let copies = earlier
            .iter()
            .filter_map(|(distance, bytes)| copy_of(bytes, *distance, own.timestamp));
        // So that queues bounded in time count it for what it is.
        let frames = 1 + self.earlier.len() as u32;
        let frame_us = self.last.frame_us.saturating_mul(frames);
        Packet::encode_with(frame_us, &own, copies).ok()
    }
}

#[cfg(test)]
mod tests {
    use wire::TrackId;
    use wire::audio::SendTime;

    use super::super::Kept;
    use super::*;

    fn packet(sequence: u64, bytes: usize) -> Packet {
        let datagram = Datagram {
            track: TrackId::new(1).unwrap(),
            sequence,
            timestamp: sequence * 960,
            send_time: SendTime(7),
            copies: Copies::none(),
            packet: &vec![sequence as u8; bytes],
        };
        Packet::encode(20_000, &datagram).unwrap()
    }

    /// Sequences of each datagram that packets so long, in that order, become.
    fn bundled(level: Level, packets: &[(u64, usize)]) -> Vec<Vec<u64>> {
        let (ring, bundles) = (Ring::new(20_000, Kept::default()), Bundles::default());
        let mut sent = Vec::new();
        for (sequence, bytes) in packets {
            let packet = packet(*sequence, *bytes);
            ring.put(&packet);
            let Some(bundle) = bundles.put(level, &packet, &ring) else {
                continue;
            };
            let bytes = bundle.datagram();
            let datagram = Datagram::decode(&bytes).unwrap();
            let mut numbers = Vec::new();
            for copy in datagram.copies {
                let number = datagram.sequence - u64::from(copy.distance);
                assert_eq!(datagram.timestamp - copy.age, number * 960);
                assert!(copy.packet.iter().all(|byte| *byte == number as u8));
                numbers.push(number);
            }
            numbers.push(datagram.sequence);
            assert_eq!(bundle.frame_us, 20_000 * numbers.len() as u32);
            sent.push(numbers);
        }
        sent
    }

    fn run(numbers: impl IntoIterator<Item = u64>) -> Vec<(u64, usize)> {
        numbers.into_iter().map(|number| (number, 100)).collect()
    }

    #[test]
    fn packets_leave_together_and_each_once() {
        let pairs = bundled(Level::Pairs, &run(100..106));
        assert_eq!(pairs, [[100, 101], [102, 103], [104, 105]]);
        let quads = bundled(Level::Quads, &run(100..109));
        assert_eq!(quads, [[100, 101, 102, 103], [104, 105, 106, 107]]);
    }

    #[test]
    fn what_is_missing_is_not_waited_for_and_what_is_late_goes_alone() {
        let sent = bundled(Level::Quads, &run([100, 101, 102, 104, 103, 105, 106, 108]));
        assert_eq!(
            sent,
            [vec![100, 101, 102, 104], vec![103], vec![105, 106, 108]]
        );
        let late_in_time = bundled(Level::Triples, &run([100, 99, 102, 101, 103, 104, 105]));
        assert_eq!(
            late_in_time,
            [vec![99], vec![100, 102], vec![101], vec![103, 104, 105]]
        );
    }

    #[test]
    fn after_a_silence_bundles_begin_anew() {
        let sent = bundled(Level::Triples, &run([100, 500, 501, 502, 503]));
        assert_eq!(sent, [[500, 501, 502]]);
    }

    #[test]
    fn a_bundle_that_is_full_of_bytes_leaves_early() {
        let even: Vec<_> = (100..106).map(|number| (number, 350)).collect();
        let sent = bundled(Level::Quads, &even);
        assert_eq!(sent, [[100, 101, 102], [103, 104, 105]]);
        let large: Vec<_> = (100..103).map(|number| (number, 1100)).collect();
        assert_eq!(bundled(Level::Quads, &large), [[100], [101], [102]]);
        // A large one that no room was kept for pushes out those that wait.
        let mixed = [(100, 100), (101, 1100), (102, 50), (103, 50), (104, 50)];
        let sent = bundled(Level::Quads, &mixed);
        assert_eq!(sent, [vec![100], vec![101, 102]]);
    }
}
