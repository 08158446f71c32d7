//! Playlists while nobody is live, and the way from one to the other.

use std::io::{Read, Write};

use media::measure::deinterleave;
use serde_json::{Value, json};

use crate::airing::{Hook, assert_unbroken, course, heard_freqs, station, tones};
use crate::harness::{PATIENCE, Server, ask, outcome, until};
use crate::tone::{assert_clean, write_wav};

#[tokio::test]
async fn a_playlist_is_heard_without_gaps_and_without_its_broken_files() {
    let folder = tones(&[("a.wav", 440.0), ("d.wav", 440.0)], 2.0);
    std::fs::write(folder.path().join("b.mp3"), "no sound at all\n".repeat(999)).unwrap();
    std::fs::write(folder.path().join("c.flac"), "fLaC").unwrap();
    let missing = folder.path().join("gone.ogg");
    let hook = Hook::start();
    let list = format!("['{}', '{}']", folder.path().display(), missing.display());
    let settings = format!(
        "{}[[stations]]\nid = 'tone'\n[stations.fallback]\nplaylist = {list}\n\
         shuffle = false\ncrossfade = '0s'\nfade = '20ms'\n",
        hook.settings()
    );
    let server = Server::start_within(&[], &settings, &[]);
    server.observe().await.is_live("tone").await;
    let heard = server.listen("tone", 8.0, &[]).finish();
    // Three or four boundaries are in it, and the broken files at each second one.
    assert_clean(&heard, 440.0, 25.0, 6.5);
    let titles = heard.titles();
    assert!(
        titles.windows(2).all(|pair| pair[0] != pair[1]),
        "{titles:?}"
    );
    assert!(
        titles.len() >= 4 && titles.contains(&"a") && titles.contains(&"d"),
        "{titles:?}"
    );
    assert_eq!(
        heard
            .events()
            .iter()
            .filter(|&&event| event != "tuned")
            .count(),
        0
    );
    let skipped = until("three files are left out", || {
        let skipped = hook.told("playlist_skipped");
        (skipped.len() >= 3).then_some(skipped)
    });
    let mut files: Vec<_> = skipped
        .iter()
        .map(|told| told["file"].as_str().unwrap())
        .collect();
    files.sort_unstable();
    let prefix = folder.path().file_name().unwrap().to_str().unwrap();
    let within = |name: &str| format!("{prefix}/{name}");
    let mut expected = vec![within("b.mp3"), within("c.flac"), "gone.ogg".to_owned()];
    expected.sort_unstable();
    assert_eq!(files, expected, "each is told once");
    assert_eq!(hook.told("fallback_started").len(), 1);
}

#[tokio::test]
async fn tracks_fade_into_each_other() {
    let folder = tones(&[("a.wav", 440.0), ("b.wav", 880.0)], 3.0);
    let server = Server::start_within(&[], &station(folder.path(), "crossfade = '1s'"), &[]);
    server.observe().await.is_live("tone").await;
    let heard = server.listen("tone", 7.0, &[]).finish();
    let freqs = heard_freqs(&heard.sound, &[440.0, 880.0]);
    let course = course(&heard.sound, &[440.0, 880.0]);
    assert!(course.len() >= 3, "{freqs:?}");
    // Ten windows of a cross-fade hold both, less where one is faint.
    let between = freqs.iter().filter(|&&freq| freq == 0.0).count();
    assert!((8..=40).contains(&between), "{freqs:?}");
    // It is never quiet in between, once it has faded in.
    let left = deinterleave(&heard.sound[2 * 48_000..], 2, 0);
    for window in left.chunks_exact(4_800) {
        let power: f32 = window.iter().map(|sample| sample * sample).sum();
        let rms = (power / 4_800.0).sqrt();
        assert!((0.30..0.42).contains(&rms), "{rms}: {freqs:?}");
    }
    assert_eq!(heard.number("lost"), 0.0, "{:#}", heard.stats);
}

