//! Playing does not allocate once it is under way.
#![cfg(feature = "native")]
// A counting allocator has to implement an unsafe trait; it only counts and passes on.
#![allow(unsafe_code, missing_docs, clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use skywave_media::Packet;
use skywave_media::decoder::Decoder;
use skywave_media::packetizer::Packetizer;
use skywave_media::receiver::{Config, Receiver};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        BYTES.with(|bytes| bytes.set(bytes.get() + layout.size() as isize));
        // SAFETY: the caller's obligations are passed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.with(|bytes| bytes.set(bytes.get() - layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Plays packets with losses and an outage; answers the allocations of all pulls.
fn allocations_of_pulls(decoder: Decoder) -> usize {
    let mut packetizer = Packetizer::new(Default::default(), 0, 0).unwrap();
    let mut packets = Vec::new();
    let samples: Vec<f32> = (0..96_000 * 10)
        .map(|n| (n as f32 * 0.03).sin() / 2.0)
        .collect();
    packetizer
        .push(&samples, |packet| packets.push(packet))
        .unwrap();
    let mut receiver = Receiver::with_decoder(Config::default(), decoder);
    let mut out = [0.0; 256];
    let mut sent = 0;
    let mut allocations = 0;
    for quantum in 0..10 * 375u64 {
        let now = Duration::from_nanos(quantum * 128 * 1_000_000_000 / 48_000);
        while sent < packets.len() && Duration::from_millis(sent as u64 * 20) <= now {
            let outage = (5 * 50..6 * 50).contains(&sent);
            if sent % 13 != 0 && !outage {
                let packet = packets[sent].as_packet(Some(0));
                receiver.handle_packet(now, &packet).unwrap();
            }
            sent += 1;
        }
        let before = COUNT.with(Cell::get);
        receiver.pull(now, &mut out);
        allocations += COUNT.with(Cell::get) - before;
        while receiver.poll_event().is_some() {}
    }
    let stats = receiver.stats();
    assert!(stats.lost > 60 && stats.underruns > 0, "{stats:?}");
    allocations
}

#[test]
fn a_pull_does_not_allocate() {
    assert_eq!(allocations_of_pulls(Decoder::new()), 0);
}

#[test]
fn no_packets_of_whatever_kind_take_more_than_two_megabytes() {
    let mut random = 5u64;
    let mut next = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        random >> 20
    };
    let before = BYTES.with(Cell::get);
    let mut receiver = Receiver::new(Config::default());
    let mut out = [0.0; 256];
    let mut most = 0;
    // The largest packets there are, near each other and anywhere, often refused.
    let mut payload = vec![0xfc; wire::audio::DATAGRAM_BYTES_MAX];
    for turn in 0..60_000u64 {
        let now = Duration::from_micros(turn * 1_000);
        let sequence = match next() % 8 {
            0 => next() << 20,
            1 => turn.saturating_sub(next() % 2_000),
            _ => turn + next() % 3_000,
        };
        let length = 1 + next() as usize % payload.len();
        payload[1] = next() as u8;
        let packet = Packet {
            sequence,
            timestamp: sequence.wrapping_mul(960).wrapping_add(next() % 3),
            send_time: None,
            copy: next() % 3 == 0,
            payload: &payload[..length],
        };
        let _ = receiver.handle_packet(now, &packet);
        receiver.poll_request(now);
        if turn % 3 == 0 {
            receiver.pull(now, &mut out);
        }
        most = most.max(BYTES.with(Cell::get) - before);
    }
    assert!(most < 2_000_000, "{most} bytes");
}
