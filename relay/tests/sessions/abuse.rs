//! Clients that misbehave, and everyone else's sound meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{Client, Kind, TRANSPORTS, TestRelay, datagram_of, eventually};

/// A source that sends 20 ms packets at their pace until it is stopped.
struct Broadcast {
    stop: Arc<AtomicBool>,
    sending: tokio::task::JoinHandle<u64>,
}

impl Broadcast {
    async fn start(relay: &TestRelay) -> Self {
        let (source, track) = Client::publisher(relay, Kind::WebTransport, "demo").await;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let sending = tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            let mut sent = 0;
            while !stopped.load(Ordering::Relaxed) {
                pace.tick().await;
                // 256 kb/s: what is in flight to one who stands still is soon full.
                source.send_datagram(datagram_of(track, sent, sent * 960, 640));
                sent += 1;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
            sent
        });
        Self { stop, sending }
    }

    /// Stops and tells how many packets were sent.
    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.sending.await.unwrap()
    }
}

/// A listener that reads, and counts what is missing between first and last.
async fn listener(relay: &TestRelay, kind: Kind) -> Client {
    let mut client = Client::greet(relay, kind, None).await;
    client
        .request("listen", json!({ "station": "demo" }))
        .await
        .unwrap();
    client
}

fn lost(client: &mut Client, sent: u64) -> u64 {
    let mut sequences = Vec::new();
    while let Ok(bytes) = client.datagrams.try_recv() {
        sequences.push(wire::audio::Datagram::decode(&bytes).unwrap().sequence);
    }
    let first = sequences[0];
    sequences.sort_unstable();
    sequences.dedup();
    sent - first - sequences.len() as u64
}

/// A WebSocket listener that asks for sound and then never reads again.
async fn deaf_listener(relay: &TestRelay) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    let mut stream = socket.connect(relay.http).await.unwrap();
    let upgrade = format!(
        "GET /v1 HTTP/1.1\r\nHost: {}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: skywave.v1\r\n\r\n",
        relay.http
    );
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    for request in [
        json!({ "id": 1, "method": "hello", "params": { "protocol": 1 } }),
        json!({ "id": 2, "method": "listen", "params": { "station": "demo" } }),
    ] {
        write_masked(&mut stream, &request.to_string())
            .await
            .unwrap();
    }
    stream
}

/// A WebTransport listener whose whole process stands still: nothing is
/// acknowledged any more. Ends when dropped.
struct FrozenListener {
    _thaw: std::sync::mpsc::Sender<()>,
}

impl FrozenListener {
    async fn start(relay: &TestRelay) -> Self {
        let (thaw, frozen) = std::sync::mpsc::channel();
        let (ready, listening) = tokio::sync::oneshot::channel();
        let place = relay.place();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.unwrap();
            let client = runtime.block_on(async {
                let mut client = Client::greet(&place, Kind::WebTransport, None).await;
                client
                    .request("listen", json!({ "station": "demo" }))
                    .await
                    .unwrap();
                client
            });
            ready.send(()).unwrap();
            // Nobody runs the runtime's tasks while this thread waits.
            let _ = frozen.recv();
            drop(client);
        });
        listening.await.unwrap();
        Self { _thaw: thaw }
    }
}

