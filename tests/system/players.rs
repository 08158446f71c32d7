//! Players of every kind hear a station by plain HTTP as it was sent.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use media::decoder::Decoder;
use media::input::{Event, Input};
use media::measure::{deinterleave, find_gaps, tone_report};
use media::ogg::{self, Demuxer, Head, Muxer, Tags};
use media::packetizer::Packetizer;

use crate::compat::works;
use crate::encoders::{PASSWORD, serve, station, words};
use crate::harness::{PATIENCE, Process, Server, get, until};

/// An endless tone sent by ffmpeg.
fn tone(server: &Server, id: &'static str, args: &str) -> Process {
    let mut command = Command::new("ffmpeg");
    command.args(words("-nostdin -loglevel error -re -f lavfi -i"));
    command.arg("sine=frequency=440:sample_rate=48000,volume=4");
    command.args(words("-ac 2 -ice_genre Test -ice_url http://a.example/"));
    command.args(["-ice_name", "Tone FM"]).args(words(args));
    command.arg(format!(
        "icecast://source:{PASSWORD}@{}/{id}",
        server.http()
    ));
    let process = Process::start(id, &mut command);
    until(id, || station(server, id));
    process
}

fn on_air(server: &Server) -> [Process; 3] {
    let ogg = "-content_type audio/ogg -page_duration 20000 -f ogg";
    let all = [
        tone(server, "opus", &format!("-c:a libopus -b:a 96k {ogg}")),
        tone(
            server,
            "mp3",
            "-c:a libmp3lame -b:a 128k -content_type audio/mpeg -f mp3",
        ),
        tone(
            server,
            "aac",
            "-c:a aac -b:a 160k -content_type audio/aac -f adts",
        ),
    ];
    for id in ["opus", "mp3", "aac"] {
        retitle(server, id, "Me+-+Etude");
    }
    // A player that joins is given a second of what was before.
    std::thread::sleep(Duration::from_millis(1100));
    all
}

fn retitle(server: &Server, id: &str, song: &str) {
    let url = format!(
        "{}/admin/metadata?mode=updinfo&mount=/{id}&song={song}",
        server.url()
    );
    let user = format!("source:{PASSWORD}");
    let told = Command::new("curl")
        .args(["-s", "-u", &user, &url])
        .output();
    let told = String::from_utf8(told.unwrap().stdout).unwrap();
    assert!(told.contains("<return>1</return>"), "{told}");
}

/// Decodes what a player wrote and judges the tone, apart from its first 500 ms.
fn judge(name: &str, path: &Path, snr_db: f64, log: &str) {
    let mut input = Input::open(path).unwrap_or_else(|error| panic!("{name}: {error}; {log}"));
    let channels = input.channels().count();
    let mut sound = Vec::new();
    // What was cut off in the middle of a frame ends with it.
    while let Ok(Some(event)) = input.next_event() {
        if let Event::Sound(more) = event {
            sound.extend(more);
        }
    }
    let left = deinterleave(&sound, channels, 0);
    let left = left.get(24_000..).unwrap_or_default();
    assert!(left.len() > 48_000, "{name}: {} samples; {log}", left.len());
    // A decoder that is stopped may fade out.
    let left = &left[..left.len() - 4_800];
    let report = tone_report(left, 48_000.0, 440.0);
    let gaps = find_gaps(left, 48_000.0, 440.0, report.amplitude);
    let clean = report.snr_db > snr_db && gaps.is_empty() && report.amplitude > 0.1;
    assert!(clean, "{name}: {report:?}, gaps {gaps:?}; {log}");
}

/// Runs a player to its end; answers all it said.
fn run(command: &mut Command) -> String {
    command.stdin(Stdio::null());
    let output = command.output().expect("the player is installed");
    let texts = [&output.stdout, &output.stderr];
    texts
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .concat()
}

fn ffmpeg(url: &str, file: &Path) -> String {
    let mut command = Command::new("ffmpeg");
    command
        .args(words("-nostdin -loglevel info -y -i"))
        .arg(url);
    command.args(words("-t 3 -ac 2 -ar 48000")).arg(file);
    run(&mut command)
}

fn mpv(url: &str, file: &Path) -> String {
    let mut command = Command::new("mpv");
    command.args(words(
        "--no-config --no-video --ao=pcm --audio-format=s16 --length=3",
    ));
    command
        .arg(format!("--ao-pcm-file={}", file.display()))
        .arg(url);
    run(&mut command)
}

