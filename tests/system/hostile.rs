//! Bad input of every kind by HTTP: a clear answer, and nobody's sound suffers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use media::measure::{deinterleave, find_gaps, tone_report};
use media::ogg::{Demuxer, Event, Head, Muxer, Tags};
use media::toc::Toc;
use wire::message::Metadata;

use crate::harness::{PATIENCE, Server, fixture, get, until};
use crate::tone::{assert_clean, write_wav};

const SETTINGS: &str = "[icecast]\naddr = '127.0.0.1:0'\nsource_password = 'hack:me'\n";

/// `source:hack:me`.
const BASIC: &str = "Authorization: Basic c291cmNlOmhhY2s6bWU=";

/// What a server may keep of all this, in kilobytes: allocators do not give everything back.
const KEPT_KB: u64 = 64 * 1024;

/// Requests sent before their answers are read.
const AT_ONCE: usize = 100;

#[tokio::test]
async fn bad_input_is_answered_and_the_sound_goes_on() {
    let mut server = Server::start_within(&[], SETTINGS, &[]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tone.wav");
    write_wav(&path, 440.0, 2.0);
    let _source = server.publish("tone", &["--loop", path.to_str().unwrap()]);
    server.observe().await.is_live("tone").await;
    let listener = server.listen("tone", 12.0, &[]);
    listener.hears();

    unknown_mounts(&server, 1_000);
    let before = resident_kb(&mut server);
    unknown_mounts(&server, 9_000);
    let _fast = a_source_far_too_fast(&server);
    let _corrupt = corrupt_frames(&server);
    titles(&server);
    tags(&mut server);
    wrong_types(&mut server);
    hear(&server, "fast", |report, gaps| {
        assert!(report.snr_db > 25.0 && gaps == 0, "{report:?}, {gaps} gaps");
    });
    hear(&server, "corrupt", |report, _| {
        assert!(report.amplitude > 0.1, "{report:?}");
    });

    assert_clean(&listener.finish(), 440.0, 30.0, 9.0);
    let after = resident_kb(&mut server);
    assert!(after < before + KEPT_KB, "{before} kB became {after} kB");
    assert!(server.process().is_running());
}

/// Mounts nobody knows: each is answered, and none becomes a station.
fn unknown_mounts(server: &Server, count: usize) {
    let mut stream = TcpStream::connect(server.http()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    for first in (0..count).step_by(AT_ONCE) {
        let requests: String = (first..first + AT_ONCE)
            .map(|n| format!("GET /nobody-{n} HTTP/1.1\r\nHost: x\r\n\r\n"))
            .collect();
        stream.write_all(requests.as_bytes()).unwrap();
        for _ in 0..AT_ONCE {
            assert_eq!(answer(&mut answers), 404);
        }
    }
    let (_, told) = get(server.http(), "/api/v1/stations");
    let stations = told["stations"].as_array().unwrap().iter();
    let unknown = stations.filter(|station| station["id"].as_str().unwrap().starts_with("nobody"));
    assert_eq!(unknown.count(), 0);
}

/// Reads one answer with a length; gives its status.
fn answer(from: &mut impl BufRead) -> u16 {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(from.read_line(&mut head).unwrap() > 0, "cut off: {head}");
    }
    let head = head.to_ascii_lowercase();
    let length = head.split_once("content-length: ").expect("a length").1;
    let length = length.lines().next().unwrap().parse().unwrap();
    from.take(length).read_to_end(&mut Vec::new()).unwrap();
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// A source that says all it has at once, two minutes of it, as far as it is let.
fn a_source_far_too_fast(server: &Server) -> TcpStream {
    source(server, "fast", "audio/mpeg", frames().repeat(15))
}

/// Frames with wrong bytes in them, one in five.
fn corrupt_frames(server: &Server) -> TcpStream {
    let mut mp3 = frames();
    for at in (20_000..mp3.len()).step_by(2_000) {
        mp3[at] ^= 0xff;
    }
    source(server, "corrupt", "audio/mpeg", mp3.repeat(15))
}

/// Eight seconds of the tone in MP3, without what says its title.
fn frames() -> Vec<u8> {
    let mut mp3 = std::fs::read(fixture("tests/fixtures/tone.mp3")).unwrap();
    assert_eq!(&mp3[..3], b"ID3");
    // The length of an ID3 tag has seven bits in each byte.
    let length = mp3[6..10]
        .iter()
        .fold(0, |length, byte| length << 7 | usize::from(*byte));
    mp3.drain(..10 + length);
    mp3
}

/// Sends a body as an encoder while the connection is held.
fn source(server: &Server, mount: &str, kind: &str, body: Vec<u8>) -> TcpStream {
    let stream = TcpStream::connect(server.icecast()).unwrap();
    let head =
        format!("PUT /{mount} HTTP/1.1\r\nHost: x\r\n{BASIC}\r\nContent-Type: {kind}\r\n\r\n");
    let mut writer = stream.try_clone().unwrap();
    std::thread::spawn(move || {
        // It waits for the server, and ends with the connection.
        let _ = writer.write_all(&[head.as_bytes(), &body].concat());
    });
    stream
}

/// Titles too long, with what no page may show, and in another charset.
fn titles(server: &Server) {
    until("the mount is on air", || title(server, "fast"));
    let update = |song: &str| {
        let mut stream = TcpStream::connect(server.http()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let path = format!("/admin/metadata?mode=updinfo&mount=/fast&song={song}");
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\n{BASIC}\r\nConnection: close\r\n\r\n");
        // It may be refused before all of it was read.
        let _ = stream.write_all(request.as_bytes());
        let mut told = Vec::new();
        let _ = stream.read_to_end(&mut told);
        String::from_utf8_lossy(&told).into_owned()
    };
    let before = title(server, "fast");
    let told = update(&"x".repeat(1 << 20));
    assert!(
        told.is_empty() || told.starts_with("HTTP/1.1 4"),
        "{:.100}",
        told
    );
    assert_eq!(title(server, "fast"), before, "nothing of it is shown");
    for (song, shown) in [
        ("%00A%07%0D%0AB%1B[31m", "AB[31m".to_owned()),
        ("J%F3ga", "Jóga".to_owned()),
        (&"y".repeat(20_000), "y".repeat(Metadata::CHARS_MAX)),
    ] {
        assert!(update(song).contains("<return>1</return>"));
        until("the title", || {
            (title(server, "fast")? == shown).then_some(())
        });
    }
}

/// What the station shows; empty before anything is told, none while it is off air.
fn title(server: &Server, id: &str) -> Option<String> {
    let (_, station) = get(server.http(), &format!("/api/v1/stations/{id}"));
    let title = station["metadata"]["title"].as_str().unwrap_or_default();
    (station["state"] == "live").then(|| title.to_owned())
}

/// Comments in the stream that are far too long.
fn tags(server: &mut Server) {
    let long = "z".repeat(100_000);
    let _plays = source(server, "long", "audio/ogg", titled(&long));
    until("the long title", || {
        (title(server, "long")? == "z".repeat(Metadata::CHARS_MAX)).then_some(())
    });
    let huge = "z".repeat(1 << 20);
    let _refused = source(server, "huge", "audio/ogg", titled(&huge));
    ends_with(server, "no sound was found in the first 512 KB");
    assert_eq!(title(server, "huge"), None);
}

/// The tone as Ogg Opus of that title.
fn titled(title: &str) -> Vec<u8> {
    let mut demuxer = Demuxer::new();
    let opus = std::fs::read(fixture("media/tests/fixtures/tone.opus")).unwrap();
    demuxer.push(&opus).unwrap();
    let mut made = Vec::new();
    let tags = Tags {
        vendor: "test".into(),
        comments: vec![("TITLE".into(), title.into())],
    };
    let mut muxer = Muxer::new(1, &Head::new(2, 312), &tags, &mut made);
    while let Some(event) = demuxer.poll() {
        if let Event::Packet { data, .. } = event {
            let samples = Toc::parse(&data).unwrap().samples();
            muxer.packet(&data, samples, &mut made);
        }
    }
    muxer.flush(&mut made);
    made
}

/// What is something else than it is said to be, or nothing that is known.
fn wrong_types(server: &mut Server) {
    let text = b"<html>no sound at all</html>\n".repeat(20_000);
    for kind in ["audio/mpeg", "audio/ogg", "audio/flac", "audio/webm"] {
        let mount = kind.replace('/', "-");
        let _refused = source(server, &mount, kind, text.clone());
        until("the source is refused", || {
            let log = server.process().lines();
            let mut of = log.iter().filter(|line| line.contains(&mount));
            of.find(|line| line.contains("no audio") || line.contains("no sound"))
                .map(|_| ())
        });
        assert_eq!(title(server, &mount), None, "{kind}");
    }
}

fn ends_with(server: &mut Server, reason: &str) {
    until(reason, || {
        let log = server.process().lines();
        log.iter().any(|line| line.contains(reason)).then_some(())
    });
}

/// Hears a station for two seconds.
fn hear(server: &Server, id: &str, judge: impl FnOnce(&media::measure::ToneReport, usize)) {
    let heard = server.listen(id, 2.5, &[]).finish();
    let left = deinterleave(&heard.sound[2 * 9_600..], 2, 0);
    let report = tone_report(&left, 48_000.0, 440.0);
    let gaps = find_gaps(&left, 48_000.0, 440.0, report.amplitude);
    judge(&report, gaps.len());
}

/// Memory the server holds.
fn resident_kb(server: &mut Server) -> u64 {
    let status = format!("/proc/{}/status", server.process().id());
    let status = std::fs::read_to_string(status).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let words = line.unwrap().split_whitespace().nth(1);
    words.unwrap().parse().unwrap()
}
