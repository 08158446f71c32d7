//! The routes over a real port.

use serde_json::json;

use crate::support::{Client, Kind, TestRelay};

#[tokio::test(flavor = "multi_thread")]
async fn connect_names_addresses_by_the_host_asked_for() {
    let relay = TestRelay::start().await;
    let connect = relay.json("/api/v1/connect").await;
    assert_eq!(connect["protocol"], 1);
    assert_eq!(
        connect["websocket"]["url"],
        format!("ws://{}/v1", relay.http)
    );
    assert_eq!(connect["http"]["url"], format!("http://{}", relay.http));
    let hashes = connect["webtransport"]["certificateHashes"]
        .as_array()
        .unwrap();
    assert_eq!(
        (hashes.len(), &hashes[0]["algorithm"]),
        (1, &json!("sha-256"))
    );
    let ask = async |host: &str| {
        let request = format!(
            "GET /api/v1/connect HTTP/1.1\r\nHost: {host}\r\nOrigin: https://a.example\r\nConnection: close\r\n\r\n"
        );
        relay.send(&request).await
    };
    let (status, head, body) = ask("[::1]:8080").await;
    assert_eq!(status, 200);
    assert!(head.contains("access-control-allow-origin: *"));
    assert!(body.contains("\"ws://[::1]:8080/v1\""), "{body}");
    assert!(body.contains("\"https://[::1]:"), "{body}");
    for hostile in ["a\"b", "user@evil.example", "evil.example/#", ""] {
        assert_eq!(ask(hostile).await.0, 400, "{hostile:?}");
    }
    assert_eq!(
        relay.send("GET /api/v1/connect HTTP/1.0\r\n\r\n").await.0,
        400
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stations_health_and_metrics_are_there() {
    let relay = TestRelay::start().await;
    let (_source, _) = Client::publisher(&relay, Kind::WebTransport, "demo").await;
    let mut listener = Client::greet(&relay, Kind::WebSocket, None).await;
    listener
        .request("listen", json!({ "station": "demo" }))
        .await
        .unwrap();
    let stations = relay.json("/api/v1/stations").await;
    assert_eq!(stations["stations"][0]["id"], "demo");
    assert_eq!(stations["stations"][0]["listeners"], 1);
    assert_eq!(relay.get("/api/v1/stations/nope").await.0, 404);
    assert_eq!(relay.get("/api/v1/stations/%2e%2e%2fx").await.0, 404);
    assert_eq!(relay.get("/healthz").await.0, 200);
    assert_eq!(relay.get("/readyz").await.0, 200);
    assert_eq!(relay.metric("skywave_listeners{station=\"demo\"}").await, 1);
    assert_eq!(
        relay
            .metric("skywave_sessions{transport=\"webtransport\"}")
            .await,
        1
    );
    assert_eq!(
        relay
            .metric("skywave_requests_total{method=\"listen\"}")
            .await,
        1
    );
    assert_eq!(relay.get("/nowhere").await.0, 404);
    assert_eq!(relay.get("/v1").await.0, 400, "no upgrade");
}
