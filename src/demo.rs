//! The demo station: music made by the program itself, on air for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use media::encoder::Config;
use media::pacer::{self, Pacer};
use media::packetizer::Packetizer;
use media::synth::{Synth, Track};
use media::{EncodedPacket, MediaClock};
use relay::{Handle, LocalSource, Publication, PublishEnded};
use wire::message::{Codec, Metadata, TrackParams};

/// The station's id.
const STATION: &str = "demo";

/// The demo station on air; dropping it takes it off.
#[derive(Debug)]
pub(crate) struct Demo {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Demo {
    /// Puts the station on air, on a thread of its own: making sound must not hold up
    /// what forwards it. Needs the relay's Tokio runtime.
    pub(crate) fn start(relay: &Handle) -> anyhow::Result<Self> {
        let source = relay
            .publish_local(publication())
            .context("the demo station")?;
        let stopped = Arc::new(AtomicBool::new(false));
        // Another tune after every start, so that nobody hears the same opening all day.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seed = now.unwrap_or_default().as_secs();
        let studio = Studio::new(Config::default(), seed, source.timestamp())?;
        let runtime = tokio::runtime::Handle::current();
        let told = Arc::clone(&stopped);
        let thread = std::thread::Builder::new()
            .name("demo".into())
            .spawn(move || {
                let _entered = runtime.enter();
                if let Err(ended) = play(studio, source, &told) {
                    tracing::info!(%ended, "the demo station is somebody else's now");
                }
            })?;
        Ok(Self {
            stopped,
            thread: Some(thread),
        })
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It looks every 20 ms; a panic in it was told already.
            let _ = thread.join();
        }
    }
}

fn publication() -> Publication {
    let config = Config::default();
    Publication {
        station: STATION.parse().expect("a station id"),
        track: TrackParams {
            codec: Codec::Opus,
            channels: config.channels.count() as u8,
            frame_us: config.frame.micros(),
            bitrate: config.bitrate,
        },
        name: Some("Skywave Demo".into()),
        description: Some("Endless music, made by the server as you listen.".into()),
        metadata: None,
        takeover: false,
    }
}

/// Sends a packet whenever one is due, until told to stop or replaced.
fn play(
    mut studio: Studio,
    mut source: LocalSource,
    stopped: &AtomicBool,
) -> Result<(), PublishEnded> {
    let begun = Instant::now();
    let mut pacer = Pacer::new(pacer::Config::default());
    while !stopped.load(Ordering::Relaxed) {
        // Made before it is due, so that it can go the moment it is.
        let packet = studio.next_packet();
        while let Some(metadata) = studio.poll_metadata() {
            source.set_metadata(metadata)?;
        }
        let due = pacer.due(begun.elapsed(), packet.timestamp);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        source.send(&packet.payload)?;
        let slip = pacer.handle_sent(begun.elapsed(), packet.timestamp);
        if slip > Duration::ZERO {
            // The machine slept: go on in the present, for listeners hear a pause anyway.
            let frames = MediaClock::samples(slip) / u64::from(packet.samples);
            source.skip(frames * u64::from(packet.samples));
            studio.packetizer.jump_to(source.timestamp());
            pacer.restart();
        }
    }
    Ok(())
}

/// Makes the music and encodes it.
#[derive(Debug)]
struct Studio {
    synth: Synth,
    packetizer: Packetizer,
    sound: Vec<f32>,
    /// Media time of the synth's first sample.
    origin: u64,
}

impl Studio {
    fn new(config: Config, seed: u64, timestamp: u64) -> anyhow::Result<Self> {
        let packetizer = Packetizer::new(config, 0, timestamp)?;
        Ok(Self {
            synth: Synth::new(seed),
            sound: vec![0.0; config.frame.samples() * config.channels.count()],
            origin: packetizer.position(),
            packetizer,
        })
    }

    fn next_packet(&mut self) -> EncodedPacket {
        // Known anew for each packet, for the timeline jumps when the machine slept.
        self.origin = self.packetizer.position() - self.synth.position();
        self.synth.fill(&mut self.sound);
        let mut made = None;
        self.packetizer
            .push(&self.sound, |packet| made = Some(packet))
            .expect("the synth makes whole frames of finite samples");
        made.expect("a whole frame makes a packet")
    }

    /// What begins in the packet made last.
    fn poll_metadata(&mut self) -> Option<Metadata> {
        let Track {
            title,
            artist,
            position,
            ..
        } = self.synth.poll_track()?;
        Some(Metadata {
            timestamp: Some(self.origin + position),
            title,
            artist: Some(artist),
            ..Metadata::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_change_with_the_sound_even_after_a_jump() {
        let config = Config {
            complexity: 0,
            ..Config::default()
        };
        let mut studio = Studio::new(config, 7, 96_000).unwrap();
        let mut told = Vec::new();
        let mut end = 0;
        let second_track = studio.synth.track().samples / 960 + 10;
        for number in 0..second_track {
            if number == second_track / 2 {
                studio.packetizer.jump_to(end + 3600 * 48_000);
            }
            let packet = studio.next_packet();
            while let Some(metadata) = studio.poll_metadata() {
                let from = metadata.timestamp.unwrap();
                let within = from.abs_diff(packet.timestamp);
                assert!(within < 2 * 960, "{from} is not near {}", packet.timestamp);
                told.push(metadata.title);
            }
            end = packet.timestamp + 960;
        }
        assert!(told.len() >= 2, "{told:?}");
        assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "{told:?}");
    }
}
