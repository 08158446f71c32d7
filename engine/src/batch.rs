//! Packets on their way to the kernel, in buffers that are used again.

use std::net::{IpAddr, SocketAddr};

/// UDP datagrams to send, at most [`Batch::CAPACITY`].
#[derive(Debug)]
pub struct Batch {
    packets: Vec<Packet>,
    len: usize,
}

/// One UDP datagram.
#[derive(Debug)]
pub struct Packet {
    /// Where to.
    pub to: SocketAddr,
    /// Which of our addresses it must leave from; `None` leaves that to the kernel.
    pub from: Option<IpAddr>,
    /// Its payload.
    pub bytes: Vec<u8>,
}

impl Batch {
    /// Datagrams handed to the kernel in one call. Larger batches gain nothing
    /// measurable and let arrivals wait.
    pub const CAPACITY: usize = 64;

    /// An empty batch; its buffers are allocated once, 1,500 bytes each.
    #[must_use]
    pub fn new() -> Self {
        let packet = || Packet {
            to: SocketAddr::from(([0, 0, 0, 0], 0)),
            from: None,
            bytes: Vec::with_capacity(1500),
        };
        Self {
            packets: std::iter::repeat_with(packet)
                .take(Self::CAPACITY)
                .collect(),
            len: 0,
        }
    }

    /// What is to be sent.
    #[must_use]
    pub fn packets(&self) -> &[Packet] {
        &self.packets[..self.len]
    }

    /// Empties the batch.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Whether nothing more fits.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len == self.packets.len()
    }

    /// Offers an empty buffer to `fill`, and keeps the packet when it says where it goes
    /// and which of our addresses it leaves from. Returns whether it was kept.
    ///
    /// # Panics
    /// When the batch is full.
    pub fn push(
        &mut self,
        fill: impl FnOnce(&mut Vec<u8>) -> Option<(SocketAddr, Option<IpAddr>)>,
    ) -> bool {
        let packet = &mut self.packets[self.len];
        packet.bytes.clear();
        let Some((to, from)) = fill(&mut packet.bytes) else {
            return false;
        };
        packet.to = to;
        packet.from = from;
        self.len += 1;
        true
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}
