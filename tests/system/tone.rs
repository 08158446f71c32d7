//! A known tone on air is heard as it was sent.

use std::f64::consts::TAU;
use std::path::Path;
use std::process::Command;

use media::input::{Event, Input};
use media::measure::{deinterleave, find_gaps, tone_report};

use crate::harness::{Heard, Server, fixture};

pub(crate) const LEFT: f64 = 0.5;
pub(crate) const RIGHT: f64 = 0.25;
const RATE: f64 = 48_000.0;

/// Writes a stereo tone as 16-bit WAV at 44.1 kHz.
pub(crate) fn write_wav(path: &Path, freq: f64, seconds: f64) {
    write_sound(path, seconds, |time| (TAU * freq * time).sin());
}

/// The same of any sound: values of full scale by the time in seconds.
pub(crate) fn write_sound(path: &Path, seconds: f64, value: impl Fn(f64) -> f64) {
    let rate = 44_100u32;
    let frames = (seconds * f64::from(rate)) as u32;
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend((36 + frames * 4).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x02\0");
    wav.extend(rate.to_le_bytes());
    wav.extend((rate * 4).to_le_bytes());
    wav.extend(b"\x04\0\x10\0data");
    wav.extend((frames * 4).to_le_bytes());
    for n in 0..frames {
        let value = value(f64::from(n) / f64::from(rate));
        for amplitude in [LEFT, RIGHT] {
            wav.extend(((value * amplitude * 32_767.0).round() as i16).to_le_bytes());
        }
    }
    std::fs::write(path, wav).unwrap();
}

/// Reads what `skywave listen` recorded.
pub(crate) fn read_wav(path: &Path) -> Vec<f32> {
    let mut sound = Vec::new();
    let Ok(mut input) = Input::open(path) else {
        return sound;
    };
    while let Some(event) = input.next_event().unwrap() {
        if let Event::Sound(more) = event {
            sound.extend(more);
        }
    }
    sound
}

/// Asserts that the recording is the tone, clean and without a gap, on both sides. The
/// first 200 ms are left out: a decoder that joins in the middle needs a few packets.
pub(crate) fn assert_clean(heard: &Heard, freq: f64, snr_db: f64, seconds: f64) {
    let sound = heard.sound.get(2 * 9600..).unwrap_or_default();
    assert!(
        sound.len() as f64 / 2.0 / RATE > seconds,
        "{} samples of sound; {:#}",
        sound.len(),
        heard.stats
    );
    for (channel, amplitude) in [LEFT, RIGHT].into_iter().enumerate() {
        let side = deinterleave(sound, 2, channel);
        let report = tone_report(&side, RATE, freq);
        let gaps = find_gaps(&side, RATE, freq, amplitude);
        assert!(
            report.snr_db > snr_db && gaps.is_empty() && report.phase_jumps.is_empty(),
            "channel {channel}: {report:?}, gaps {gaps:?}; {:#}",
            heard.stats
        );
        assert!(
            (report.amplitude / amplitude - 1.0).abs() < 0.05,
            "{report:?}"
        );
    }
    assert_eq!(heard.number("lost"), 0.0, "{:#}", heard.stats);
    assert_eq!(heard.number("rejected"), 0.0, "{:#}", heard.stats);
}

/// Publishes a file over one transport and hears it over both.
async fn heard_over_both(file: &Path, publish_by: &str, snr_db: f64, title: &str) {
    let server = Server::start();
    let mut observer = server.observe().await;
    let file = file.to_str().unwrap();
    let mut source = server.publish("tone", &["--transport", publish_by, file]);
    observer.sees("started", "tone").await;
    observer.counts("tone", 0).await;
    let listeners = ["webtransport", "websocket"]
        .map(|transport| server.listen("tone", 4.0, &["--transport", transport]));
    observer.counts("tone", 2).await;
    for (listener, transport) in listeners.into_iter().zip(["webtransport", "websocket"]) {
        let heard = listener.finish();
        assert_clean(&heard, 440.0, snr_db, 3.0);
        assert_eq!(heard.stats["transport"], transport);
        assert_eq!(heard.titles(), [title], "{:#}", heard.stats);
    }
    observer.counts("tone", 0).await;
    assert_eq!(source.code(), 0);
    observer.sees("stopped", "tone").await;
}

#[tokio::test]
async fn a_wav_is_heard_as_it_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("A Tone.wav");
    write_wav(&file, 440.0, 8.0);
    heard_over_both(&file, "webtransport", 30.0, "A Tone").await;
}

#[tokio::test]
async fn a_flac_is_heard_as_it_was_sent() {
    heard_over_both(
        &fixture("tests/fixtures/tone.flac"),
        "websocket",
        30.0,
        "The Tone",
    )
    .await;
}

