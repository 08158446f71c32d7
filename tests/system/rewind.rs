//! A listener begins further back than live, hears what was, and goes live.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::time::Duration;

use client::listener::{BLOCK_FRAMES, Config, Event, Listener};
use client::{Connector, Options, Prefer, Transport};
use media::measure::tone_snr;

use crate::harness::{Server, until};
use crate::tone::write_sound;

const RATE: u64 = 48_000;

/// Seconds the first piece lasts.
const EARLY: u64 = 8;

/// Seconds that listeners go back.
const BACK: u64 = 9;

/// Which tone is on air in a second of media time.
fn frequency(second: u64) -> f64 {
    400.0 + 40.0 * second as f64
}

/// What one listener heard: the left channel by second of media time, and titles by position.
#[derive(Debug, Default)]
struct Heard {
    seconds: BTreeMap<u64, Vec<f32>>,
    titles: Vec<(String, u64)>,
    behind: Duration,
}

impl Heard {
    /// Takes what comes for so many seconds of sound.
    async fn hear(listener: &mut Listener, seconds: f64) -> Self {
        let mut heard = Self::default();
        let mut blocks = (seconds * 100.0) as u32;
        while blocks > 0 {
            match listener.next().await.expect("the listener lives") {
                Event::Sound(block) => {
                    let Some(position) = block.position else {
                        continue;
                    };
                    blocks -= 1;
                    let left = block.samples.iter().step_by(2);
                    let second = heard.seconds.entry(position / RATE).or_default();
                    second.extend(left);
                }
                Event::Metadata { metadata, position } => {
                    heard.titles.push((metadata.title, position));
                }
                Event::Tuned { behind, .. } => heard.behind = behind,
                _ => {}
            }
        }
        heard
    }

    /// Asserts that every whole second had its tone.
    fn assert_as_sent(&self) {
        let whole = |sound: &&Vec<f32>| sound.len() + 2 * BLOCK_FRAMES > RATE as usize;
        let mut checked = 0;
        for (second, sound) in &self.seconds {
            if !whole(&sound) {
                continue;
            }
            // Neighbours overlap at the edges by what was stretched.
            let fit = tone_snr(&sound[9_600..38_400], RATE as f64, frequency(*second));
            assert!(fit.snr_db > 15.0, "second {second}: {fit:?}");
            checked += 1;
        }
        assert!(checked >= 2, "{:?}", self.seconds.keys());
    }

    fn first(&self) -> u64 {
        *self.seconds.keys().next().expect("something was heard")
    }
}

async fn go_back_and_live(server: &Server, transport: Transport) {
    let connector = Connector::new(Options {
        server: server.url(),
        prefer: Prefer::Only(transport),
        ..Options::default()
    });
    let mut config = Config::new("past".parse().unwrap());
    config.rewind = Duration::from_secs(BACK);
    config.start_delay = Duration::from_millis(300);
    let connector = connector.unwrap();
    let mut listener = Listener::start(connector, config).await.unwrap();

    let past = Heard::hear(&mut listener, 3.5).await;
    past.assert_as_sent();
    assert!(past.first() < EARLY - 3, "{:?}", past.seconds.keys());
    let told: Vec<_> = past.titles.iter().map(|(title, _)| &**title).collect();
    assert_eq!(told, ["early"], "what held at that time");
    assert!(
        (BACK - 1..=BACK).contains(&past.behind.as_secs()),
        "{:?}",
        past.behind
    );
    let stats = listener.stats().await.unwrap();
    let receiver = stats.receiver;
    assert_eq!(
        (receiver.late, receiver.lost, receiver.restarts),
        (0, 0, 0),
        "{receiver:?}"
    );
    let delay = receiver.play.expect("the clock is known by now");
    assert!(
        delay.p95 < 2_000.0,
        "no part of it is the time gone back: {delay:?}"
    );

    listener.rewind(Duration::ZERO).await.unwrap();
    let live = Heard::hear(&mut listener, 3.5).await;
    assert_eq!(live.behind, Duration::ZERO);
    // The first of it is what was still under way.
    let last = past.seconds.keys().next_back().unwrap();
    let present = live
        .seconds
        .into_iter()
        .filter(|(second, _)| *second > last + 4);
    let live = Heard {
        seconds: present.collect(),
        ..live
    };
    live.assert_as_sent();
    assert!(
        live.first() > last + BACK - 5,
        "{last}, then {}",
        live.first()
    );
    assert_eq!(live.titles.last().map(|(title, _)| &**title), Some("late"));
    let stats = listener.finish().await.unwrap();
    assert_eq!(
        (stats.reconnects, stats.behind),
        (0, Duration::ZERO),
        "{stats:?}"
    );
    assert_eq!(stats.receiver.lost, 0, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_the_past_and_then_the_present() {
    let server = Server::start_within(&[], "[rewind]\nminutes = 1\n", &[]);
    let folder = tempfile::tempdir().unwrap();
    let pieces = [("early", 0, EARLY), ("late", EARLY, 60)];
    let files = pieces.map(|(name, from, seconds)| {
        let path = folder.path().join(format!("{name}.wav"));
        write_sound(&path, seconds as f64, |time| {
            let second = from + time as u64;
            (TAU * frequency(second) * time).sin()
        });
        path.to_str().unwrap().to_owned()
    });
    let _source = server.publish("past", &[&files[0], &files[1]]);
    server.observe().await.is_live("past").await;
    // A listener of the present whom the others do not disturb.
    let present = server.listen("past", 18.0, &[]);
    let since = std::time::Instant::now();
    until("there is enough to go back", || {
        (since.elapsed() > Duration::from_secs(BACK + 1)).then_some(())
    });
    tokio::join!(
        go_back_and_live(&server, Transport::WebTransport),
        go_back_and_live(&server, Transport::WebSocket),
    );
    let heard = present.finish();
    assert_eq!(heard.number("lost"), 0.0, "{:#}", heard.stats);
    assert_eq!(heard.number("restarts"), 0.0, "{:#}", heard.stats);
}
