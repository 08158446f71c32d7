//! What the program says and how it exits.

use std::process::Stdio;

use crate::harness::{Process, Server, fixture, outcome, skywave, until};

#[test]
fn exit_codes_differ_by_what_went_wrong() {
    let server = Server::start();
    let url = server.url();
    let token = server.source_token("tone");
    let file = fixture("tests/fixtures/tone.flac");
    let file = file.to_str().unwrap();
    // A port nobody listens on, found by asking for a free one.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let listen = |server: &str, more: &[&str]| {
        let mut command = skywave();
        command.args([
            "listen",
            "--server",
            server,
            "--station",
            "tone",
            "--duration",
            "1s",
        ]);
        outcome(command.args(more)).0
    };
    assert_eq!(listen(&url, &[]), 3, "no such station");
    assert_eq!(listen(&nowhere, &[]), 4);
    assert_eq!(listen(&nowhere, &["--transport", "websocket"]), 4);
    assert_eq!(listen("nonsense", &[]), 2);
    assert_eq!(listen(&url, &["--duration", "soon"]), 2);
    assert_eq!(listen(&url, &["--output", "/nowhere/x.wav"]), 2);
    assert_eq!(listen(&url, &["--json", "--output", "-"]), 2);
    let publish = |server: &str, more: &[&str]| {
        let mut command = skywave();
        command.args([
            "publish",
            "--server",
            server,
            "--station",
            "tone",
            "--token",
            &token,
        ]);
        outcome(command.args(more)).0
    };
    assert_eq!(publish(&nowhere, &[file]), 4);
    assert_eq!(publish(&url, &[]), 2, "no file");
    assert_eq!(publish(&url, &["--bitrate", "1k", file]), 2);
    assert_eq!(
        publish(&url, &["--frame", "60ms", "--bitrate", "510k", file]),
        2
    );
    assert_eq!(publish(&url, &["--loop", "-"]), 2);
    assert_eq!(
        outcome(skywave().args(["publish", "--station", "No Station"])).0,
        2
    );
    // What answers there is no Skywave server: it answers nothing at all.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mute_url = format!("http://{}", mute.local_addr().unwrap());
    assert_eq!(listen(&mute_url, &[]), 4);
}

#[tokio::test]
async fn ctrl_c_ends_a_publish_properly() {
    let server = Server::start();
    let mut observer = server.observe().await;
    let file = fixture("tests/fixtures/tone.flac");
    for transport in ["webtransport", "websocket"] {
        let args = ["--transport", transport, "--loop", file.to_str().unwrap()];
        let mut source = server.publish("tone", &args);
        observer.sees("started", "tone").await;
        source.signal("INT");
        assert_eq!(source.code(), 0, "{:?}", source.lines());
        observer.sees("stopped", "tone").await;
        let lost = observer.seen.iter().any(|seen| seen.0 == "interrupted");
        assert!(!lost, "it left in good order: {:?}", observer.seen);
    }
}

#[tokio::test]
async fn a_recording_goes_to_standard_output() {
    let server = Server::start();
    let mut observer = server.observe().await;
    let file = fixture("tests/fixtures/tone.flac");
    let _source = server.publish("tone", &[file.to_str().unwrap()]);
    observer.sees("started", "tone").await;
    let mut command = skywave();
    command.args(["listen", "--server", &server.url(), "--station", "tone"]);
    command.args(["--duration", "2s", "--quiet", "--output", "-"]);
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let output = tokio::task::spawn_blocking(move || child.unwrap().wait_with_output().unwrap());
    let output = output.await.unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{:?}",
        output.stderr
    );
    assert!(
        output.stdout.starts_with(b"RIFF"),
        "{} bytes",
        output.stdout.len()
    );
    assert!(
        output.stdout.len() > 48_000 * 4,
        "{} bytes",
        output.stdout.len()
    );
}

#[test]
fn the_configuration_is_checked_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let check = |file: &str, variables: &[(&str, &str)]| {
        let path = folder.path().join("skywave.toml");
        std::fs::write(&path, file).unwrap();
        let mut command = skywave();
        command.current_dir(folder.path()).arg("check-config");
        command.envs(variables.iter().copied());
        let output = command.output().unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), shown, errors)
    };
    let secret = "a very secret secret of 32 bytes or more";
    let file = format!("[auth]\nsecret = '{secret}'\n[limits]\nsessions = 5\n");
    let (code, shown, errors) = check(&file, &[("SKYWAVE_HTTP_ADDR", "127.0.0.1:81")]);
    assert_eq!(code, 0, "{errors}");
    assert!(
        shown.contains("sessions = 5") && shown.contains("127.0.0.1:81"),
        "{shown}"
    );
    assert!(!shown.contains(secret), "{shown}");
    for (file, variables, named) in [
        ("colour = 'red'", &[][..], "colour"),
        ("", &[("SKYWAVE_COLOUR", "red")], "SKYWAVE_COLOUR"),
        ("[auth]\nsecret = 'short'", &[], "auth.secret"),
        ("[auth]\njwks_file = '/nowhere'", &[], "auth.jwks_file"),
        ("[log]\nfilter = 'a=b=c'", &[], "log.filter"),
    ] {
        let (code, _, errors) = check(file, variables);
        assert_eq!(code, 2, "{file}: {errors}");
        assert!(errors.contains(named), "{file}: {errors}");
    }
    let none = check("", &[]);
    assert_eq!(none.0, 0);
    assert!(
        !folder.path().join("data").exists(),
        "checking makes nothing"
    );
}

#[test]
fn the_demo_station_is_on_air_and_a_taken_port_is_told() {
    let server = Server::start_with(&["--demo"]);
    let listener = server.listen("demo", 3.0, &[]);
    let heard = listener.finish();
    assert!(heard.number("packets") > 100.0, "{:#}", heard.stats);
    assert_eq!(heard.number("lost"), 0.0, "{:#}", heard.stats);
    assert!(!heard.titles().is_empty(), "{:#}", heard.stats);
    let loudest = heard
        .sound
        .iter()
        .fold(0.0f32, |loudest, value| loudest.max(value.abs()));
    assert!((0.01..0.9).contains(&loudest), "{loudest}");

    let folder = tempfile::tempdir().unwrap();
    let mut command = skywave();
    command
        .current_dir(folder.path())
        .args(["--http", server.http(), "--quic", "off"]);
    let (code, errors) = outcome(&mut command);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains(server.http()), "{errors}");
}

#[test]
fn serving_is_what_it_does_without_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = skywave();
    command.current_dir(folder.path());
    command.args(["--http", "127.0.0.1:0", "--quic", "off"]);
    let mut process = Process::start("skywave", &mut command);
    until("it serves", || {
        process
            .lines()
            .iter()
            .any(|line| line.contains("serving at"))
            .then_some(())
    });
    process.signal("INT");
    assert_eq!(process.code(), 0, "{:?}", process.lines());
}
