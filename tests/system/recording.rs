//! Recordings: killed, full, listed, downloaded.

use std::path::{Path, PathBuf};
use std::process::Command;

use media::ogg::{Demuxer, Event};

use crate::harness::{Server, until};

const RECORDED: &str = "[recording]\nstations = ['demo']\n";

/// Samples in a recording behind its pre-skip, as its pages say, and its packets.
fn read(path: &Path) -> (u64, usize) {
    let mut demuxer = Demuxer::new();
    demuxer.push(&std::fs::read(path).unwrap()).unwrap();
    let (mut end, mut skip, mut packets) = (0, 0, 0);
    while let Some(event) = demuxer.poll() {
        match event {
            Event::Head(head) => skip = u64::from(head.pre_skip),
            Event::Packet { granule, .. } => {
                packets += 1;
                end = granule.unwrap_or(end);
            }
            Event::Tags(tags) => assert_eq!(tags.first("ORGANIZATION"), Some("Skywave Demo")),
            Event::End { .. } => {}
            Event::Gap | Event::Foreign => panic!("{}: {event:?}", path.display()),
        }
    }
    (end.saturating_sub(skip), packets)
}

fn recordings(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder.join("demo"));
    let files = files.into_iter().flatten().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|kind| kind == "opus"))
        .collect();
    files.sort();
    files
}

fn samples(folder: &Path) -> u64 {
    recordings(folder).iter().map(|path| read(path).0).sum()
}

#[test]
fn a_server_that_is_killed_leaves_files_that_play() {
    let mut server = Server::start_within(&[], RECORDED, &["--demo"]);
    let folder = server.folder().join("data/recordings");
    until("two seconds", || (samples(&folder) >= 96_000).then_some(()));
    server.kill();
    let [file] = &recordings(&folder)[..] else {
        panic!("one file")
    };
    let (length, packets) = read(file);
    assert!(
        length >= 96_000 && packets as u64 >= length / 960,
        "{length} {packets}"
    );
    // Somebody else's decoder takes all of it without complaint.
    let decoded = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-xerror",
            "-i",
            file.to_str().unwrap(),
            "-f",
            "s16le",
            "-",
        ])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&decoded.stderr);
    assert!(decoded.status.success() && errors.is_empty(), "{errors}");
    let heard = decoded.stdout.len() as u64 / 4;
    assert!(heard.abs_diff(length) <= 960, "{heard} of {length}");
    // What played is written down beside it.
    let titles = std::fs::read_to_string(file.with_extension("jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(titles.lines().next().unwrap()).unwrap();
    assert!(
        first["title"]
            .as_str()
            .is_some_and(|title| !title.is_empty()),
        "{titles}"
    );
    // Its next life leaves the file alone.
    let before = std::fs::read(file).unwrap();
    let _server = server.restart();
    until("another file", || {
        (recordings(&folder).len() == 2).then_some(())
    });
    assert_eq!(std::fs::read(file).unwrap(), before);
}

#[test]
fn recordings_are_started_listed_and_downloaded_by_the_api() {
    let server = Server::start_with(&["--demo"]);
    let admin = server.token(&["--admin"]);
    let request = |token: &str, args: &[&str], path: &str| request(&server, token, args, path);
    let publisher = server.source_token("demo");
    assert_eq!(request(&publisher, &["-X", "PUT"], "recording").0, 403);
    let stranger = server.source_token("other");
    assert_eq!(request(&stranger, &[], "recordings").0, 403);
    assert_eq!(request("nonsense", &[], "recordings").0, 401);
    let (status, body) = request(&admin, &["-X", "PUT"], "recording");
    assert_eq!((status, &*body), (200, r#"{"enabled":true,"on_air":true}"#));
    let list = || {
        let (status, body) = request(&publisher, &[], "recordings");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<serde_json::Value>(&body).unwrap()
    };
    let name = until("some sound", || {
        let entry = list()["recordings"].get(0)?.clone();
        assert_eq!(entry["recording"], true);
        (entry["bytes"].as_u64()? > 10_000).then(|| entry["name"].as_str().unwrap().to_owned())
    });
    let file = format!("recordings/{name}");
    assert_eq!(
        request(&admin, &["-X", "DELETE"], &file).0,
        409,
        "it is being made"
    );
    assert_eq!(request(&admin, &["-X", "DELETE"], "recording").0, 200);
    until("its end", || {
        (list()["recordings"][0]["recording"] == false).then_some(())
    });
    assert_eq!(list()["enabled"], false);
    let (status, part) = request(&publisher, &["-r", "0-3"], &file);
    assert_eq!((status, &*part), (206, "OggS"));
    assert_eq!(
        request(&publisher, &[], "recordings/..%2f..%2fsecret").0,
        404
    );
    assert_eq!(request(&publisher, &["-X", "DELETE"], &file).0, 403);
    assert_eq!(request(&admin, &["-X", "DELETE"], &file).0, 204);
    assert_eq!(request(&publisher, &[], &file).0, 404);
    assert_eq!(list()["recordings"].as_array().unwrap().len(), 0);
}

#[test]
fn a_full_disk_costs_what_does_not_fit_and_nothing_else() {
    // A file system of its own, of 48 kB: three seconds.
    let mount = "mkdir -p data/recordings && \
                 mount -t tmpfs -o size=48k tmpfs data/recordings && exec \"$@\"";
    let wrapper = [
        "unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        mount,
        "sh",
    ];
    let mut server = Server::start_within(&wrapper, RECORDED, &["--demo"]);
    let folder = format!("/proc/{}/cwd/data/recordings", server.process().id());
    let folder = Path::new(&folder);
    let failed = |server: &mut Server| {
        let lines = server.process().lines();
        lines
            .iter()
            .filter(|line| line.contains("recording demo failed"))
            .count()
    };
    until("the disk is full", || {
        (failed(&mut server) > 0).then_some(())
    });
    let full = recordings(folder);
    let (length, _) = read(&full[0]);
    assert!(length > 48_000, "{length}");
    // The sound goes on, and the file stays as it is.
    let heard = server.listen("demo", 3.0, &[]).finish();
    assert_eq!(heard.number("lost"), 0.0);
    assert_eq!(read(&full[0]).0, length);
    assert_eq!(
        failed(&mut server),
        1,
        "told once, however often it is tried"
    );
    // With room again it goes on by itself.
    let name = full[0].file_name().unwrap().to_str().unwrap();
    let admin = server.token(&["--admin"]);
    let removed = request(
        &server,
        &admin,
        &["-X", "DELETE"],
        &format!("recordings/{name}"),
    );
    assert_eq!(removed.0, 204, "{}", removed.1);
    until("another file", || (samples(folder) > 48_000).then_some(()));
    assert!(server.process().is_running());
}

/// Asks the API about the demo station; answers status and body.
fn request(server: &Server, token: &str, args: &[&str], path: &str) -> (u16, String) {
    let url = format!("{}/api/v1/stations/demo/{path}", server.url());
    let mut command = Command::new("curl");
    command.args(["-s", "-m", "10", "-w", "\n%{http_code}", "-H"]);
    command.arg(format!("Authorization: Bearer {token}"));
    let output = command.args(args).arg(url).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}
