//! The least a QUIC server must do for each packet, and nothing else.
//!
//! For every frame and listener: AES-128-GCM over the packet, the header protection, and
//! the kernel's send by `sendmmsg`. For every second packet: the kernel's receive, and the
//! opening of one acknowledgement. Each listener has keys of its own, as in life, so
//! that they do not all stay in the nearest cache. There is no loss detection, no timer,
//! no flow control and no lookup.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use engine::Batch;
use engine::testing::Udp;
use load::process;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ring::aead::quic::HeaderProtectionKey;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::packet::INTERVAL;

/// A datagram of sound with its header.
const FRAME_BYTES: usize = 250;
/// Flags, connection id, packet number.
const HEADER_BYTES: usize = 1 + 8 + 2;
/// An ACK frame with one range, padded as QUIC pads.
const ACK_BYTES: usize = 8;
const KEY: [u8; 16] = [5; 16];

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long, default_value_t = 0)]
    pin: usize,
    #[arg(long)]
    listeners: usize,
    /// Where the listeners are: the sink's sockets.
    #[arg(long, value_delimiter = ',')]
    sinks: Vec<SocketAddr>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SinkArguments {
    #[arg(long)]
    pin: Option<usize>,
    #[arg(long, default_value_t = 8)]
    sockets: usize,
}

struct Listener {
    key: LessSafeKey,
    open: LessSafeKey,
    header: HeaderProtectionKey,
    address: SocketAddr,
    number: u16,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    process::pin(Some(arguments.pin))?;
    let mut udp = Udp::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let mut listeners: Vec<_> = (0..arguments.listeners)
        .map(|number| {
            // Each on the heap by itself, as connections are.
            Box::new(Listener {
                key: key(),
                open: key(),
                header: HeaderProtectionKey::new(&ring::aead::quic::AES_128, &KEY)
                    .expect("a key of 16 bytes"),
                address: arguments.sinks[number % arguments.sinks.len()],
                number: 0,
            })
        })
        .collect();
    println!("{}", udp.address());
    let sent = Arc::new(AtomicU64::new(0));
    let answers = sent.clone();
    process::serve_questions(move |_| Some(answers.load(Ordering::Relaxed).to_string()));
    let frame = [7; FRAME_BYTES];
    let mut batch = Batch::new();
    let begun = Instant::now();
    for turn in 1.. {
        let due = begun + INTERVAL * turn;
        for number in 0..listeners.len() {
            let listener = &mut listeners[number];
            batch.push(|packet| {
                seal(listener, number as u32, &frame, packet);
                Some((listener.address, None))
            });
            if batch.is_full() || number + 1 == arguments.listeners {
                udp.send(&batch);
                sent.fetch_add(batch.packets().len() as u64, Ordering::Relaxed);
                batch.clear();
                acknowledgements(&mut udp, &listeners)?;
            }
        }
        loop {
            let wait = due.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                break;
            }
            let wait = wait.as_micros().div_ceil(1000) as u8;
            let mut fds = [PollFd::new(udp.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::from(wait))?;
            acknowledgements(&mut udp, &listeners)?;
        }
    }
    Ok(())
}

fn key() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &KEY).expect("a key of 16 bytes"))
}