/// VLC refuses to be run by root: it is run by nobody then.
fn vlc(url: &str, file: &Path) -> String {
    let folder = file.parent().unwrap();
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut command = match is_root {
        false => Command::new("vlc"),
        true => {
            let mut command = Command::new("setpriv");
            command.args(words("--reuid=65534 --regid=65534 --clear-groups vlc"));
            command
        }
    };
    command.env("HOME", folder);
    command.args(words("-vv -I oldrc --rc-fake-tty --no-color --sout"));
    let file = file.display();
    command.arg(format!(
        "#transcode{{acodec=s16l,channels=2,samplerate=48000}}:std{{access=file,mux=wav,dst={file}}}"
    ));
    command.arg(url).stdin(Stdio::piped());
    let mut vlc = Process::watch(
        "vlc",
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("VLC is installed"),
    );
    let mut say = vlc.stdin().expect("it is piped");
    std::thread::sleep(Duration::from_secs(5));
    // Titles of Ogg are answered, those of ICY are in its log.
    say.write_all(b"get_title\n").unwrap();
    std::thread::sleep(Duration::from_secs(1));
    say.write_all(b"quit\n").unwrap();
    vlc.wait();
    vlc.lines().join("\n")
}

/// One player, what it is given and what must come of it.
type Case = (&'static str, fn(&str, &Path) -> String, &'static str, f64);

/// Players hear the three streams at once, each with its title.
fn all_hear(server: &Server, cases: &[Case]) {
    use std::os::unix::fs::PermissionsExt;
    std::thread::scope(|scope| {
        for &(name, play, mount, snr_db) in cases {
            scope.spawn(move || {
                let folder = tempfile::tempdir().unwrap();
                // Whoever the player is run by writes there.
                let open = std::fs::Permissions::from_mode(0o777);
                std::fs::set_permissions(folder.path(), open).unwrap();
                let file = folder.path().join("heard.wav");
                let log = play(&format!("{}/{mount}", server.url()), &file);
                judge(name, &file, snr_db, &log);
                assert!(log.contains("Etude"), "{name}: {log}");
                works(name);
            });
        }
    });
}

#[test]
fn ffmpeg_and_mpv_hear_every_stream() {
    let (server, _folder) = serve();
    let _sources = on_air(&server);
    let cases: [Case; 6] = [
        ("ffmpeg-opus", ffmpeg, "opus", 25.0),
        ("ffmpeg-mp3", ffmpeg, "mp3.mp3", 25.0),
        ("ffmpeg-aac", ffmpeg, "aac.aac", 20.0),
        ("mpv-opus", mpv, "opus", 25.0),
        ("mpv-mp3", mpv, "mp3", 25.0),
        ("mpv-aac", mpv, "aac", 20.0),
    ];
    all_hear(&server, &cases);
}

#[test]
fn vlc_hears_every_stream() {
    let (server, _folder) = serve();
    let _sources = on_air(&server);
    let cases: [Case; 3] = [
        ("vlc-opus", vlc, "opus.opus", 25.0),
        ("vlc-mp3", vlc, "mp3", 25.0),
        ("vlc-aac", vlc, "aac", 20.0),
    ];
    all_hear(&server, &cases);
}

/// curl keeps the very bytes for three seconds.
fn curl(url: &str, file: PathBuf, icy: bool) -> (String, Vec<u8>) {
    let mut command = Command::new("curl");
    command
        .args(words("-s -D - --max-time 4 -o"))
        .arg(&file)
        .arg(url);
    if icy {
        command.args(["-H", "Icy-MetaData: 1"]);
    }
    let head = run(&mut command).to_ascii_lowercase();
    (head, std::fs::read(file).unwrap())
}

/// Parts sound from titles.
fn parted(mut bytes: &[u8], interval: usize) -> (Vec<u8>, Vec<String>) {
    let (mut sound, mut titles) = (Vec::new(), Vec::new());
    while bytes.len() > interval {
        let (piece, rest) = bytes.split_at(interval);
        sound.extend_from_slice(piece);
        let length = usize::from(rest[0]) * 16;
        let Some((block, rest)) = rest[1..].split_at_checked(length) else {
            break;
        };
        let text = String::from_utf8(block.to_vec()).unwrap();
        titles.extend(text.split('\'').nth(1).map(str::to_owned));
        bytes = rest;
    }
    (sound, titles)
}

