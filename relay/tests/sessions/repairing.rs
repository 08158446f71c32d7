//! Loss on both legs: who asks whom, and what comes of it.

use serde_json::json;
use wire::audio::{Copy, Datagram};
use wire::repair::{self, Request};

use crate::support::{Client, Kind, PATIENCE, TRANSPORTS, TestRelay, datagram, eventually};

async fn next(client: &mut Client) -> Vec<u8> {
    let received = tokio::time::timeout(PATIENCE, client.datagrams.recv()).await;
    received.expect("a datagram in time").unwrap().to_vec()
}

fn request(track: u64, sequences: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let track = wire::TrackId::new(track).unwrap();
    repair::encode(track, sequences, &mut bytes).unwrap();
    bytes
}

#[tokio::test]
async fn the_relay_asks_a_source_and_answers_a_listener() {
    let relay = TestRelay::start().await;
    let (mut source, track) = Client::publisher(&relay, Kind::WebTransport, "demo").await;
    let mut listener = Client::greet(&relay, Kind::WebTransport, None).await;
    let listen = json!({ "station": "demo" });
    listener.request("listen", listen).await.unwrap();
    let sent: Vec<_> = (0..4)
        .map(|sequence| datagram(track, sequence, sequence * 960))
        .collect();
    for lost in [0, 1, 3] {
        source.send_datagram(sent[lost].clone());
    }
    let asked = next(&mut source).await;
    let asked = Request::decode(&asked).unwrap();
    assert_eq!(u64::from(asked.track), track);
    assert_eq!(asked.sequences.into_iter().collect::<Vec<_>>(), [2]);
    source.send_datagram(sent[2].clone());
    for index in [0, 1, 3, 2] {
        assert_eq!(next(&mut listener).await, sent[index]);
    }
    listener.send_datagram(request(track, &[1, 2, 17]));
    assert_eq!(next(&mut listener).await, sent[1]);
    assert_eq!(next(&mut listener).await, sent[2]);
    // Of another track, and nonsense.
    listener.send_datagram(request(track + 1, &[1, 2]));
    listener.send_datagram(vec![repair::KIND, 0]);
    let counted = [
        ("skywave_repairs_total{outcome=\"sent\"}", 2),
        ("skywave_repairs_total{outcome=\"gone\"}", 1),
        ("skywave_repairs_total{outcome=\"foreign\"}", 2),
        ("skywave_source_repairs_came_total", 1),
        ("skywave_datagrams_rejected_total{reason=\"malformed\"}", 1),
    ];
    for (metric, value) in counted {
        eventually(metric, || async { relay.metric(metric).await == value }).await;
    }
}

#[tokio::test]
async fn copies_of_a_source_fill_its_gaps_and_go_no_further() {
    let relay = TestRelay::start().await;
    let (mut source, track) = Client::publisher(&relay, Kind::WebTransport, "demo").await;
    let mut listener = Client::greet(&relay, Kind::WebTransport, None).await;
    let listen = json!({ "station": "demo" });
    listener.request("listen", listen).await.unwrap();
    let sent: Vec<_> = (0..6)
        .map(|sequence| datagram(track, sequence, sequence * 960))
        .collect();
    source.send_datagram(sent[0].clone());
    assert_eq!(next(&mut listener).await, sent[0]);
    // 1 and 2 are lost; 3 brings them, and 4 once more.
    for sequence in [3, 4] {
        let own = Datagram::decode(&sent[sequence]).unwrap();
        let copies = [sequence - 1, sequence - 2].map(|earlier| Copy {
            distance: (sequence - earlier) as u8,
            age: (sequence - earlier) as u64 * 960,
            packet: Datagram::decode(&sent[earlier]).unwrap().packet,
        });
        let mut bytes = Vec::new();
        own.encode_with(copies.into_iter(), &mut bytes).unwrap();
        source.send_datagram(bytes);
    }
    for expected in &sent[1..5] {
        let heard = next(&mut listener).await;
        let (heard, expected) = (
            Datagram::decode(&heard).unwrap(),
            Datagram::decode(expected),
        );
        let expected = expected.unwrap();
        assert_eq!(
            (heard.sequence, heard.timestamp, heard.packet),
            (expected.sequence, expected.timestamp, expected.packet)
        );
        assert_eq!(heard.copies.into_iter().count(), 0);
    }
    // Each is kept by itself for those who miss it.
    listener.send_datagram(request(track, &[2]));
    let again = next(&mut listener).await;
    assert_eq!(Datagram::decode(&again).unwrap().sequence, 2);
    // Nothing was missing, so nothing was asked for until now.
    source.send_datagram(datagram(track, 6, 6 * 960));
    let asked = next(&mut source).await;
    let asked = Request::decode(&asked).unwrap();
    assert_eq!(asked.sequences.into_iter().collect::<Vec<_>>(), [5]);
}

