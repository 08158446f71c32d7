//! Hearing a station.
//!
//! A [`Listener`] yields [`Event`]s: 10 ms of sound after 10 ms of sound by the clock, and
//! between them what is to be known at that moment. It never stops by itself: while the
//! connection is lost or the station off air the sound is silence.

use std::time::Duration;

use media::receiver::{Profile, Repair};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use wire::StationId;
use wire::message::{Counts, ListenParams, Metadata, SOURCE_RENDITION, Station, Track};

use crate::Error;
use crate::auto::AUTO_RENDITION;
use crate::connector::Connector;
use crate::link::Transport;

mod actor;
mod chooser;
mod playout;
mod repair;

use actor::{Actor, tune_in};

/// Sample frames of one block: 10 ms at 48 kHz.
pub const BLOCK_FRAMES: usize = 480;

/// Events that may wait to be read: 10 s of sound. Then sound is dropped and counted.
const EVENTS_MAX: usize = 1024;

/// What to hear.
#[derive(Debug, Clone)]
pub struct Config {
    /// The station.
    pub station: StationId,
    /// In which rendition; `auto` ([`crate::auto`]) moves between them. Default `source`.
    pub rendition: String,
    /// How far back to begin; as far as the relay keeps. Default zero: live.
    pub rewind: Duration,
    /// Delay assumed before arrivals are measured; the receiver adapts it. Default 80 ms: a
    /// program on a busy machine is woken later than a sound card's callback.
    pub start_delay: Duration,
    /// Less delay or fewer faults. Default [`Profile::Live`].
    pub latency: Profile,
    /// How many bytes repair may cost; `None` asks for nothing and takes no copies.
    /// Default [`Repair::Auto`]. On WebSocket there is nothing to repair.
    pub repair: Option<Repair>,
    /// How many packets share a datagram, 1 to 4: fewer datagrams for more delay. `None`
    /// leaves it to `latency` ([`Profile::bundle`]). Default 1.
    pub bundle: Option<u8>,
}

impl Config {
    /// The station's own sound.
    #[must_use]
    pub fn new(station: StationId) -> Self {
        Self {
            station,
            rendition: SOURCE_RENDITION.to_owned(),
            rewind: Duration::ZERO,
            start_delay: Duration::from_millis(80),
            latency: Profile::default(),
            repair: Some(Repair::default()),
            bundle: Some(1),
        }
    }

    fn params(&self) -> ListenParams {
        ListenParams {
            station: self.station.clone(),
            rendition: asked(&self.rendition).to_owned(),
            redundancy: 0,
            bundle: self.packets_together(),
            rewind_ms: self.rewind.as_millis() as u64,
        }
    }

    fn packets_together(&self) -> u8 {
        self.bundle.unwrap_or_else(|| self.latency.bundle())
    }
}

/// 10 ms of sound.
#[derive(Debug, Clone)]
pub struct Block {
    /// Interleaved stereo at 48 kHz, [`BLOCK_FRAMES`] frames.
    pub samples: Box<[f32]>,
    /// Media time of the first sample; none in silence.
    pub position: Option<u64>,
}

/// What a listener tells, in the order of the sound.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The next 10 ms.
    Sound(Block),
    /// The station is there, and sound flows if there is a track.
    Tuned {
        /// By which transport.
        transport: Transport,
        /// The station as it was then.
        station: Box<Station>,
        /// What flows; none while the station is off air.
        track: Option<Track>,
        /// How much later than live it is heard: zero unless one went back.
        behind: Duration,
    },
    /// Another track flows from now on.
    Started(Track),
    /// The source vanished and may return.
    Interrupted,
    /// The source is back.
    Resumed,
    /// The station went off air.
    Stopped,
    /// This plays from the next block on.
    Metadata {
        /// What plays.
        metadata: Metadata,
        /// The media time of the block it was told with.
        position: u64,
    },
    /// How many listen.
    Listeners(Counts),
    /// The connection was lost; it is sought anew.
    Lost(String),
}

/// How a listener fares. Totals since it began, over all reconnects.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stats {
    /// What the receiver counted.
    pub receiver: media::receiver::Stats,
    /// The transport in use, or used last.
    pub transport: Option<Transport>,
    /// The last round trip to the relay.
    pub round_trip: Option<Duration>,
    /// How often the connection was lost and found again.
    pub reconnects: u64,
    /// Datagrams that were malformed or of another track.
    pub foreign: u64,
    /// Blocks of sound nobody took in time.
    pub overruns: u64,
    /// The level of redundancy in use, 0 to 2.
    pub redundancy: u8,
    /// How much later than live it is heard.
    pub behind: Duration,
}

