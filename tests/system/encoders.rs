//! Encoders that speak Icecast or SHOUTcast are heard as they sent.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use media::measure::{deinterleave, find_gaps, tone_report};
use serde_json::Value;

use crate::compat::works;
use crate::harness::{PATIENCE, Process, Server, fixture, outcome, until};

pub(crate) const PASSWORD: &str = "hack:me";

/// For an encoder that tells its title when it likes.
const UNTOLD: &[&str] = &["?"];

/// A server with a password for encoders, a port of their own, and its settings' folder.
pub(crate) fn serve() -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("skywave.toml");
    let settings = format!(
        "[icecast]\naddr = '127.0.0.1:0'\nsource_password = '{PASSWORD}'\n\
         shoutcast_station = 'shout'\n"
    );
    std::fs::write(&config, settings).unwrap();
    let server = Server::start_with(&["--config", config.to_str().unwrap()]);
    (server, folder)
}

pub(crate) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace()
}

/// ffmpeg sending a tone in real time.
fn ffmpeg(to: &str, station: &str, args: &str) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(words("-nostdin -loglevel error -re -f lavfi -i"));
    command.arg("sine=frequency=440:sample_rate=48000:duration=8,volume=4");
    command.args(words("-ac 2")).args(words(args));
    command.arg(format!("icecast://source:{PASSWORD}@{to}/{station}"));
    command
}

/// The station as the API tells it.
pub(crate) fn station(server: &Server, id: &str) -> Option<Value> {
    let url = format!("{}/api/v1/stations/{id}", server.url());
    let output = Command::new("curl").args(["-s", &url]).output().unwrap();
    let station: Value = serde_json::from_slice(&output.stdout).ok()?;
    (station["state"] == "live").then_some(station)
}

/// Hears the station for two seconds and judges the tone; answers the titles shown.
fn hear_tone(server: &Server, id: &str, snr_db: f64) -> Vec<String> {
    until(id, || station(server, id));
    let heard = server.listen(id, 2.5, &[]).finish();
    let sound = &heard.sound[2 * 9600..];
    let left = deinterleave(sound, 2, 0);
    let report = tone_report(&left, 48_000.0, 440.0);
    let gaps = find_gaps(&left, 48_000.0, 440.0, report.amplitude);
    let clean = report.snr_db > snr_db && gaps.is_empty() && report.amplitude > 0.1;
    assert!(clean, "{id}: {report:?}, gaps {gaps:?}; {:#}", heard.stats);
    heard.titles().into_iter().map(str::to_owned).collect()
}

