//! Files of every kind, good and bad.

use std::io::Write;
use std::process::Stdio;

use media::measure::{deinterleave, tone_report};

use crate::harness::{Process, Server, fixture, outcome};
use crate::tone::assert_clean;

#[tokio::test]
async fn what_is_no_audio_never_goes_on_air() {
    let server = Server::start();
    let mut observer = server.observe().await;
    let token = server.source_token("tone");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let mp3 = std::fs::read(fixture("tests/fixtures/tone.mp3")).unwrap();
    let cases = [
        file("empty.mp3", b""),
        file("text.mp3", &b"This is no sound at all.\n".repeat(1000)),
        file("zeros.wav", &[0; 100_000]),
        file("header.flac", b"fLaC"),
        file("header.wav", b"RIFF\xff\xff\xff\xffWAVEfmt "),
        file("tags-only.mp3", &mp3[..60]),
        folder.path().join("missing.wav"),
        folder.path().to_path_buf(),
    ];
    for path in cases {
        let (code, errors) = outcome(server.publish_command("tone", &token).arg(&path));
        assert_eq!(code, 2, "{}: {errors}", path.display());
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(errors.contains(name), "the file is named: {errors}");
    }
    // Nothing was told of the station but its first good publish.
    let good = fixture("tests/fixtures/tone.mp3");
    let _source = server.publish("tone", &[good.to_str().unwrap()]);
    observer.sees("started", "tone").await;
    assert_eq!(observer.seen[0].0, "started", "{:?}", observer.seen);
}

#[tokio::test]
async fn a_file_that_is_cut_short_plays_what_there_is() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    for name in ["tone.flac", "tone.mp3"] {
        let whole = std::fs::read(fixture("tests/fixtures").join(name)).unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, &whole[..whole.len() / 3]).unwrap();
        let mut source = server.publish("tone", &[path.to_str().unwrap()]);
        assert_eq!(source.code(), 0, "{name}: {:?}", source.lines());
        let packets = source.json().unwrap()["packets"].as_u64().unwrap();
        // A third of 8 s in 20 ms packets, more or less: files have headers.
        assert!((100..=160).contains(&packets), "{name}: {packets}");
    }
}

#[tokio::test]
async fn unusual_files_sound_as_they_should() {
    let server = Server::start();
    let mut observer = server.observe().await;
    // One channel at 8 kHz, six at 48 kHz, two at 192 kHz, each repeated without a seam.
    let mut sources = Vec::new();
    for name in ["mono8k", "six", "hires"] {
        let file = fixture(&format!("media/tests/fixtures/{name}.flac"));
        sources.push(server.publish(name, &["--loop", file.to_str().unwrap()]));
        observer.sees("started", name).await;
    }
    let listeners = ["mono8k", "six", "hires"].map(|name| (name, server.listen(name, 3.0, &[])));
    for (name, listener) in listeners {
        let heard = listener.finish();
        for channel in 0..2 {
            let side = deinterleave(&heard.sound, 2, channel);
            let report = tone_report(&side[9600..], 48_000.0, 440.0);
            // A seam costs a little: resamplers begin anew with each file.
            assert!(
                report.snr_db > 20.0,
                "{name}: {report:?}; {:#}",
                heard.stats
            );
        }
        assert_eq!(heard.number("lost"), 0.0);
    }
}

#[tokio::test]
async fn a_pipe_is_heard_while_it_is_written() {
    let server = Server::start();
    let mut observer = server.observe().await;
    let token = server.source_token("tone");
    let mut command = server.publish_command("tone", &token);
    command.args(["--title", "From a pipe", "-"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let mut source = Process::watch("publish -", child);
    let file = std::fs::read(fixture("tests/fixtures/tone.flac")).unwrap();
    let writer = std::thread::spawn(move || pipe.write_all(&file));
    observer.sees("started", "tone").await;
    let heard = server.listen("tone", 3.0, &[]).finish();
    assert_clean(&heard, 440.0, 30.0, 2.0);
    assert_eq!(heard.titles(), ["From a pipe"]);
    assert_eq!(source.code(), 0, "{:?}", source.lines());
    writer.join().unwrap().unwrap();
}
