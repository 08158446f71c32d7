//! A UDP socket that takes and gives packets by the batch.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockFlag, SockType,
    SockaddrStorage, bind, getsockname, recvmmsg, sendmmsg, sendmsg, setsockopt, socket, sockopt,
};
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
};

use crate::batch::{Batch, Packet};

/// Packets taken from the kernel in one call.
const RECEIVED_MAX: usize = 64;

/// Larger packets are none of QUIC's here: we announce 1,472.
const PACKET_BYTES: usize = 1500;

/// What the kernel is asked to hold of each; it may give less. An acknowledgement costs
/// it about 1 KiB, and 2,000 listeners send 1,000 of them while one frame goes out.
const BUFFER_BYTES: usize = 4 << 20;

/// A bound socket, on its way to its thread.
#[derive(Debug)]
pub(crate) struct Bound {
    fd: OwnedFd,
    address: SocketAddr,
}

/// One thread's socket; several share a port.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    address: SocketAddr,
    /// Headers with and without room for a source address.
    plain: MultiHeaders<SockaddrStorage>,
    sourced: MultiHeaders<SockaddrStorage>,
    received: MultiHeaders<SockaddrStorage>,
    buffers: Vec<[u8; PACKET_BYTES]>,
    arrivals: Vec<Arrival>,
    /// Whether datagrams can be sent several at a time.
    has_segments: bool,
    /// Packets the kernel did not take.
    pub(crate) failed: u64,
    /// Times it failed to give packets.
    pub(crate) receives_failed: u64,
}

/// What came with a received packet; its bytes are in the buffer of the same number.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    remote: SocketAddr,
    local: Option<IpAddr>,
    len: usize,
}

impl Bound {
    /// Binds to an address, together with others that do so by this function. IPv6's
    /// unspecified address takes IPv4 as well.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::Inet,
            SocketAddr::V6(_) => AddressFamily::Inet6,
        };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(family, SockType::Datagram, flags, None)?;
        setsockopt(&fd, sockopt::ReusePort, &true)?;
        // Less room than asked for is no failure.
        let _ = setsockopt(&fd, sockopt::RcvBuf, &BUFFER_BYTES);
        let _ = setsockopt(&fd, sockopt::SndBuf, &BUFFER_BYTES);
        never_fragment(&fd, family)?;
        if address.is_ipv6() {
            setsockopt(&fd, sockopt::Ipv6V6Only, &false)?;
        }
        if address.ip().is_unspecified() {
            // The source of answers must be the address the client knows.
            match family {
                AddressFamily::Inet6 => setsockopt(&fd, sockopt::Ipv6RecvPacketInfo, &true)?,
                _ => setsockopt(&fd, sockopt::Ipv4PacketInfo, &true)?,
            }
        }
        bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
        let bound: SockaddrStorage = getsockname(fd.as_raw_fd())?;
        Ok(Self {
            address: address_of(&bound).unwrap_or(address),
            fd,
        })
    }

    /// Fails when somebody has the port already.
    pub(crate) fn check_free(address: SocketAddr) -> io::Result<()> {
        std::net::UdpSocket::bind(address).map(drop)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.fd
    }
}

/// QUIC's packets must not be fragmented (RFC 9000, section 14), and one that may not be needs
/// no identification, for which all processors share counters. What the path takes is QUIC's to
/// find out, not the kernel's.
fn never_fragment(fd: &OwnedFd, family: AddressFamily) -> io::Result<()> {
    // An IPv6 socket sends to IPv4's addresses, too.
    set_ip_mtu_discover(fd, Ipv4PathMtuDiscovery::PROBE)?;
    if family == AddressFamily::Inet6 {
        set_ipv6_mtu_discover(fd, Ipv6PathMtuDiscovery::PROBE)?;
    }
    Ok(())
}