/// One text message as a client masks it (with zeroes).
async fn write_masked(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend_from_slice(&(text.len() as u16).to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    stream.write_all(&frame).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_and_a_flooding_listener_cost_nobody_else_a_packet() {
    let relay = TestRelay::start().await;
    let broadcast = Broadcast::start(&relay).await;
    let mut good = Vec::new();
    for kind in TRANSPORTS {
        good.push(listener(&relay, kind).await);
    }
    let stuck = deaf_listener(&relay).await;
    let frozen = FrozenListener::start(&relay).await;
    let mut floods = Vec::new();
    for kind in TRANSPORTS {
        let mut flooder = listener(&relay, kind).await;
        floods.push(tokio::spawn(async move {
            for round in 0..20_000_u64 {
                flooder.send_datagram(vec![1; 100]);
                flooder.send_request("ping", json!({}));
                if round % 50 == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            flooder.push("bye").await["data"]["code"].clone()
        }));
    }
    for flood in floods {
        assert_eq!(flood.await.unwrap(), "flooding");
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let sent = broadcast.stop().await;
    assert!(sent > 100);
    for client in &mut good {
        assert_eq!(lost(client, sent), 0, "{:?}", client.kind);
    }
    assert!(
        relay.metric("skywave_datagrams_dropped_total").await > 20,
        "others' were dropped"
    );
    drop((stuck, frozen));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_its_control_stream_is_a_slow_consumer() {
    let relay = TestRelay::start().await;
    let mut stream = deaf_listener(&relay).await;
    // Replies of some 20 KB each fill the kernel's buffers, then the session's queue.
    let filler = "9".repeat(20_000);
    let ping = format!(r#"{{"id":3,"method":"ping","params":{{"time":{filler}}}}}"#);
    let pinging = async {
        while write_masked(&mut stream, &ping).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    tokio::select! {
        () = pinging => ended_soon(&relay).await,
        () = ended_soon(&relay) => {}
    }
}

async fn ended_soon(relay: &TestRelay) {
    eventually("the session ends", || async {
        relay
            .metric("skywave_sessions_ended_total{code=\"slow_consumer\"}")
            .await
            == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_streams_opened_reset_or_left_half_are_that_clients_loss() {
    let relay = TestRelay::start().await;
    let broadcast = Broadcast::start(&relay).await;
    let mut good = listener(&relay, Kind::WebTransport).await;
    let bad = listener(&relay, Kind::WebTransport).await;
    let connection = bad.connection().clone();
    let opening = async {
        let mut open = Vec::new();
        for _ in 0..1_000 {
            // The relay may refuse one before its header is written.
            let Ok(mut stream) = connection.open_uni().await.unwrap().await else {
                continue;
            };
            let _ = stream.write_all(b"\x40\x54").await;
            open.push(stream);
        }
    };
    let blocked = tokio::time::timeout(Duration::from_millis(500), opening).await;
    assert!(blocked.is_err(), "streams are few");
    let mut half = Client::greet(&relay, Kind::WebTransport, None).await;
    half.request("listen", json!({ "station": "demo" }))
        .await
        .unwrap();
    half.send_raw(b"\x44\x00{\"id\":");
    let mut reset = connection.open_bi().await.unwrap().await.unwrap().0;
    let _ = reset.write_all(b"\x44\x00{").await;
    let _ = reset.reset(7_u32.into());
    tokio::time::sleep(Duration::from_secs(1)).await;
    half.sound().await;
    let sent = broadcast.stop().await;
    assert_eq!(lost(&mut good, sent), 0);
    drop(bad);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_request_holds_nothing_up() {
    let relay = TestRelay::with(|config| config.limits.connections = 3).await;
    let mut half = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(relay.http).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHos").await.unwrap();
        half.push(stream);
    }
    assert_eq!(relay.get("/healthz").await.0, 200);
    let huge = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(100_000)
    );
    let (status, _, _) = relay.send(&huge).await;
    assert!((400..500).contains(&status), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_sessions_are_connections_and_take_their_seats() {
    let relay = TestRelay::with(|config| config.limits.connections = 2).await;
    let first = deaf_listener(&relay).await;
    let second = deaf_listener(&relay).await;
    let healthz = async || relay.get("/healthz").await.0;
    let refused = tokio::time::timeout(Duration::from_millis(300), healthz()).await;
    assert!(
        refused.is_err(),
        "a third connection was served: {refused:?}"
    );
    drop(first);
    let served = tokio::time::timeout(crate::support::PATIENCE, healthz()).await;
    assert_eq!(served.expect("a seat was free again"), 200);
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_ping_is_answered() {
    let relay = TestRelay::start().await;
    let mut stream = deaf_listener(&relay).await;
    stream
        .write_all(&[0x89, 0x84, 0, 0, 0, 0, b'e', b'c', b'h', b'o'])
        .await
        .unwrap();
    let mut heard = Vec::new();
    let pong = async {
        while !heard.windows(6).any(|bytes| bytes == b"\x8a\x04echo") {
            let mut buffer = [0; 1024];
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(count > 0, "the session goes on");
            heard.extend_from_slice(&buffer[..count]);
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, pong)
        .await
        .unwrap();
}