/// Starts every encoder at once and judges each.
fn all_are_heard(server: &Server, encoders: Vec<(&'static str, Command, f64, &[&str])>) {
    let running: Vec<_> = encoders
        .into_iter()
        .map(|(id, mut command, snr, titles)| (id, Process::start(id, &mut command), snr, titles))
        .collect();
    std::thread::scope(|scope| {
        for (id, _, snr, titles) in &running {
            scope.spawn(move || {
                let shown = hear_tone(server, id, *snr);
                assert!(*titles == UNTOLD || shown == **titles, "{id}: {shown:?}");
                works(id);
            });
        }
    });
}

#[test]
fn every_format_of_ffmpeg_is_heard() {
    let (server, _folder) = serve();
    let (http, plain) = (server.http(), server.icecast());
    let title = "-metadata title=Tone -metadata artist=Me";
    let mp3 = format!("-c:a libmp3lame -b:a 128k {title} -content_type audio/mpeg -f mp3");
    let aac = "-c:a aac -b:a 160k -content_type audio/aac -f adts";
    let ogg = "-content_type audio/ogg -page_duration 60000 -f ogg";
    let vorbis = format!("-c:a libvorbis -b:a 128k {title} -legacy_icecast 1 {ogg}");
    let opus = format!("-c:a libopus -b:a 96k {title} {ogg}");
    let opus60 = format!("-c:a libopus -frame_duration 60 -b:a 96k {ogg}");
    let flac = "-c:a flac -content_type audio/flac -f flac";
    let webm = "-c:a libopus -b:a 96k -content_type audio/webm -cluster_time_limit 60 -f webm";
    all_are_heard(
        &server,
        vec![
            ("mp3", ffmpeg(http, "mp3", &mp3), 25.0, &["Tone"]),
            ("aac", ffmpeg(plain, "aac", aac), 20.0, &[]),
            ("vorbis", ffmpeg(plain, "vorbis", &vorbis), 20.0, &["Tone"]),
            ("opus", ffmpeg(http, "opus", &opus), 25.0, &["Tone"]),
            ("opus60", ffmpeg(http, "opus60", &opus60), 25.0, &[]),
            ("flac", ffmpeg(http, "flac", flac), 25.0, &[]),
            ("webm", ffmpeg(http, "webm", webm), 25.0, &[]),
        ],
    );
}

fn write(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    // ezstream refuses a file with a password that others may read.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn ezstream(folder: &Path, protocol: &str, to: &str, station: &str) -> Command {
    let port = to.rsplit(':').next().unwrap();
    let file = fixture("tests/fixtures/tone.mp3");
    let file = file.display();
    // SHOUTcast's source port is one above the one named.
    let port = port.parse::<u16>().unwrap() - u16::from(protocol == "ICY");
    let path = folder.join(format!("{station}.xml"));
    write(
        &path,
        &format!(
            "<ezstream><servers><server><name>s</name><protocol>{protocol}</protocol>\
             <hostname>127.0.0.1</hostname><port>{port}</port><user>source</user>\
             <password>{PASSWORD}</password></server></servers>\
             <streams><stream><name>default</name><server>s</server><intake>i</intake>\
             <mountpoint>/{station}</mountpoint><format>MP3</format></stream></streams>\
             <intakes><intake><name>i</name><type>file</type><filename>{file}</filename>\
             </intake></intakes></ezstream>"
        ),
    );
    let mut command = Command::new("ezstream");
    command.arg("-c").arg(path);
    command
}

#[test]
fn other_encoders_are_heard() {
    let (server, folder) = serve();
    let (http, plain) = (server.http(), server.icecast());
    let mut curl = Command::new("curl");
    curl.args(words("-sS -H Content-Type:audio/mpeg --limit-rate 1M -T"));
    curl.arg(fixture("tests/fixtures/tone.mp3"));
    curl.args(["-u", &format!("source:{PASSWORD}")]);
    curl.arg(format!("http://{http}/curl"));
    let mut gst = Command::new("gst-launch-1.0");
    gst.args(words(
        "-q audiotestsrc is-live=true freq=440 num-buffers=400 ! audioconvert ! \
         audio/x-raw,rate=48000,channels=2 ! vorbisenc ! oggmux max-delay=60000000 ! \
         shout2send ip=127.0.0.1 mount=gst",
    ));
    let port = |to: &str| to.rsplit(':').next().unwrap().to_owned();
    gst.arg(format!("port={}", port(http)));
    gst.arg(format!("password={PASSWORD}"));
    let mut liquidsoap = Command::new("liquidsoap");
    liquidsoap.arg(format!(
        "set(\"init.allow_root\",true) output.icecast(%mp3(bitrate=128), host=\"127.0.0.1\", \
         port={}, password=\"{PASSWORD}\", mount=\"liquidsoap\", sine(440.))",
        port(http)
    ));
    all_are_heard(
        &server,
        vec![
            ("curl", curl, 25.0, &["The Tone"]),
            ("gst", gst, 20.0, &[]),
            ("liquidsoap", liquidsoap, 20.0, &[]),
            (
                "ezstream",
                ezstream(folder.path(), "HTTP", http, "ezstream"),
                25.0,
                UNTOLD,
            ),
            (
                "shout",
                ezstream(folder.path(), "ICY", plain, "shout"),
                25.0,
                UNTOLD,
            ),
        ],
    );
}

/// Says something over TCP; answers what comes back until `enough` or the end.
fn said(server: &Server, bytes: &[u8], enough: &str) -> String {
    let mut stream = TcpStream::connect(server.icecast()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if !enough.is_empty() && text.contains(enough) {
            return text;
        }
        match stream.read(&mut piece) {
            Ok(0) => return text,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            Err(error) => panic!("{error}, after {text}"),
        }
    }
}

#[test]
fn what_is_not_right_is_refused_in_icecasts_words() {
    let (server, _folder) = serve();
    let basic = "c291cmNlOmhhY2s6bWU="; // source:hack:me
    let put = |mount: &str, auth: &str, kind: &str| {
        format!("PUT {mount} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {auth}\r\n{kind}\r\n\r\n")
    };
    let mp3 = "Content-Type: audio/mpeg";
    for (request, status, words) in [
        (
            put("/a", "eDp5", mp3),
            "401 Unauthorized",
            "WWW-Authenticate: Basic",
        ),
        (
            put("/a", basic, "Content-Type: text/html"),
            "403",
            "Content-type not supported",
        ),
        (put("/a", basic, "X-A: b"), "403", "No Content-type given"),
        (put("/NO STATION", basic, mp3), "400", "first line"),
        (put("/No", basic, mp3), "400", "no station id"),
        ("wrong\r\n".into(), "invalid password", ""),
    ] {
        let answer = said(&server, request.as_bytes(), "");
        assert!(
            answer.contains(status) && answer.contains(words),
            "{request}: {answer}"
        );
    }

    // A token is a password; it must hold for the station.
    let token = server.source_token("jazz");
    let url = |mount: &str| format!("{}/{mount}", server.url());
    let curl = |args: &[&str]| {
        let output = Command::new("curl").arg("-sS").args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let file = fixture("tests/fixtures/tone.mp3");
    let file = file.to_str().unwrap();
    let user = format!("me:{token}");
    let kind = "Content-Type: audio/mpeg";
    let refused = curl(&["-u", &user, "-H", kind, "-T", file, &url("rock")]);
    assert!(refused.contains("not allowed"), "{refused}");
    let mut source = Command::new("curl");
    source.args(["-sS", "-u", &user, "-H", kind, "-T", file, &url("jazz")]);
    let _source = Process::start("curl", &mut source);
    until("jazz", || station(&server, "jazz"));
    let taken = curl(&["-u", &user, "-H", kind, "-T", file, &url("jazz")]);
    assert!(taken.contains("Mountpoint in use"), "{taken}");

    // Titles, in Latin-1 and by whoever may publish.
    let update = url("admin/metadata?mode=updinfo&mount=/jazz&song=Bj%F6rk+-+J%F3ga");
    assert!(curl(&["-u", "source:no", &update]).contains("authenticate"));
    assert!(curl(&["-u", &user, &update]).contains("<return>1</return>"));
    let title = until("the title", || {
        let metadata = station(&server, "jazz")?["metadata"].clone();
        (metadata["artist"] == "Björk").then_some(metadata)
    });
    assert_eq!(title["title"], "Jóga");
    let nowhere = url("admin/metadata?mode=updinfo&mount=/rock&song=x");
    let answer = curl(&["-u", &format!("source:{PASSWORD}"), &nowhere]);
    assert!(answer.contains("Source does not exist"), "{answer}");
}

#[test]
fn garbage_silence_and_half_rates_end_with_a_reason() {
    let (mut server, _folder) = serve();
    let head = |mount: &str, kind: &str| {
        let auth = "Authorization: Basic c291cmNlOmhhY2s6bWU=";
        format!("SOURCE /{mount} HTTP/1.0\r\n{auth}\r\nContent-Type: {kind}\r\n\r\n").into_bytes()
    };
    // Sound shares the head's packet; what is none ends the connection after the welcome.
    let mut garbage = head("garbage", "audio/mpeg");
    garbage.extend((0..2_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 & 0x7f));
    let http = server.icecast().to_owned();
    let mut flood = TcpStream::connect(http).unwrap();
    flood
        .set_write_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    // The server may have ended it by then.
    let _ = flood.write_all(&garbage);
    let mut he_aac = ffmpeg(
        server.http(),
        "half",
        "-ar 24000 -c:a aac -content_type audio/aacp -f adts",
    );
    let (_, _) = outcome(&mut he_aac);
    let silent = said(&server, &head("silent", "audio/mpeg"), "");
    assert!(silent.starts_with("HTTP/1.0 200 OK"), "{silent}");
    let told = ["no audio of a known format", "HE-AAC", "no sound for 10 s"];
    until("every reason is logged", || {
        let log = server.process().lines().join("\n");
        told.iter().all(|reason| log.contains(reason)).then_some(())
    });
    for id in ["garbage", "half", "silent"] {
        assert!(station(&server, id).is_none(), "{id}");
    }
}
