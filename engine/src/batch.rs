//! Packets on their way to the kernel, in buffers that are used again.

use std::net::{IpAddr, SocketAddr};

/// What to send in one go: at most [`Batch::CAPACITY`] packets.
#[derive(Debug)]
pub struct Batch {
    packets: Vec<Packet>,
    len: usize,
}

/// One UDP datagram, or several to one address that are as long as each other.
#[derive(Debug)]
pub struct Packet {
    /// Where to.
    pub to: SocketAddr,
    /// Which of our addresses it must leave from; `None` leaves that to the kernel.
    pub from: Option<IpAddr>,
    /// Its payload, or theirs behind each other.
    pub bytes: Vec<u8>,
    /// The length of each of several, but for the last, which may be shorter.
    pub segment: Option<usize>,
}

/// Where a packet goes, and in what parts.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// See [`Packet::to`].
    pub to: SocketAddr,
    /// See [`Packet::from`].
    pub from: Option<IpAddr>,
    /// See [`Packet::segment`].
    pub segment: Option<usize>,
}

impl From<(SocketAddr, Option<IpAddr>)> for Way {
    fn from((to, from): (SocketAddr, Option<IpAddr>)) -> Self {
        let segment = None;
        Self { to, from, segment }
    }
}

impl Packet {
    /// The UDP datagrams it is on the wire.
    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        let len = self.segment.unwrap_or(self.bytes.len());
        self.bytes.chunks(len.max(1))
    }
}

impl Batch {
    /// Packets handed to the kernel in one call. Larger batches gain nothing
    /// measurable and let arrivals wait.
    pub const CAPACITY: usize = 64;

    /// An empty batch; its buffers are allocated once, 1,500 bytes each, and grow to what several
    /// datagrams take.
    #[must_use]
    pub fn new() -> Self {
        let packet = || Packet {
            to: SocketAddr::from(([0, 0, 0, 0], 0)),
            from: None,
            bytes: Vec::with_capacity(1500),
            segment: None,
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

    /// Offers an empty buffer to `fill`, and keeps the packet when it says which way it goes.
    /// Returns whether it was kept.
    ///
    /// # Panics
    /// When the batch is full.
    pub fn push<W: Into<Way>>(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> Option<W>) -> bool {
        let packet = &mut self.packets[self.len];
        packet.bytes.clear();
        let Some(way) = fill(&mut packet.bytes) else {
            return false;
        };
        let Way { to, from, segment } = way.into();
        packet.to = to;
        packet.from = from;
        packet.segment = segment;
        self.len += 1;
        true
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}