fn nonce(number: u16) -> Nonce {
    let mut nonce = [0; 12];
    nonce[10..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// A short-header packet with one DATAGRAM frame, as the engine sends it.
fn seal(listener: &mut Listener, id: u32, frame: &[u8], packet: &mut Vec<u8>) {
    listener.number = listener.number.wrapping_add(1);
    packet.push(0x41);
    packet.extend_from_slice(&[0; 4]);
    packet.extend_from_slice(&id.to_be_bytes());
    packet.extend_from_slice(&listener.number.to_be_bytes());
    // DATAGRAM with a length, and HTTP/3's prefix.
    packet.extend_from_slice(&[0x31, 0x40, frame.len() as u8 + 1, 0]);
    packet.extend_from_slice(frame);
    let (header, payload) = packet.split_at_mut(HEADER_BYTES);
    let tag = listener
        .key
        .seal_in_place_separate_tag(nonce(listener.number), Aad::from(&*header), payload)
        .expect("a short packet");
    packet.extend_from_slice(tag.as_ref());
    let sample = &packet[HEADER_BYTES + 2..HEADER_BYTES + 18];
    let mask = listener
        .header
        .new_mask(sample)
        .expect("a sample of 16 bytes");
    packet[0] ^= mask[0] & 0x1f;
    packet[9] ^= mask[1];
    packet[10] ^= mask[2];
}

/// Receives and opens what has come.
fn acknowledgements(udp: &mut Udp, listeners: &[Box<Listener>]) -> anyhow::Result<()> {
    let mut packet = Vec::new();
    while udp.receive(|_, bytes| {
        packet.clear();
        packet.extend_from_slice(bytes);
        let id = u32::from_be_bytes([packet[5], packet[6], packet[7], packet[8]]) as usize;
        let Some(listener) = listeners.get(id) else {
            return;
        };
        let sample = &packet[HEADER_BYTES + 2..HEADER_BYTES + 18];
        let mask = listener
            .header
            .new_mask(sample)
            .expect("a sample of 16 bytes");
        packet[0] ^= mask[0] & 0x1f;
        packet[9] ^= mask[1];
        packet[10] ^= mask[2];
        let (header, payload) = packet.split_at_mut(HEADER_BYTES);
        let opened = listener
            .open
            .open_in_place(nonce(0), Aad::from(&*header), payload);
        assert!(opened.is_ok(), "the sink seals with the same key");
    })? {}
    Ok(())
}

/// Acknowledges every second packet of each listener with a sealed packet.
pub(crate) fn sink(arguments: &SinkArguments) -> anyhow::Result<()> {
    process::pin(arguments.pin)?;
    let mut sockets = Vec::new();
    for _ in 0..arguments.sockets {
        sockets.push(Udp::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?);
    }
    let addresses: Vec<_> = sockets
        .iter()
        .map(|udp| udp.address().to_string())
        .collect();
    println!("{}", addresses.join(","));
    process::serve_questions(|_| None);
    let mut seen: Vec<u8> = Vec::new();
    // One answer for each listener, sealed once: the floor opens it every time.
    let mut sealed: Vec<Vec<u8>> = Vec::new();
    let mut batch = Batch::new();
    loop {
        let mut is_idle = true;
        for udp in &mut sockets {
            batch.clear();
            udp.receive(|remote, bytes| {
                is_idle = false;
                let id = u32::from_be_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]) as usize;
                if id >= seen.len() {
                    seen.resize(id + 1, 0);
                    sealed.resize(id + 1, Vec::new());
                }
                seen[id] += 1;
                if seen[id] == 2 {
                    seen[id] = 0;
                    if sealed[id].is_empty() {
                        sealed[id] = acknowledgement(id as u32);
                    }
                    batch.push(|packet| {
                        packet.extend_from_slice(&sealed[id]);
                        Some((remote, None))
                    });
                }
            })?;
            udp.send(&batch);
        }
        if is_idle {
            let mut fds: Vec<_> = sockets
                .iter()
                .map(|udp| PollFd::new(udp.as_fd(), PollFlags::POLLIN))
                .collect();
            poll(&mut fds, PollTimeout::from(5u8))?;
        }
    }
}

fn acknowledgement(id: u32) -> Vec<u8> {
    let mut listener = Listener {
        key: key(),
        open: key(),
        header: HeaderProtectionKey::new(&ring::aead::quic::AES_128, &KEY)
            .expect("a key of 16 bytes"),
        address: SocketAddr::from(([0, 0, 0, 0], 0)),
        // The next is 0, which the floor opens it with.
        number: u16::MAX,
    };
    let mut packet = Vec::new();
    seal(&mut listener, id, &[0; ACK_BYTES], &mut packet);
    packet
}
