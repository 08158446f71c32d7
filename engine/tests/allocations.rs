//! What the way of a frame allocates, counted.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use skywave_engine::testing::Pair;
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
    }

    struct Counting;

    // SAFETY: every call goes to the system's allocator unchanged.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // A thread's end may come here after its counter is gone.
            let _ = COUNT.try_with(|count| count.set(count.get() + 1));
            // SAFETY: the caller's promise.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
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
