//! A playlist on air: its turn, its packets, its way out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use media::encoder::{Config, Frame};
use media::pacer::{self, Pacer};
use media::packetizer::Packetizer;
use media::{EncodedPacket, MediaClock};
use relay::{LocalSource, Publication, PublishEnded};
use wire::message::{Codec, Metadata, TrackParams};

use super::mixer::Fader;
use super::program::Program;
use super::reel::{self, BLOCK, Block, Starts};

/// How often a thread that waits looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

/// How long a stand-in that stepped aside waits for the source it did so for.
const ASIDE: Duration = Duration::from_secs(1);

/// How late a block may be before silence takes its place.
const LATE: Duration = Duration::from_millis(40);

/// How a turn on air ended.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Another source took over.
    Replaced,
    /// There is nothing more to play.
    Dry,
    /// The server stops.
    Stopped,
}

/// Why a turn ended that should not have.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Config(#[from] media::encoder::ConfigError),
    #[error(transparent)]
    Encode(#[from] media::encoder::EncodeError),
    #[error(transparent)]
    Ended(#[from] PublishEnded),
}

/// Plays whenever nobody else does, until it is stopped.
pub(super) fn run(program: &Arc<Program>, stopped: &AtomicBool) {
    while !stopped.load(Ordering::Relaxed) {
        let (blocks, thread) = match reel::start(program) {
            Ok(started) => started,
            Err(error) => {
                tracing::error!(station = %program.station(), %error, "no thread for a playlist");
                std::thread::sleep(Duration::from_secs(5));
                continue;
            }
        };
        let mut studio = Studio {
            program,
            stopped,
            blocks,
            late: false,
        };
        studio.broadcast();
        drop(studio);
        // Before the next reel asks what to play: this one puts back what was not heard.
        let _ = thread.join();
        program.set_playing(None);
        program.set_cued(None);
    }
    program.stand_in().set_ready(false);
}

/// One reel from its first block on.
struct Studio<'a> {
    program: &'a Program,
    stopped: &'a AtomicBool,
    blocks: Receiver<Block>,
    /// Whether the last block came too late.
    late: bool,
}

