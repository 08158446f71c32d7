//! An engine on real sockets, with clients on another.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use skywave_engine::testing::{ClientEvent, Clients, client_config, tls_pair};
use skywave_engine::{
    Batch, Cause, Command, Config, Engine, Event, Frame, Lane, Opened, SessionId, Uplink,
};
use wire::TrackId;

/// Clients behind one socket, in real time.
struct Network {
    clients: Clients,
    socket: UdpSocket,
    server: SocketAddr,
    batch: Batch,
}

impl Network {
    fn new(engine: &Engine, tls: Arc<rustls::ClientConfig>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        let server = SocketAddr::from(([127, 0, 0, 1], engine.address().port()));
        Self {
            clients: Clients::new(client_config(tls), rand::random(), Instant::now()),
            socket,
            server,
            batch: Batch::new(),
        }
    }

    fn connect(&mut self) -> usize {
        self.clients.connect(Instant::now(), self.server, "/v1")
    }

    /// Sends and receives for so long, or until the event comes.
    fn run_until(&mut self, time: Duration, wanted: impl Fn(&ClientEvent) -> bool) -> bool {
        let end = Instant::now() + time;
        let mut buffer = [0; 2000];
        while Instant::now() < end {
            let now = Instant::now();
            self.clients.handle_timeouts(now);
            loop {
                self.batch.clear();
                let more = self.clients.poll_transmit(now, &mut self.batch);
                for packet in self.batch.packets() {
                    self.socket.send_to(&packet.bytes, packet.to).unwrap();
                }
                if !more {
                    break;
                }
            }
            while let Some(event) = self.clients.poll_event() {
                if wanted(&event) {
                    return true;
                }
            }
            if let Ok((len, from)) = self.socket.recv_from(&mut buffer) {
                let bytes = BytesMut::from(&buffer[..len]);
                self.clients.handle_datagram(Instant::now(), from, bytes);
            }
        }
        false
    }
}

fn opened(events: &mut skywave_engine::Events) -> Opened {
    match events.next_timeout(Duration::from_secs(5)) {
        Some(Event::Opened(opened)) => *opened,
        other => panic!("{other:?}"),
    }
}

fn serve(threads: usize, address: &str) -> (Engine, skywave_engine::Events, Network) {
    let (server, client) = tls_pair();
    let config = Config::new(server);
    let (engine, events) = Engine::start(config, address.parse().unwrap(), threads, &[]).unwrap();
    let network = Network::new(&engine, client);
    (engine, events, network)
}

#[test]
fn a_session_lives_on_real_sockets() {
    for address in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"] {
        let (engine, mut events, mut network) = serve(1, address);
        let handle = engine.handle();
        let client = network.connect();
        let is_open = |event: &ClientEvent| *event == ClientEvent::Open(client);
        assert!(
            network.run_until(Duration::from_secs(5), is_open),
            "{address}"
        );
        let session = opened(&mut events).session;

        network.clients.write(client, b"hello");
        let bytes = Bytes::from_static(b"welcome");
        let lane = Lane::Control;
        let write = Command::Write {
            session,
            lane,
            bytes,
        };
        handle.command(write).unwrap();
        let welcome = ClientEvent::Control(client, Bytes::from_static(b"welcome"));
        assert!(network.run_until(Duration::from_secs(5), |event| *event == welcome));
        let heard = events.next_timeout(Duration::from_secs(5));
        let bytes = Bytes::from_static(b"hello");
        assert_eq!(heard, Some(Event::Control { session, bytes }));

        let track = TrackId::new(1).unwrap();
        handle.command(Command::Join { session, track }).unwrap();
        handle.frame(track, Frame::new(b"sound"));
        let sound = ClientEvent::Datagram(client, Bytes::from_static(b"sound"));
        assert!(network.run_until(Duration::from_secs(5), |event| *event == sound));

        let reason = "done".to_owned();
        let close = Command::Close {
            session,
            code: 3,
            reason: reason.clone(),
        };
        handle.command(close).unwrap();
        let capsule = ClientEvent::Capsule(client, 3, reason);
        assert!(network.run_until(Duration::from_secs(5), |event| *event == capsule));
        assert!(network.run_until(Duration::from_secs(5), |event| matches!(
            event,
            ClientEvent::Lost(..)
        )));
        let Some(Event::Closed {
            session: closed,
            cause,
            ..
        }) = events.next_timeout(Duration::from_secs(5))
        else {
            panic!("no end");
        };
        assert_eq!((closed, cause), (session, Cause::Local));
    }
}

/// Keeps what it is brought, and on which thread.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<(String, SessionId, Bytes)>>);

impl Uplink for Kept {
    fn handle_datagram(&self, session: SessionId, bytes: &Bytes) {
        let thread = std::thread::current().name().unwrap().to_owned();
        self.0
            .lock()
            .unwrap()
            .push((thread, session, bytes.clone()));
    }
}

