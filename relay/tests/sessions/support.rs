//! A relay with a simple gate, and plain clients for it.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use relay::{CancellationToken, Config, Denied, Gate, Identity, Relay, Rights, Stations};
use serde_json::Value;
use skywave_relay as relay;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use wire::audio::{Copies, Datagram, SendTime};

mod client;

pub(crate) use client::{Client, Kind, TRANSPORTS};

/// Long enough for anything on the loopback of a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Tokens are `sub:stations:seconds`: a user who may publish those stations
/// (`*` for all, `+` between several), for so long from now. `panic` and `hang`
/// make the gate do that.
pub(crate) struct TestGate;

#[async_trait::async_trait]
impl Gate for TestGate {
    async fn authenticate(&self, token: &str) -> Result<Identity, Denied> {
        match token {
            "panic" => panic!("a gate with a bug"),
            "hang" => std::future::pending::<()>().await,
            _ => {}
        }
        let denied = || Denied {
            reason: "no such token".into(),
        };
        let mut parts = token.split(':');
        let (Some(sub), Some(stations), Some(seconds)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(denied());
        };
        let ids = || stations.split('+').filter(|id| !id.is_empty());
        let publish = match stations {
            "*" => Stations::All,
            _ => Stations::Only(ids().map(|id| id.parse().unwrap()).collect::<BTreeSet<_>>()),
        };
        let seconds: i64 = seconds.parse().map_err(|_| denied())?;
        Ok(Identity {
            sub: sub.to_owned(),
            name: Some(sub.to_uppercase()),
            token_id: None,
            expires_at: (unix_us() / 1_000_000).checked_add_signed(seconds).unwrap(),
            rights: Rights {
                publish,
                ..Rights::default()
            },
        })
    }
}

/// Where a relay is, all a client needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) http: SocketAddr,
}

/// A relay that serves until it is dropped.
pub(crate) struct TestRelay {
    place: Place,
    pub(crate) handle: relay::Handle,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), relay::RunError>>,
    data_dir: PathBuf,
}

impl TestRelay {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let data_dir = std::env::temp_dir().join(format!("skywave-{:x}", rand::random::<u64>()));
        let mut config = Config {
            http: (Ipv4Addr::LOCALHOST, 0).into(),
            quic: Some((Ipv4Addr::LOCALHOST, 0).into()),
            data_dir: data_dir.clone(),
            ..Config::default()
        };
        configure(&mut config);
        let relay = Relay::bind(config, Arc::new(TestGate)).await.unwrap();
        // A socket bound to every address is reached at this one.
        let http = (Ipv4Addr::LOCALHOST, relay.http_addr().port()).into();
        let handle = relay.handle();
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(relay.run(axum::Router::new(), shutdown.clone()));
        Self {
            place: Place { http },
            handle,
            shutdown,
            running,
            data_dir,
        }
    }

    /// Shuts down and waits for the end.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(PATIENCE, &mut self.running).await;
        ended.expect("the relay ends in time").unwrap().unwrap();
    }

    pub(crate) fn begin_shutdown(&self) {
        self.shutdown.cancel();
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }
}

impl std::ops::Deref for TestRelay {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}

impl Place {
    /// Status, head and body of a GET.
    pub(crate) async fn get(&self, path: &str) -> (u16, String, String) {
        let host = self.http;
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        ))
        .await
    }

    /// Sends a request as it is and reads until the relay closes.
    pub(crate) async fn send(&self, request: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let (status, _, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}");
        serde_json::from_str(&body).unwrap()
    }

    /// The value of a metric in the text of `/metrics`; 0 when it is not there.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let (_, _, body) = self.get("/metrics").await;
        let line = body
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }
}

impl Drop for TestRelay {
    fn drop(&mut self) {
        self.running.abort();
        let _ = std::fs::remove_dir_all(&self.data_dir);
    }
}

pub(crate) fn unix_us() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_micros() as u64
}

/// An audio datagram whose packet tells its sequence.
pub(crate) fn datagram(track: u64, sequence: u64, timestamp: u64) -> Vec<u8> {
    datagram_of(track, sequence, timestamp, 60)
}

/// The same with a packet of that size.
pub(crate) fn datagram_of(track: u64, sequence: u64, timestamp: u64, size: usize) -> Vec<u8> {
    let mut packet = vec![0xfc; size];
    packet[1..9].copy_from_slice(&sequence.to_be_bytes());
    let datagram = Datagram {
        track: wire::TrackId::new(track).unwrap(),
        sequence,
        timestamp,
        send_time: SendTime::from_server_time(unix_us()),
        copies: Copies::none(),
        packet: &packet,
    };
    let mut bytes = Vec::new();
    datagram.encode(&mut bytes).unwrap();
    bytes
}

/// The usual parameters of `publish`.
pub(crate) fn publish_params(station: &str) -> Value {
    serde_json::json!({
        "station": station,
        "track": { "codec": "opus", "channels": 2, "frame_us": 20_000, "bitrate": 128_000 },
    })
}

/// Waits until a condition holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}
