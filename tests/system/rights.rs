//! Tokens that must not work, while somebody listens who must not notice.

use std::time::Duration;

use client::{Connector, Options, Prefer, Transport};
use wire::code::CloseCode;

use crate::harness::{PATIENCE, Server, fixture, outcome, skywave, until};
use crate::tone::{assert_clean, write_wav};

#[tokio::test]
async fn bad_tokens_are_refused_and_the_station_plays_on() {
    let server = Server::start();
    let mut observer = server.observe().await;
    let folder = tempfile::tempdir().unwrap();
    let looping = folder.path().join("tone.wav");
    write_wav(&looping, 440.0, 2.0);
    let source = server.publish("tone", &["--loop", looping.to_str().unwrap()]);
    observer.sees("started", "tone").await;
    let listener = server.listen("tone", 8.0, &[]);
    listener.hears();

    let good = server.token(&["--publish", "tone"]);
    let parts: Vec<_> = good.split('.').collect();
    // {"alg":"none"}
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
    let stripped = format!("{}.{}.", parts[0], parts[1]);
    let elsewhere = Server::start().token(&["--publish", "tone"]);
    let expired = server.token(&["--publish", "tone", "--ttl", "1s"]);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let giant = format!("{}.{}.{}", parts[0], "A".repeat(60_000), parts[2]);
    let over_scoped = server.token(&["--publish", "tone2", "--moderate", "tone"]);
    let powerless = server.token(&[]);
    let file = fixture("tests/fixtures/tone.flac");
    for (what, token, code) in [
        ("garbage", "garbage", "unauthorized"),
        ("empty", "", "unauthorized"),
        ("unsigned", &unsigned, "unauthorized"),
        ("stripped", &stripped, "unauthorized"),
        ("another key", &elsewhere, "unauthorized"),
        ("expired", &expired, "unauthorized"),
        ("giant", &giant, "unauthorized"),
        ("another station", &over_scoped, "forbidden"),
        ("no right at all", &powerless, "forbidden"),
    ] {
        let mut command = server.publish_command("tone", token);
        let (exit, errors) = outcome(command.arg("--takeover").arg(&file));
        assert_eq!(exit, 3, "{what}: {errors}");
        assert!(errors.contains(code), "{what}: {errors}");
        assert!(
            token.is_empty() || !errors.contains(token),
            "{what}: {errors}"
        );
    }
    assert_clean(&listener.finish(), 440.0, 30.0, 6.0);
    let line = source.json().unwrap();
    assert_eq!(
        (&line["reconnects"], &line["lost"]),
        (&0.into(), &0.into()),
        "{line}"
    );
}

#[tokio::test]
async fn nobody_publishes_without_a_token() {
    let server = Server::start();
    let connector = Connector::new(Options {
        server: server.url(),
        prefer: Prefer::Only(Transport::WebSocket),
        ..Options::default()
    });
    let config = client::publisher::Config {
        station: "tone".parse().unwrap(),
        track: wire::message::TrackParams {
            codec: wire::message::Codec::Opus,
            channels: 2,
            frame_us: 20_000,
            bitrate: 128_000,
        },
        name: None,
        description: None,
        metadata: None,
        takeover: false,
    };
    let refused = client::Publisher::start(connector.unwrap(), config).await;
    let refused = refused.expect_err("it has no token").to_string();
    assert!(refused.contains("unauthorized"), "{refused}");
}

#[tokio::test]
async fn a_source_is_cut_off_when_its_token_expires() {
    let server = Server::start();
    let mut observer = server.observe().await;
    let token = server.token(&["--publish", "tone", "--ttl", "4s"]);
    let file = fixture("tests/fixtures/tone.flac");
    let mut command = server.publish_command("tone", &token);
    let (code, errors) = outcome(command.arg(&file));
    assert_eq!(code, 5, "{errors}");
    assert!(errors.contains("cut off"), "{errors}");
    observer.sees("started", "tone").await;
}

#[tokio::test]
async fn a_revoked_token_ends_its_sessions_and_begins_none() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("revoked");
    std::fs::write(&list, "# nobody yet\n").unwrap();
    let settings = format!("[auth]\nrevoked_file = '{}'\n", list.display());
    let server = Server::start_within(&[], &settings, &[]);
    let (eve, ann) = (server.token_of("eve", &[]), server.token_of("ann", &[]));
    let websocket = Prefer::Only(Transport::WebSocket);
    let (_session, mut cut_off) = server.session(Some(eve.clone()), websocket).await;
    let (stays, _events) = server.session(Some(ann), websocket).await;
    std::fs::write(&list, "sub eve\n").unwrap();
    let ended = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Err(ended) = cut_off.next().await {
                return ended;
            }
        }
    });
    let ended = ended.await.expect("the session ends");
    assert_eq!(ended.code, Some(CloseCode::Unauthorized), "{ended:?}");
    let connector = Connector::new(Options {
        server: server.url(),
        token: Some(eve),
        prefer: websocket,
        ..Options::default()
    });
    assert!(connector.unwrap().connect(Vec::new()).await.is_err());
    let alive: Result<serde_json::Value, _> = stays.request("rooms", &serde_json::json!({})).await;
    alive.expect("ann's token still holds");
}

#[tokio::test]
async fn configured_keys_take_the_place_of_the_made_one() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "a shared secret of at least 32 bytes\n").unwrap();
    let config = folder.path().join("skywave.toml");
    let text = format!("[auth]\nsecret_file = {secret:?}\nissuer = 'us'\naudience = 'radio'\n");
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let server = Server::start_with(&["--config", config]);
    let file = fixture("media/tests/fixtures/tone.flac");

    // Its data folder holds no secret, so one would be made: good nowhere.
    let made = server.token(&["--publish", "tone"]);
    let (code, errors) = outcome(server.publish_command("tone", &made).arg(&file));
    assert_eq!(code, 3, "{errors}");

    let output = skywave()
        .args([
            "token",
            "--config",
            config,
            "--sub",
            "dj",
            "--publish",
            "tone",
        ])
        .output()
        .unwrap();
    let token = String::from_utf8(output.stdout).unwrap();
    let publish = || outcome(server.publish_command("tone", token.trim()).arg(&file));
    let (code, errors) = publish();
    assert_eq!(code, 0, "{errors}");

    // A key that is replaced holds without a restart.
    std::fs::write(&secret, "quite another secret, as long as needed").unwrap();
    until("the old key is forgotten", || {
        (publish().0 == 3).then_some(())
    });
}
