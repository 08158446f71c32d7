//! Many TCP sockets, asked for together which of them have bytes.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket, sockopt,
};

const READY_MAX: usize = 256;

/// Sockets by number.
pub(super) struct Sockets {
    epoll: Epoll,
    ready: Vec<EpollEvent>,
}

impl Sockets {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            ready: vec![EpollEvent::empty(); READY_MAX],
        })
    }

    pub(super) fn add(&self, number: usize, socket: impl AsFd) -> anyhow::Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, number as u64);
        Ok(self.epoll.add(socket, event)?)
    }

    /// The numbers of those that have something; waits at most so many milliseconds.
    pub(super) fn ready(&mut self, wait: u8) -> anyhow::Result<Vec<usize>> {
        let count = self.epoll.wait(&mut self.ready, EpollTimeout::from(wait))?;
        let ready = self.ready[..count].iter();
        Ok(ready.map(|event| event.data() as usize).collect())
    }
}

/// Connects from one of our own addresses, so that no limit per address is met.
pub(super) fn connect_from(home: SocketAddr, server: SocketAddr) -> anyhow::Result<TcpStream> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
    let raw = std::os::fd::AsRawFd::as_raw_fd(&fd);
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    bind(raw, &SockaddrStorage::from(home))?;
    connect(raw, &SockaddrStorage::from(server))?;
    let stream = TcpStream::from(fd);
    stream.set_nodelay(true)?;
    Ok(stream)
}
