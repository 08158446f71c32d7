use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::*;
use crate::batch::Way;

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

/// Three datagrams as one packet.
fn push_segments(batch: &mut Batch, to: SocketAddr) {
    let way = Way {
        to,
        from: Some([127, 0, 0, 1].into()),
        segment: Some(4),
    };
    assert!(batch.push(|buffer| {
        buffer.extend_from_slice(b"aaaabbbbcc");
        Some(way)
    }));
}

#[test]
fn datagrams_of_a_connection_go_out_together_and_come_one_by_one() {
    let (mut sender, mut receiver) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let mut batch = Batch::new();
    push(&mut batch, receiver.address(), None, b"before");
    push_segments(&mut batch, receiver.address());
    push(&mut batch, receiver.address(), None, b"after");
    sender.send(&batch);
    assert!(sender.has_segments);
    let mut got = Vec::new();
    while got.len() < 5 {
        take(&mut receiver, &mut got);
    }
    assert_eq!(got, [&b"before"[..], b"aaaa", b"bbbb", b"cc", b"after"]);
    assert_eq!(sender.failed, 0);
}

#[test]
fn where_the_kernel_takes_no_segments_they_go_out_one_by_one() {
    let thread = std::thread::spawn(|| {
        let (mut sender, mut receiver) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
        let mut batch = Batch::new();
        push_segments(&mut batch, receiver.address());
        let fd = u64::try_from(sender.fd().as_raw_fd()).unwrap();
        refuse(nix::libc::SYS_sendmsg, (0, fd), Errno::EIO);
        sender.send(&batch);
        assert!(!sender.has_segments);
        let mut got = Vec::new();
        while got.len() < 3 {
            take(&mut receiver, &mut got);
        }
        assert_eq!(got, [&b"aaaa"[..], b"bbbb", b"cc"]);
        assert_eq!(sender.failed, 0);
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
