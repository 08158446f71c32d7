//! What the way of a frame allocates, counted.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::time::Duration;

use skywave_engine::testing::{Pair, first_packets};
use skywave_engine::{Batch, Command, Frame};
use wire::TrackId;

mod counting {
    #![allow(
        unsafe_code,
        reason = "a global allocator is unsafe to implement; it only counts"
    )]

    use std::alloc::{GlobalAlloc, Layout, System};
    use std::cell::Cell;

    thread_local! {
        pub(super) static COUNT: Cell<u64> = const { Cell::new(0) };
        /// Bytes this thread has allocated and not given back.
        pub(super) static LIVE: Cell<i64> = const { Cell::new(0) };
    }

    struct Counting;

    // SAFETY: every call goes to the system's allocator unchanged.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // A thread's end may come here after its counter is gone.
            let _ = COUNT.try_with(|count| count.set(count.get() + 1));
            let _ = LIVE.try_with(|live| live.set(live.get() + layout.size() as i64));
            // SAFETY: the caller's promise.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            let _ = LIVE.try_with(|live| live.set(live.get() - layout.size() as i64));
            // SAFETY: the caller's promise.
            unsafe { System.dealloc(block, layout) }
        }
    }

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;
}

#[test]
fn a_frame_allocates_for_no_listener_but_what_its_acknowledgement_takes() {
    const LISTENERS: usize = 200;
    const FRAMES: usize = 100;
    let mut pair = Pair::new(|_| {});
    pair.clients.shows_datagrams = false;
    let track = TrackId::new(1).unwrap();
    for _ in 0..LISTENERS {
        let (_, opened) = pair.open();
        let session = opened.session;
        let join = Command::Join { session, track };
        pair.core.handle_command(pair.now, join);
    }
    let mut batch = Batch::new();
    let mut allocations = 0;
    let mut packets = 0;
    for number in 0..FRAMES + 100 {
        pair.core.handle_frame(track, Frame::new(&[7; 250]));
        let before = counting::COUNT.get();
        let mut sent = Vec::new();
        let mut held = 0;
        loop {
            batch.clear();
            let more = pair.core.poll_transmit(pair.now, &mut batch);
            // Handing packets to the network of the test is not the engine's work.
            let outside = counting::COUNT.get();
            for packet in batch.packets() {
                sent.push(packet.bytes.clone());
            }
            held += counting::COUNT.get() - outside;
            if !more {
                break;
            }
        }
        // The first frames find queues that grow once.
        if number >= 100 {
            allocations += counting::COUNT.get() - before - held;
            packets += sent.len();
        }
        for bytes in sent {
            pair.deliver(&bytes);
        }
        pair.run(Duration::from_millis(20));
    }
    assert!(packets >= LISTENERS * FRAMES, "{packets} packets");
    println!("{allocations} allocations for {packets} packets");
    // Sending allocates for nobody. What is left is quinn's: about one for each
    // acknowledgement it opens (one for two packets), whose buffer becomes shared here
    // because the test hands over vectors; and nodes of the tree of packets in flight.
    assert!(
        allocations * 5 < packets as u64 * 3,
        "{allocations} allocations for {packets} packets"
    );
}

#[test]
fn half_open_handshakes_by_the_thousand_take_bounded_memory_and_give_it_back() {
    const HALF_OPEN_MAX: usize = 64;
    let mut pair = Pair::new(|config| {
        config.handshakes_unvalidated_max = HALF_OPEN_MAX;
        config.handshakes_max = 2 * HALF_OPEN_MAX;
    });
    pair.clients.shows_datagrams = false;
    let track = TrackId::new(1).unwrap();
    let (client, opened) = pair.open();
    let session = opened.session;
    let join = Command::Join { session, track };
    pair.core.handle_command(pair.now, join);
    let firsts = first_packets(4000);
    let before = counting::LIVE.get();
    let mut most = 0;
    for (round, firsts) in (0..).zip(firsts.chunks(40)) {
        for (number, first) in (0..).zip(firsts) {
            pair.inject(SocketAddr::from(([172, 16, round, number], 7)), first);
        }
        pair.core.handle_frame(track, Frame::new(&[7; 250]));
        pair.run(Duration::from_millis(20));
        pair.traffic.clear();
        most = most.max(counting::LIVE.get() - before);
    }
    let each = most / HALF_OPEN_MAX as i64;
    println!("{most} bytes at most, {each} each");
    assert!(pair.core.stats().handshakes <= HALF_OPEN_MAX);
    assert!(each < 100_000, "{each} bytes for each handshake let in");
    pair.run(Duration::from_secs(30));
    assert_eq!(pair.core.stats().sessions, 1);
    pair.strays.clear();
    let after = counting::LIVE.get() - before;
    assert!(after < most / 8, "{after} bytes of {most} stay");
    assert_eq!(pair.clients.datagrams(client), 100);
}
