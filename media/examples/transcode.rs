//! What a rendition costs: CPU time of our transcoder beside `ffmpeg` doing the same, in one
//! interleaved run. `make bench-transcode` writes docs/benchmarks-transcoding.md with it.
//!
//! `transcode FILE [--seconds N]` measures and writes FILE; `transcode convert IN FOLDER
//! RENDITION...` is the process that is measured.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench stops at what it did not expect"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use skywave_media::ingest::{Ingest, Piece};
use skywave_media::ogg::{Demuxer, Event, Head, Muxer, Tags};
use skywave_media::packetizer::Packetizer;
use skywave_media::synth::Synth;
use skywave_media::transcoder::{Rendition, Transcoder};
use skywave_media::{EncodedPacket, Packet, wav};

/// Pairs of runs whose median counts.
const ROUNDS: usize = 5;

/// Ticks of `/proc/self/stat` in a second, the same on every Linux.
const TICKS: f64 = 100.0;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["convert", input, folder, ref renditions @ ..] => {
            convert(Path::new(input), Path::new(folder), renditions);
        }
        [file] => measure(Path::new(file), 600),
        [file, "--seconds", seconds] => measure(Path::new(file), seconds.parse().unwrap()),
        _ => panic!("transcode FILE [--seconds N]"),
    }
}

/// Makes renditions of a file as the relay does: Opus packets through the transcoder, other
/// sound through the encoder of the source's track.
fn convert(input: &Path, folder: &Path, renditions: &[&str]) {
    let file = fs::File::open(input).unwrap();
    let extension = input.extension().and_then(|extension| extension.to_str());
    let mut ingest = Ingest::open(Box::new(file), extension).unwrap();
    let renditions = renditions
        .iter()
        .map(|name| Rendition::from_name(name).unwrap());
    let mut outputs: BTreeMap<Rendition, Output> = renditions
        .map(|rendition| (rendition, Output::new(rendition)))
        .collect();
    let mut transcoder = Transcoder::new();
    for rendition in outputs.keys() {
        transcoder.add(*rendition).unwrap();
    }
    let mut packetizer = Packetizer::new(Rendition::High.encoder(), 0, 48_000).unwrap();
    let (mut sequence, mut timestamp) = (0, 48_000);
    while let Some(piece) = ingest.next_piece().unwrap() {
        match piece {
            Piece::Packet { payload, samples } => {
                let packet = Packet {
                    sequence,
                    timestamp,
                    send_time: None,
                    copy: false,
                    payload: &payload,
                };
                sequence += 1;
                timestamp += u64::from(samples);
                transcoder
                    .handle_packet(&packet, |rendition, made| {
                        outputs.get_mut(&rendition).unwrap().take(&made);
                    })
                    .unwrap();
            }
            Piece::Sound(sound) => {
                let high = outputs.get_mut(&Rendition::High).unwrap();
                packetizer.push(&sound, |made| high.take(&made)).unwrap();
            }
            Piece::Tags(_) => {}
        }
    }
    for (rendition, output) in outputs {
        let path = folder.join(format!("{}.opus", rendition.name()));
        fs::write(path, output.finish()).unwrap();
    }
}

struct Output {
    muxer: Muxer,
    bytes: Vec<u8>,
}

impl Output {
    fn new(rendition: Rendition) -> Self {
        let head = Head {
            channels: rendition.encoder().channels.count() as u8,
            pre_skip: 312,
            input_rate: 48_000,
            output_gain: 0,
            mapping_family: 0,
        };
        let mut bytes = Vec::new();
        let muxer = Muxer::new(1, &head, &Tags::default(), &mut bytes).with_page_samples(48_000);
        Self { muxer, bytes }
    }

    fn take(&mut self, made: &EncodedPacket) {
        self.muxer
            .packet(&made.payload, made.samples, &mut self.bytes);
    }

    fn finish(mut self) -> Vec<u8> {
        self.muxer.finish(None, &mut self.bytes);
        self.bytes
    }
}

/// One conversion that both do.
struct Job {
    name: &'static str,
    input: PathBuf,
    renditions: &'static [&'static str],
}

/// What came of one job: seconds of CPU, a pair for each round.
struct Outcome {
    name: &'static str,
    renditions: usize,
    ours: Vec<f64>,
    ffmpegs: Vec<f64>,
}

fn measure(file: &Path, seconds: usize) {
    let folder = std::env::temp_dir().join(format!("skywave-transcode-{}", std::process::id()));
    let (ours, theirs) = (folder.join("ours"), folder.join("ffmpeg"));
    fs::create_dir_all(&ours).unwrap();
    fs::create_dir_all(&theirs).unwrap();
    let [opus, mp3] = material(&folder, seconds);
    let jobs = [
        Job {
            name: "Opus 128 kb/s to `high`: 128 kb/s stereo",
            input: opus.clone(),
            renditions: &["high"],
        },
        Job {
            name: "MP3 128 kb/s to Opus 128 kb/s stereo",
            input: mp3,
            renditions: &["high"],
        },
        Job {
            name: "Opus 128 kb/s to `high`, `medium` and `low`, decoded once",
            input: opus,
            renditions: &["high", "medium", "low"],
        },
    ];
    let mut outcomes = Vec::new();
    for job in &jobs {
        let mut outcome = Outcome {
            name: job.name,
            renditions: job.renditions.len(),
            ours: Vec::new(),
            ffmpegs: Vec::new(),
        };
        for round in 0..ROUNDS {
            eprintln!("{}, round {} of {ROUNDS}", job.name, round + 1);
            // Each is first as often as it is second, but for the odd round.
            for turn in [round % 2, 1 - round % 2] {
                match turn {
                    0 => outcome.ours.push(cpu_of(&mut our_command(job, &ours))),
                    _ => outcome
                        .ffmpegs
                        .push(cpu_of(&mut ffmpeg_command(job, &theirs))),
                }
            }
        }
        for rendition in job.renditions {
            for folder in [&ours, &theirs] {
                let made = seconds_of(&folder.join(format!("{rendition}.opus")));
                assert!(made.abs_diff(seconds as u64) <= 1, "{rendition}: {made} s");
            }
        }
        outcomes.push(outcome);
    }
    fs::write(file, report(&outcomes, seconds)).unwrap();
    fs::remove_dir_all(&folder).unwrap();
}

