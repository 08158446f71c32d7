//! Listening by plain HTTP.

use std::time::Duration;

use media::ogg::{Demuxer, Event, Tags};
use skywave_relay as relay;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::message::{Codec, Metadata, TrackParams};

use crate::support::{PATIENCE, Place, TestRelay, eventually};

/// Sends numbered packets of 20 ms in real time until it is dropped.
struct Source {
    source: relay::LocalSource,
    sent: u64,
}

impl Source {
    fn on_air(relay: &TestRelay, station: &str) -> Self {
        let publication = relay::Publication {
            station: station.parse().unwrap(),
            track: TrackParams {
                codec: Codec::Opus,
                channels: 2,
                frame_us: 20_000,
                bitrate: 128_000,
            },
            name: Some("Demo FM".into()),
            description: None,
            metadata: Some(title("First")),
            takeover: false,
        };
        let source = relay.handle.publish_local(publication).unwrap();
        Self { source, sent: 0 }
    }

    async fn send(&mut self, packets: u64) {
        for _ in 0..packets {
            let mut packet = vec![0xfc; 60];
            packet[1..9].copy_from_slice(&self.sent.to_be_bytes());
            self.source.send(&packet).unwrap();
            self.sent += 1;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn title(title: &str) -> Metadata {
    Metadata {
        title: title.into(),
        ..Metadata::default()
    }
}

/// A player that keeps what it is sent.
struct Player {
    stream: TcpStream,
    head: String,
    demuxer: Demuxer,
    packets: Vec<u64>,
    /// Each with the number of packets before it.
    tags: Vec<(usize, Tags)>,
    ended: bool,
    /// Samples of packets that are sent a second time.
    again: u16,
}

impl Player {
    async fn ask(place: &Place, request: &str) -> Self {
        let mut stream = TcpStream::connect(place.http).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = tokio::time::timeout(PATIENCE, stream.read_u8()).await;
            head.push(byte.unwrap().unwrap());
        }
        Self {
            stream,
            head: String::from_utf8(head).unwrap(),
            demuxer: Demuxer::default(),
            packets: Vec::new(),
            tags: Vec::new(),
            ended: false,
            again: 0,
        }
    }

    async fn listen(place: &Place, path: &str) -> Self {
        let player = Self::ask(place, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert!(
            player.head.starts_with("HTTP/1.0 200 OK"),
            "{}",
            player.head
        );
        player
    }

    async fn read(&mut self) {
        let mut bytes = [0; 4096];
        let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut bytes)).await;
        let count = read.expect("it is sent something").unwrap();
        self.ended = count == 0;
        self.demuxer.push(&bytes[..count]).unwrap();
        while let Some(event) = self.demuxer.poll() {
            match event {
                // Who comes from another stream has heard that much of this one.
                Event::Head(head) if !self.packets.is_empty() => self.again = head.pre_skip,
                Event::Tags(tags) => self.tags.push((self.packets.len(), tags)),
                Event::Packet { data: packet, .. } => {
                    let number = packet.get(1..9).map(|number| number.try_into().unwrap());
                    let number = number.map(u64::from_be_bytes);
                    if self.again == 0 {
                        self.packets.extend(number);
                    } else {
                        assert!(self.packets.contains(&number.unwrap()), "{number:?}");
                        self.again -= 960;
                    }
                }
                _ => {}
            }
        }
    }

    async fn hears(&mut self, packet: u64) {
        while !self.packets.contains(&packet) {
            assert!(!self.ended, "it ended after {:?}", self.packets);
            self.read().await;
        }
    }

    async fn ends(&mut self) {
        while !self.ended {
            self.read().await;
        }
    }

    fn titles(&self) -> Vec<(usize, &str)> {
        let titles = self.tags.iter();
        titles
            .map(|(at, tags)| (*at, tags.first("title").unwrap_or_default()))
            .collect()
    }

    /// Every packet once and in order, from the first it heard.
    fn assert_whole(&self) {
        let first = self.packets[0];
        let expected: Vec<_> = (first..).take(self.packets.len()).collect();
        assert_eq!(self.packets, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_hears_the_stations_own_packets_and_titles() {
    let relay = TestRelay::start().await;
    let mut source = Source::on_air(&relay, "demo");
    source.send(60).await;
    let mut player = Player::listen(&relay, "/demo").await;
    for expected in [
        "content-type: audio/ogg",
        "icy-name: demo fm",
        "access-control-allow-origin: *",
        "access-control-expose-headers: icy-br",
    ] {
        let head = player.head.to_ascii_lowercase();
        assert!(head.contains(expected), "{head}");
    }
    source.send(20).await;
    source.source.set_metadata(title("Second")).unwrap();
    source.send(10).await;
    player.hears(89).await;
    player.assert_whole();
    // It began with the last second, its burst.
    assert_eq!(player.packets[0], 10);
    assert_eq!(player.titles(), [(0, "First"), (70, "Second")]);
    assert_eq!(player.tags[0].1.first("organization"), Some("Demo FM"));

    // Another joins within the second title, and both hear the end.
    let mut late = Player::listen(&relay, "/demo.opus").await;
    eventually("two listen", async || {
        relay.metric("skywave_listeners{station=\"demo\"}").await == 2
    })
    .await;
    let sessions = "skywave_sessions{transport=\"http\"}";
    assert_eq!(relay.metric(sessions).await, 2);
    let station = relay.json("/api/v1/stations/demo").await;
    assert_eq!(
        (&station["listeners"], &station["listeners_peak"]),
        (&2.into(), &2.into())
    );
    source.send(5).await;
    drop(source);
    for player in [&mut player, &mut late] {
        player.ends().await;
        player.assert_whole();
        assert_eq!(player.packets.last(), Some(&94));
    }
    assert_eq!(late.titles()[0], (0, "First"), "the burst reaches back");
    drop((player, late));
    eventually("nobody listens", async || relay.metric(sessions).await == 0).await;
    assert_eq!(relay.metric("skywave_listeners{station=\"demo\"}").await, 0);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn players_stay_through_an_interruption_and_take_renditions() {
    let relay = TestRelay::with(|config| config.burst = Duration::ZERO).await;
    let mut source = Source::on_air(&relay, "demo");
    let mut player = Player::listen(&relay, "/demo").await;
    let mut low = Player::listen(&relay, "/demo?rendition=low").await;
    source.send(50).await;
    player.hears(49).await;
    assert_eq!(
        player.packets[0], 0,
        "without a burst nothing is waited for"
    );
    while low.tags.is_empty() {
        low.read().await;
    }
    source.source.lose();
    let station = relay.json("/api/v1/stations/demo").await;
    assert_eq!(station["state"], "interrupted");
    let mut again = Source::on_air(&relay, "demo");
    again.sent = 50;
    again.send(10).await;
    player.hears(59).await;
    player.assert_whole();
    again
        .source
        .set_metadata(title("Bad\u{0}\r\n\u{1b}title"))
        .unwrap();
    again.send(2).await;
    player.hears(61).await;
    assert_eq!(player.titles().last().unwrap().1, "Badtitle");
    drop(again);
    player.ends().await;
    low.ends().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_player_is_dropped_and_others_hear_everything() {
    let relay = TestRelay::with(|config| config.timing.write = Duration::from_millis(300)).await;
    let mut source = Source::on_air(&relay, "demo");
    let mut player = Player::listen(&relay, "/demo").await;
    let request = "GET /demo HTTP/1.1\r\nHost: a\r\n\r\n";
    let stuck = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    stuck.set_recv_buffer_size(4096).unwrap();
    stuck.connect(&relay.http.into()).unwrap();
    stuck.send(request.as_bytes()).unwrap();
    eventually("two listen", async || {
        relay.metric("skywave_listeners{station=\"demo\"}").await == 2
    })
    .await;
    let mut packet = vec![0xfc; 1200];
    let dropped = async {
        while relay.metric("skywave_listeners{station=\"demo\"}").await > 1 {
            for _ in 0..20 {
                packet[1..9].copy_from_slice(&source.sent.to_be_bytes());
                source.source.send(&packet[..1100]).unwrap();
                source.sent += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        source.send(1).await;
    };
    let mut last = 0;
    let hearing = async {
        loop {
            player.read().await;
            last = player.packets.last().copied().unwrap_or(last);
        }
    };
    tokio::select! {
        () = hearing => {}
        done = tokio::time::timeout(PATIENCE, dropped) => done.expect("the stuck one is dropped"),
    }
    player.hears(source.sent - 1).await;
    player.assert_whole();
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_stream_is_said_in_plain_words() {
    let relay = TestRelay::with(|config| {
        config.stations = vec![relay::config::Station {
            rewind_minutes: None,
            dead_air: None,
            loudness: None,
            id: "quiet".parse().unwrap(),
            name: None,
            description: String::new(),
        }];
    })
    .await;
    let _source = Source::on_air(&relay, "demo");
    for (path, status, words) in [
        ("/nowhere", 404, ""),
        ("/quiet", 404, "not on air"),
        ("/demo.mp3", 404, "does not send that"),
        ("/demo.mp3?rendition=low", 400, "renditions are Opus"),
        ("/demo?rendition=huge", 404, "no such rendition"),
    ] {
        let (found, _, body) = relay.get(path).await;
        assert!(
            found == status && body.contains(words),
            "{path}: {found} {body}"
        );
    }
    let (status, head, body) = relay.send("HEAD /demo HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((status, &*body), (200, ""));
    assert!(head.contains("icy-name: demo fm"), "{head}");
    assert!(
        !head.contains("content-length"),
        "a stream has none: {head}"
    );
    let options = "OPTIONS /demo HTTP/1.1\r\nHost: a\r\nOrigin: https://a.example\r\n\
         Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: icy-metadata\r\n\
         Connection: close\r\n\r\n";
    let (status, head, _) = relay.send(options).await;
    assert_eq!(status, 204);
    assert!(
        head.contains("icy-metadata") && head.contains("allow: get, head, options"),
        "{head}"
    );
    let (_, head, body) = relay.get("/demo.opus.m3u?rendition=low").await;
    assert!(head.contains("content-type: audio/x-mpegurl"), "{head}");
    let url = format!("http://{}/demo.opus?rendition=low", relay.http);
    assert_eq!(body, format!("#EXTM3U\r\n#EXTINF:-1,Demo FM\r\n{url}\r\n"));
    let (_, _, body) = relay.get("/quiet.pls").await;
    assert!(
        body.contains(&format!("File1=http://{}/quiet\r\n", relay.http)),
        "{body}"
    );
    assert_eq!(
        relay.metric("skywave_sessions{transport=\"http\"}").await,
        0
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_has_icecasts_shape() {
    let relay = TestRelay::start().await;
    let none = relay.json("/status-json.xsl").await;
    assert!(none["icestats"].get("source").is_none());
    let mut first = Source::on_air(&relay, "a");
    let odd = Metadata {
        artist: Some("A \"quoted\" \u{7} one".into()),
        ..title("back\\slash </script>")
    };
    first.source.set_metadata(odd).unwrap();
    first.send(1).await;
    let one = relay.json("/status-json.xsl").await;
    let source = &one["icestats"]["source"];
    assert_eq!(source["listenurl"], format!("http://{}/a", relay.http));
    assert_eq!(source["server_type"], "audio/ogg");
    assert_eq!(source["title"], "back\\slash </script>");
    assert_eq!(source["artist"], "A \"quoted\"  one");
    assert_eq!(source["listeners"], 0);
    let _second = Source::on_air(&relay, "b");
    let two = relay.json("/status-json.xsl").await;
    assert_eq!(two["icestats"]["source"].as_array().unwrap().len(), 2);
    let alone = relay.json("/status-json.xsl?mount=/b").await;
    assert_eq!(
        alone["icestats"]["source"]["listenurl"],
        format!("http://{}/b", relay.http)
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_streams_in_order() {
    let relay = TestRelay::start().await;
    let mut source = Source::on_air(&relay, "demo");
    let mut player = Player::listen(&relay, "/demo").await;
    source.send(5).await;
    player.hears(4).await;
    let stopping = relay.stop();
    let ((), ()) = tokio::join!(stopping, player.ends());
    player.assert_whole();
}
