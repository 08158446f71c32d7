//! Clients that share no line with us.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Process, Server, fixture, skywave};

/// The Python that has aioquic; `scripts/setup.sh test` makes it, in the target folder.
fn python() -> PathBuf {
    let program = PathBuf::from(skywave().get_program());
    let target = program.ancestors().nth(2).unwrap();
    let python = target.join("foreign/bin/python");
    assert!(
        python.exists(),
        "{} is missing: run scripts/setup.sh test",
        python.display()
    );
    python
}

#[test]
fn aioquic_opens_a_session_and_hears_every_packet() {
    const PACKETS: u64 = 100;
    let server = Server::start();
    let tone = fixture("tests/fixtures/tone.flac");
    let _source = server.publish("demo", &["--loop", tone.to_str().unwrap()]);
    let station = format!("{}/api/v1/stations/demo", server.url());
    crate::harness::until("the station is on air", || {
        let told = fetch(&station)?;
        (told["state"] == "live").then_some(())
    });
    let place = fetch(&format!("{}/api/v1/connect", server.url())).unwrap();
    let script = fixture("tests/foreign/listen.py");
    let mut command = Command::new(python());
    command.arg(script).arg(place.to_string()).arg("demo");
    let mut listener = Process::start("aioquic", command.arg(PACKETS.to_string()));
    assert_eq!(listener.code(), 0);
    let heard = crate::harness::until("its report", || listener.json());
    assert!(heard["packets"].as_u64().unwrap() >= PACKETS, "{heard}");
    // Loopback loses nothing, whatever is late.
    assert_eq!(heard["packets"], heard["span"], "{heard}");
    assert_eq!(heard["malformed"], 0, "{heard}");
    assert_eq!(heard["track"]["codec"], "opus", "{heard}");
    let pushes = heard["pushes"].as_array().unwrap();
    for push in ["metadata", "listeners"] {
        assert!(pushes.contains(&Value::from(push)), "{heard}");
    }
    // Control, and the two of the relay's.
    assert_eq!(heard["streams"], 3, "{heard}");
}

fn fetch(url: &str) -> Option<Value> {
    let output = Command::new("curl").args(["-s", url]).output().unwrap();
    serde_json::from_slice(&output.stdout).ok()
}