#[tokio::test]
async fn a_live_source_takes_over_and_hands_back_while_one_listens() {
    let folder = tones(&[("a.wav", 440.0)], 4.0);
    let hook = Hook::start();
    let settings = hook.settings() + &station(folder.path(), "crossfade = '0s'\nwait = '1s'");
    let server = Server::start_within(&[], &settings, &[]);
    let mut observer = server.observe().await;
    observer.is_live("tone").await;
    let listener = server.listen("tone", 17.0, &[]);
    listener.hears();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;

    // One that ends as it should.
    let live = tones(&[("Live.wav", 880.0)], 3.0);
    let file = live.path().join("Live.wav");
    let file = file.to_str().unwrap();
    let mut source = server.publish("tone", &[file]);
    assert_eq!(source.code(), 0, "{:?}", source.lines());
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;

    // One that vanishes.
    let mut source = server.publish("tone", &["--transport", "websocket", "--loop", file]);
    until("two sources", || {
        (hook.told("source_connected").len() == 2).then_some(())
    });
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    source.kill();

    let heard = listener.finish();
    let freqs = heard_freqs(&heard.sound, &[440.0, 880.0]);
    let expected = [440.0, 880.0, 440.0, 880.0, 440.0];
    assert_eq!(course(&heard.sound, &[440.0, 880.0]), expected, "{freqs:?}");
    assert_eq!(heard.number("reconnects"), 0.0, "{:#}", heard.stats);
    assert_eq!(heard.number("lost"), 0.0, "{:#}", heard.stats);
    assert_eq!(heard.number("rejected"), 0.0, "{:#}", heard.stats);
    let mut events = heard.events();
    events.retain(|event| *event != "tuned");
    assert_eq!(
        events,
        ["interrupted", "resumed"],
        "the second source vanished"
    );
    let titles = heard.titles();
    assert_eq!(titles[0], "a", "{titles:?}");
    assert!(titles.contains(&"Live"), "{titles:?}");
    assert_eq!(titles.last(), Some(&"a"), "{titles:?}");
    // A second of waiting, and the moments in which one source follows the other.
    let quiet = freqs.iter().skip(3).filter(|&&freq| freq == 0.0).count();
    assert!(quiet <= 40, "{freqs:?}");
    until("each change was told", || {
        let counts = ["fallback_started", "fallback_ended", "source_lost"]
            .map(|event| hook.told(event).len());
        (counts == [3, 2, 2]).then_some(())
    });
    assert_eq!(hook.told("station_started").len(), 1);
    assert_eq!(hook.told("station_stopped").len(), 0);
    assert!(
        hook.told("source_connected")
            .iter()
            .all(|told| told["takeover"] == false)
    );
}

/// Plays a mount as any player does, on one connection, for so many seconds.
fn play(server: &Server, mount: &str, seconds: f64) -> std::thread::JoinHandle<Vec<f32>> {
    let mut stream = std::net::TcpStream::connect(server.http()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET /{mount} HTTP/1.0\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs_f64(seconds);
    std::thread::spawn(move || {
        let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
        while std::time::Instant::now() < end {
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0, "the stream ended after {} bytes", bytes.len());
            bytes.extend_from_slice(&piece[..count]);
        }
        let head = bytes.windows(4).position(|end| end == b"\r\n\r\n");
        let head = head.expect("a head") + 4;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heard.opus");
        std::fs::write(&path, &bytes[head..]).unwrap();
        crate::tone::read_wav(&path)
    })
}

