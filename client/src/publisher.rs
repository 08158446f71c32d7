//! Putting a station on air and keeping it there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use media::EncodedPacket;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use wire::StationId;
use wire::message::{Metadata, SourceReport, TrackParams};

use crate::Error;
use crate::connector::Connector;
use crate::link::Transport;
use crate::queue::Queue;

mod actor;
mod redundancy;
mod sent;
mod timeline;

use actor::{Actor, go_on_air};

/// Packets that may wait to be sent: more than a second of any frame size. Then the oldest go.
const PACKETS_MAX: usize = 64;

/// Changes of metadata that may wait to be told.
const COMMANDS_MAX: usize = 64;

/// What to put on air.
#[derive(Debug, Clone)]
pub struct Config {
    /// The station; the token must allow it.
    pub station: StationId,
    /// What the packets are.
    pub track: TrackParams,
    /// The station's name for people; none leaves it as it is.
    pub name: Option<String>,
    /// A sentence about the station; none leaves it as it is.
    pub description: Option<String>,
    /// What plays first.
    pub metadata: Option<Metadata>,
    /// Whether to replace a source that is on air.
    pub takeover: bool,
}

/// How a publisher fares. Totals since it began, over all reconnects.
#[derive(Debug, Clone, Copy, Default)]
pub struct Status {
    /// Whether the station is on air through this publisher right now.
    pub on_air: bool,
    /// The transport in use, or used last.
    pub transport: Option<Transport>,
    /// The last round trip to the relay.
    pub round_trip: Option<Duration>,
    /// Packets sent.
    pub sent: u64,
    /// Packets sent once more because the relay asked for them.
    pub resent: u64,
    /// Copies of earlier packets sent along, where the way to the relay loses many.
    pub copies: u64,
    /// Packets dropped here: there was no connection, or it was too slow.
    pub dropped: u64,
    /// What the relay reported; up to 2 s old.
    pub report: SourceReport,
    /// How often the connection was lost and found again.
    pub reconnects: u64,
}

/// A station's source. Dropping it leaves the station `interrupted`; [`Publisher::finish`]
/// ends it properly.
#[derive(Debug)]
pub struct Publisher {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    ended: watch::Receiver<Option<Error>>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    packets: Queue<EncodedPacket>,
    status: Mutex<Status>,
}

impl Shared {
    fn status(&self) -> MutexGuard<'_, Status> {
        // Held for plain assignments.
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
enum Command {
    Metadata { position: u64, metadata: Metadata },
    Finish { done: oneshot::Sender<()> },
}

impl Publisher {
    /// Connects and makes itself the station's source.
    ///
    /// Errors: [`Error::Unreachable`]; [`Error::Refused`] with `unauthorized`, `forbidden`,
    /// `station_busy` and so on. After that it reconnects by itself.
    pub async fn start(connector: Connector, config: Config) -> Result<Self, Error> {
        let air = go_on_air(&connector, &config, None, config.takeover).await?;
        let shared = Arc::new(Shared {
            packets: Queue::new(PACKETS_MAX),
            status: Mutex::new(Status::default()),
        });
        let (commands, command_queue) = mpsc::channel(COMMANDS_MAX);
        let actor = Actor::new(connector, config, shared.clone(), command_queue);
        let (ended_now, ended) = watch::channel(None);
        let task = tokio::spawn(async move {
            let error = actor.run(air).await;
            ended_now.send_replace(Some(error));
        });
        Ok(Self {
            shared,
            commands,
            ended,
            task,
        })
    }

    /// Sends a packet when it is due: now. Never waits; packets are dropped while there is no
    /// connection. Sequence and timestamp are the caller's own and must not go back; they are
    /// translated to the station's.
    pub fn send(&self, packet: EncodedPacket) {
        if self.shared.packets.push(packet) {
            self.shared.status().dropped += 1;
        }
    }

    /// Tells what plays from `position` on, on the timeline of the packets. Waits only while
    /// 64 others wait.
    pub async fn set_metadata(&self, position: u64, metadata: Metadata) {
        let command = Command::Metadata { position, metadata };
        // Without a task the publisher has ended, as `ended` tells.
        let _ = self.commands.send(command).await;
    }

    /// How it fares.
    #[must_use]
    pub fn status(&self) -> Status {
        *self.shared.status()
    }

    /// Waits until the publisher cannot go on: its right ended, somebody took over, or the
    /// time to give up has come. May be dropped and called anew.
    pub async fn ended(&self) -> Error {
        let mut ended = self.ended.clone();
        let failed = || Error::CutOff("the publisher failed".into());
        match ended.wait_for(Option::is_some).await {
            Ok(error) => error.clone().unwrap_or_else(failed),
            Err(_) => failed(),
        }
    }

    /// Ends the publish in an orderly way: what was sent arrives, the station is `stopped`.
    /// Takes seconds at most.
    pub async fn finish(self) {
        let (done, finished) = oneshot::channel();
        if self.commands.send(Command::Finish { done }).await.is_ok() {
            let _ = tokio::time::timeout(Duration::from_secs(15), finished).await;
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}
