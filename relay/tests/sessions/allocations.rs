//! What the way of a packet through the fan-out allocates, counted.

use std::time::Duration;

use serde_json::json;

use crate::support::{Client, Kind, TestRelay, publish_params};

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

const PACKETS: u64 = 100;

/// Allocations of the thread that sends, for that many packets.
fn allocations(source: &mut skywave_relay::LocalSource) -> u64 {
    let packet = [0xfc; 200];
    let mut count = 0;
    for _ in 0..PACKETS {
        let before = counting::COUNT.get();
        source.send(&packet).unwrap();
        count += counting::COUNT.get() - before;
        std::thread::sleep(Duration::from_millis(2));
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_allocates_for_no_listener() {
    const LISTENERS: u64 = 20;
    let relay = TestRelay::start().await;
    let mut source = relay
        .handle
        .publish_local(skywave_relay::Publication {
            station: "demo".parse().unwrap(),
            track: serde_json::from_value(publish_params("demo")["track"].clone()).unwrap(),
            name: None,
            description: None,
            metadata: None,
            takeover: false,
        })
        .unwrap();
    allocations(&mut source);
    let alone = allocations(&mut source);
    let mut listeners = Vec::new();
    for number in 0..LISTENERS {
        // Most on WebSocket, where the relay's own code does the sending.
        let kind = match number % 5 {
            0 => Kind::WebTransport,
            _ => Kind::WebSocket,
        };
        let mut listener = Client::greet(&relay, kind, None).await;
        let station = json!({ "station": "demo" });
        listener.request("listen", station).await.unwrap();
        listeners.push(listener);
    }
    // Queues grow at first.
    allocations(&mut source);
    let shared = allocations(&mut source);
    println!("{alone} allocations for {PACKETS} packets, {shared} with {LISTENERS} listeners");
    // A queue that finds its listener further behind than ever grows once more.
    assert!(
        shared < alone + PACKETS / 2 + 2 * LISTENERS,
        "{alone} allocations alone, {shared} with {LISTENERS} listeners"
    );
    for listener in &mut listeners {
        assert!(
            listener.datagrams.try_recv().is_ok(),
            "somebody heard nothing"
        );
    }
}