/// Generated music as a source sends it: Opus and MP3.
fn material(folder: &Path, seconds: usize) -> [PathBuf; 2] {
    let sound = folder.join("music.wav");
    let out = std::io::BufWriter::new(fs::File::create(&sound).unwrap());
    let mut writer = wav::Writer::new(out, 2, 48_000, wav::Format::Int16).unwrap();
    let mut synth = Synth::new(7);
    let mut block = vec![0.0; 2 * 48_000];
    for _ in 0..seconds {
        synth.fill(&mut block);
        writer.write(&block).unwrap();
    }
    writer.finish().unwrap();
    [("libopus", "source.opus"), ("libmp3lame", "source.mp3")].map(|(codec, name)| {
        let path = folder.join(name);
        let mut command = ffmpeg(&sound);
        command.args(["-c:a", codec, "-b:a", "128k"]).arg(&path);
        cpu_of(&mut command);
        path
    })
}

fn our_command(job: &Job, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .arg("convert")
        .arg(&job.input)
        .arg(folder)
        .args(job.renditions);
    command
}

fn ffmpeg_command(job: &Job, folder: &Path) -> Command {
    let mut command = ffmpeg(&job.input);
    for name in job.renditions {
        let encoder = Rendition::from_name(name).unwrap().encoder();
        command
            .args(["-map", "0:a", "-c:a", "libopus", "-application", "audio"])
            .args(["-frame_duration", "20", "-vbr", "on"])
            .args(["-b:a", &encoder.bitrate.to_string()])
            .args(["-ac", &encoder.channels.count().to_string()])
            .args(["-compression_level", &encoder.complexity.to_string()])
            .arg(folder.join(format!("{name}.opus")));
    }
    command
}

fn ffmpeg(input: &Path) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y", "-threads", "1", "-i"]);
    command.arg(input);
    command
}

/// Runs a program to its end; answers the seconds of CPU it took, system time included.
fn cpu_of(command: &mut Command) -> f64 {
    let before = children_cpu();
    let status = command.status().expect("the program is installed");
    assert!(status.success(), "{command:?}: {status}");
    children_cpu() - before
}

/// Seconds of CPU of all children that have ended.
fn children_cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // The name in parentheses may hold blanks; numbers begin behind it with the third field.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |field: usize| fields[field - 3].parse::<f64>().unwrap();
    (ticks(16) + ticks(17)) / TICKS
}

/// How long an Ogg Opus file plays.
fn seconds_of(path: &Path) -> u64 {
    let mut demuxer = Demuxer::new();
    demuxer.push(&fs::read(path).unwrap()).unwrap();
    let mut samples = 0;
    while let Some(event) = demuxer.poll() {
        if let Event::Packet { data, .. } = event {
            samples += u64::from(skywave_media::toc::Toc::parse(&data).unwrap().samples());
        }
    }
    samples / 48_000
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn report(outcomes: &[Outcome], seconds: usize) -> String {
    let mut text = format!(
        "# What transcoding costs\n\n\
         `make bench-transcode` writes this file. CPU time, system time included, of whole \
         processes that convert {seconds} s of generated music: ours, which does what the relay \
         does for a rendition, and `ffmpeg -threads 1` with libopus at the same bitrate, frame, \
         channels and complexity. They run in turns, {ROUNDS} each; medians count, and in \
         brackets stands the range. *Renditions a core* is how many one core makes in real \
         time; *ratio* is theirs in CPU by ours, above 1 we need less.\n\n\
         | conversion | ours, s | ffmpeg, s | renditions a core, ours | ffmpeg | ratio |\n\
         |---|---|---|---|---|---|\n"
    );
    for outcome in outcomes {
        let (ours, ffmpegs) = (median(&outcome.ours), median(&outcome.ffmpegs));
        let a_core = |cpu: f64| (seconds * outcome.renditions) as f64 / cpu;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.0} | {:.0} | **{:.2}** |",
            outcome.name,
            spread(&outcome.ours),
            spread(&outcome.ffmpegs),
            a_core(ours),
            a_core(ffmpegs),
            ffmpegs / ours,
        );
    }
    let _ = writeln!(text, "\n{}", machine());
    text
}

fn spread(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    format!("{:.2} ({least:.2}–{most:.2})", median(values))
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model
        .and_then(|rest| rest.split_once(':'))
        .map_or("unknown", |(_, name)| name.trim());
    let version = Command::new("ffmpeg").arg("-version").output().unwrap();
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let version = version
        .split_whitespace()
        .nth(2)
        .unwrap_or("unknown")
        .to_owned();
    let build = match cfg!(debug_assertions) {
        true => "a build without full optimization of our own code",
        false => "a release build",
    };
    format!("{model}; ffmpeg {version}; ours is {build}.")
}
