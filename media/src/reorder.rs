//! Puts a few packets in order, without a clock: for what works on whole streams, as
//! transcoders and recorders do. Listeners have [`crate::receiver`], which has a clock.

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// Media time of its first sample.
    pub timestamp: u64,
    /// Samples at 48 kHz it decodes to.
    pub samples: u32,
    /// The Opus packet.
    pub payload: Vec<u8>,
    /// Packets missing before it.
    pub lost: u64,
}

/// Waits for a missing packet while fewer than four later ones, or 100 ms of sound, are
/// there. Holds no more than that.
#[derive(Debug, Default)]
pub struct Reorder {
    /// Sequence that comes next; `None` before the first.
    expected: Option<u64>,
    waiting: BTreeMap<u64, Next>,
    strangers: u32,
}

impl Reorder {
    /// Keeps a packet; `false` when its turn has passed or it is there already.
    pub fn insert(&mut self, packet: &Packet<'_>, samples: u32) -> bool {
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
    pub fn poll(&mut self) -> Option<Next> {
        let held: u64 = self
            .waiting
            .values()
            .map(|next| u64::from(next.samples))
            .sum();
        let over = self.waiting.len() >= WAITING_MAX || held >= WAITING_SAMPLES;
        let first = *self.waiting.first_key_value()?.0;
        if self.expected != Some(first) && !over {
            return None;
        }
        self.drain()
    }

    /// The next packet there is, without waiting for those missing before it.
    pub fn drain(&mut self) -> Option<Next> {
        let expected = self.expected?;
        let (first, mut next) = self.waiting.pop_first()?;
        next.lost = first - expected;
        self.expected = Some(first + 1);
        Some(next)
    }
}
