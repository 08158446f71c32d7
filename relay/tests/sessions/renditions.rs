//! Renditions: made on demand, on the same timeline, from real sound.

use std::time::Duration;

use media::decoder::Decoder;
use media::encoder::{self, Encoder};
use media::measure::tone_snr;
use serde_json::json;
use tokio::time::{interval, timeout};
use wire::audio::Datagram;

use crate::support::{Client, Kind, PATIENCE, TestRelay, eventually, publish_params};

/// A local source that sends a 440 Hz tone at its pace until it is aborted.
fn tone(relay: &TestRelay) -> tokio::task::JoinHandle<()> {
    let publication = skywave_relay::Publication {
        station: "demo".parse().unwrap(),
        track: serde_json::from_value(publish_params("demo")["track"].clone()).unwrap(),
        name: None,
        description: None,
        metadata: None,
        takeover: false,
    };
    let mut source = relay.handle.publish_local(publication).unwrap();
    let mut encoder = Encoder::new(encoder::Config::default()).unwrap();
    tokio::spawn(async move {
        let mut pace = interval(Duration::from_millis(20));
        loop {
            pace.tick().await;
            let begin = source.timestamp();
            let sample = |n: u64| {
                let time = (begin + n / 2) as f64 / 48_000.0;
                (0.5 * (std::f64::consts::TAU * 440.0 * time).sin()) as f32
            };
            let frame: Vec<f32> = (0..1920).map(sample).collect();
            source.send(encoder.encode(&frame).unwrap()).unwrap();
        }
    })
}

