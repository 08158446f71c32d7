//! Where a source's bytes become the packets of its station, on a thread of its own.

use std::io;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use icecast::head::Details;
use media::encoder;
use media::ingest::{Ingest, Piece};
use media::input::Tags;
use media::packetizer::Packetizer;
use media::{EncodedPacket, MediaClock};
use tokio::sync::{mpsc, oneshot};
use wire::StationId;
use wire::message::{Codec, Metadata, TrackParams};

use super::delivery::{Delivery, Passing, Reader};
use super::pace::Pace;
use super::{FirstTitle, Format};
use crate::station::{About, LocalSource, Publication, PublishEnded, SourceId, Stations};

/// How often a desk that may be stuck is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Bitrate in kb/s told for packets of a source that names none.
const BITRATE_KBPS: u32 = 128;

/// How a source's connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// As it should: the station stops once everything is played.
    Finished,
    /// Otherwise: the station waits for the source to return.
    Lost,
    /// By a body without an end: the station waits too, unless a stand-in follows.
    Closed,
    /// It may not send any more.
    Revoked,
}

/// How the desk ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Everything was played.
    Played,
    /// It could not go on.
    Failed(String),
}

/// The connection's hold on the thread.
#[derive(Debug)]
pub(super) struct Desk {
    progress: Arc<Progress>,
    /// Taken once it has answered.
    ended: Option<oneshot::Receiver<Ended>>,
}

/// What the thread has done, and what it is told.
#[derive(Debug)]
pub(super) struct Progress {
    begun: Instant,
    /// When what was last read of the source arrived, in microseconds after `begun`.
    arrived_us: AtomicU64,
    pub(super) packets: AtomicU64,
    /// How the connection ended: an [`Outcome`].
    outcome: AtomicU8,
    /// The [`SourceId`] once it is on air; there is none of 0.
    publish: AtomicU64,
}

impl Progress {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            arrived_us: AtomicU64::new(0),
            packets: AtomicU64::new(0),
            // Of a thread that ends by itself nobody says anything else.
            outcome: AtomicU8::new(Outcome::Lost as u8),
            publish: AtomicU64::new(0),
        }
    }

    pub(super) fn note_arrival(&self, at: Instant) {
        let after = at.saturating_duration_since(self.begun).as_micros();
        self.arrived_us.store(after as u64, Ordering::Relaxed);
    }

    fn arrived(&self) -> Duration {
        Duration::from_micros(self.arrived_us.load(Ordering::Relaxed))
    }
}

impl Desk {
    pub(super) fn start(
        stations: Arc<Stations>,
        station: StationId,
        (details, first_title): (Details, FirstTitle),
        format: Format,
        pieces: mpsc::Receiver<Delivery>,
    ) -> io::Result<Self> {
        let progress = Arc::new(Progress::new());
        let (told, ended) = oneshot::channel();
        let worker = Worker {
            stations,
            station,
            details,
            first_title,
            progress: Arc::clone(&progress),
        };
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new()
            .name(format!("source {}", worker.station))
            .spawn(move || {
                let _entered = runtime.enter();
                let ended = match worker.run(pieces, format) {
                    Ok(()) => Ended::Played,
                    Err(error) => Ended::Failed(error.to_string()),
                };
                // The connection may be gone already.
                let _ = told.send(ended);
            })?;
        Ok(Self {
            progress,
            ended: Some(ended),
        })
    }

    /// Waits until nothing was played for `silence`, or until the thread ends by itself.
    pub(super) async fn stuck(&mut self, silence: Duration) -> String {
        let (mut seen, mut since) = (0, tokio::time::Instant::now());
        loop {
            let answer = async {
                match &mut self.ended {
                    Some(ended) => ended.await,
                    None => std::future::pending().await,
                }
            };
            if let Ok(answer) = tokio::time::timeout(LOOK, answer).await {
                self.ended = None;
                return reason(answer);
            }
            let packets = self.progress.packets.load(Ordering::Relaxed);
            if packets != seen {
                (seen, since) = (packets, tokio::time::Instant::now());
            } else if since.elapsed() >= silence {
                return format!("no sound for {} s", silence.as_secs_f32());
            }
        }
    }

    /// The source may not be one any more: its station stops at once.
    pub(super) fn revoke(&self, stations: &Stations) {
        let publish = self.progress.publish.load(Ordering::Relaxed);
        stations.revoke(SourceId(publish));
    }

    /// Tells the thread how the connection ended and waits for what it still plays. Its
    /// bytes must have ended before.
    pub(super) async fn finish(self, outcome: Outcome) -> Ended {
        let progress = &self.progress;
        progress.outcome.store(outcome as u8, Ordering::Relaxed);
        let Some(ended) = self.ended else {
            return Ended::Played;
        };
        // What waits is some seconds of sound; a thread that hangs must not hold the station.
        match tokio::time::timeout(Duration::from_secs(30), ended).await {
            Ok(Ok(ended)) => ended,
            // A panic that was told already.
            Ok(Err(_)) => Ended::Played,
            Err(_) => Ended::Failed("its sound does not end".into()),
        }
    }
}

fn reason(ended: Result<Ended, oneshot::error::RecvError>) -> String {
    match ended {
        Ok(Ended::Failed(why)) => why,
        Ok(Ended::Played) => "the stream ended".into(),
        Err(_) => "its thread panicked".into(),
    }
}