#[tokio::test]
async fn an_icecast_source_takes_over_and_hands_back_without_a_reconnect() {
    let folder = tones(&[("a.wav", 440.0)], 4.0);
    let settings = format!(
        "[icecast]\nsource_password = 'hack:me'\n{}",
        station(folder.path(), "crossfade = '0s'")
    );
    let server = Server::start_within(&[], &settings, &[]);
    server.observe().await.is_live("tone").await;
    let listener = server.listen("tone", 17.0, &[]);
    let player = play(&server, "tone", 17.0);
    listener.hears();
    let pause = std::time::Duration::from_millis(1_500);
    for encoder in [
        "-c:a libmp3lame -b:a 128k -content_type audio/mpeg -f mp3",
        "-c:a libopus -b:a 96k -content_type audio/ogg -page_duration 60000 -f ogg",
    ] {
        tokio::time::sleep(pause).await;
        let mut command = std::process::Command::new("ffmpeg");
        command.args("-nostdin -loglevel error -re -f lavfi -i".split(' '));
        command.arg("sine=frequency=880:sample_rate=48000:duration=3,volume=4");
        command.args(["-ac", "2"]).args(encoder.split(' '));
        command.arg(format!("icecast://source:hack:me@{}/tone", server.http()));
        let (code, errors) = outcome(&mut command);
        assert_eq!(code, 0, "{errors}");
    }
    let heard = listener.finish();
    let played = player.join().unwrap();
    let expected = [440.0, 880.0, 440.0, 880.0, 440.0];
    for sound in [&heard.sound, &played] {
        let freqs = heard_freqs(sound, &[440.0, 880.0]);
        assert_eq!(course(sound, &[440.0, 880.0]), expected, "{freqs:?}");
        assert!(freqs.len() > 150, "{freqs:?}");
        // Fades, and the moments in which one source follows the other.
        let quiet = freqs.iter().skip(3).filter(|&&freq| freq == 0.0).count();
        assert!(quiet <= 40, "{freqs:?}");
    }
    assert_unbroken(&heard);
}

#[tokio::test]
async fn a_station_with_nothing_to_play_is_silent_or_stops() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("broken.mp3"), "nothing").unwrap();
    let silent = station(folder.path(), "then = 'silence'");
    let off = silent
        .replace("'tone'", "'off'")
        .replace("then = 'silence'", "");
    let server = Server::start_within(&[], &(silent + &off), &[]);
    server.observe().await.is_live("tone").await;
    let heard = server.listen("tone", 2.0, &[]).finish();
    assert!(heard.number("packets") > 50.0, "{:#}", heard.stats);
    assert!(heard.sound.iter().all(|sample| sample.abs() < 1e-3));
    assert_eq!(heard.titles(), ["Tone FM"]);
    let (_, told) = ask(server.http(), "GET", "/api/v1/stations/off", b"", None);
    assert_eq!(told["state"], "offline", "{told}");
    // What comes is found, and nothing spins until then.
    write_wav(&folder.path().join("good.wav"), 440.0, 2.0);
}

