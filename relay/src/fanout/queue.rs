//! A queue of packets bounded in time that drops its oldest.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Packet, Sent};

/// How much audio waits for one listener at most.
pub(crate) const LISTENER_WAIT: Duration = Duration::from_millis(200);

/// Packets waiting for one listener: at most a given time of audio, and at least two packets.
#[derive(Debug)]
pub(crate) struct PacketQueue {
    packets: VecDeque<Packet>,
    wait: Duration,
}

impl PacketQueue {
    pub(crate) fn new(wait: Duration) -> Self {
        Self {
            packets: VecDeque::new(),
            wait,
        }
    }

    /// Appends a packet and drops the oldest beyond the bound.
    pub(crate) fn push(&mut self, packet: Packet) -> Sent {
        let bound = packets_in(self.wait, packet.frame_us);
        self.packets.push_back(packet);
        let mut dropped = 0;
        while self.packets.len() > bound {
            self.packets.pop_front();
            dropped += 1;
        }
        match dropped {
            0 => Sent::Queued,
            count => Sent::Displaced(count),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Packet> {
        self.packets.pop_front()
    }

    /// Returns a packet that was popped last and not used.
    pub(crate) fn put_back(&mut self, packet: Packet) {
        self.packets.push_front(packet);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }
}

/// Whole packets of that duration in `wait`, at least two.
pub(crate) fn packets_in(wait: Duration, frame_us: u32) -> usize {
    let packets = wait.as_micros() / u128::from(frame_us.max(1));
    (packets as usize).max(2)
}
