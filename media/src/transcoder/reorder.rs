//! Puts a few packets in order, without a clock.

use std::collections::BTreeMap;

use crate::Packet;

/// Later packets that may wait for a missing one.
const WAITING_MAX: usize = 4;

/// Samples that may wait: 100 ms.
const WAITING_SAMPLES: u64 = 4800;

/// A sequence this far from the expected one begins a new stretch.
const REACH: u64 = 3000;

/// Packets in a row from far behind that are believed: the source began anew.
const PROOF: u32 = 3;

/// The next packet in order.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) timestamp: u64,
    pub(super) samples: u32,
    pub(super) payload: Vec<u8>,
    /// Packets missing before it.
    pub(super) lost: u64,
}

#[derive(Debug, Default)]
pub(super) struct Reorder {
    /// Sequence that comes next; `None` before the first.
    expected: Option<u64>,
    waiting: BTreeMap<u64, Next>,
    strangers: u32,
}

impl Reorder {
    /// Keeps a packet; `false` when its turn has passed or it is there already.
    pub(super) fn insert(&mut self, packet: &Packet<'_>, samples: u32) -> bool {
        let expected = *self.expected.get_or_insert(packet.sequence);
        if packet.sequence.abs_diff(expected) > REACH {
            self.strangers += 1;
            if self.strangers < PROOF {
                return false;
            }
            self.waiting.clear();
            self.expected = Some(packet.sequence);
        } else if packet.sequence < expected || self.waiting.contains_key(&packet.sequence) {
            return false;
        }
        self.strangers = 0;
        let next = Next {
            timestamp: packet.timestamp,
            samples,
            payload: packet.payload.to_vec(),
            lost: 0,
        };
        self.waiting.insert(packet.sequence, next);
        true
    }

    /// The next packet, if it is its turn or the wait for it is over.
    pub(super) fn poll(&mut self) -> Option<Next> {
        let expected = self.expected?;
        let first = *self.waiting.first_key_value()?.0;
        let held: u64 = self
            .waiting
            .values()
            .map(|next| u64::from(next.samples))
            .sum();
        let over = self.waiting.len() >= WAITING_MAX || held >= WAITING_SAMPLES;
        if first != expected && !over {
            return None;
        }
        let mut next = self.waiting.remove(&first)?;
        next.lost = first - expected;
        self.expected = Some(first + 1);
        Some(next)
    }
}
