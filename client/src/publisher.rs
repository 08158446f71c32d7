//! Putting a station on air and keeping it there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use media::EncodedPacket;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use wire::StationId;
use wire::frame::{Push, read};
use wire::message::{
    Empty, Metadata, PublishEndCode, PublishEnded, PublishParams, PublishResult, SourceReport,
    TrackParams, UpdateMetadataParams,
};

use crate::Error;
use crate::connector::Connector;
use crate::link::Transport;
use crate::queue::Queue;
use crate::session::{Ended, Events, Session};

mod timeline;

use timeline::Timeline;

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
        let actor = Actor {
            connector,
            config,
            shared: shared.clone(),
            commands: command_queue,
            current: None,
            reported: SourceReport::default(),
        };
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

/// A session that is the station's source.
struct Air {
    session: Session,
    events: Events,
    timeline: Timeline,
}

/// Connects and publishes.
async fn go_on_air(
    connector: &Connector,
    config: &Config,
    metadata: Option<&Metadata>,
    takeover: bool,
) -> Result<Air, Error> {
    let (session, events, _) = connector.connect(Vec::new()).await?;
    let params = PublishParams {
        station: config.station.clone(),
        track: config.track,
        name: config.name.clone(),
        description: config.description.clone(),
        metadata: metadata.or(config.metadata.as_ref()).cloned(),
        takeover,
    };
    let result = session
        .request::<_, PublishResult>("publish", &params)
        .await;
    match result {
        Ok(result) => Ok(Air {
            session,
            events,
            timeline: Timeline::new(&result),
        }),
        Err(error) => {
            session.close().await;
            Err(error)
        }
    }
}

/// Keeps the station on air.
struct Actor {
    connector: Connector,
    config: Config,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    /// What plays now, for the case that the session must be made anew.
    current: Option<Metadata>,
    /// The relay's totals of earlier publishes.
    reported: SourceReport,
}

/// Why a stretch on air ended.
enum Left {
    Lost(Ended),
    Over(Error),
    Finish(oneshot::Sender<()>),
}

impl Actor {
    async fn run(mut self, mut air: Air) -> Error {
        loop {
            match self.stay_on_air(&mut air).await {
                Left::Finish(done) => {
                    self.drain(&mut air);
                    let ended = air
                        .session
                        .request::<_, Empty>("unpublish", &Empty {})
                        .await;
                    if let Err(error) = ended {
                        tracing::debug!(%error, "unpublish failed");
                    }
                    air.session.close().await;
                    let _ = done.send(());
                    return Error::CutOff("finished".into());
                }
                Left::Over(error) => {
                    air.session.close().await;
                    return error;
                }
                Left::Lost(ended) => {
                    tracing::info!(reason = ended.reason, "off air, reconnecting");
                    self.shared.status().on_air = false;
                    self.reported = self.shared.status().report;
                    air = match self.return_to_air(&ended).await {
                        Ok(air) => air,
                        Err(Left::Finish(done)) => {
                            let _ = done.send(());
                            return ended.error();
                        }
                        Err(Left::Over(error)) => return error,
                        Err(Left::Lost(ended)) => return ended.error(),
                    };
                    self.shared.status().reconnects += 1;
                }
            }
        }
    }

    async fn stay_on_air(&mut self, air: &mut Air) -> Left {
        {
            let mut status = self.shared.status();
            status.on_air = true;
            status.transport = Some(air.session.transport());
            // What waited during the outage is the past.
            status.dropped += self.shared.packets.clear() as u64;
        }
        let mut updates = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                packet = self.shared.packets.pop() => {
                    self.send(air, &packet);
                    while let Some(update) = air.timeline.poll_metadata() {
                        updates.spawn(tell(air.session.clone(), update));
                    }
                }
                push = air.events.next() => match push {
                    Ok(push) => if let Err(over) = self.handle_push(&push) {
                        return Left::Over(over);
                    },
                    Err(ended) => return Left::Lost(ended),
                },
                command = self.commands.recv() => match command {
                    Some(Command::Metadata { position, metadata }) => {
                        self.current = Some(metadata.clone());
                        air.timeline.announce(position, metadata);
                        while let Some(update) = air.timeline.poll_metadata() {
                            updates.spawn(tell(air.session.clone(), update));
                        }
                    }
                    Some(Command::Finish { done }) => {
                        while updates.join_next().await.is_some() {}
                        return Left::Finish(done);
                    }
                    None => return Left::Over(Error::CutOff("dropped".into())),
                },
                Some(_) = updates.join_next() => {}
            }
        }
    }

    /// Sends what is queued still.
    fn drain(&self, air: &mut Air) {
        while let Some(packet) = self.shared.packets.try_pop() {
            self.send(air, &packet);
        }
    }

    fn send(&self, air: &mut Air, packet: &EncodedPacket) {
        let now = self.connector.clock().now();
        let server_time_us = air.session.server_time_us().unwrap_or_default();
        let datagram = air.timeline.datagram(packet, now, server_time_us);
        let sent = datagram.is_some_and(|datagram| air.session.send_datagram(datagram));
        let mut status = self.shared.status();
        if sent {
            status.sent += 1;
        } else {
            status.dropped += 1;
        }
        status.round_trip = air.session.estimate().map(|estimate| estimate.round_trip);
    }

    fn handle_push(&self, push: &Push) -> Result<(), Error> {
        if push.channel != self.config.station.channel() {
            return Ok(());
        }
        match push.kind.as_str() {
            "source_report" => {
                if let Ok(report) = read::<SourceReport>(&push.data) {
                    self.shared.status().report = SourceReport {
                        received: self.reported.received.saturating_add(report.received),
                        lost: self.reported.lost.saturating_add(report.lost),
                        rejected: self.reported.rejected.saturating_add(report.rejected),
                        listeners: report.listeners,
                    };
                }
                Ok(())
            }
            "publish_ended" => {
                let ended = read::<PublishEnded>(&push.data);
                let why = ended.map_or_else(
                    |_| "the relay ended the publish".to_owned(),
                    |ended| match ended.code {
                        PublishEndCode::TakenOver => {
                            format!("another source took over ({})", ended.reason)
                        }
                        PublishEndCode::Forbidden => {
                            format!("the right to publish ended ({})", ended.reason)
                        }
                        _ => ended.reason,
                    },
                );
                Err(Error::CutOff(why))
            }
            _ => Ok(()),
        }
    }

    /// Connects and publishes again. The relay may not know yet that the old session is
    /// dead, so this one takes over.
    async fn return_to_air(&mut self, ended: &Ended) -> Result<Air, Left> {
        let Self {
            connector,
            config,
            commands,
            current,
            ..
        } = self;
        loop {
            let playing = current.clone();
            let (connector, config, playing) = (&*connector, &*config, playing.as_ref());
            let attempt = move || go_on_air(connector, config, playing, true);
            tokio::select! {
                air = connector.reconnect(ended, attempt) => return air.map_err(Left::Over),
                command = commands.recv() => match command {
                    Some(Command::Metadata { metadata, .. }) => *current = Some(metadata),
                    Some(Command::Finish { done }) => return Err(Left::Finish(done)),
                    None => return Err(Left::Over(Error::CutOff("dropped".into()))),
                },
            }
        }
    }
}

/// Tells the relay what plays; a failure costs a title and nothing more.
async fn tell(session: Session, metadata: Metadata) {
    let params = UpdateMetadataParams { metadata };
    let result = session
        .request::<_, Empty>("update_metadata", &params)
        .await;
    if let Err(error) = result {
        tracing::warn!(%error, "the relay did not take the metadata");
    }
}