/// A listener. Dropping it ends the session without a word; [`Listener::finish`] says goodbye.
#[derive(Debug)]
pub struct Listener {
    events: mpsc::Receiver<Event>,
    commands: mpsc::Sender<Command>,
    ended: watch::Receiver<Option<Error>>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
enum Command {
    Listen {
        params: ListenParams,
        /// Whether the rendition is chosen from now on.
        auto: bool,
        done: oneshot::Sender<Result<(), Error>>,
    },
    Rewind {
        back: Duration,
        done: oneshot::Sender<Result<(), Error>>,
    },
    Stats {
        answer: oneshot::Sender<Stats>,
    },
    Finish {
        done: oneshot::Sender<Stats>,
    },
}

impl Listener {
    /// Connects and begins to listen.
    ///
    /// Errors: [`Error::Unreachable`]; [`Error::Refused`] with `unknown_station`,
    /// `unknown_rendition`, `overloaded`. After that it reconnects by itself.
    pub async fn start(connector: Connector, config: Config) -> Result<Self, Error> {
        let tuned = tune_in(&connector, &config.params()).await?;
        let (events, events_seen) = mpsc::channel(EVENTS_MAX);
        let (commands, command_queue) = mpsc::channel(8);
        let (ended_now, ended) = watch::channel(None);
        let actor = Actor::new(connector, config, events.clone(), command_queue);
        let task = tokio::spawn(async move {
            let error = actor.run(tuned).await;
            ended_now.send_replace(Some(error));
            // Held until now: who sees the events end looks for the reason.
            drop(events);
        });
        Ok(Self {
            events: events_seen,
            commands,
            ended,
            task,
        })
    }

    /// The next event; an error when the listener cannot go on. Sound comes every 10 ms.
    /// May be dropped and called anew.
    pub async fn next(&mut self) -> Result<Event, Error> {
        match self.events.recv().await {
            Some(event) => Ok(event),
            None => {
                let ended = self.ended.borrow().clone();
                Err(ended.unwrap_or_else(|| Error::CutOff("the listener failed".into())))
            }
        }
    }

    /// Goes to another station or rendition within the session, live; what is heard now is heard
    /// until the relay agrees. Renditions of one station follow each other without a gap.
    pub async fn listen(&self, station: StationId, rendition: &str) -> Result<(), Error> {
        let (done, agreed) = oneshot::channel();
        let params = ListenParams {
            station,
            rendition: asked(rendition).to_owned(),
            redundancy: 0,
            bundle: 1,
            rewind_ms: 0,
        };
        let auto = rendition == AUTO_RENDITION;
        self.ask(Command::Listen { params, auto, done }, agreed)
            .await?
    }

    /// Goes back so far from the present, or as far as the relay keeps; zero goes live. The
    /// event [`Event::Tuned`] tells how far.
    pub async fn rewind(&self, back: Duration) -> Result<(), Error> {
        let (done, agreed) = oneshot::channel();
        self.ask(Command::Rewind { back, done }, agreed).await?
    }

    /// How it fares.
    pub async fn stats(&self) -> Result<Stats, Error> {
        let (answer, stats) = oneshot::channel();
        self.ask(Command::Stats { answer }, stats).await
    }

    /// Ends the session in an orderly way, within seconds.
    pub async fn finish(mut self) -> Result<Stats, Error> {
        // Its sound is not wanted any more; a full channel must not hold it up.
        self.events.close();
        let (done, stats) = oneshot::channel();
        self.ask(Command::Finish { done }, stats).await
    }

    async fn ask<T>(&self, command: Command, answer: oneshot::Receiver<T>) -> Result<T, Error> {
        let gone = || Error::CutOff("the listener has ended".into());
        let exchange = async {
            self.commands.send(command).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())
        };
        let result = tokio::time::timeout(Duration::from_secs(15), exchange).await;
        result.unwrap_or_else(|_| Err(gone()))
    }
}

/// What the relay is asked for at first.
fn asked(rendition: &str) -> &str {
    match rendition {
        AUTO_RENDITION => SOURCE_RENDITION,
        other => other,
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}