impl Socket {
    /// The socket with what its thread needs to use it.
    pub(crate) fn new(bound: Bound) -> Self {
        let Bound { fd, address } = bound;
        let source = match address {
            SocketAddr::V6(_) => nix::cmsg_space!(nix::libc::in6_pktinfo),
            SocketAddr::V4(_) => nix::cmsg_space!(nix::libc::in_pktinfo),
        };
        let destination = address
            .ip()
            .is_unspecified()
            .then(|| nix::cmsg_space!(nix::libc::in6_pktinfo));
        Self {
            fd,
            address,
            plain: MultiHeaders::preallocate(Batch::CAPACITY, None),
            sourced: MultiHeaders::preallocate(Batch::CAPACITY, Some(source)),
            received: MultiHeaders::preallocate(RECEIVED_MAX, destination),
            buffers: vec![[0; PACKET_BYTES]; RECEIVED_MAX],
            arrivals: Vec::with_capacity(RECEIVED_MAX),
            has_segments: true,
            failed: 0,
            receives_failed: 0,
        }
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Takes what has arrived from the kernel, at most one batch. Returns whether more may be
    /// there.
    pub(crate) fn receive(&mut self) -> io::Result<bool> {
        match self.receive_batch() {
            Ok(()) => Ok(self.arrivals.len() == RECEIVED_MAX),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
            // An ICMP message about a packet sent before: not this call's failure.
            Err(Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH) => Ok(true),
            Err(error) => {
                self.receives_failed += 1;
                Err(error.into())
            }
        }
    }

    /// What was taken last: from where, to which of our addresses, and the packet.
    pub(crate) fn arrived(
        &self,
    ) -> impl Iterator<Item = (SocketAddr, Option<IpAddr>, &[u8])> + Clone {
        let packets = self.arrivals.iter().zip(&self.buffers);
        packets
            .filter(|(arrival, _)| arrival.remote.port() != 0)
            .map(|(arrival, buffer)| (arrival.remote, arrival.local, &buffer[..arrival.len]))
    }

    fn receive_batch(&mut self) -> nix::Result<()> {
        self.arrivals.clear();
        let mut buffers = self.buffers.iter_mut();
        let mut slices: [_; RECEIVED_MAX] = std::array::from_fn(|_| {
            let buffer = buffers.next().expect("a buffer for each");
            [IoSliceMut::new(buffer)]
        });
        let fd = self.fd.as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT;
        let messages = recvmmsg(fd, &mut self.received, slices.iter_mut(), flags, None)?;
        self.arrivals.extend(messages.map(|message| {
            Arrival {
                remote: message
                    .address
                    .as_ref()
                    .and_then(address_of)
                    .unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0))),
                local: message.cmsgs().ok().and_then(destination),
                len: message.bytes,
            }
        }));
        Ok(())
    }

    /// Sends a batch. Packets the kernel refuses are counted and skipped: QUIC takes
    /// them for lost.
    pub(crate) fn send(&mut self, batch: &Batch) {
        let mut rest = batch.packets();
        while let Some(first) = rest.first() {
            if let Some(segment) = first.segment {
                self.send_segments(first, segment);
                rest = &rest[1..];
                continue;
            }
            let run = rest
                .iter()
                .take_while(|packet| packet.from == first.from && packet.segment.is_none())
                .count();
            self.send_run(&rest[..run]);
            rest = &rest[run..];
        }
    }

    /// Sends packets that leave from the same address.
    fn send_run(&mut self, packets: &[Packet]) {
        let mut rest = packets;
        let mut patience = 1;
        while !rest.is_empty() {
            match self.send_some(rest) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(sent) => rest = &rest[sent.min(rest.len())..],
                Err(Errno::EAGAIN) if patience > 0 => {
                    // The socket's buffer is full, which a device empties in microseconds.
                    patience -= 1;
                    std::thread::yield_now();
                }
                Err(Errno::EAGAIN) => {
                    self.failed += rest.len() as u64;
                    return;
                }
                Err(error) => {
                    tracing::debug!(%error, to = %rest[0].to, "packet not sent");
                    self.failed += 1;
                    rest = &rest[1..];
                }
            }
        }
    }

    /// Sends several datagrams of one connection as one, which the kernel or the device takes
    /// apart (UDP_SEGMENT); where they cannot, one by one.
    fn send_segments(&mut self, packet: &Packet, segment: usize) {
        let size = u16::try_from(segment).ok().filter(|_| self.has_segments);
        let sent = size.map(|size| {
            let source = packet.from.map(|from| Source::of(from, self.address));
            let mut messages = vec![ControlMessage::UdpGsoSegments(&size)];
            messages.extend(source.as_ref().map(Source::message));
            let slices = [IoSlice::new(&packet.bytes)];
            let to = SockaddrStorage::from(packet.to);
            let flags = MsgFlags::MSG_DONTWAIT;
            sendmsg(self.fd.as_raw_fd(), &slices, &messages, flags, Some(&to))
        });
        match sent {
            Some(Ok(_)) => return,
            // The device's checksums are not its own, or the kernel is old: so it stays.
            Some(Err(Errno::EIO | Errno::ENOPROTOOPT)) => self.has_segments = false,
            Some(Err(_)) | None => {}
        }
        let single = packet.datagrams().map(|bytes| Packet {
            to: packet.to,
            from: packet.from,
            bytes: bytes.to_vec(),
            segment: None,
        });
        for run in single.collect::<Vec<_>>().chunks(Batch::CAPACITY) {
            self.send_run(run);
        }
    }

    fn send_some(&mut self, packets: &[Packet]) -> nix::Result<usize> {
        let slices: [_; Batch::CAPACITY] = std::array::from_fn(|at| {
            let bytes = packets.get(at).map_or(&[][..], |packet| &packet.bytes);
            [IoSlice::new(bytes)]
        });
        let addresses: [_; Batch::CAPACITY] = std::array::from_fn(|at| {
            let packet = packets.get(at)?;
            Some(SockaddrStorage::from(packet.to))
        });
        let (slices, addresses) = (&slices[..packets.len()], &addresses[..packets.len()]);
        let fd = self.fd.as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT;
        let Some(from) = packets[0].from else {
            let sent = sendmmsg(fd, &mut self.plain, slices, addresses, [], flags)?;
            return Ok(sent.count());
        };
        let source = Source::of(from, self.address);
        let source = source.message();
        let sent = sendmmsg(fd, &mut self.sourced, slices, addresses, [source], flags)?;
        Ok(sent.count())
    }
}

