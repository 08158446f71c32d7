//! What `docs/compatibility.md` says, and which test stands behind each row of it.
//!
//! A test whose program was heard calls [`works`]: the row must be in the document, and is
//! left in the build's folder for `make compatibility`, which writes the document anew.

use std::path::PathBuf;

/// A row: the name its test gives it, and how the document has it.
type Row = (&'static str, &'static str);

const ENCODERS: [Row; 12] = [
    (
        "mp3",
        "| ffmpeg | `PUT` | MP3 | > 25 dB | from the stream |",
    ),
    ("aac", "| ffmpeg | `PUT` | AAC-LC (ADTS) | > 20 dB | |"),
    (
        "vorbis",
        "| ffmpeg | `SOURCE` (`-legacy_icecast 1`) | Ogg Vorbis | > 20 dB | from the stream |",
    ),
    (
        "opus",
        "| ffmpeg | `PUT` | Ogg Opus, 20 ms packets | > 25 dB | from the stream |",
    ),
    (
        "opus60",
        "| ffmpeg | `PUT` | Ogg Opus, 60 ms packets | > 25 dB | |",
    ),
    ("flac", "| ffmpeg | `PUT` | FLAC | > 25 dB | |"),
    ("webm", "| ffmpeg | `PUT` | WebM Opus | > 25 dB | |"),
    (
        "curl",
        "| curl | `PUT` with a length | MP3 | > 25 dB | from the stream (ID3) |",
    ),
    (
        "gst",
        "| GStreamer `shout2send` | `SOURCE` | Ogg Vorbis | > 20 dB | |",
    ),
    ("liquidsoap", "| Liquidsoap | `SOURCE` | MP3 | > 20 dB | |"),
    (
        "ezstream",
        "| ezstream (libshout) | `PUT` | MP3 | > 25 dB | |",
    ),
    (
        "shout",
        "| ezstream (libshout) | SHOUTcast v1 | MP3 | > 25 dB | |",
    ),
];

const PLAYERS: [Row; 12] = [
    (
        "curl-opus",
        "| curl | `/{mount}` | Ogg Opus | > 25 dB | in the Ogg tags, also when it changes |",
    ),
    (
        "curl-mp3",
        "| curl | `/{mount}` | MP3 | > 25 dB | ICY, also when it changes |",
    ),
    (
        "curl-aac",
        "| curl | `/{mount}.aac` | AAC (ADTS) | > 20 dB | ICY, also when it changes |",
    ),
    (
        "ffmpeg-opus",
        "| ffmpeg | `/{mount}` | Ogg Opus | > 25 dB | in the Ogg tags |",
    ),
    (
        "ffmpeg-mp3",
        "| ffmpeg | `/{mount}.mp3` | MP3 | > 25 dB | ICY |",
    ),
    (
        "ffmpeg-aac",
        "| ffmpeg | `/{mount}.aac` | AAC (ADTS) | > 20 dB | ICY |",
    ),
    (
        "mpv-opus",
        "| mpv | `/{mount}` | Ogg Opus | > 25 dB | in the Ogg tags |",
    ),
    ("mpv-mp3", "| mpv | `/{mount}` | MP3 | > 25 dB | ICY |"),
    (
        "mpv-aac",
        "| mpv | `/{mount}` | AAC (ADTS) | > 20 dB | ICY |",
    ),
    (
        "vlc-opus",
        "| VLC | `/{mount}.opus` | Ogg Opus | > 25 dB | in the Ogg tags |",
    ),
    ("vlc-mp3", "| VLC | `/{mount}` | MP3 | > 25 dB | ICY |"),
    (
        "vlc-aac",
        "| VLC | `/{mount}` | AAC (ADTS) | > 20 dB | ICY |",
    ),
];

const DOCUMENT: &str = include_str!("../../docs/compatibility.md");

/// Where the rows of what works go: `make compatibility` reads them.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compatibility")
}

/// The test of that name has heard its program.
pub(crate) fn works(name: &str) {
    let tables = [("encoders", &ENCODERS[..]), ("players", &PLAYERS[..])];
    let found = tables.iter().find_map(|(table, rows)| {
        let at = rows.iter().position(|(other, _)| *other == name)?;
        Some((table, at, rows[at].1))
    });
    let (table, at, row) = found.unwrap_or_else(|| panic!("no row is named {name}"));
    std::fs::create_dir_all(folder()).unwrap();
    let path = folder().join(format!("{table}-{at:02}"));
    std::fs::write(path, format!("{row}\n")).unwrap();
}

#[test]
fn every_row_of_the_document_has_its_test() {
    let claimed: Vec<_> = ENCODERS
        .iter()
        .chain(&PLAYERS)
        .map(|(_, row)| *row)
        .collect();
    let is_row = |line: &&str| line.starts_with("| ") && !line.starts_with("| program |");
    let told: Vec<_> = DOCUMENT.lines().filter(is_row).collect();
    assert_eq!(told, claimed, "`make compatibility` writes it anew");
    let tests = [include_str!("encoders.rs"), include_str!("players.rs")].concat();
    for (name, _) in ENCODERS.iter().chain(&PLAYERS) {
        assert!(tests.contains(&format!("\"{name}\"")), "no test of {name}");
    }
}