#[tokio::test]
async fn the_queue_is_managed_by_those_who_may() {
    let folder = tones(
        &[("a.wav", 440.0), ("b.wav", 440.0), ("c.wav", 440.0)],
        60.0,
    );
    let server = Server::start_within(
        &[],
        &station(folder.path(), "crossfade = '0s'\nrequests = 'approval'"),
        &[],
    );
    server.observe().await.is_live("tone").await;
    let call = |token: &str, method: &str, path: &str, body: Value| {
        let path = format!("/api/v1/stations/tone/{path}");
        let token = (!token.is_empty()).then_some(token);
        ask(
            server.http(),
            method,
            &path,
            body.to_string().as_bytes(),
            token,
        )
    };
    let publisher = server.source_token("tone");
    let moderator = server.token_of("mo", &["--moderate", "tone"]);
    let admin = server.token_of("root", &["--admin"]);
    let other = server.token_of("eve", &["--publish", "other"]);
    let listener = server.token_of("ann", &[]);

    // The table of rights.
    let file = json!({ "file": "b.wav" });
    for (who, token, manage, request) in [
        ("nobody", "", 401, 401),
        ("garbage", "a.b.c", 401, 401),
        ("a listener", &*listener, 403, 200),
        ("of another station", &*other, 403, 200),
        ("its publisher", &*publisher, 200, 200),
        ("its moderator", &*moderator, 200, 200),
        ("an administrator", &*admin, 200, 200),
    ] {
        assert_eq!(call(token, "GET", "queue", Value::Null).0, manage, "{who}");
        assert_eq!(
            call(token, "GET", "library", Value::Null).0,
            request,
            "{who}"
        );
        assert_eq!(
            call(token, "GET", "requests", Value::Null).0,
            request,
            "{who}"
        );
        if manage != 200 {
            for (method, path) in [
                ("POST", "queue"),
                ("POST", "queue/skip"),
                ("PATCH", "queue/1"),
                ("DELETE", "queue/1"),
                ("PATCH", "requests/1"),
            ] {
                assert_eq!(
                    call(token, method, path, file.clone()).0,
                    manage,
                    "{who} {path}"
                );
            }
        }
    }
    let (status, _) = ask(
        server.http(),
        "GET",
        "/api/v1/stations/x/queue",
        b"",
        Some(&admin),
    );
    assert_eq!(status, 404);

    // The library, and nothing beside it.
    let (_, library) = call(&listener, "GET", "library?limit=2", Value::Null);
    assert_eq!(library["total"], 3, "{library}");
    assert_eq!(library["files"][1]["file"], "b.wav", "{library}");
    let (_, rest) = call(&listener, "GET", "library?after=b.wav", Value::Null);
    assert_eq!(rest["files"].as_array().unwrap().len(), 1, "{rest}");
    for path in ["../skywave.toml", "/etc/passwd", "a.wav/../b.wav", ""] {
        let answer = call(&publisher, "POST", "queue", json!({ "file": path }));
        assert_eq!(answer.0, 404, "{path}");
    }
    assert_eq!(
        call(&publisher, "POST", "queue", json!({ "file": 1 })).0,
        400
    );

    // The queue: added, moved, removed, played.
    let add = |file: &str| {
        let (status, entry) = call(&publisher, "POST", "queue", json!({ "file": file }));
        assert_eq!(status, 201, "{entry}");
        entry["id"].as_u64().unwrap()
    };
    let (b, c, again) = (add("b.wav"), add("c.wav"), add("b.wav"));
    let moved = call(
        &moderator,
        "PATCH",
        &format!("queue/{c}"),
        json!({ "position": 0 }),
    );
    assert_eq!(moved.0, 204);
    assert_eq!(
        call(&admin, "DELETE", &format!("queue/{again}"), Value::Null).0,
        204
    );
    assert_eq!(
        call(&admin, "DELETE", &format!("queue/{again}"), Value::Null).0,
        404
    );
    let (_, told) = call(&publisher, "GET", "queue", Value::Null);
    let ids: Vec<_> = told["queue"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["id"].as_u64().unwrap())
        .collect();
    assert_eq!(
        (ids, told["on_air"].as_str()),
        (vec![c, b], Some("playlist")),
        "{told}"
    );
    assert_eq!(told["playing"]["file"], "a.wav", "{told}");

    // Wishes: asked for, refused, approved.
    let wish = |token: &str, file: &str| call(token, "POST", "requests", json!({ "file": file }));
    let (status, waiting) = wish(&listener, "a.wav");
    assert_eq!(
        (status, waiting["state"].as_str()),
        (201, Some("waiting")),
        "{waiting}"
    );
    assert_eq!(wish(&listener, "a.wav").0, 409, "it waits already");
    assert_eq!(wish(&listener, "b.wav").0, 409, "it is in the queue");
    assert_eq!(wish(&listener, "nope.wav").0, 404);
    let (_, theirs) = call(&other, "GET", "requests", Value::Null);
    assert_eq!(
        theirs["requests"],
        json!([]),
        "another's wishes are not shown"
    );
    let (_, all) = call(&moderator, "GET", "requests", Value::Null);
    assert_eq!(all["requests"][0]["id"], waiting["id"], "{all}");
    let path = format!("requests/{}", waiting["id"]);
    let (status, queued) = call(&moderator, "PATCH", &path, json!({ "approved": true }));
    assert_eq!(
        (status, queued["queued"]["file"].as_str()),
        (200, Some("a.wav")),
        "{queued}"
    );
    assert_eq!(
        call(&moderator, "PATCH", &path, json!({ "approved": true })).0,
        404
    );

    // What is skipped to is what was put first.
    assert_eq!(call(&publisher, "POST", "queue/skip", Value::Null).0, 204);
    until("c plays", || {
        let (_, told) = call(&publisher, "GET", "queue", Value::Null);
        (told["playing"]["file"] == "c.wav").then_some(())
    });
    until("its title is told", || {
        let (_, told) = ask(server.http(), "GET", "/api/v1/stations/tone", b"", None);
        (told["metadata"]["title"] == "c").then_some(())
    });
}
