//! Every way a session ends, with its `bye` and its close.

use std::time::Duration;

use serde_json::json;

use crate::support::{Client, Kind, TRANSPORTS, TestRelay, eventually, publish_params};

#[tokio::test(flavor = "multi_thread")]
async fn no_hello_in_time() {
    let relay = TestRelay::with(|config| config.timing.hello = Duration::from_millis(300)).await;
    for kind in TRANSPORTS {
        let mut client = Client::open(&relay, kind).await;
        // A control stream nothing was written to does not exist for the relay yet.
        client.send_raw(if kind == Kind::WebTransport {
            b"\x40"
        } else {
            b"{\"id\":1,\"method\":\"ping\"}"
        });
        assert_eq!(client.end().await, "hello_timeout");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_for_three_intervals() {
    let relay =
        TestRelay::with(|config| config.timing.ping_interval = Duration::from_millis(100)).await;
    for kind in TRANSPORTS {
        let mut client = Client::greet(&relay, kind, None).await;
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            client.request("ping", json!({})).await.unwrap();
        }
        assert_eq!(client.end().await, "idle_timeout");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_none() {
    let relay = TestRelay::start().await;
    for kind in TRANSPORTS {
        for json in [
            "",
            "no json",
            "[]",
            "{}",
            r#"{"id":1}"#,
            r#"{"method":"ping"}"#,
            r#"{"id":"one","method":"ping"}"#,
            r#"{"id":-1,"method":"ping"}"#,
            r#"{"id":9007199254740992,"method":"ping"}"#,
            &format!(
                "{{\"id\":1,\"method\":\"ping\",\"params\":{}",
                "[".repeat(10_000)
            ),
        ] {
            let mut client = Client::greet(&relay, kind, None).await;
            client.send_frame(json);
            assert_eq!(client.end().await, "protocol_error", "{json:.40}");
        }
        let mut client = Client::greet(&relay, kind, None).await;
        match kind {
            Kind::WebTransport => client.send_raw(b"\x02\xff\xfe"),
            Kind::WebSocket => client.send_raw(b"\xff\xfe"),
        }
        assert_eq!(client.end().await, "protocol_error", "broken UTF-8");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_too_large() {
    let relay = TestRelay::start().await;
    for kind in TRANSPORTS {
        for size in [65_537, 1 << 20] {
            let mut client = Client::greet(&relay, kind, None).await;
            client.send_frame(&"x".repeat(size));
            assert_eq!(client.end().await, "frame_too_large", "{size}");
        }
        let mut client = Client::greet(&relay, kind, None).await;
        let filler = "x".repeat(65_536 - r#"{"id":1,"method":"ping","x":""}"#.len());
        client.send_frame(&format!(r#"{{"id":1,"method":"ping","x":"{filler}"}}"#));
        assert!(
            client.reply(1).await.is_ok(),
            "the largest frame is none too large"
        );
    }
    let mut client = Client::greet(&relay, Kind::WebSocket, None).await;
    client.send_datagram(vec![1; 70_000]);
    assert_eq!(client.end().await, "frame_too_large");
    let mut client = Client::greet(&relay, Kind::WebTransport, None).await;
    client.send_raw(&[0xff; 8]);
    assert_eq!(
        client.end().await,
        "frame_too_large",
        "a length of 2^62 - 1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_paths_and_subprotocols_the_relay_does_not_speak() {
    let relay = TestRelay::start().await;
    for kind in TRANSPORTS {
        let mut client = Client::open(&relay, kind).await;
        assert_eq!(
            client.refusal("hello", json!({ "protocol": 2 })).await,
            "unsupported_protocol"
        );
        assert_eq!(client.end().await, "unsupported_protocol");
        let mut client = Client::open_at(&relay, kind, "/v2").await;
        client.send_request("hello", json!({ "protocol": 1 }));
        assert_eq!(client.end().await, "unsupported_protocol");
    }
    for protocol in [None, Some("skywave.v2"), Some("mqtt, soap")] {
        let mut client = Client::open_websocket(&relay, "/v1", protocol).await;
        assert_eq!(client.end().await, "unsupported_protocol", "{protocol:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_refused_or_run_out() {
    let relay = TestRelay::start().await;
    for kind in TRANSPORTS {
        for token in ["forged", "ann:demo:-5", ""] {
            let mut client = Client::open(&relay, kind).await;
            let hello = json!({ "protocol": 1, "token": token });
            assert_eq!(
                client.refusal("hello", hello).await,
                "unauthorized",
                "{token}"
            );
            assert_eq!(client.end().await, "unauthorized");
        }
        let mut client = Client::greet(&relay, kind, Some("ann:demo:2")).await;
        client
            .request("publish", publish_params("demo"))
            .await
            .unwrap();
        let mut refreshed = Client::greet(&relay, kind, Some("bob:demo:2")).await;
        refreshed
            .request("authenticate", json!({ "token": "bob:demo:600" }))
            .await
            .unwrap();
        assert_eq!(client.end().await, "token_expired");
        eventually("the station waits for its source", || async {
            relay.json("/api/v1/stations/demo").await["state"] == "interrupted"
        })
        .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        refreshed.request("ping", json!({})).await.unwrap();
        let mut takeover = publish_params("demo");
        takeover["takeover"] = true.into();
        refreshed.request("publish", takeover).await.unwrap();
        refreshed.request("unpublish", json!({})).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_are_limited_and_far_too_many_end_it() {
    let relay = TestRelay::start().await;
    for kind in TRANSPORTS {
        let mut client = Client::greet(&relay, kind, None).await;
        let ids: Vec<_> = (0..200)
            .map(|_| client.send_request("ping", json!({})))
            .collect();
        let mut limited = 0;
        for id in ids {
            if let Err(error) = client.reply(id).await {
                assert_eq!(
                    (&error["code"], &error["temporary"]),
                    (&json!("rate_limited"), &json!(true))
                );
                assert!(error["retry_after_ms"].as_u64().unwrap() > 0);
                limited += 1;
            }
        }
        assert!((50..=101).contains(&limited), "{limited}");
        for _ in 0..2_000 {
            client.send_request("ping", json!({}));
        }
        assert_eq!(client.end().await, "flooding");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_without_a_publish_are_ignored_until_they_flood() {
    let relay = TestRelay::start().await;
    for kind in TRANSPORTS {
        let mut client = Client::greet(&relay, kind, None).await;
        for n in 0..100 {
            client.send_datagram(crate::support::datagram(1, n, n * 960));
        }
        client.request("ping", json!({})).await.unwrap();
        let flooding = async {
            loop {
                for n in 0..50 {
                    client.send_datagram(crate::support::datagram(1, n, n * 960));
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
                if let Ok(frame) =
                    tokio::time::timeout(Duration::from_millis(1), client.frame()).await
                {
                    return frame.unwrap();
                }
            }
        };
        let bye = tokio::time::timeout(crate::support::PATIENCE, flooding)
            .await
            .unwrap();
        assert_eq!(bye["data"]["code"], "flooding");
    }
    assert!(
        relay
            .metric("skywave_datagrams_rejected_total{reason=\"no_source\"}")
            .await
            >= 600
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_tells_everyone_when_to_come_back() {
    let relay = TestRelay::start().await;
    let mut clients = Vec::new();
    for kind in TRANSPORTS {
        for _ in 0..5 {
            clients.push(Client::greet(&relay, kind, None).await);
        }
    }
    relay.begin_shutdown();
    let mut delays = std::collections::BTreeSet::new();
    for client in &mut clients {
        let bye = client.push("bye").await;
        assert_eq!(bye["data"]["code"], "draining");
        delays.insert(bye["data"]["reconnect_after_ms"].as_u64().unwrap());
    }
    assert!(delays.len() > 1, "not all at once: {delays:?}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_sessions_than_the_relay_takes() {
    let relay = TestRelay::with(|config| config.limits.sessions = 2).await;
    let first = Client::greet(&relay, Kind::WebSocket, None).await;
    let _second = Client::greet(&relay, Kind::WebTransport, None).await;
    for kind in TRANSPORTS {
        let mut third = Client::open(&relay, kind).await;
        third.send_request("hello", json!({ "protocol": 1 }));
        assert_eq!(third.end().await, "overloaded");
    }
    drop(first);
    eventually("the place is free again", || async {
        relay
            .metric("skywave_sessions{transport=\"websocket\"}")
            .await
            == 0
    })
    .await;
    Client::greet(&relay, Kind::WebSocket, None).await;
}
