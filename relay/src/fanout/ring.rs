//! What a track carried last, for those who missed some of it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::Packet;
use super::queue::packets_in;

/// How much of a track is kept: what comes later than this is played by nobody.
const KEPT: Duration = Duration::from_secs(1);

/// Packets kept at most, whatever the frame's length: 1 s of the shortest.
const PACKETS_MAX: usize = 400;

/// The last second of a track by sequence. One thread puts packets in, any number
/// take them out, and nobody waits for another.
#[derive(Debug)]
pub(super) struct Ring {
    slots: Box<[ArcSwapOption<Packet>]>,
}

impl Ring {
    pub(super) fn new(frame_us: u32) -> Self {
        let size = packets_in(KEPT, frame_us).min(PACKETS_MAX);
        Self {
            slots: (0..size).map(|_| ArcSwapOption::empty()).collect(),
        }
    }

    /// How many packets it keeps.
    pub(super) fn size(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Keeps a packet in place of one that is older.
    pub(super) fn put(&self, packet: &Packet) {
        let slot = self.slot(packet.sequence);
        // Late ones must not drive out those of a turn later.
        let newer = slot
            .load()
            .as_ref()
            .is_some_and(|kept| kept.sequence > packet.sequence);
        if !newer {
            slot.store(Some(Arc::new(packet.clone())));
        }
    }

    pub(super) fn get(&self, sequence: u64) -> Option<Arc<Packet>> {
        let kept = self.slot(sequence).load_full()?;
        (kept.sequence == sequence).then_some(kept)
    }

    fn slot(&self, sequence: u64) -> &ArcSwapOption<Packet> {
        &self.slots[(sequence % self.slots.len() as u64) as usize]
    }
}
