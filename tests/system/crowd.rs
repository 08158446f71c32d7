//! Listeners that misbehave change nothing for the others.

use std::time::Duration;

use bytes::Bytes;
use client::{Events, Prefer, Session, Transport};
use wire::audio::{Copies, Datagram, SendTime};
use wire::code::CloseCode;
use wire::message::{ListenParams, ListenResult, PingParams, PingResult};

use crate::harness::Server;
use crate::tone::{assert_clean, write_wav};

/// Publishes a tone, begins to hear it over both transports, does `mischief`, and asserts
/// that what was heard is clean and complete.
async fn others_hear_all_of_it<T>(mischief: impl AsyncFnOnce(&Server) -> T) {
    let server = Server::start();
    let mut observer = server.observe().await;
    let folder = tempfile::tempdir().unwrap();
    let looping = folder.path().join("tone.wav");
    write_wav(&looping, 440.0, 2.0);
    let source = server.publish("tone", &["--loop", looping.to_str().unwrap()]);
    observer.sees("started", "tone").await;
    let listeners = ["webtransport", "websocket"]
        .map(|transport| server.listen("tone", 9.0, &["--transport", transport]));
    for listener in &listeners {
        listener.hears();
    }
    // Held until the end, so that what misbehaves does so all the while.
    let _culprits = mischief(&server).await;
    for listener in listeners {
        assert_clean(&listener.finish(), 440.0, 30.0, 6.0);
    }
    let line = source.json().unwrap();
    assert_eq!(
        (&line["lost"], &line["rejected"]),
        (&0.into(), &0.into()),
        "{line}"
    );
}

#[tokio::test]
async fn listeners_that_stop_reading_hurt_nobody_else() {
    others_hear_all_of_it(async |server| {
        let stuck = ["webtransport", "websocket"].map(|transport| {
            let listener = server.listen("tone", 600.0, &["--transport", transport]);
            listener.hears();
            // It neither reads nor acknowledges any more, and does not go away.
            listener.process.signal("STOP");
            listener
        });
        tokio::time::sleep(Duration::from_secs(5)).await;
        stuck
    })
    .await;
}

/// A session that listens, to be misused.
async fn listening(server: &Server, transport: Transport) -> (Session, Events, ListenResult) {
    let (session, events) = server.session(None, Prefer::Only(transport)).await;
    let params = ListenParams {
        station: "tone".parse().unwrap(),
        rendition: "source".into(),
        bundle: 1,
        redundancy: 0,
        rewind_ms: 0,
    };
    let listening = session.request("listen", &params).await.unwrap();
    (session, events, listening)
}

async fn code_of_end(events: &mut Events) -> Option<CloseCode> {
    let end = async {
        loop {
            if let Err(ended) = events.next().await {
                return ended.code;
            }
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), end).await;
    ended.expect("the session ends")
}

#[tokio::test]
async fn a_listener_that_floods_with_datagrams_is_sent_away() {
    others_hear_all_of_it(async |server| {
        for transport in [Transport::WebTransport, Transport::WebSocket] {
            let (session, mut events, listening) = listening(server, transport).await;
            // On the station's own track, as if it were the source, and nonsense.
            let forged = Datagram {
                track: listening.track.unwrap().id,
                sequence: 1 << 40,
                timestamp: 1 << 50,
                send_time: SendTime(7),
                copies: Copies::none(),
                packet: &[0xfc; 200],
            };
            let mut bytes = Vec::new();
            forged.encode(&mut bytes).unwrap();
            let (forged, nonsense) = (Bytes::from(bytes), Bytes::from_static(&[0xff; 300]));
            let flood = async {
                // Bounded: 4,000 a second for five seconds at most.
                for _ in 0..500 {
                    for _ in 0..20 {
                        session.send_datagram(forged.clone());
                        session.send_datagram(nonsense.clone());
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                std::future::pending::<()>().await;
            };
            let code = tokio::select! {
                code = code_of_end(&mut events) => code,
                () = flood => unreachable!("it never returns"),
            };
            assert_eq!(code, Some(CloseCode::Flooding), "{transport:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_listener_that_floods_with_requests_is_slowed_or_sent_away() {
    others_hear_all_of_it(async |server| {
        let (session, _events, _) = listening(server, Transport::WebSocket).await;
        let mut refused = 0;
        let mut requests = tokio::task::JoinSet::new();
        for _ in 0..40 {
            for _ in 0..50 {
                let session = session.clone();
                requests.spawn(async move {
                    let ping = PingParams { time: None };
                    session
                        .request::<_, PingResult>("ping", &ping)
                        .await
                        .is_err()
                });
            }
            while let Some(failed) = requests.join_next().await {
                refused += u32::from(failed.unwrap());
            }
        }
        assert!(refused > 1000, "only {refused} of 2000 were refused");
    })
    .await;
}
