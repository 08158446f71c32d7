//! A UDP socket that takes and gives packets by the batch.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockFlag, SockType,
    SockaddrStorage, bind, getsockname, recvmmsg, sendmmsg, setsockopt, socket, sockopt,
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
            let run = rest
                .iter()
                .take_while(|packet| packet.from == first.from)
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
        let (v4, v6);
        let source = match (from, self.address) {
            (IpAddr::V4(from), SocketAddr::V4(_)) => {
                v4 = pktinfo_v4(from);
                ControlMessage::Ipv4PacketInfo(&v4)
            }
            (IpAddr::V4(from), SocketAddr::V6(_)) => {
                v6 = pktinfo_v6(from.to_ipv6_mapped());
                ControlMessage::Ipv6PacketInfo(&v6)
            }
            (IpAddr::V6(from), _) => {
                v6 = pktinfo_v6(from);
                ControlMessage::Ipv6PacketInfo(&v6)
            }
        };
        let sent = sendmmsg(fd, &mut self.sourced, slices, addresses, [source], flags)?;
        Ok(sent.count())
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
mod tests {
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule,
    };

    use super::*;

    fn socket(address: &str) -> Socket {
        Socket::new(Bound::bind(address.parse().unwrap()).unwrap())
    }

    fn push(batch: &mut Batch, to: SocketAddr, from: Option<IpAddr>, bytes: &[u8]) {
        assert!(batch.push(|buffer| {
            buffer.extend_from_slice(bytes);
            Some((to, from))
        }));
    }

    fn take(socket: &mut Socket, got: &mut Vec<Vec<u8>>) {
        socket.receive().unwrap();
        got.extend(socket.arrived().map(|(_, _, bytes)| bytes.to_vec()));
    }

    #[test]
    fn packets_the_kernel_refuses_are_counted_and_the_others_go_out() {
        let (mut sender, mut receiver) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
        let to = receiver.address();
        let mut batch = Batch::new();
        push(&mut batch, to, None, b"first");
        // EMSGSIZE: larger than UDP has.
        push(&mut batch, to, None, &[0; 70_000]);
        push(&mut batch, to, None, b"second");
        // EINVAL: no such port; EACCES, as a firewall's EPERM: to everybody.
        push(
            &mut batch,
            SocketAddr::from(([127, 0, 0, 1], 0)),
            None,
            b"x",
        );
        let everybody = SocketAddr::from(([255, 255, 255, 255], 9));
        push(&mut batch, everybody, None, b"x");
        // EINVAL: an address that is not ours.
        push(&mut batch, to, Some([203, 0, 113, 9].into()), b"x");
        push(&mut batch, to, Some([127, 0, 0, 1].into()), b"third");
        sender.send(&batch);
        assert_eq!(sender.failed, 4);
        let mut got = Vec::new();
        while got.len() < 3 {
            take(&mut receiver, &mut got);
        }
        assert_eq!(got, [&b"first"[..], b"second", b"third"]);
    }

    /// Has the kernel answer this thread's calls with that error, where the argument of that
    /// number is the value.
    fn refuse(call: i64, argument: (u8, u64), errno: Errno) {
        let (number, value) = argument;
        let is_it = SeccompCondition::new(number, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value);
        let rule = SeccompRule::new(vec![is_it.unwrap()]).unwrap();
        let filter = SeccompFilter::new(
            [(call, vec![rule])].into(),
            SeccompAction::Allow,
            SeccompAction::Errno(errno as u32),
            std::env::consts::ARCH.try_into().unwrap(),
        );
        let program: BpfProgram = filter.unwrap().try_into().unwrap();
        seccompiler::apply_filter(&program).unwrap();
    }

    #[test]
    fn a_kernel_short_of_buffers_is_counted_and_what_it_takes_goes_out() {
        // A thread of its own, as it does not get rid of its filters.
        let thread = std::thread::spawn(|| {
            let (mut sender, mut receiver) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
            let mut batch = Batch::new();
            for bytes in [b"1", b"2", b"3"] {
                push(&mut batch, receiver.address(), None, bytes);
            }
            // Three at once it refuses, not the two that are then left.
            refuse(nix::libc::SYS_sendmmsg, (2, 3), Errno::ENOBUFS);
            let fd = u64::try_from(sender.fd().as_raw_fd()).unwrap();
            refuse(nix::libc::SYS_recvmmsg, (0, fd), Errno::ENOBUFS);
            sender.send(&batch);
            assert_eq!(sender.failed, 1);
            let error = sender.receive().unwrap_err();
            assert_eq!(error.raw_os_error(), Some(Errno::ENOBUFS as i32));
            assert_eq!(sender.receives_failed, 1);
            let mut got = Vec::new();
            while got.len() < 2 {
                take(&mut receiver, &mut got);
            }
            assert_eq!(got, [b"2", b"3"]);
        });
        thread.join().unwrap();
    }

    #[test]
    fn what_comes_too_large_is_cut_and_an_empty_packet_is_one() {
        let mut receiver = socket("127.0.0.1:0");
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.send_to(&[7; 9000], receiver.address()).unwrap();
        sender.send_to(&[], receiver.address()).unwrap();
        let mut got = Vec::new();
        while got.len() < 2 {
            take(&mut receiver, &mut got);
        }
        let sizes: Vec<_> = got.iter().map(Vec::len).collect();
        assert_eq!(sizes, [PACKET_BYTES, 0]);
        assert_eq!(receiver.receives_failed, 0);
    }
}