impl Studio<'_> {
    /// Waits for something to play and for its turn, and plays until somebody else does.
    fn broadcast(&mut self) {
        while let Some(first) = self.first_block() {
            self.program.stand_in().set_ready(true);
            let Some(source) = self.take_turn(&first.1) else {
                return;
            };
            let begun = self.begin(source, first);
            let outcome = begun.unwrap_or_else(|error| match error {
                Error::Ended(_) => Outcome::Replaced,
                error => {
                    tracing::error!(station = %self.program.station(), %error, "a playlist failed");
                    std::thread::sleep(Duration::from_secs(1));
                    Outcome::Replaced
                }
            });
            self.program.set_playing(None);
            match outcome {
                Outcome::Dry => {}
                Outcome::Replaced => {
                    // The next turn begins with a track's beginning.
                    self.program.order().rewind();
                    return;
                }
                Outcome::Stopped => return,
            }
        }
    }

    /// The first block there is sound in.
    fn first_block(&self) -> Option<(Box<[f32]>, Starts)> {
        loop {
            if self.is_stopped() {
                return None;
            }
            match self.blocks.recv_timeout(LOOK) {
                Ok(Block::Sound(sound, starts)) => return Some((sound, starts)),
                Ok(Block::Dry) => self.program.stand_in().set_ready(false),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn take_turn(&self, starts: &Starts) -> Option<LocalSource> {
        let config = self.config(None);
        let first = starts.first().and_then(|(_, track)| track.as_ref());
        let publication = Publication {
            station: self.program.station().clone(),
            track: TrackParams {
                codec: Codec::Opus,
                channels: config.channels.count() as u8,
                frame_us: config.frame.micros(),
                bitrate: config.bitrate,
            },
            name: None,
            description: None,
            metadata: Some(self.program.shown(first)),
            takeover: false,
        };
        while !self.is_stopped() {
            let stand_in = self.program.stand_in();
            if let Some(source) = stand_in.take_turn(&publication, LOOK) {
                return Some(source);
            }
        }
        None
    }

    fn config(&self, frame: Option<Frame>) -> Config {
        Config {
            bitrate: self.program.fallback().bitrate,
            frame: frame.unwrap_or_default(),
            ..Config::default()
        }
    }

    fn begin(
        &mut self,
        source: LocalSource,
        (sound, starts): (Box<[f32]>, Starts),
    ) -> Result<Outcome, Error> {
        let config = self.config(Frame::from_micros(source.params().frame_us));
        let fade = self.program.fallback().fade.samples();
        let mut desk = Desk {
            packetizer: Packetizer::new(config, 0, source.timestamp())?,
            source,
            fader: Fader::rising(fade),
            pacer: Pacer::new(pacer::Config::default()),
            begun: Instant::now(),
        };
        // It was told with the publish.
        let (at_once, later): (Vec<_>, Vec<_>) =
            starts.into_iter().partition(|(offset, _)| *offset == 0);
        for (_, track) in at_once {
            self.program.set_playing(track);
        }
        desk.play(self.program, sound, &later)?;
        loop {
            if self.is_stopped() {
                return Ok(Outcome::Stopped);
            }
            if desk.source.is_asked_aside() {
                desk.fader.fall();
            }
            match self.next_block(&desk) {
                Some(Block::Sound(sound, starts)) => desk.play(self.program, sound, &starts)?,
                Some(Block::Dry) => {
                    self.program.stand_in().set_ready(false);
                    desk.finish()?;
                    return Ok(Outcome::Dry);
                }
                None => return Ok(Outcome::Stopped),
            }
            if desk.fader.is_silent() && desk.step_aside() {
                return Ok(Outcome::Replaced);
            }
        }
    }

    /// The next block, or silence when it comes too late; none when there will be none.
    fn next_block(&mut self, desk: &Desk) -> Option<Block> {
        let due = desk.due() + LATE;
        let late = match self.blocks.recv_timeout(due) {
            Ok(block) => {
                self.late = false;
                return Some(block);
            }
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => std::mem::replace(&mut self.late, true),
        };
        if !late {
            let station = self.program.station();
            tracing::warn!(%station, "the playlist of {station} comes too late from its disk");
        }
        Some(Block::Sound(vec![0.0; BLOCK * 2].into(), Vec::new()))
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// Blocks to packets, each at its time.
struct Desk {
    source: LocalSource,
    packetizer: Packetizer,
    fader: Fader,
    pacer: Pacer,
    begun: Instant,
}

impl Desk {
    fn play(
        &mut self,
        program: &Program,
        mut sound: Box<[f32]>,
        starts: &Starts,
    ) -> Result<(), Error> {
        self.fader.apply(&mut sound);
        for (offset, track) in starts {
            self.source.set_metadata(Metadata {
                timestamp: Some(self.packetizer.position() + *offset as u64),
                ..program.shown(track.as_ref())
            })?;
            program.set_playing(track.clone());
        }
        let mut packets = Vec::new();
        self.packetizer
            .push(&sound, |packet| packets.push(packet))?;
        self.send(packets)
    }

    /// Sends what the encoder still holds.
    fn finish(&mut self) -> Result<(), Error> {
        let mut packets = Vec::new();
        self.packetizer.flush(|packet| packets.push(packet))?;
        self.send(packets)
    }

    /// How long the next packet may take.
    fn due(&self) -> Duration {
        let now = self.begun.elapsed();
        let due = self.pacer.due(now, self.packetizer.next_timestamp());
        due.saturating_sub(now)
    }

    fn send(&mut self, packets: Vec<EncodedPacket>) -> Result<(), Error> {
        for packet in packets {
            let timestamp = self.source.timestamp();
            let due = self.pacer.due(self.begun.elapsed(), timestamp);
            std::thread::sleep(due.saturating_sub(self.begun.elapsed()));
            self.source.send(&packet.payload)?;
            let slip = self.pacer.handle_sent(self.begun.elapsed(), timestamp);
            if slip > Duration::ZERO {
                // The machine slept: go on in the present.
                self.leave_out(slip);
            }
        }
        Ok(())
    }

    /// Lets the source that waits go on air; false when it did not come.
    fn step_aside(&mut self) -> bool {
        self.source.step_aside();
        let aside = Instant::now();
        while aside.elapsed() < ASIDE {
            if self.source.is_ended() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.source.step_back();
        self.leave_out(aside.elapsed());
        self.fader.rise();
        false
    }

    fn leave_out(&mut self, time: Duration) {
        self.source.skip(MediaClock::samples(time));
        self.packetizer.jump_to(self.source.timestamp());
        self.pacer.restart();
    }
}