#[test]
fn curl_gets_sound_titles_and_details() {
    let (server, _folder) = serve();
    let _sources = on_air(&server);
    let folder = tempfile::tempdir().unwrap();
    let streams = [
        ("opus", "opus", 25.0),
        ("mp3", "mp3", 25.0),
        ("aac", "aac.aac", 20.0),
    ];
    std::thread::scope(|scope| {
        for (id, mount, snr_db) in streams {
            let (server, folder) = (&server, folder.path());
            scope.spawn(move || {
                let url = format!("{}/{mount}", server.url());
                let icy = id != "opus";
                let file = folder.join(format!("{id}.whole"));
                let hearing = std::thread::spawn(move || curl(&url, file, icy));
                std::thread::sleep(Duration::from_millis(1500));
                retitle(server, id, "Other");
                let (head, bytes) = hearing.join().unwrap();
                let detail = |name: &str| {
                    let line = head.lines().find_map(|line| line.strip_prefix(name));
                    line.map(str::trim).map(str::to_owned)
                };
                assert_eq!(detail("icy-name:").as_deref(), Some("tone fm"), "{head}");
                assert_eq!(detail("icy-genre:").as_deref(), Some("test"), "{head}");
                assert_eq!(
                    detail("icy-url:").as_deref(),
                    Some("http://a.example/"),
                    "{head}"
                );
                let (sound, titles) = match detail("icy-metaint:") {
                    Some(interval) => parted(&bytes, interval.parse().unwrap()),
                    None => (bytes.clone(), ogg_titles(&bytes)),
                };
                assert_eq!(icy, detail("icy-metaint:").is_some(), "{head}");
                let expected = ["Me - Etude", "Other"];
                assert_eq!(titles, expected, "{id}");
                let path = folder.join(format!("sound.{}", if icy { id } else { "ogg" }));
                std::fs::write(&path, sound).unwrap();
                judge(id, &path, snr_db, &head);
            });
        }
    });
    ["curl-opus", "curl-mp3", "curl-aac"]
        .into_iter()
        .for_each(works);

    // The station's details are told where Icecast has them, and by the API.
    let (_, status) = get(server.http(), "/status-json.xsl");
    let sources = status["icestats"]["source"].as_array().unwrap();
    let types: Vec<_> = sources
        .iter()
        .map(|source| source["server_type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["audio/aac", "audio/mpeg", "audio/ogg"]);
    let (_, station) = get(server.http(), "/api/v1/stations/mp3");
    assert_eq!(
        (&station["genre"], &station["url"]),
        (&"Test".into(), &"http://a.example/".into())
    );
}

/// `Artist - Title` of each logical stream.
fn ogg_titles(bytes: &[u8]) -> Vec<String> {
    let mut demuxer = Demuxer::new();
    demuxer.push(bytes).unwrap();
    let mut titles = Vec::new();
    while let Some(event) = demuxer.poll() {
        if let ogg::Event::Tags(tags) = event {
            let parts = ["ARTIST", "TITLE"].map(|name| tags.first(name));
            let parts: Vec<_> = parts.into_iter().flatten().collect();
            titles.push(parts.join(" - "));
        }
    }
    titles
}

#[test]
fn a_flood_of_requests_for_nothing_leaves_nothing() {
    let (server, _folder) = serve();
    let mut stream = TcpStream::connect(server.http()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut ask = |count: usize, from: usize| {
        let mut answer = Vec::new();
        let mut bytes = [0; 16_384];
        for n in from..from + count {
            let request = format!("GET /none-{n} HTTP/1.1\r\nHost: a\r\n\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            answer.clear();
            while !answer.ends_with(b"no such mount\n") {
                let count = stream.read(&mut bytes).unwrap();
                assert!(count > 0, "{}", String::from_utf8_lossy(&answer));
                answer.extend_from_slice(&bytes[..count]);
            }
            assert!(
                answer.starts_with(b"HTTP/1.1 404"),
                "{}",
                String::from_utf8_lossy(&answer)
            );
        }
    };
    let resident = |server: &mut Server| {
        let path = format!("/proc/{}/status", server.process().id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let mut server = server;
    ask(1_000, 0);
    let before = resident(&mut server);
    ask(10_000, 1_000);
    let after = resident(&mut server);
    assert!(after < before + 2_048, "{before} kB became {after} kB");
    let (_, stations) = get(server.http(), "/api/v1/stations");
    assert_eq!(stations["stations"].as_array().unwrap().len(), 0);
}

#[test]
fn a_title_of_a_megabyte_is_refused_and_the_sound_goes_on() {
    let (server, _folder) = serve();
    let ogg = "-content_type audio/ogg -page_duration 20000 -f ogg";
    let mut source = tone(&server, "opus", &format!("-c:a libopus -b:a 96k {ogg}"));
    let mut stream = TcpStream::connect(server.http()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = "GET /admin/metadata?mode=updinfo&mount=/opus&song=";
    // The server may have answered and closed before all of it is written.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&vec![b'x'; 1 << 20]);
    let mut answer = vec![0; 4096];
    let count = stream.read(&mut answer).unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
    assert!(
        answer.contains(" 431 ") || answer.contains(" 414 "),
        "{answer}"
    );
    retitle(&server, "opus", "Bj%F6rk%00%0D%0A%1B+-+J%F3ga");
    let told = until("the title", || {
        let title = station(&server, "opus")?["metadata"].clone();
        (title["title"] == "Jóga").then_some(title)
    });
    assert_eq!(told["artist"], "Björk");
    assert!(source.is_running());
}

#[test]
fn an_encoder_whose_token_is_revoked_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("revoked");
    std::fs::write(&list, "").unwrap();
    let settings = format!("[auth]\nrevoked_file = '{}'\n", list.display());
    let server = Server::start_within(&[], &settings, &[]);
    let token = server.token_of("eve", &["--publish", "jazz"]);
    let mut command = Command::new("ffmpeg");
    command.args(words(
        "-nostdin -loglevel error -re -f lavfi -i sine=440 -c:a libmp3lame",
    ));
    command.args(words("-content_type audio/mpeg -f mp3"));
    command.arg(format!("icecast://eve:{token}@{}/jazz", server.http()));
    let mut source = Process::start("ffmpeg", &mut command);
    until("jazz", || station(&server, "jazz"));
    std::fs::write(&list, "sub eve\n").unwrap();
    source.wait();
    let (_, jazz) = get(server.http(), "/api/v1/stations/jazz");
    assert_eq!(
        jazz["state"], "offline",
        "at once, not after an interruption"
    );
}

/// An encoder's packets come to a player as they are. How long they take from the encoder's
/// write to their sound, over loopback, is left beside the build: it depends on the machine.
#[test]
fn packets_of_opus_pass_unchanged() {
    let (server, folder) = serve();
    drop(server);
    let settings = std::fs::read_to_string(folder.path().join("skywave.toml")).unwrap();
    let settings = format!("{settings}[http]\nburst = '0s'\n");
    let server = Server::start_within(&[], &settings, &[]);
    let sent = Arc::new(Mutex::new(HashMap::<Vec<u8>, Instant>::new()));
    let times = Arc::clone(&sent);
    let to = server.http().to_owned();
    let source = std::thread::spawn(move || send_noise(&to, &times));
    until("noise", || station(&server, "noise"));
    let mut stream = TcpStream::connect(server.http()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /noise HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let (mut demuxer, mut decoder) = (Demuxer::new(), Decoder::new());
    let (mut bytes, mut sound) = ([0; 4096], vec![0.0; 2 * 5760]);
    let mut delays = Vec::new();
    while delays.len() < 300 {
        let count = stream.read(&mut bytes).unwrap();
        assert!(count > 0, "it ended after {} packets", delays.len());
        demuxer.push(&bytes[..count]).unwrap_or_default();
        while let Some(event) = demuxer.poll() {
            if let ogg::Event::Packet { data, .. } = event {
                decoder.decode(&data, &mut sound).unwrap();
                let written = sent.lock().unwrap().get(&data).copied();
                delays.push(written.expect("it is the encoder's own").elapsed());
            }
        }
    }
    drop(stream);
    source.join().unwrap();
    delays.sort();
    let at = |share: f64| delays[(share * (delays.len() - 1) as f64) as usize].as_secs_f64() * 1e3;
    // A packet is written when its last sample was taken: its first is 20 ms older.
    let text = format!(
        "Ogg Opus over HTTP, burst 0, {} packets of 20 ms: from write to decoded p50 {:.1} ms, \
         p95 {:.1} ms; from the first sample p50 {:.1} ms, p95 {:.1} ms\n",
        delays.len(),
        at(0.5),
        at(0.95),
        at(0.5) + 20.0,
        at(0.95) + 20.0,
    );
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("http-opus-delay.txt");
    std::fs::write(file, &text).unwrap();
    println!("{text}");
}

/// Sends 8 s of a noise, every packet of which differs, in real time as Ogg Opus.
fn send_noise(to: &str, times: &Mutex<HashMap<Vec<u8>, Instant>>) {
    let mut seed = 1u32;
    let mut noise = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let mut packets = Vec::new();
    let mut packetizer = Packetizer::new(media::encoder::Config::default(), 0, 0).unwrap();
    let sound: Vec<f32> = (0..8 * 96_000).map(|_| noise() * 0.2).collect();
    let pushed = packetizer.push(&sound, |packet| packets.push(packet.payload.to_vec()));
    pushed.unwrap();
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_nodelay(true).unwrap();
    let auth = "c291cmNlOmhhY2s6bWU="; // source:hack:me
    let mut out = format!(
        "PUT /noise HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {auth}\r\n\
         Content-Type: audio/ogg\r\n\r\n"
    )
    .into_bytes();
    let mut muxer =
        Muxer::new(1, &Head::new(2, 312), &Tags::default(), &mut out).with_page_samples(0);
    let begun = Instant::now();
    for (n, packet) in packets.iter().enumerate() {
        let due = Duration::from_millis(20) * n as u32;
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        muxer.packet(packet, 960, &mut out);
        times.lock().unwrap().insert(packet.clone(), Instant::now());
        // The player may have had enough.
        if stream.write_all(&out).is_err() {
            return;
        }
        out.clear();
    }
}
