//! The engine's socket, for load generators.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use crate::batch::Batch;
use crate::socket::{Bound, Socket};

/// A non-blocking UDP socket that takes and gives packets by the batch.
#[derive(Debug)]
pub struct Udp(Socket);

impl Udp {
    /// Binds to an address, alone or with others.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Bound::bind(address).map(|bound| Self(Socket::new(bound)))
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Takes what has arrived, at most one batch. Returns whether more may be there.
    pub fn receive(&mut self, mut take: impl FnMut(SocketAddr, &[u8])) -> io::Result<bool> {
        let more = self.0.receive()?;
        for (remote, _, bytes) in self.0.arrived() {
            take(remote, bytes);
        }
        Ok(more)
    }

    /// Sends a batch; what the kernel does not take is lost.
    pub fn send(&mut self, batch: &Batch) {
        self.0.send(batch);
    }
}

impl AsFd for Udp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd().as_fd()
    }
}
