//! Things fail and come back by themselves.

use std::time::Duration;

use client::{Ended, Events, Prefer, Transport};
use media::measure::{deinterleave, tone_report};
use wire::code::CloseCode;

use crate::harness::{Process, Server, fixture, until};

fn reconnects(process: &Process) -> Option<u64> {
    process.json()?["reconnects"].as_u64()
}

#[tokio::test]
async fn a_killed_server_is_found_again_by_source_and_listeners() {
    let server = Server::start();
    let file = fixture("tests/fixtures/tone.flac");
    let args = ["--loop", "--name", "Tone FM", file.to_str().unwrap()];
    let source = server.publish("tone", &args);
    server.observe().await.is_live("tone").await;
    let listeners = ["webtransport", "websocket"]
        .map(|transport| server.listen("tone", 120.0, &["--transport", transport]));
    for listener in &listeners {
        listener.hears();
    }

    let server = server.restart();
    until("the source is back", || {
        let line = source.json()?;
        (reconnects(&source)? >= 1 && line["on_air"] == true).then_some(())
    });
    let packets = listeners.each_ref().map(|listener| {
        until("the listener is back", || {
            let line = listener.process.json()?;
            (reconnects(&listener.process)? >= 1).then(|| line["packets"].as_u64())?
        })
    });
    for (listener, before) in listeners.iter().zip(packets) {
        until("sound flows again", || {
            let now = listener.process.json()?["packets"].as_u64()?;
            (now > before + 100).then_some(())
        });
    }
    for mut listener in listeners {
        listener.process.signal("INT");
        assert_eq!(listener.process.code(), 0);
        let heard = listener.finish();
        assert_eq!(heard.stats["ended"], "interrupted");
        let events = heard.events();
        assert!(
            events.contains(&"lost") && events.last() != Some(&"lost"),
            "{events:?}"
        );
        // What came after the outage is as clean as what came before.
        let left = deinterleave(&heard.sound, 2, 0);
        let last = &left[left.len() - 48_000..];
        let report = tone_report(last, 48_000.0, 440.0);
        assert!(report.snr_db > 20.0, "{report:?}");
    }
    drop(server);
}

#[tokio::test]
async fn a_source_that_returns_in_time_resumes_and_listeners_stay() {
    let server = Server::start();
    let mut observer = server.observe().await;
    let file = fixture("tests/fixtures/tone.flac");
    let args = ["--loop", "--transport", "websocket", file.to_str().unwrap()];
    let mut source = server.publish("tone", &args);
    observer.sees("started", "tone").await;
    let listeners = ["webtransport", "websocket"]
        .map(|transport| server.listen("tone", 12.0, &["--transport", transport]));
    for listener in &listeners {
        listener.hears();
    }
    source.kill();
    observer.sees("interrupted", "tone").await;
    let _source = server.publish("tone", &args);
    observer.sees("resumed", "tone").await;
    for listener in listeners {
        let heard = listener.finish();
        assert_eq!(
            heard.events(),
            ["tuned", "interrupted", "resumed"],
            "{:#}",
            heard.stats
        );
        assert_eq!(heard.number("reconnects"), 0.0);
        // There was sound before and after; in between nobody sent any.
        assert!(heard.number("packets") > 200.0, "{:#}", heard.stats);
    }
}

#[tokio::test]
async fn a_source_that_stays_away_is_stopped_after_ten_seconds() {
    let server = Server::start();
    let mut observer = server.observe().await;
    let file = fixture("tests/fixtures/tone.flac");
    let args = ["--loop", "--transport", "websocket", file.to_str().unwrap()];
    let mut source = server.publish("tone", &args);
    observer.sees("started", "tone").await;
    source.kill();
    observer.sees("interrupted", "tone").await;
    let interrupted = std::time::Instant::now();
    observer.sees("stopped", "tone").await;
    let waited = interrupted.elapsed();
    assert!(waited > Duration::from_secs(8), "{waited:?}");
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_tells_its_sessions() {
    let mut server = Server::start();
    let mut sessions = Vec::new();
    for transport in [Transport::WebTransport, Transport::WebSocket] {
        sessions.push(server.session(None, Prefer::Only(transport)).await);
    }
    server.process().signal("TERM");
    for (_session, events) in &mut sessions {
        let ended = ended(events).await;
        assert_eq!(ended.code, Some(CloseCode::Draining), "{ended:?}");
        assert!(
            ended.reconnect_after.is_some() && ended.invites_back(),
            "{ended:?}"
        );
    }
    assert_eq!(server.process().code(), 0);
}

async fn ended(events: &mut Events) -> Ended {
    let waiting = async {
        loop {
            if let Err(ended) = events.next().await {
                return ended;
            }
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    ended.expect("the session is told")
}
