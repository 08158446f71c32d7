//! A frame's way to one listener without the kernel, beside its cipher alone.
//!
//! With more listeners than the nearest caches hold, each one's keys and state have to be fetched
//! first: what that takes is the difference between the rows.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use engine::testing::Pair;
use engine::{Batch, Command, Frame};
use ring::aead::quic::{AES_128, HeaderProtectionKey};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use wire::TrackId;

const LISTENERS: [usize; 4] = [10, 100, 1000, 2000];
const FRAME: [u8; 250] = [7; 250];

pub(crate) fn fanout(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan-out: a frame to one listener");
    group.sample_size(10);
    for listeners in LISTENERS {
        group.bench_with_input(
            BenchmarkId::new("engine", listeners),
            &listeners,
            |bencher, listeners| {
                let mut crowd = Crowd::new(*listeners);
                bencher.iter_custom(|times| crowd.send(times));
            },
        );
        group.bench_with_input(
            BenchmarkId::new("cipher alone", listeners),
            &listeners,
            |bencher, listeners| {
                let mut keys: Vec<_> = (0..*listeners).map(|_| Keys::new()).collect();
                let mut packet = Vec::with_capacity(1500);
                bencher.iter_custom(|times| {
                    let mut spent = Duration::ZERO;
                    for _ in 0..rounds(times, keys.len()) {
                        let begun = Instant::now();
                        keys.iter_mut().for_each(|keys| keys.seal(&mut packet));
                        spent += begun.elapsed();
                    }
                    each(spent, times, keys.len())
                });
            },
        );
    }
    group.finish();
}

/// Whole frames to everybody that make so many to one.
fn rounds(times: u64, listeners: usize) -> u64 {
    times.div_ceil(listeners as u64).max(4)
}

/// What so many to one would have taken.
fn each(spent: Duration, times: u64, listeners: usize) -> Duration {
    let sent = rounds(times, listeners) * listeners as u64;
    spent.mul_f64(times as f64 / sent as f64)
}

/// Listeners of one track, on the fast way, in virtual time.
struct Crowd {
    pair: Pair,
    track: TrackId,
    listeners: usize,
}

impl Crowd {
    fn new(listeners: usize) -> Self {
        let mut pair = Pair::new(|config| config.handshakes_per_address_max = 10_000);
        pair.clients.shows_datagrams = false;
        let track = TrackId::new(1).expect("a valid track");
        for _ in 0..listeners {
            let session = pair.open().1.session;
            pair.core
                .handle_command(pair.now, Command::Join { session, track });
        }
        let mut crowd = Self {
            pair,
            track,
            listeners,
        };
        // The first of a second goes the long way.
        crowd.send(8 * listeners as u64);
        crowd
    }

    /// Sends to that many listeners, and says what the sending took.
    fn send(&mut self, times: u64) -> Duration {
        let mut batch = Batch::new();
        let mut spent = Duration::ZERO;
        for _ in 0..rounds(times, self.listeners) {
            self.pair.core.handle_frame(self.track, Frame::new(&FRAME));
            loop {
                batch.clear();
                let begun = Instant::now();
                let more = self.pair.core.poll_transmit(self.pair.now, &mut batch);
                spent += begun.elapsed();
                for bytes in batch.packets().iter().flat_map(|packet| packet.datagrams()) {
                    self.pair.deliver(bytes);
                }
                if !more {
                    break;
                }
            }
            self.pair.run(Duration::from_millis(20));
        }
        each(spent, times, self.listeners)
    }
}

/// The keys of one listener.
struct Keys {
    packet: LessSafeKey,
    header: HeaderProtectionKey,
    number: u32,
}

impl Keys {
    fn new() -> Box<Self> {
        let key = [5; 16];
        Box::new(Self {
            packet: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).expect("16 bytes")),
            header: HeaderProtectionKey::new(&AES_128, &key).expect("16 bytes"),
            number: 0,
        })
    }

    fn seal(&mut self, packet: &mut Vec<u8>) {
        const HEADER: usize = 11;
        self.number = self.number.wrapping_add(1);
        packet.clear();
        packet.resize(HEADER, 0x41);
        packet.extend_from_slice(&FRAME);
        let mut nonce = [0; 12];
        nonce[8..].copy_from_slice(&self.number.to_be_bytes());
        let (header, body) = packet.split_at_mut(HEADER);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .packet
            .seal_in_place_separate_tag(nonce, Aad::from(&*header), body)
            .expect("a short packet");
        packet.extend_from_slice(tag.as_ref());
        let mask = self.header.new_mask(&packet[13..29]).expect("16 bytes");
        packet[0] ^= mask[0] & 0x1f;
        packet[9] ^= mask[1];
        packet[10] ^= mask[2];
    }
}