/// Hears packets of one track: their timestamps and the left channel of their sound.
async fn hear(listener: &mut Client, track: u64, packets: usize) -> (Vec<u64>, Vec<f32>) {
    let mut decoder = Decoder::new();
    let (mut timestamps, mut sound) = (Vec::new(), Vec::new());
    let mut pcm = vec![0.0; 5760 * 2];
    while timestamps.len() < packets {
        let bytes = timeout(PATIENCE, listener.datagrams.recv())
            .await
            .unwrap()
            .unwrap();
        let datagram = Datagram::decode(&bytes).unwrap();
        if u64::from(datagram.track) != track {
            continue;
        }
        timestamps.push(datagram.timestamp);
        let samples = decoder.decode(datagram.packet, &mut pcm).unwrap();
        sound.extend(pcm[..samples * 2].chunks_exact(2).map(|pair| pair[0]));
    }
    (timestamps, sound)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rendition_sounds_like_its_source_and_ends_with_its_listeners() {
    let relay =
        TestRelay::with(|config| config.timing.rendition_grace = Duration::from_millis(300)).await;
    let source = tone(&relay);
    for (kind, rendition, channels, bitrate) in [
        (Kind::WebSocket, "low", 1, 24_000),
        (Kind::WebTransport, "medium", 2, 64_000),
        (Kind::WebTransport, "high", 2, 128_000),
    ] {
        let mut listener = Client::greet(&relay, kind, None).await;
        let listen = json!({ "station": "demo", "rendition": "source" });
        let result = listener.request("listen", listen).await.unwrap();
        let untouched = result["track"]["id"].as_u64().unwrap();
        let (before, _) = hear(&mut listener, untouched, 5).await;
        let listen = json!({ "station": "demo", "rendition": rendition });
        let track = listener.request("listen", listen).await.unwrap()["track"].clone();
        assert_eq!(track["rendition"], rendition);
        assert_eq!(
            (&track["channels"], &track["bitrate"]),
            (&json!(channels), &json!(bitrate))
        );
        let (timestamps, sound) = hear(&mut listener, track["id"].as_u64().unwrap(), 60).await;
        assert!(
            timestamps.windows(2).all(|pair| pair[1] == pair[0] + 960),
            "{timestamps:?}"
        );
        let apart = timestamps[0].abs_diff(*before.last().unwrap());
        assert!(apart < 48_000, "the same timeline: {apart}");
        let snr = tone_snr(&sound[9_600..], 48_000.0, 440.0).snr_db;
        assert!(snr > 20.0, "{rendition}: {snr} dB");
        assert_eq!(relay.metric("skywave_renditions_active").await, 1);
        drop(listener);
        eventually("the rendition ends", || async {
            relay.metric("skywave_renditions_active").await == 0
        })
        .await;
    }
    assert_eq!(relay.metric("skywave_rendition_overflows_total").await, 0);
    source.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_renditions_of_a_station_share_one_decoding() {
    let relay =
        TestRelay::with(|config| config.timing.rendition_grace = Duration::from_millis(300)).await;
    let source = tone(&relay);
    let mut listeners = Vec::new();
    for rendition in ["high", "medium", "low"] {
        let mut listener = Client::greet(&relay, Kind::WebTransport, None).await;
        let listen = json!({ "station": "demo", "rendition": rendition });
        let result = listener.request("listen", listen).await.unwrap();
        let track = result["track"]["id"].as_u64().unwrap();
        hear(&mut listener, track, 10).await;
        listeners.push((listener, track));
    }
    assert_eq!(relay.metric("skywave_renditions_active").await, 3);
    assert_eq!(relay.metric("skywave_transcoders_active").await, 1);
    // Each ends alone, and the others go on.
    while let Some((listener, _)) = listeners.pop() {
        drop(listener);
        let left = listeners.len() as u64;
        eventually("the rendition ends", || async {
            relay.metric("skywave_renditions_active").await == left
        })
        .await;
        for (listener, track) in &mut listeners {
            hear(listener, *track, 5).await;
        }
    }
    eventually("nothing is decoded for nobody", || async {
        relay.metric("skywave_transcoders_active").await == 0
    })
    .await;
    source.abort();
}

/// Switching within a session goes on at the same media time.
#[tokio::test(flavor = "multi_thread")]
async fn a_switch_continues_the_media_time() {
    let relay = TestRelay::start().await;
    let source = tone(&relay);
    let mut listener = Client::greet(&relay, Kind::WebSocket, None).await;
    let mut end = None;
    for rendition in ["source", "high", "low", "medium", "source"] {
        let listen = json!({ "station": "demo", "rendition": rendition });
        let result = listener.request("listen", listen).await.unwrap();
        let track = result["track"]["id"].as_u64().unwrap();
        let (timestamps, _) = hear(&mut listener, track, 10).await;
        if let Some(end) = end {
            // The codec's delay behind what was heard last, or a few packets on.
            let apart = timestamps[0] as i64 - end as i64;
            assert!(
                (-1_920..9_600).contains(&apart),
                "{rendition}: {apart} samples"
            );
        }
        end = timestamps.last().map(|last| last + 960);
    }
    source.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rendition_waited_for_off_air_starts_with_the_station() {
    let relay = TestRelay::start().await;
    let (mut first, _) = Client::publisher(&relay, Kind::WebSocket, "demo").await;
    first.request("unpublish", json!({})).await.unwrap();
    let mut listener = Client::greet(&relay, Kind::WebTransport, None).await;
    let listen = json!({ "station": "demo", "rendition": "low" });
    let result = listener.request("listen", listen).await.unwrap();
    assert!(result["track"].is_null());
    let source = tone(&relay);
    let started = listener.push("started").await["data"]["track"].clone();
    assert_eq!(started["rendition"], "low");
    hear(&mut listener, started["id"].as_u64().unwrap(), 10).await;
    source.abort();
    listener.push("stopped").await;
    eventually("the rendition ends with the station", || async {
        relay.metric("skywave_renditions_active").await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_that_are_no_opus_harm_no_rendition() {
    let relay = TestRelay::start().await;
    let (source, track) = Client::publisher(&relay, Kind::WebTransport, "demo").await;
    let mut listener = Client::greet(&relay, Kind::WebSocket, None).await;
    let listen = json!({ "station": "demo", "rendition": "medium" });
    listener.request("listen", listen).await.unwrap();
    for n in 0..100_u64 {
        let packet: Vec<u8> = (0..1 + n * 7 % 300)
            .map(|byte| (byte * 31 + n * 17) as u8)
            .collect();
        let datagram = Datagram {
            track: wire::TrackId::new(track).unwrap(),
            sequence: n,
            timestamp: n * 960,
            send_time: wire::audio::SendTime::from_server_time(crate::support::unix_us()),
            copies: wire::audio::Copies::none(),
            packet: &packet,
        };
        let mut bytes = Vec::new();
        datagram.encode(&mut bytes).unwrap();
        source.send_datagram(bytes);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        relay.metric("skywave_renditions_active").await,
        1,
        "its thread lives"
    );
    drop(source);
    listener.push("interrupted").await;
}
