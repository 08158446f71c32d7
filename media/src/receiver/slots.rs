//! The reordering buffer: a fixed ring of packets by sequence number.

/// Packets the ring holds: 20 s of 20 ms packets, 2.5 s of 2.5 ms ones.
pub(super) const SLOTS: u64 = 1024;

/// A packet waiting for its turn, or what became of it.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) sequence: u64,
    pub(super) content: Content,
    pub(super) timestamp: u64,
    pub(super) samples: u32,
    pub(super) send_time: Option<u32>,
    /// Whether only a redundant copy brought it so far.
    pub(super) copy: bool,
    /// Whether the answer to a request brought it.
    pub(super) repaired: bool,
    /// Whether it came by itself, neither as a copy nor requested.
    pub(super) original: bool,
    /// Keeps its capacity from packet to packet.
    pub(super) payload: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    #[default]
    Empty,
    Stored,
    Played,
    /// Its turn passed without it.
    Missed,
}

impl Slot {
    /// Makes it the slot of `sequence`, forgetting what it knew of another.
    pub(super) fn claim(&mut self, sequence: u64) {
        if self.sequence != sequence {
            self.sequence = sequence;
            self.content = Content::Empty;
            self.original = false;
        }
    }
}

/// What a sequence number's slot says about a packet that arrives now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    No,
    Before,
    Missed,
}

/// At most [`SLOTS`] packets and, at 1,275 bytes each, 1.3 MB. A packet that falls on a slot
/// in use replaces the older one: drop oldest.
#[derive(Debug)]
pub(super) struct Slots {
    ring: Box<[Slot]>,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self {
            ring: (0..SLOTS).map(|_| Slot::default()).collect(),
        }
    }

    pub(super) fn slot(&self, sequence: u64) -> &Slot {
        &self.ring[(sequence % SLOTS) as usize]
    }

    pub(super) fn slot_mut(&mut self, sequence: u64) -> &mut Slot {
        &mut self.ring[(sequence % SLOTS) as usize]
    }

    pub(super) fn seen(&self, sequence: u64) -> Seen {
        let slot = self.slot(sequence);
        match slot.content {
            Content::Stored | Content::Played if slot.sequence == sequence => Seen::Before,
            Content::Missed if slot.sequence == sequence => Seen::Missed,
            _ => Seen::No,
        }
    }

    pub(super) fn is_stored(&self, sequence: u64) -> bool {
        let slot = self.slot(sequence);
        slot.sequence == sequence && slot.content == Content::Stored
    }

    pub(super) fn store(&mut self, sequence: u64, payload: &[u8]) -> &mut Slot {
        let slot = self.slot_mut(sequence);
        slot.claim(sequence);
        slot.content = Content::Stored;
        slot.payload.clear();
        // Grown by doubling, the ring would take twice as much.
        slot.payload.reserve_exact(payload.len());
        slot.payload.extend_from_slice(payload);
        slot
    }

    /// Notes what became of `sequence`.
    pub(super) fn settle(&mut self, sequence: u64, content: Content) {
        let slot = self.slot_mut(sequence);
        slot.claim(sequence);
        slot.content = content;
    }

    /// The first stored packet in `from..=to`. Looks at no more than [`SLOTS`] slots.
    pub(super) fn first_stored(&self, from: u64, to: u64) -> Option<&Slot> {
        let from = from.max(to.saturating_sub(SLOTS - 1));
        (from..=to)
            .find(|&sequence| self.is_stored(sequence))
            .map(|sequence| self.slot(sequence))
    }

    pub(super) fn clear(&mut self) {
        for slot in &mut self.ring {
            slot.content = Content::Empty;
            slot.original = false;
        }
    }
}
