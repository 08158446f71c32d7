//! Sockets, certificates, and failures inside the relay.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use serde_json::json;
use skywave_relay::{BindError, Config, Relay};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Client, Kind, TRANSPORTS, TestGate, TestRelay, datagram, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn one_socket_serves_ipv4_and_ipv6() {
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let relay = TestRelay::with(|config| (config.http, config.quic) = (any, Some(any))).await;
    let port = relay.http.port();
    for host in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        let mut stream = TcpStream::connect(&host).await.unwrap();
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{host}");
    }
    for address in [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
    ] {
        let mut client = Client::open_webtransport_at(&relay, address, "/v1").await;
        client.hello(None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_an_error_that_names_it() {
    let relay = TestRelay::start().await;
    let config = Config {
        http: relay.http,
        quic: None,
        data_dir: std::env::temp_dir().join(format!("skywave-{:x}", rand::random::<u64>())),
        ..Config::default()
    };
    let data_dir = config.data_dir.clone();
    match Relay::bind(config, Arc::new(TestGate)).await {
        Err(BindError::Socket { address, .. }) => assert_eq!(address, relay.http),
        other => panic!("{other:?}"),
    }
    std::fs::remove_dir_all(data_dir).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_certificate_is_served_on_tcp_too_and_reloaded() {
    let folder = std::env::temp_dir().join(format!("skywave-{:x}", rand::random::<u64>()));
    std::fs::create_dir(&folder).unwrap();
    let files = skywave_relay::config::CertificateFiles {
        certificate: folder.join("chain.pem"),
        key: folder.join("key.pem"),
    };
    let write = || {
        let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        made.cert.der().clone()
    };
    let first = write();
    let relay = TestRelay::with(|config| config.certificate.files = Some(files.clone())).await;
    let ask = async |trusted: &rustls::pki_types::CertificateDer<'static>| {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(relay.http).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(tls));
        let mut stream = connector.connect(name, stream).await.ok()?;
        let request =
            "GET /api/v1/connect HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        Some(answer)
    };
    let answer = ask(&first).await.unwrap();
    assert!(answer.contains("\"wss://localhost/v1\""), "{answer}");
    assert!(
        answer.contains("\"webtransport\"") && !answer.contains("certificateHashes"),
        "{answer}"
    );
    let second = write();
    eventually("the new certificate is served", || async {
        ask(&second).await.is_some()
    })
    .await;
    assert!(ask(&first).await.is_none());
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_ends_one_session_alone() {
    let relay = TestRelay::start().await;
    let (source, track) = Client::publisher(&relay, Kind::WebTransport, "demo").await;
    for kind in TRANSPORTS {
        let mut listener = Client::greet(&relay, kind, None).await;
        listener
            .request("listen", json!({ "station": "demo" }))
            .await
            .unwrap();
        let mut unlucky = Client::open(&relay, kind).await;
        unlucky.send_request("hello", json!({ "protocol": 1, "token": "panic" }));
        assert_eq!(unlucky.end().await, "internal");
        let sequence = u64::from(kind == Kind::WebSocket);
        source.send_datagram(datagram(track, sequence, sequence * 960));
        assert_eq!(listener.sound().await.1, sequence);
    }
    eventually("its place is free", || async {
        relay
            .metric("skywave_sessions_ended_total{code=\"internal\"}")
            .await
            == 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_never_answers_is_an_internal_error() {
    let relay = TestRelay::start().await;
    let mut client = Client::open(&relay, Kind::WebSocket).await;
    let hello = json!({ "protocol": 1, "token": "hang" });
    assert_eq!(client.refusal("hello", hello).await, "internal");
    assert_eq!(client.end().await, "internal");
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_that_fit_no_quic_packet_are_dropped_for_that_listener_alone() {
    let relay = TestRelay::start().await;
    let (source, track) = Client::publisher(&relay, Kind::WebSocket, "demo").await;
    let mut listeners = Vec::new();
    for kind in TRANSPORTS {
        let mut listener = Client::greet(&relay, kind, None).await;
        listener
            .request("listen", json!({ "station": "demo" }))
            .await
            .unwrap();
        listeners.push(listener);
    }
    let mut large = datagram(track, 0, 0);
    large.resize(1_200, 0);
    source.send_datagram(large);
    source.send_datagram(datagram(track, 1, 960));
    assert_eq!(listeners[1].sound().await.1, 0);
    assert_eq!(listeners[1].sound().await.1, 1);
    assert_eq!(
        listeners[0].sound().await.1,
        1,
        "WebTransport goes on with what fits"
    );
    eventually("one is counted", || async {
        relay.metric("skywave_datagrams_dropped_total").await == 1
    })
    .await;
}