#[tokio::test]
async fn the_level_of_redundancy_changes_without_a_seam() {
    let relay = TestRelay::start().await;
    for (kind, station) in TRANSPORTS.into_iter().zip(["one", "two"]) {
        let (source, track) = Client::publisher(&relay, kind, station).await;
        let mut listener = Client::greet(&relay, kind, None).await;
        let level = json!({ "level": 2 });
        let refused = listener.refusal("set_redundancy", level.clone()).await;
        assert_eq!(refused, "not_listening");
        let listen = json!({ "station": station, "redundancy": 3 });
        assert_eq!(listener.refusal("listen", listen).await, "bad_request");
        let listen = json!({ "station": station, "redundancy": 1 });
        listener.request("listen", listen).await.unwrap();
        let mut distances = Vec::new();
        for sequence in 0..9 {
            if sequence == 3 {
                listener
                    .request("set_redundancy", level.clone())
                    .await
                    .unwrap();
            }
            if sequence == 7 {
                let none = json!({ "level": 0 });
                listener.request("set_redundancy", none).await.unwrap();
            }
            let sent = datagram(track, sequence, sequence * 960);
            source.send_datagram(sent.clone());
            let bytes = next(&mut listener).await;
            let heard = Datagram::decode(&bytes).unwrap();
            assert_eq!(
                (heard.sequence, heard.timestamp),
                (sequence, sequence * 960)
            );
            assert_eq!(heard.packet, Datagram::decode(&sent).unwrap().packet);
            let copies = heard.copies.into_iter().map(|copy| copy.distance);
            distances.push(copies.collect::<Vec<_>>());
        }
        let expected: [&[u8]; 9] = [&[], &[1], &[1], &[1], &[1, 4], &[1, 4], &[1, 4], &[], &[]];
        assert_eq!(distances, expected);
    }
}

#[tokio::test]
async fn packets_come_in_bundles_to_who_asks_for_them() {
    let relay = TestRelay::start().await;
    for (kind, station) in TRANSPORTS.into_iter().zip(["one", "two"]) {
        let (source, track) = Client::publisher(&relay, kind, station).await;
        let mut listener = Client::greet(&relay, kind, None).await;
        let mut other = Client::greet(&relay, kind, None).await;
        for bundle in [0, 5] {
            let listen = json!({ "station": station, "bundle": bundle });
            assert_eq!(listener.refusal("listen", listen).await, "bad_request");
        }
        let listen = json!({ "station": station, "bundle": 3, "redundancy": 2 });
        listener.request("listen", listen).await.unwrap();
        let listen = json!({ "station": station });
        other.request("listen", listen).await.unwrap();
        // Nothing travels against loss in bundles, whatever is asked.
        let level = json!({ "level": 1 });
        listener.request("set_redundancy", level).await.unwrap();
        let sent: Vec<_> = (0..9)
            .map(|sequence| datagram(track, sequence, sequence * 960))
            .collect();
        for sent in &sent {
            source.send_datagram(sent.clone());
            assert_eq!(next(&mut other).await, *sent);
        }
        for last in [2_u64, 5, 8] {
            let bytes = next(&mut listener).await;
            let heard = Datagram::decode(&bytes).unwrap();
            assert_eq!(heard.sequence, last);
            let copies: Vec<_> = heard.copies.into_iter().collect();
            let distances: Vec<_> = copies.iter().map(|copy| copy.distance).collect();
            assert_eq!(distances, [2, 1]);
            for copy in copies {
                let own = &sent[(last - u64::from(copy.distance)) as usize];
                assert_eq!(copy.packet, Datagram::decode(own).unwrap().packet);
                assert_eq!(copy.age, 960 * u64::from(copy.distance));
            }
        }
        if kind == Kind::WebTransport {
            // What is lost comes again by itself.
            listener.send_datagram(request(track, &[4]));
            assert_eq!(next(&mut listener).await, sent[4]);
        }
        assert!(listener.datagrams.try_recv().is_err());
    }
}

#[tokio::test]
async fn what_listeners_report_is_counted_by_station() {
    let relay = TestRelay::start().await;
    let (_source, _) = Client::publisher(&relay, Kind::WebSocket, "demo").await;
    let mut listener = Client::greet(&relay, Kind::WebSocket, None).await;
    let report = json!({
        "interval_ms": 5_000, "received": 240, "lost": 10, "concealed_ms": 20, "played_ms": 5_000,
        "delay_ms": { "p50": 52.5, "p95": 80.0, "p99": 91.0 },
        "jitter_ms": 3.2, "buffer_ms": 41.0, "round_trip_ms": 12.0,
    });
    let refused = listener.refusal("reception_report", report.clone()).await;
    assert_eq!(refused, "not_listening");
    listener
        .request("listen", json!({ "station": "demo" }))
        .await
        .unwrap();
    listener
        .request("reception_report", report.clone())
        .await
        .unwrap();
    for (field, value) in [
        ("lost", json!(-1)),
        ("jitter_ms", json!(1e9)),
        ("concealed_ms", json!(6_000)),
    ] {
        let mut bad = report.clone();
        bad[field] = value;
        let error = listener.request("reception_report", bad).await.unwrap_err();
        assert_eq!(error["code"], "bad_request", "{field}");
    }
    let (_, _, metrics) = relay.get("/metrics").await;
    for line in [
        "skywave_listener_loss_ratio_sum{station=\"demo\",transport=\"websocket\"} 0.04",
        "skywave_listener_delay_seconds_bucket{le=\"0.06\",station=\"demo\",transport=\"websocket\"} 1",
        "skywave_listener_delay_seconds_bucket{le=\"0.045\",station=\"demo\",transport=\"websocket\"} 0",
        "skywave_listener_concealed_ratio_count{station=\"demo\",transport=\"websocket\"} 1",
    ] {
        assert!(
            metrics.lines().any(|other| other == line),
            "{line}\n{metrics}"
        );
    }
}
