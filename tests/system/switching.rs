//! One session, several stations and renditions.

use std::time::Duration;

use client::listener::{Config, Event, Listener};
use client::{Connector, Error, Options, Prefer, Transport};
use media::measure::{deinterleave, tone_report};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::StationId;
use wire::code::ErrorCode;

use crate::harness::{Server, fixture};
use crate::tone::write_wav;

fn station(id: &str) -> StationId {
    id.parse().unwrap()
}

async fn listener(server: &Server, transport: Transport) -> Listener {
    let connector = Connector::new(Options {
        server: server.url(),
        prefer: Prefer::Only(transport),
        ..Options::default()
    });
    let mut config = Config::new(station("a"));
    config.start_delay = Duration::from_millis(300);
    Listener::start(connector.unwrap(), config).await.unwrap()
}

/// Hears until the last second was a clean tone of that frequency; 20 s at most.
async fn hears(listener: &mut Listener, freq: f64, snr_db: f64) {
    let mut sound: Vec<f32> = Vec::new();
    let mut report = None;
    for _ in 0..2000 {
        let Event::Sound(block) = listener.next().await.expect("the listener lives") else {
            continue;
        };
        sound.extend(block.samples);
        if sound.len() == 2 * 48_000 {
            let measured = tone_report(&deinterleave(&sound, 2, 0), 48_000.0, freq);
            if measured.worst_snr_db > snr_db && measured.phase_jumps.is_empty() {
                return;
            }
            report = Some(measured);
            sound.clear();
        }
    }
    panic!("{freq} Hz was never heard clean: {report:?}");
}

async fn switches(transport: Transport) {
    let server = Server::start();
    let mut observer = server.observe().await;
    let folder = tempfile::tempdir().unwrap();
    let mut sources = Vec::new();
    for (id, freq) in [("a", 440.0), ("b", 880.0)] {
        let path = folder.path().join(format!("{id}.wav"));
        // Both repeat without a seam: whole periods in a whole number of samples.
        write_wav(&path, freq, 2.0);
        sources.push(server.publish(id, &["--loop", path.to_str().unwrap()]));
        observer.sees("started", id).await;
    }
    let mut listener = listener(&server, transport).await;
    hears(&mut listener, 440.0, 25.0).await;
    listener.listen(station("b"), "source").await.unwrap();
    hears(&mut listener, 880.0, 25.0).await;
    observer.counts("a", 0).await;
    observer.counts("b", 1).await;
    // Coded twice, in mono at 24 kb/s: less clean, yet the tone.
    listener.listen(station("b"), "low").await.unwrap();
    hears(&mut listener, 880.0, 12.0).await;

    let refused = listener
        .listen(station("nowhere"), "source")
        .await
        .unwrap_err();
    assert!(refused.is_refusal(ErrorCode::UnknownStation), "{refused}");
    let refused = listener.listen(station("a"), "golden").await.unwrap_err();
    assert!(refused.is_refusal(ErrorCode::UnknownRendition), "{refused}");
    let Error::Refused { message, .. } = refused else {
        panic!("{refused}");
    };
    assert!(
        message.contains("medium"),
        "it lists what there is: {message}"
    );
    hears(&mut listener, 880.0, 12.0).await;

    listener.listen(station("a"), "source").await.unwrap();
    hears(&mut listener, 440.0, 25.0).await;
    let stats = listener.finish().await.unwrap();
    assert_eq!((stats.reconnects, stats.receiver.lost), (0, 0), "{stats:?}");
    observer.counts("a", 0).await;
}

#[tokio::test]
async fn stations_and_renditions_change_within_a_webtransport_session() {
    switches(Transport::WebTransport).await;
}

#[tokio::test]
async fn stations_and_renditions_change_within_a_websocket_session() {
    switches(Transport::WebSocket).await;
}

/// A network that swallows UDP: WebTransport is offered and never answers.
#[tokio::test]
async fn websocket_takes_over_where_udp_is_blocked() {
    let server = Server::start();
    let file = fixture("tests/fixtures/tone.flac");
    let _source = server.publish("a", &["--loop", file.to_str().unwrap()]);
    server.observe().await.is_live("a").await;

    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let connect = serde_json::json!({
        "protocol": 1,
        "webtransport": {"url": format!("https://{}/v1", silent.local_addr().unwrap())},
        "websocket": {"url": format!("ws://{}/v1", server.http())},
        "http": {"url": server.url()},
        "server_time": 0,
    });
    let front = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = front.local_addr().unwrap();
    let answering = tokio::spawn(async move {
        let (mut stream, _) = front.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        let body = connect.to_string();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let connector = Connector::new(Options {
        server: format!("http://{address}"),
        ..Options::default()
    });
    let config = Config::new(station("a"));
    let mut listener = Listener::start(connector.unwrap(), config).await.unwrap();
    answering.await.unwrap();
    hears(&mut listener, 440.0, 20.0).await;
    let stats = listener.finish().await.unwrap();
    assert_eq!(stats.transport, Some(Transport::WebSocket));
}
