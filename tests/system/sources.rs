//! Who is a station's source.

use crate::harness::{Server, fixture, outcome};

#[tokio::test]
async fn a_second_source_is_refused_and_a_takeover_replaces_the_first() {
    let server = Server::start();
    let mut observer = server.observe().await;
    let file = fixture("tests/fixtures/tone.flac");
    let file = file.to_str().unwrap();
    let mut first = server.publish("tone", &["--loop", file]);
    observer.sees("started", "tone").await;
    let listener = server.listen("tone", 8.0, &[]);
    listener.hears();

    let token = server.source_token("tone");
    let (code, errors) = outcome(server.publish_command("tone", &token).arg(file));
    assert_eq!(code, 3, "{errors}");
    assert!(errors.contains("station_busy"), "{errors}");
    assert!(first.is_running());

    // Taking over needs the right to the station, not just the wish.
    let foreign = server.source_token("other");
    let mut command = server.publish_command("tone", &foreign);
    let (code, errors) = outcome(command.args(["--takeover", file]));
    assert_eq!(code, 3, "{errors}");
    assert!(
        errors.contains("forbidden") && first.is_running(),
        "{errors}"
    );

    let mut second = server.publish("tone", &["--loop", "--takeover", file]);
    assert_eq!(first.code(), 5, "{:?}", first.lines());
    let told = first.lines().join("\n");
    assert!(told.contains("another source took over"), "{told}");
    assert!(second.is_running());
    let heard = listener.finish();
    assert_eq!(heard.number("reconnects"), 0.0, "{:#}", heard.stats);
    assert!(!heard.events().contains(&"stopped"), "{:#}", heard.stats);
    assert!(heard.number("packets") > 250.0, "{:#}", heard.stats);

    second.signal("INT");
    assert_eq!(second.code(), 0, "{:?}", second.lines());
    observer.sees("stopped", "tone").await;
}

#[tokio::test]
async fn progress_tells_what_reached_the_relay() {
    let server = Server::start();
    let file = fixture("tests/fixtures/tone.flac");
    let args = [
        "--name",
        "Tone FM",
        "--description",
        "A tone.",
        file.to_str().unwrap(),
    ];
    let mut source = server.publish("tone", &args);
    assert_eq!(source.code(), 0, "{:?}", source.lines());
    let last = source.json().unwrap();
    // Eight seconds of 20 ms packets, and what it takes to empty the encoder.
    let packets = last["packets"].as_u64().unwrap();
    assert!((400..=402).contains(&packets), "{last}");
    assert_eq!(
        (&last["lost"], &last["rejected"]),
        (&0.into(), &0.into()),
        "{last}"
    );
    assert!(last["received"].as_u64().unwrap() > 250, "{last}");
    // A sine of 0.5 on one side and 0.25 on the other: -11.1 dBFS together.
    let level = last["level_dbfs"].as_f64().unwrap();
    assert!((level + 11.1).abs() < 1.0, "{last}");
    let bitrate = last["bitrate"].as_f64().unwrap();
    // Variable bitrate spends more on a pure tone than on music.
    assert!((60e3..256e3).contains(&bitrate), "{last}");
    assert!(last["round_trip_ms"].as_f64().is_some(), "{last}");
    assert_eq!(last["title"], "The Lab - The Tone");
}