/// Which of our addresses a packet leaves from, as the kernel is told.
enum Source {
    V4(nix::libc::in_pktinfo),
    V6(nix::libc::in6_pktinfo),
}

impl Source {
    /// `bound` is the socket's own address.
    fn of(from: IpAddr, bound: SocketAddr) -> Self {
        match (from, bound) {
            (IpAddr::V4(from), SocketAddr::V4(_)) => Self::V4(pktinfo_v4(from)),
            (IpAddr::V4(from), SocketAddr::V6(_)) => Self::V6(pktinfo_v6(from.to_ipv6_mapped())),
            (IpAddr::V6(from), _) => Self::V6(pktinfo_v6(from)),
        }
    }

    fn message(&self) -> ControlMessage<'_> {
        match self {
            Self::V4(info) => ControlMessage::Ipv4PacketInfo(info),
            Self::V6(info) => ControlMessage::Ipv6PacketInfo(info),
        }
    }
}

fn pktinfo_v4(from: Ipv4Addr) -> nix::libc::in_pktinfo {
    nix::libc::in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: nix::libc::in_addr {
            s_addr: u32::from_ne_bytes(from.octets()),
        },
        ipi_addr: nix::libc::in_addr { s_addr: 0 },
    }
}

fn pktinfo_v6(from: Ipv6Addr) -> nix::libc::in6_pktinfo {
    nix::libc::in6_pktinfo {
        ipi6_addr: nix::libc::in6_addr {
            s6_addr: from.octets(),
        },
        ipi6_ifindex: 0,
    }
}

/// Which of our addresses a packet was sent to.
fn destination(mut messages: impl Iterator<Item = ControlMessageOwned>) -> Option<IpAddr> {
    messages.find_map(|message| match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes()))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::from(info.ipi6_addr.s6_addr)),
        _ => None,
    })
}

fn address_of(storage: &SockaddrStorage) -> Option<SocketAddr> {
    match (storage.as_sockaddr_in(), storage.as_sockaddr_in6()) {
        (Some(v4), _) => Some(SocketAddr::from((v4.ip(), v4.port()))),
        // Flow and scope are kept: link-local addresses need the scope.
        (_, Some(v6)) => Some(SocketAddr::V6((*v6).into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