#[test]
fn datagrams_go_to_the_uplink_on_the_session_s_thread_and_all_else_is_told() {
    let kept = Arc::<Kept>::default();
    let (server, client_tls) = tls_pair();
    let mut config = Config::new(server);
    config.uplink = Some(Arc::clone(&kept) as Arc<dyn Uplink>);
    let address = "127.0.0.1:0".parse().unwrap();
    let (engine, mut events) = Engine::start(config, address, 2, &[]).unwrap();
    let mut network = Network::new(&engine, client_tls);
    let client = network.connect();
    let is_open = |event: &ClientEvent| *event == ClientEvent::Open(client);
    assert!(network.run_until(Duration::from_secs(5), is_open));
    let session = opened(&mut events).session;
    let sent: Vec<_> = (0..50_u8)
        .map(|number| Bytes::from(vec![number; 20]))
        .collect();
    for datagram in &sent {
        network.clients.send_datagram(client, datagram);
        network.run_until(Duration::from_millis(2), |_| false);
    }
    let end = Instant::now() + Duration::from_secs(5);
    while kept.0.lock().unwrap().len() < sent.len() && Instant::now() < end {
        network.run_until(Duration::from_millis(10), |_| false);
    }
    let kept = std::mem::take(&mut *kept.0.lock().unwrap());
    let thread = format!("engine-{}", session.thread());
    let expected = sent
        .into_iter()
        .map(|bytes| (thread.clone(), session, bytes));
    assert_eq!(kept, expected.collect::<Vec<_>>());
    // Nothing but the control stream is told.
    network.clients.write(client, b"hello");
    network.run_until(Duration::from_millis(20), |_| false);
    let bytes = Bytes::from_static(b"hello");
    let told = events.next_timeout(Duration::from_secs(5));
    assert_eq!(told, Some(Event::Control { session, bytes }));
}

#[test]
fn a_connection_keeps_its_thread_when_its_address_changes() {
    let (engine, mut events, mut network) = serve(4, "127.0.0.1:0");
    let handle = engine.handle();
    let client = network.connect();
    let is_open = |event: &ClientEvent| *event == ClientEvent::Open(client);
    assert!(network.run_until(Duration::from_secs(5), is_open));
    let session = opened(&mut events).session;
    let track = TrackId::new(1).unwrap();
    handle.command(Command::Join { session, track }).unwrap();
    let sound = ClientEvent::Datagram(client, Bytes::from_static(b"sound"));
    // Each new port is another hash: some of them belong to other threads.
    for _ in 0..12 {
        network.socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let timeout = Some(Duration::from_millis(1));
        network.socket.set_read_timeout(timeout).unwrap();
        network.clients.conn(client).ping();
        network.run_until(Duration::from_millis(30), |_| false);
        handle.frame(track, Frame::new(b"sound"));
        assert!(network.run_until(Duration::from_secs(5), |event| *event == sound));
    }
    std::thread::sleep(Duration::from_millis(600));
    let handed: u64 = handle
        .stats()
        .iter()
        .map(|stats| stats.packets_handed)
        .sum();
    assert!(handed > 0, "{:?}", handle.stats());
}

#[test]
fn a_stopped_engine_says_so_to_clients_and_to_its_server() {
    let (engine, mut events, mut network) = serve(2, "127.0.0.1:0");
    let client = network.connect();
    let is_open = |event: &ClientEvent| *event == ClientEvent::Open(client);
    assert!(network.run_until(Duration::from_secs(5), is_open));
    opened(&mut events);
    drop(engine);
    let lost = ClientEvent::Lost(client, "closed 256".into());
    assert!(network.run_until(Duration::from_secs(5), |event| *event == lost));
    assert!(matches!(
        events.next_timeout(Duration::from_secs(1)),
        Some(Event::Closed { .. })
    ));
    assert_eq!(events.next_timeout(Duration::from_secs(1)), None);
}

#[test]
fn a_configuration_that_cannot_serve_is_an_error() {
    let (server, _) = tls_pair();
    let mut bare = (*server).clone();
    bare.alpn_protocols.clear();
    let address = "127.0.0.1:0".parse().unwrap();
    assert!(Engine::start(Config::new(std::sync::Arc::new(bare)), address, 1, &[]).is_err());
    assert!(Engine::start(Config::new(server), address, 0, &[]).is_err());
}

#[test]
fn a_thread_that_fails_ends_its_sessions_with_a_code_and_serves_again() {
    let (server, client) = tls_pair();
    let mut config = Config::new(server);
    config.failure_code = 7;
    let (engine, mut events) =
        Engine::start(config, "127.0.0.1:0".parse().unwrap(), 1, &[]).unwrap();
    let mut network = Network::new(&engine, client);
    let lost = network.connect();
    assert!(network.run_until(Duration::from_secs(5), |event| {
        *event == ClientEvent::Open(lost)
    }));
    let before = opened(&mut events);
    engine.handle().fail(0);
    assert!(network.run_until(Duration::from_secs(5), |event| {
        *event == ClientEvent::Lost(lost, "closed 7".into())
    }));
    let restarted = events.next_timeout(Duration::from_secs(5));
    assert_eq!(restarted, Some(Event::ThreadRestarted { thread: 0 }));
    let again = network.connect();
    assert!(network.run_until(Duration::from_secs(5), |event| {
        *event == ClientEvent::Open(again)
    }));
    assert_ne!(opened(&mut events).session, before.session);
}
