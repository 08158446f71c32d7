//! Sound from source to listener, switching, interruptions, metadata, counts.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::support::{
    Client, Kind, PATIENCE, TRANSPORTS, TestRelay, datagram, eventually, publish_params,
};

/// Every way from a source's transport to a listener's.
fn pairs() -> impl Iterator<Item = (Kind, Kind)> {
    TRANSPORTS
        .into_iter()
        .flat_map(|from| TRANSPORTS.map(|to| (from, to)))
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_reach_listeners_untouched() {
    let relay = TestRelay::start().await;
    for (from, to) in pairs() {
        let (source, track) = Client::publisher(&relay, from, "demo").await;
        let mut listener = Client::greet(&relay, to, None).await;
        let result = listener
            .request("listen", json!({ "station": "demo" }))
            .await
            .unwrap();
        assert_eq!(result["track"]["id"], track);
        assert_eq!(result["track"]["codec"], "opus");
        assert_eq!(
            listener.push("listeners").await["data"],
            json!({ "count": 1, "peak": 1 })
        );
        let sent: Vec<_> = (0..50).map(|n| datagram(track, n, n * 960)).collect();
        // Few at a time: no more waits for one listener than 200 ms of sound.
        for few in sent.chunks(5) {
            for bytes in few {
                source.send_datagram(bytes.clone());
            }
            for bytes in few {
                let heard = timeout(PATIENCE, listener.datagrams.recv()).await.unwrap();
                assert_eq!(&heard.unwrap()[..], &bytes[..]);
            }
        }
        listener.request("unlisten", json!({})).await.unwrap();
        source.send_datagram(datagram(track, 50, 50 * 960));
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(listener.datagrams.try_recv().is_err());
        drop(source);
        eventually("the station is free", || async {
            relay.json("/api/v1/stations/demo").await["state"] == "interrupted"
        })
        .await;
        let mut again = Client::greet(&relay, from, Some("dj:*:600")).await;
        again
            .request("publish", publish_params("demo"))
            .await
            .unwrap();
        again.request("unpublish", json!({})).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_must_not_send_is_rejected_and_reported() {
    let relay = TestRelay::start().await;
    for (from, to) in pairs() {
        let (mut source, track) = Client::publisher(&relay, from, "demo").await;
        let mut listener = Client::greet(&relay, to, None).await;
        listener
            .request("listen", json!({ "station": "demo" }))
            .await
            .unwrap();
        source.send_datagram(datagram(track, 0, 0));
        assert_eq!(listener.sound().await, (track, 0, 0));
        let bad = [
            datagram(track + 1000, 1, 960),
            datagram(track, 0, 0),
            datagram(track, 3_001, 960),
            datagram(track, u64::MAX >> 2, 960),
            datagram(track, 1, 48_000 * 60),
            vec![1],
            vec![2, 3, 4],
            Vec::new(),
        ];
        for bytes in bad.clone() {
            source.send_datagram(bytes);
        }
        source.send_datagram(datagram(track, 2, 1920));
        assert_eq!(
            listener.sound().await,
            (track, 2, 1920),
            "nothing of it went through"
        );
        let report = source.push("source_report").await;
        assert_eq!(report["channel"], "station:demo");
        // Those of a kind unknown are ignored, not rejected.
        let rejected = report["data"]["rejected"].as_u64().unwrap();
        assert!(
            (bad.len() as u64 - 1..=bad.len() as u64).contains(&rejected),
            "{rejected}"
        );
        assert_eq!(report["data"]["received"], 2);
        assert_eq!(report["data"]["lost"], 1);
        assert_eq!(report["data"]["listeners"], 1);
        source.request("unpublish", json!({})).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_with_a_wrong_clock_is_stamped_anew() {
    let relay = TestRelay::start().await;
    let (source, track) = Client::publisher(&relay, Kind::WebSocket, "demo").await;
    let mut listener = Client::greet(&relay, Kind::WebSocket, None).await;
    listener
        .request("listen", json!({ "station": "demo" }))
        .await
        .unwrap();
    let mut bytes = datagram(track, 0, 0);
    let before = wire::audio::Datagram::decode(&bytes).unwrap();
    let wrong = wire::audio::SendTime(before.send_time.0.wrapping_sub(60_000_000));
    let stale = wire::audio::Datagram {
        send_time: wrong,
        ..before
    };
    let mut sent = Vec::new();
    stale.encode(&mut sent).unwrap();
    source.send_datagram(sent);
    bytes = listener.datagrams.recv().await.unwrap().to_vec();
    let heard = wire::audio::Datagram::decode(&bytes).unwrap();
    assert!(heard.send_time.elapsed_us(crate::support::unix_us()).abs() < 5_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_switches_stations_in_place() {
    let relay = TestRelay::start().await;
    for kind in TRANSPORTS {
        let (one, first) = Client::publisher(&relay, kind, "one").await;
        let (two, second) = Client::publisher(&relay, kind, "two").await;
        let mut listener = Client::greet(&relay, kind, None).await;
        listener
            .request("listen", json!({ "station": "one" }))
            .await
            .unwrap();
        one.send_datagram(datagram(first, 0, 0));
        assert_eq!(listener.sound().await.0, first);
        let result = listener
            .request("listen", json!({ "station": "two" }))
            .await
            .unwrap();
        assert_eq!(result["track"]["id"], second);
        one.send_datagram(datagram(first, 1, 960));
        tokio::time::sleep(Duration::from_millis(50)).await;
        two.send_datagram(datagram(second, 0, 0));
        assert_eq!(
            listener.sound().await.0,
            second,
            "nothing of the former station"
        );
        let counts = |station: &'static str| {
            let relay = &relay;
            async move { relay.json(&format!("/api/v1/stations/{station}")).await["listeners"].clone() }
        };
        assert_eq!(
            (counts("one").await, counts("two").await),
            (json!(0), json!(1))
        );
        assert_eq!(
            listener
                .refusal("listen", json!({ "station": "one", "rendition": "hifi" }))
                .await,
            "unknown_rendition"
        );
        assert_eq!(
            counts("two").await,
            json!(1),
            "a refused switch changes nothing"
        );
        drop((one, two, listener));
        eventually("the listener has left", || async {
            counts("two").await == 0
        })
        .await;
        for station in ["one", "two"] {
            let path = format!("/api/v1/stations/{station}");
            eventually("its source has left", || async {
                relay.json(&path).await["state"] == "interrupted"
            })
            .await;
            let mut source = Client::greet(&relay, kind, Some("dj:*:600")).await;
            source
                .request("publish", publish_params(station))
                .await
                .unwrap();
            source.request("unpublish", json!({})).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vanished_source_interrupts_and_its_return_resumes() {
    let relay = TestRelay::start().await;
    for kind in TRANSPORTS {
        let (source, track) = Client::publisher(&relay, kind, "demo").await;
        let mut listener = Client::greet(&relay, kind, None).await;
        listener
            .request("listen", json!({ "station": "demo" }))
            .await
            .unwrap();
        source.send_datagram(datagram(track, 0, 0));
        listener.sound().await;
        drop(source);
        let interrupted = listener.push("interrupted").await;
        assert_eq!(
            (&interrupted["channel"], &interrupted["data"]),
            (&json!("station:demo"), &json!({}))
        );
        assert_eq!(
            relay.json("/api/v1/stations/demo").await["state"],
            "interrupted"
        );
        let mut again = Client::greet(&relay, kind, Some("bob:demo:600")).await;
        let result = again
            .request("publish", publish_params("demo"))
            .await
            .unwrap();
        assert_eq!(result["track"]["id"], track);
        assert_eq!(result["sequence"], 1);
        let timestamp = result["timestamp"].as_u64().unwrap();
        assert!(timestamp >= 960);
        listener.push("resumed").await;
        again.send_datagram(datagram(track, 1, timestamp));
        assert_eq!(listener.sound().await, (track, 1, timestamp));
        again.request("unpublish", json!({})).await.unwrap();
        listener.push("stopped").await;

        let restarted = again
            .request("publish", publish_params("demo"))
            .await
            .unwrap();
        let track = restarted["track"]["id"].as_u64().unwrap();
        assert_eq!(listener.push("started").await["data"]["track"]["id"], track);
        again.send_datagram(datagram(track, 0, 0));
        assert_eq!(listener.sound().await, (track, 0, 0));
        again.request("unpublish", json!({})).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_returns_differently_moves_its_listeners() {
    let relay = TestRelay::start().await;
    let (source, track) = Client::publisher(&relay, Kind::WebSocket, "demo").await;
    let mut listener = Client::greet(&relay, Kind::WebTransport, None).await;
    listener
        .request("listen", json!({ "station": "demo" }))
        .await
        .unwrap();
    drop(source);
    listener.push("interrupted").await;
    let mut again = Client::greet(&relay, Kind::WebSocket, Some("dj:*:600")).await;
    let mut params = publish_params("demo");
    params["track"]["frame_us"] = 10_000.into();
    let result = again.request("publish", params).await.unwrap();
    let next = result["track"]["id"].as_u64().unwrap();
    assert_ne!(next, track);
    listener.push("resumed").await;
    assert_eq!(listener.push("started").await["data"]["track"]["id"], next);
    let (sequence, timestamp) = (
        result["sequence"].as_u64().unwrap(),
        result["timestamp"].as_u64().unwrap(),
    );
    again.send_datagram(datagram(next, sequence, timestamp));
    assert_eq!(listener.sound().await, (next, sequence, timestamp));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_ends_in_a_stop() {
    let relay =
        TestRelay::with(|config| config.timing.interruption = Duration::from_millis(300)).await;
    let (source, _) = Client::publisher(&relay, Kind::WebSocket, "demo").await;
    let mut listener = Client::greet(&relay, Kind::WebSocket, None).await;
    listener
        .request("listen", json!({ "station": "demo" }))
        .await
        .unwrap();
    listener
        .request("subscribe", json!({ "channel": "stations" }))
        .await
        .unwrap();
    drop(source);
    listener.push("interrupted").await;
    let stopped = [
        listener.push("stopped").await,
        listener.push("stopped").await,
    ];
    assert!(stopped.iter().any(|push| push["channel"] == "station:demo"));
    assert!(
        stopped
            .iter()
            .any(|push| push["channel"] == "stations" && push["data"]["state"] == "offline")
    );
    let result = listener
        .request("listen", json!({ "station": "demo" }))
        .await
        .unwrap();
    assert_eq!(
        (&result["track"], &result["station"]["state"]),
        (&json!(null), &json!("offline"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_carries_its_media_time_and_newcomers_get_it() {
    let relay = TestRelay::start().await;
    for kind in TRANSPORTS {
        let mut source = Client::greet(&relay, kind, Some("dj:*:600")).await;
        let mut params = publish_params("demo");
        params["metadata"] = json!({ "title": "First\u{7}", "url": "javascript:alert(1)" });
        params["name"] = "Demo FM".into();
        let result = source.request("publish", params).await.unwrap();
        assert_eq!(result["station"]["name"], "Demo FM");
        let mut listener = Client::greet(&relay, kind, None).await;
        listener
            .request("listen", json!({ "station": "demo" }))
            .await
            .unwrap();
        let first = listener.push("metadata").await;
        assert_eq!(first["channel"], "station:demo");
        assert_eq!(first["data"], json!({ "timestamp": 0, "title": "First" }));
        let ahead = json!({ "metadata": { "timestamp": 480_000, "title": "Next", "artist": "A" } });
        source.request("update_metadata", ahead).await.unwrap();
        let next = listener.push("metadata").await["data"].clone();
        assert_eq!(
            next,
            json!({ "timestamp": 480_000, "title": "Next", "artist": "A" })
        );
        assert_eq!(
            relay.json("/api/v1/stations/demo").await["metadata"]["title"],
            "First"
        );
        let mut late = Client::greet(&relay, kind, None).await;
        late.request("listen", json!({ "station": "demo" }))
            .await
            .unwrap();
        assert_eq!(late.push("metadata").await["data"]["title"], "First");
        assert_eq!(late.push("metadata").await["data"]["title"], "Next");
        let absurd = json!({ "metadata": { "timestamp": 1_u64 << 50, "title": "x" } });
        assert_eq!(
            source.refusal("update_metadata", absurd).await,
            "bad_request"
        );
        source.request("unpublish", json!({})).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_follow_real_listeners() {
    let relay = TestRelay::start().await;
    let mut watcher = Client::greet(&relay, Kind::WebSocket, None).await;
    watcher
        .request("subscribe", json!({ "channel": "stations" }))
        .await
        .unwrap();
    let (_source, _) = Client::publisher(&relay, Kind::WebSocket, "demo").await;
    let mut listeners = Vec::new();
    for kind in [Kind::WebSocket, Kind::WebTransport, Kind::WebSocket] {
        let mut listener = Client::greet(&relay, kind, None).await;
        listener
            .request("listen", json!({ "station": "demo" }))
            .await
            .unwrap();
        listeners.push(listener);
    }
    let mut told = listeners[0].push("listeners").await["data"].clone();
    assert_eq!(told, json!({ "count": 1, "peak": 1 }), "at once");
    while told["count"] != 3 {
        told = listeners[0].push("listeners").await["data"].clone();
    }
    listeners.truncate(1);
    while told["count"] != 1 {
        told = listeners[0].push("listeners").await["data"].clone();
    }
    assert_eq!(told["peak"], 3);
    listeners.clear();
    loop {
        let counts = watcher.push("counts").await;
        assert!(counts["offset"].is_null());
        if counts["data"]["demo"] == json!({ "count": 0, "peak": 3 }) {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_source_is_heard_and_can_be_taken_over() {
    let relay = TestRelay::start().await;
    let publication = skywave_relay::Publication {
        station: "demo".parse().unwrap(),
        track: serde_json::from_value(publish_params("demo")["track"].clone()).unwrap(),
        name: Some("Demo".into()),
        description: None,
        metadata: None,
        takeover: false,
    };
    let mut local = relay.handle.publish_local(publication.clone()).unwrap();
    let busy = relay.handle.publish_local(publication.clone()).unwrap_err();
    assert_eq!(busy.code, wire::code::ErrorCode::StationBusy);
    let mut listener = Client::greet(&relay, Kind::WebTransport, None).await;
    let result = listener
        .request("listen", json!({ "station": "demo" }))
        .await
        .unwrap();
    let track = result["track"]["id"].as_u64().unwrap();
    for n in 0..3 {
        assert_eq!(local.timestamp(), n * 960);
        local.send(&[0xfc, 1, 2]).unwrap();
        assert_eq!(listener.sound().await, (track, n, n * 960));
    }
    local
        .set_metadata(wire::message::Metadata {
            title: "Live".into(),
            ..Default::default()
        })
        .unwrap();
    assert_eq!(
        listener.push("metadata").await["data"],
        json!({ "timestamp": 3 * 960, "title": "Live" })
    );
    let mut other = Client::greet(&relay, Kind::WebSocket, Some("dj:*:600")).await;
    let mut params = publish_params("demo");
    params["takeover"] = true.into();
    other.request("publish", params).await.unwrap();
    assert!(local.send(&[0xfc]).is_err());
    drop(local);
    assert_eq!(relay.json("/api/v1/stations/demo").await["state"], "live");
    other.request("unpublish", json!({})).await.unwrap();
    drop(relay.handle.publish_local(publication).unwrap());
    assert_eq!(
        relay.json("/api/v1/stations/demo").await["state"],
        "offline"
    );
}
