//! What a track carried last, for those who missed some of it and those who begin there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::Packet;
use super::queue::packets_in;

/// How much of a track is kept at least: what comes later than this is played by nobody.
const REPAIR: Duration = Duration::from_secs(1);

/// Packets kept for repair at most, whatever the frame's length: 1 s of the shortest.
const REPAIR_PACKETS_MAX: usize = 400;

/// What a kept packet takes besides its bytes: its place, counters and allocations.
const OVERHEAD_BYTES: u64 = 160;

/// How much of a track is kept beyond what repair needs. The default is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Kept {
    pub(crate) time: Duration,
    /// Bytes at most, the bookkeeping included.
    pub(crate) bytes: u64,
}

/// The newest packets of a track by sequence. One thread puts packets in, any number take
/// them out, and nobody waits for another.
#[derive(Debug)]
pub(super) struct Ring {
    slots: Box<[ArcSwapOption<Packet>]>,
    /// Packets that answer requests stay whatever they weigh.
    repair: u64,
    bytes_max: u64,
    bytes: AtomicU64,
    /// No packet before this one is kept.
    tail: AtomicU64,
    /// One more than the newest that was put in; 0 before any.
    end: AtomicU64,
}

impl Ring {
    pub(super) fn new(frame_us: u32, kept: Kept) -> Self {
        let repair = packets_in(REPAIR, frame_us).min(REPAIR_PACKETS_MAX);
        let light = usize::try_from(kept.bytes / OVERHEAD_BYTES).unwrap_or(usize::MAX);
        let size = packets_in(kept.time, frame_us).min(light).max(repair);
        Self {
            slots: (0..size).map(|_| ArcSwapOption::empty()).collect(),
            repair: repair as u64,
            bytes_max: kept.bytes,
            bytes: AtomicU64::new(0),
            tail: AtomicU64::new(0),
            end: AtomicU64::new(0),
        }
    }

    /// How many packets it keeps for repair: about a second of them.
    pub(super) fn repair_packets(&self) -> u32 {
        self.repair as u32
    }

    /// What it holds now, the bookkeeping included.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Keeps a packet in place of one that is older, and drops the oldest beyond the bound.
    pub(super) fn put(&self, packet: &Packet) {
        let slot = self.slot(packet.sequence);
        // Late ones must not drive out those of a turn later.
        let newer = slot
            .load()
            .as_ref()
            .is_some_and(|kept| kept.sequence > packet.sequence);
        if newer || packet.sequence < self.tail.load(Ordering::Relaxed) {
            return;
        }
        self.bytes.fetch_add(weight(packet), Ordering::Relaxed);
        let before = slot.swap(Some(Arc::new(packet.clone())));
        self.forget(before.as_deref());
        let end = self.end.load(Ordering::Relaxed).max(packet.sequence + 1);
        self.end.store(end, Ordering::Release);
        let size = self.slots.len() as u64;
        let mut tail = self.tail.load(Ordering::Relaxed);
        tail = tail.max(end.saturating_sub(size));
        while self.bytes() > self.bytes_max && tail + self.repair < end {
            let oldest = self.slot(tail).load();
            if oldest.as_ref().is_some_and(|kept| kept.sequence == tail) {
                self.forget(self.slot(tail).swap(None).as_deref());
            }
            tail += 1;
        }
        self.tail.store(tail, Ordering::Release);
    }

    pub(super) fn get(&self, sequence: u64) -> Option<Arc<Packet>> {
        let kept = self.slot(sequence).load_full()?;
        (kept.sequence == sequence).then_some(kept)
    }

    /// The newest packets kept, in order, those within `samples` of media time.
    pub(super) fn last(&self, samples: u64) -> Vec<Arc<Packet>> {
        let Some(newest) = self.newest() else {
            return Vec::new();
        };
        let first = self.find(newest.timestamp.saturating_sub(samples));
        let first = first.map_or(newest.sequence, |first| first.sequence);
        let numbers = first..=newest.sequence;
        numbers.filter_map(|sequence| self.get(sequence)).collect()
    }

    /// The first packet kept from `sequence` on.
    pub(super) fn get_from(&self, sequence: u64) -> Option<Arc<Packet>> {
        let from = sequence.max(self.tail.load(Ordering::Acquire));
        (from..self.end.load(Ordering::Acquire)).find_map(|sequence| self.get(sequence))
    }

