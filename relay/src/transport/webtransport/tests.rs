//! The engine below real clients, when it fails them.

use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::time::timeout;
use wire::frame::Splitter;
use wtransport::tls::Sha256Digest;
use wtransport::{ClientConfig, Endpoint as Client};

use super::*;
use crate::certificate::Certificates;
use crate::config::Config;
use crate::gate::NoGate;
use crate::session::host::Shared;
use crate::station::Stations;

/// Long enough for anything on the loopback of a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A session that was greeted; nothing more is said on it.
struct Greeted {
    connection: wtransport::Connection,
    _client: Client<wtransport::endpoint::endpoint_side::Client>,
    _control: (wtransport::SendStream, wtransport::RecvStream),
}

async fn greet(port: u16, certificates: &Certificates) -> Greeted {
    let hashes = certificates.hashes();
    let hashes = hashes.iter().map(|hash| {
        let digest = BASE64_STANDARD.decode(&hash.value).unwrap();
        Sha256Digest::new(digest.try_into().unwrap())
    });
    let config = ClientConfig::builder()
        .with_bind_address((Ipv4Addr::LOCALHOST, 0).into())
        .with_server_certificate_hashes(hashes)
        .build();
    let client = Client::client(config).unwrap();
    let url = format!("https://127.0.0.1:{port}/v1");
    let connection = client.connect(url).await.unwrap();
    let (mut to_relay, mut from_relay) = connection.open_bi().await.unwrap().await.unwrap();
    let hello = json!({ "id": 1, "method": "hello", "params": { "protocol": 1 } });
    let mut framed = Vec::new();
    wire::frame::write_framed(&hello.to_string(), &mut framed);
    to_relay.write_all(&framed).await.unwrap();
    let (mut splitter, mut chunk) = (Splitter::default(), [0; 4096]);
    let reply: Value = loop {
        if let Some(json) = splitter.poll_frame().unwrap() {
            break serde_json::from_slice(json).unwrap();
        }
        let read = from_relay.read(&mut chunk).await.unwrap().unwrap();
        splitter.handle_bytes(&chunk[..read]);
    };
    assert_eq!(reply["result"]["protocol"], 1, "{reply}");
    Greeted {
        connection,
        _client: client,
        _control: (to_relay, from_relay),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_panics_costs_its_sessions_and_they_come_back() {
    let folder = std::env::temp_dir().join(format!("skywave-{:x}", rand::random::<u64>()));
    let config = Config::default();
    let metrics = Arc::<Metrics>::default();
    let certificates = Certificates::open(&config.certificate, &folder).unwrap();
    let shared = Arc::new(Shared {
        gate: Arc::new(NoGate),
        stations: Stations::new(&config, Arc::new(NoGate), Arc::clone(&metrics)),
        metrics: Arc::clone(&metrics),
        timing: Arc::new(config.timing.clone()),
    });
    let host = Host::new(shared, 10);
    let address = (Ipv4Addr::LOCALHOST, 0).into();
    let endpoint = Endpoint::bind(address, Arc::clone(&certificates) as _).unwrap();
    let port = endpoint.address().port();
    let (server, watch) = Server::start(endpoint, &config.limits, host).unwrap();
    let threads = server.engine.handle().stats().len();
    let watching = tokio::spawn(watch.run());

    let sessions = metrics
        .sessions
        .get_or_create_owned(&TransportLabel::WEBTRANSPORT);
    for round in 1..=2_u64 {
        let greeted = timeout(PATIENCE, greet(port, &certificates)).await;
        let greeted = greeted.expect("a session opens");
        assert_eq!(sessions.get(), 1);
        for thread in 0..threads {
            server.engine.handle().fail(thread as u8);
        }
        // Neither end waits for the other's silence to last: the client is told by a reset.
        let closed = timeout(PATIENCE, greeted.connection.closed()).await;
        closed.expect("the client learns of it");
        let over = async {
            let restarts = round * threads as u64;
            while sessions.get() > 0 || metrics.transport_restarts.get() < restarts {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, over)
            .await
            .expect("it is over and counted");
    }
    server.stop().await;
    timeout(PATIENCE, watching).await.unwrap().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}
