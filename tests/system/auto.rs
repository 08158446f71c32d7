//! A listener of `auto` on a way that becomes narrow, and wide again.

use std::time::{Duration, Instant};

use client::listener::{Config, Event, Listener};
use client::{Connector, Options, Prefer, Transport};
use media::testing::LinkConfig;

use crate::harness::Server;
use crate::tone::write_sound;

/// Carries `medium` with its headers, and by far not the source.
const NARROW: LinkConfig = LinkConfig {
    bytes_per_s: 12_000,
    ..LinkConfig::CLEAN
};

/// A stretch in which sound is sought, 5 ms.
const WINDOW: usize = 240;

/// What a listener heard, in order: sound of the left channel and where renditions began.
struct Heard {
    listener: Listener,
    sound: Vec<f32>,
    renditions: Vec<(String, usize)>,
}

impl Heard {
    /// Takes 10 ms.
    async fn step(&mut self) {
        match self.listener.next().await.expect("the listener lives") {
            Event::Sound(block) => self.sound.extend(block.samples.iter().step_by(2)),
            Event::Tuned { track, .. } => {
                let rendition = track.expect("the station is on air").rendition;
                self.renditions.push((rendition, self.sound.len()));
            }
            _ => {}
        }
    }

    async fn hear(&mut self, seconds: f64) {
        let end = self.sound.len() + (seconds * 48_000.0) as usize;
        while self.sound.len() < end {
            self.step().await;
        }
    }

    /// Hears on until the rendition is one of those `wanted`.
    async fn until(&mut self, wanted: impl Fn(&str) -> bool, patience: Duration) {
        let deadline = Instant::now() + patience;
        while !self.renditions.last().is_some_and(|(name, _)| wanted(name)) {
            if Instant::now() > deadline {
                let stats = self.listener.stats().await;
                panic!("in vain: {:?}, {stats:?}", self.renditions);
            }
            self.step().await;
        }
    }

    /// The longest silence from `from` on, in milliseconds.
    fn silence_ms(&self, from: usize) -> usize {
        let windows = self.sound[from..].chunks_exact(WINDOW);
        let (mut longest, mut length) = (0, 0);
        for window in windows {
            let energy: f32 = window.iter().map(|value| value * value).sum();
            length = if energy / (WINDOW as f32) < 1e-3 {
                length + 5
            } else {
                0
            };
            longest = longest.max(length);
        }
        longest
    }
}

#[tokio::test]
async fn a_narrow_way_leads_to_a_smaller_rendition_and_a_wide_one_back() {
    let server = Server::start_behind(LinkConfig::CLEAN, 11);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sound.wav");
    // A tone in noise, so that the source needs all of its bitrate.
    let mut noise = media::testing::Rng::new(3);
    let mut values = Vec::new();
    values.resize_with(44_100 * 4, || noise.unit() - 0.5);
    write_sound(&path, 4.0, |time| {
        let at = (time * 44_100.0).round() as usize;
        0.5 * (std::f64::consts::TAU * 440.0 * time).sin() + 0.4 * values[at % values.len()]
    });
    let path = path.to_str().unwrap();
    let args = [
        "--transport",
        "websocket",
        "--bitrate",
        "160k",
        "--loop",
        path,
    ];
    let _source = server.publish("wide", &args);
    server.observe().await.is_live("wide").await;

    let connector = Connector::new(Options {
        server: server.url(),
        prefer: Prefer::Only(Transport::WebTransport),
        ..Options::default()
    });
    let mut config = Config::new("wide".parse().unwrap());
    config.rendition = "auto".into();
    config.start_delay = Duration::from_millis(150);
    let listener = Listener::start(connector.unwrap(), config).await.unwrap();
    let mut heard = Heard {
        listener,
        sound: Vec::new(),
        renditions: Vec::new(),
    };
    heard
        .until(|name| name == "source", Duration::from_secs(5))
        .await;
    heard.hear(3.0).await;
    assert_eq!(
        heard.renditions.len(),
        1,
        "nothing to move for: {:?}",
        heard.renditions
    );

    server.reshape(NARROW);
    let away = |name: &str| name != "source";
    heard.until(away, Duration::from_secs(15)).await;
    // What waited for the narrow way passes first.
    heard.hear(2.0).await;
    let settled = heard.sound.len();
    heard.hear(3.0).await;
    assert!(
        heard.silence_ms(settled) <= 20,
        "{}",
        heard.silence_ms(settled)
    );

    server.reshape(LinkConfig::CLEAN);
    let back = |name: &str| name == "source";
    heard.until(back, Duration::from_secs(60)).await;
    heard.hear(2.0).await;
    // Neither the narrow way nor the change back was heard as a gap.
    assert!(
        heard.silence_ms(settled) <= 20,
        "{}",
        heard.silence_ms(settled)
    );
    let stats = heard.listener.finish().await.unwrap();
    assert_eq!(
        (stats.reconnects, stats.receiver.restarts),
        (0, 0),
        "{stats:?}"
    );
}