    /// The newest packet kept.
    pub(super) fn newest(&self) -> Option<Arc<Packet>> {
        self.get(self.end.load(Ordering::Acquire).checked_sub(1)?)
    }

    /// The first packet kept whose media time is at least `timestamp`.
    pub(super) fn find(&self, timestamp: u64) -> Option<Arc<Packet>> {
        let (mut low, mut high) = (
            self.tail.load(Ordering::Acquire),
            self.end.load(Ordering::Acquire),
        );
        // Media time rises with the sequence, as the station's clock does.
        while low < high {
            let middle = low + (high - low) / 2;
            match (middle..high).find_map(|sequence| self.get(sequence)) {
                Some(packet) if packet.timestamp < timestamp => low = packet.sequence + 1,
                _ => high = middle,
            }
        }
        self.get_from(low)
    }

    fn forget(&self, packet: Option<&Packet>) {
        if let Some(packet) = packet {
            self.bytes.fetch_sub(weight(packet), Ordering::Relaxed);
        }
    }

    fn slot(&self, sequence: u64) -> &ArcSwapOption<Packet> {
        &self.slots[(sequence % self.slots.len() as u64) as usize]
    }
}

fn weight(packet: &Packet) -> u64 {
    packet.prefixed().len() as u64 + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::TrackId;
    use wire::audio::{Copies, Datagram, SendTime};

    fn packet(sequence: u64, timestamp: u64, bytes: usize) -> Packet {
        let datagram = Datagram {
            track: TrackId::new(1).unwrap(),
            sequence,
            timestamp,
            send_time: SendTime(7),
            copies: Copies::none(),
            packet: &vec![1; bytes],
        };
        Packet::encode(20_000, &datagram).unwrap()
    }

    fn kept(seconds: u64, bytes: u64) -> Kept {
        Kept {
            time: Duration::from_secs(seconds),
            bytes,
        }
    }

    #[test]
    fn it_keeps_so_long_and_so_many_bytes() {
        let ring = Ring::new(20_000, kept(10, 1 << 20));
        for n in 0..5_000 {
            ring.put(&packet(n, n * 960, 300));
        }
        assert_eq!(ring.find(0).unwrap().sequence, 4_500, "ten seconds");
        assert_eq!(ring.newest().unwrap().sequence, 4_999);
        assert_eq!(ring.find(4_700 * 960 + 1).unwrap().sequence, 4_701);
        assert!(ring.find(5_000 * 960).is_none());
        assert!(ring.get(4_499).is_none() && ring.get(4_500).is_some());

        let bound = 100_000;
        let ring = Ring::new(20_000, kept(10, bound));
        for n in 0..5_000 {
            ring.put(&packet(n, n * 960, 300));
            assert!(ring.bytes() <= bound, "{}", ring.bytes());
        }
        let oldest = ring.find(0).unwrap().sequence;
        assert!((4_750..4_800).contains(&oldest), "{oldest}");
    }

    #[test]
    fn repair_has_its_second_whatever_the_bound() {
        let ring = Ring::new(20_000, Kept::default());
        for n in 0..200 {
            ring.put(&packet(n, n * 960, 1_000));
        }
        assert!(ring.get(150).is_some() && ring.get(149).is_none());
        assert_eq!(ring.repair_packets(), 50);
    }

    #[test]
    fn holes_and_jumps_in_time_are_passed_over() {
        let ring = Ring::new(20_000, kept(10, 1 << 20));
        for n in (0..400).filter(|n| n % 7 != 3) {
            // A pause of five seconds after packet 200.
            let pause = if n > 200 { 240_000 } else { 0 };
            ring.put(&packet(n, n * 960 + pause, 100));
        }
        assert_eq!(ring.find(3 * 960).unwrap().sequence, 4);
        assert_eq!(
            ring.find(201 * 960).unwrap().sequence,
            201,
            "after the pause"
        );
        assert_eq!(ring.get_from(17).unwrap().sequence, 18);
        // What comes late finds its place; what is far too late does not.
        ring.put(&packet(17, 17 * 960, 100));
        assert_eq!(ring.get_from(17).unwrap().sequence, 17);
        for n in 400..700 {
            ring.put(&packet(n, n * 960 + 240_000, 100));
        }
        let before = ring.bytes();
        ring.put(&packet(18, 18 * 960, 100));
        assert!(ring.get(18).is_none() && ring.bytes() == before);
    }
}