/// Why a desk stops before its stream does.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Stream(#[from] media::input::Error),
    #[error("the station was not given: {0}")]
    Publish(String),
    #[error(transparent)]
    Config(#[from] encoder::ConfigError),
    #[error(transparent)]
    Encode(#[from] encoder::EncodeError),
    #[error(transparent)]
    Ended(#[from] PublishEnded),
}

struct Worker {
    stations: Arc<Stations>,
    station: StationId,
    details: Details,
    first_title: FirstTitle,
    progress: Arc<Progress>,
}

impl Worker {
    fn run(self, pieces: mpsc::Receiver<Delivery>, format: Format) -> Result<(), Error> {
        let passing = Passing::default();
        let reader = Reader::new(
            pieces,
            format,
            Arc::clone(&self.progress),
            Arc::clone(&passing),
        );
        let mut ingest = Ingest::open(Box::new(reader), Some(format.extension()))?;
        let config = encoder::Config {
            channels: ingest.channels(),
            ..encoder::Config::default()
        };
        let mut source = self.publish(&ingest, &config, format, &passing)?;
        let first_title = self.first_title.lock();
        let first_title = first_title.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(title) = first_title {
            source.set_metadata(title)?;
        }
        let packetizer = match ingest.first_packet() {
            Some(_) => None,
            None => Some(Packetizer::new(config, 0, source.timestamp())?),
        };
        let mut playing = Playing {
            source,
            packetizer,
            pace: Pace::new(),
            progress: Arc::clone(&self.progress),
        };
        let played = playing.play(&mut ingest);
        if ingest.oversized() > 0 {
            let packets = ingest.oversized();
            tracing::warn!(station = %self.station, packets, "packets too large were left out");
        }
        let outcome = self.progress.outcome.load(Ordering::Relaxed);
        if outcome == Outcome::Closed as u8 {
            playing.source.leave();
        } else if outcome != Outcome::Finished as u8 {
            playing.source.lose();
        }
        played
    }

    fn publish(
        &self,
        ingest: &Ingest,
        config: &encoder::Config,
        format: Format,
        passing: &Passing,
    ) -> Result<LocalSource, Error> {
        let kbps = self.details.bitrate_kbps.unwrap_or(BITRATE_KBPS);
        let (frame_us, bitrate) = match ingest.first_packet() {
            Some(samples) => (samples * 125 / 6, kbps.clamp(6, 510) * 1000),
            None => (config.frame.micros(), config.bitrate),
        };
        let publication = Publication {
            station: self.station.clone(),
            track: TrackParams {
                codec: Codec::Opus,
                channels: config.channels.count() as u8,
                frame_us,
                bitrate,
            },
            name: self.details.name.clone(),
            description: self.details.description.clone(),
            metadata: None,
            takeover: false,
        };
        // This thread may wait: the station's stand-in fades out meanwhile.
        tokio::runtime::Handle::current().block_on(self.stations.ask_aside(&self.station));
        let published = self.stations.publish_carrying(publication, format.kind());
        let (source, carried) = published.map_err(|error| Error::Publish(error.message))?;
        if let Some(carried) = carried {
            // It is set once, here.
            let _ = passing.set(carried);
        }
        self.progress
            .publish
            .store(source.id().0, Ordering::Relaxed);
        source.describe(About {
            genre: self.details.genre.clone(),
            url: self.details.url.clone(),
            bitrate: self
                .details
                .bitrate_kbps
                .map(|kbps| kbps.saturating_mul(1000)),
        });
        Ok(source)
    }
}

/// A source on air.
struct Playing {
    source: LocalSource,
    /// For streams that are not Opus already.
    packetizer: Option<Packetizer>,
    pace: Pace,
    progress: Arc<Progress>,
}

impl Playing {
    fn play(&mut self, ingest: &mut Ingest) -> Result<(), Error> {
        while let Some(piece) = ingest.next_piece()? {
            match piece {
                Piece::Packet { payload, samples } => self.send(&payload, samples)?,
                Piece::Sound(sound) => self.encode(|packetizer, packets| {
                    packetizer.push(&sound, |packet| packets.push(packet))
                })?,
                Piece::Tags(tags) => self.tell(tags)?,
            }
        }
        self.encode(|packetizer, packets| packetizer.flush(|packet| packets.push(packet)))
    }

    fn encode(
        &mut self,
        work: impl FnOnce(&mut Packetizer, &mut Vec<EncodedPacket>) -> Result<(), encoder::EncodeError>,
    ) -> Result<(), Error> {
        let mut packets = Vec::new();
        if let Some(packetizer) = &mut self.packetizer {
            work(packetizer, &mut packets)?;
        }
        for packet in packets {
            self.send(&packet.payload, packet.samples)?;
        }
        Ok(())
    }

    /// Sends a packet when its time has come.
    fn send(&mut self, payload: &[u8], samples: u32) -> Result<(), Error> {
        let timestamp = self.source.timestamp();
        let arrived = self.progress.arrived();
        let begun = self.progress.begun;
        std::thread::sleep(self.pace.wait(begun.elapsed(), timestamp, arrived));
        self.source.send_lasting(payload, samples)?;
        self.progress.packets.fetch_add(1, Ordering::Relaxed);
        let slip = self.pace.sent(begun.elapsed(), timestamp);
        if slip > Duration::ZERO {
            // The source stalled: go on in the present, for listeners hear a pause anyway.
            self.source.skip(MediaClock::samples(slip));
            if let Some(packetizer) = &mut self.packetizer {
                packetizer.jump_to(self.source.timestamp());
            }
            self.pace.restart();
        }
        Ok(())
    }

    fn tell(&mut self, tags: Tags) -> Result<(), Error> {
        let Tags {
            title,
            artist,
            album,
        } = tags;
        let Some(title) = title.or_else(|| album.clone()) else {
            return Ok(());
        };
        let position = self.packetizer.as_ref().map(Packetizer::position);
        self.source.set_metadata(Metadata {
            timestamp: Some(position.unwrap_or_else(|| self.source.timestamp())),
            title,
            artist,
            album,
            ..Metadata::default()
        })?;
        Ok(())
    }
}