#[tokio::test]
async fn an_mp3_is_heard_as_it_was_sent() {
    heard_over_both(
        &fixture("tests/fixtures/tone.mp3"),
        "auto",
        25.0,
        "The Tone",
    )
    .await;
}

#[tokio::test]
async fn bundles_are_heard_as_single_packets_are_in_a_fraction_of_the_datagrams() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tone.wav");
    write_wav(&file, 440.0, 9.0);
    let server = Server::start();
    let mut observer = server.observe().await;
    let file = file.to_str().unwrap();
    let _source = server.publish("tone", &["--bitrate", "64k", file]);
    observer.sees("started", "tone").await;
    let transports = ["webtransport", "websocket"];
    let listeners = transports
        .map(|transport| server.listen("tone", 4.0, &["--bundle", "4", "--transport", transport]));
    let mut packets = 0.0;
    for (listener, transport) in listeners.into_iter().zip(transports) {
        let heard = listener.finish();
        assert_clean(&heard, 440.0, 25.0, 3.0);
        assert_eq!(heard.stats["transport"], transport);
        assert_eq!(heard.number("recovered"), 0.0, "{:#}", heard.stats);
        packets += heard.number("packets");
    }
    let datagrams = metric(&server, "skywave_datagrams_out_total");
    // Three seconds of each are heard at least; more does not come of a busy machine.
    assert!(packets > 200.0, "{packets}");
    assert!(
        packets > 3.0 * datagrams,
        "{packets} packets in {datagrams} datagrams"
    );
}

fn metric(server: &Server, name: &str) -> f64 {
    let url = format!("{}/metrics", server.url());
    let output = Command::new("curl").args(["-s", &url]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.expect(name).trim().parse().unwrap()
}

#[tokio::test]
async fn the_count_goes_from_none_to_one_to_none() {
    let server = Server::start();
    let mut observer = server.observe().await;
    let file = fixture("tests/fixtures/tone.flac");
    let _source = server.publish("tone", &["--loop", file.to_str().unwrap()]);
    observer.sees("started", "tone").await;
    observer.counts("tone", 0).await;
    let heard = server.listen("tone", 1.5, &[]).finish();
    observer.counts("tone", 1).await;
    observer.counts("tone", 0).await;
    let counted = heard.stats["listeners"].as_array().unwrap();
    assert_eq!(counted[0]["count"], 1, "{:#}", heard.stats);
}

/// Two tones one after the other: the second's title must be told with the very 10 ms in
/// which the second tone begins.
#[tokio::test]
async fn a_title_is_shown_when_its_sound_plays() {
    let server = Server::start();
    let mut observer = server.observe().await;
    let folder = tempfile::tempdir().unwrap();
    let files = [("First.wav", 440.0), ("Second.wav", 880.0)].map(|(name, freq)| {
        let path = folder.path().join(name);
        // A whole number of periods and of 48 kHz samples.
        write_wav(&path, freq, 5.0);
        path.to_str().unwrap().to_owned()
    });
    let mut source = server.publish("tone", &[&files[0], &files[1]]);
    observer.sees("started", "tone").await;
    let listeners = ["webtransport", "websocket"]
        .map(|transport| server.listen("tone", 7.0, &["--transport", transport]));
    for listener in listeners {
        let heard = listener.finish();
        assert_eq!(heard.titles(), ["First", "Second"], "{:#}", heard.stats);
        let told = &heard.stats["metadata"][1];
        let (from, played) = (told["timestamp"].as_u64(), told["played_at"].as_u64());
        let within = from.unwrap().abs_diff(played.unwrap());
        assert!(within <= 480, "told {within} samples away: {told}");
        let told_ms = told["output_ms"].as_f64().unwrap();
        let changes_ms = change_ms(&heard.sound);
        // The 10 ms of the block, and 10 ms of the measuring window.
        assert!(
            (changes_ms - told_ms).abs() <= 20.0,
            "the sound changes at {changes_ms} ms, the title at {told_ms} ms"
        );
    }
    assert_eq!(source.code(), 0);
}

/// Where 440 Hz becomes 880 Hz, to 10 ms.
fn change_ms(sound: &[f32]) -> f64 {
    let left = deinterleave(sound, 2, 0);
    let is_second = |window: &[f32]| {
        let crossings = window
            .windows(2)
            .filter(|pair| pair[0] <= 0.0 && pair[1] > 0.0)
            .count();
        // 440 Hz rises through zero 4 or 5 times in 10 ms, 880 Hz 8 or 9 times.
        crossings >= 7
    };
    let windows = left.chunks_exact(480);
    let at = windows.enumerate().find(|(_, window)| is_second(window));
    at.expect("the second tone is heard").0 as f64 * 10.0
}
