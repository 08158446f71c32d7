//! The task behind a listener: connection, playout and clock in one loop.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use wire::frame::{Push, read};
use wire::message::{Counts, Empty, ListenParams, ListenResult, Metadata, Started, StationState};

use super::chooser::Chooser;
use super::playout::{Heard, Playout};
use super::repair::Repairer;
use super::{Command, Config, Event, Stats};
use crate::Error;
use crate::auto::AUTO_RENDITION;
use crate::connector::Connector;
use crate::session::{Ended, Events, Session};

mod switching;

/// The time one block lasts.
const BLOCK: Duration = Duration::from_millis(10);

/// How far the clock may be ahead of the blocks before some are left out: the machine slept.
const BEHIND_MAX: Duration = Duration::from_secs(2);

/// Without sound for so long although some should flow, the session is dead.
const WATCHDOG: Duration = Duration::from_secs(3);

/// The same for who hears the past: an interruption comes when it is over for others.
const WATCHDOG_BEHIND: Duration = Duration::from_secs(15);

/// How long after a step in time packets from before it may still come.
const STRAGGLERS: Duration = Duration::from_secs(1);

/// A session that listens.
pub(super) struct Tuned {
    session: Session,
    events: Events,
    listening: ListenResult,
}

/// Connects and listens.
pub(super) async fn tune_in(connector: &Connector, params: &ListenParams) -> Result<Tuned, Error> {
    let (session, events, _) = connector.connect(Vec::new()).await?;
    match session.request("listen", params).await {
        Ok(listening) => Ok(Tuned {
            session,
            events,
            listening,
        }),
        Err(error) => {
            session.close().await;
            Err(error)
        }
    }
}

type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;
type Switching = Pending<ListenResult>;
type Switched = oneshot::Sender<Result<(), Error>>;

pub(super) struct Actor {
    connector: Arc<Connector>,
    params: ListenParams,
    events: mpsc::Sender<Event>,
    commands: mpsc::Receiver<Command>,
    playout: Playout,
    repairer: Repairer,
    stats: Stats,
    /// When the next block begins, by the connector's clock.
    next_block: Duration,
    /// When sound came last, or was to begin to come.
    last_sound: Duration,
    /// Whether the station's source sends.
    live: bool,
    /// What the station can be had in.
    renditions: Vec<String>,
    /// Chooses the rendition, when that is left to us.
    chooser: Option<Chooser>,
    /// A switch the relay has not agreed to yet: where to, and who waits.
    switching: Option<(Switching, ListenParams, Switched)>,
}

/// Where the connection stands.
enum Connection {
    Up(Session, Events),
    Down(Pending<Tuned>),
}

/// Why the loop goes round.
enum Step {
    Tick,
    Datagram(crate::link::Arrived),
    Push(Result<Push, Ended>),
    Returned(Result<Tuned, Error>),
    Switched(Result<ListenResult, Error>),
    Command(Option<Command>),
}

impl Actor {
    pub(super) fn new(
        connector: Connector,
        config: Config,
        events: mpsc::Sender<Event>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let now = connector.clock().now();
        let playout = Playout::new(&config);
        Self {
            params: config.params(),
            repairer: Repairer::new(config.repair.is_some(), now),
            connector: Arc::new(connector),
            events,
            commands,
            stats: Stats::default(),
            next_block: now,
            last_sound: now,
            live: false,
            renditions: Vec::new(),
            chooser: (config.rendition == AUTO_RENDITION)
                .then(|| Chooser::new(now, playout.stats())),
            playout,
            switching: None,
        }
    }

    pub(super) async fn run(mut self, tuned: Tuned) -> Error {
        let mut connection = self.tuned(tuned).await;
        loop {
            let lost = match self.step(&mut connection).await {
                Step::Tick => self.tick(&mut connection).await,
                Step::Datagram(arrived) => {
                    self.handle_datagram(&arrived);
                    self.repair(&connection);
                    None
                }
                Step::Push(Ok(push)) => {
                    self.handle_push(&push).await;
                    None
                }
                Step::Push(Err(ended)) => Some(ended),
                Step::Returned(Ok(tuned)) => {
                    self.stats.reconnects += 1;
                    connection = self.tuned(tuned).await;
                    None
                }
                Step::Returned(Err(error)) => return error,
                Step::Switched(result) => {
                    self.handle_switched(result, &mut connection).await;
                    None
                }
                Step::Command(Some(Command::Listen { params, auto, done })) => {
                    let now = self.connector.clock().now();
                    self.chooser = auto.then(|| Chooser::new(now, self.playout.stats()));
                    self.switch(params, done, &connection);
                    None
                }
                Step::Command(Some(Command::Rewind { back, done })) => {
                    let mut params = self.params.clone();
                    params.rewind_ms = back.as_millis() as u64;
                    self.switch(params, done, &connection);
                    None
                }
                Step::Command(Some(Command::Stats { answer })) => {
                    let _ = answer.send(self.stats(&connection));
                    None
                }
                Step::Command(Some(Command::Finish { done })) => {
                    self.finish(connection, done).await;
                    return Error::CutOff("finished".into());
                }
                Step::Command(None) => return Error::CutOff("dropped".into()),
            };
            if let Some(ended) = lost {
                connection = self.lost(connection, ended).await;
            }
        }
    }

    /// Waits for whatever comes next.
    async fn step(&mut self, connection: &mut Connection) -> Step {
        let next_block = self.connector.clock().instant(self.next_block);
        let switching = async {
            match &mut self.switching {
                Some((switching, ..)) => switching.await,
                None => std::future::pending().await,
            }
        };
        match connection {
            Connection::Up(_, events) => tokio::select! {
                biased;
                () = tokio::time::sleep_until(next_block) => Step::Tick,
                command = self.commands.recv() => Step::Command(command),
                result = switching => Step::Switched(result),
                step = received(events) => step,
            },
            Connection::Down(returning) => tokio::select! {
                biased;
                () = tokio::time::sleep_until(next_block) => Step::Tick,
                command = self.commands.recv() => Step::Command(command),
                result = returning => Step::Returned(result),
            },
        }
    }

    /// A session was found: what flows now is to be heard.
    async fn tuned(&mut self, tuned: Tuned) -> Connection {
        let Tuned {
            session,
            events,
            listening,
        } = tuned;
        self.stats.transport = Some(session.transport());
        // The relay may have restarted, and with it the station's timeline and its tracks' ids.
        self.playout.begin_anew();
        self.flows(&listening, false);
        let event = Event::Tuned {
            transport: session.transport(),
            station: Box::new(listening.station),
            track: listening.track,
            behind: self.playout.behind(),
        };
        self.tell(event).await;
        Connection::Up(session, events)
    }

    /// `goes_on` is whether the media time is that of before.
    fn flows(&mut self, listening: &ListenResult, goes_on: bool) {
        let now = self.connector.clock().now();
        let behind = Duration::from_millis(listening.rewind_ms);
        if behind != self.playout.behind() {
            // What is still under way is of another moment.
            self.playout.expect(listening.timestamp, now + STRAGGLERS);
        }
        self.playout
            .set_track(listening.track.clone(), behind, goes_on);
        if let (Some(chooser), Some(track)) = (&mut self.chooser, &listening.track) {
            chooser.flows(&listening.station.renditions, track);
        }
        self.renditions.clone_from(&listening.station.renditions);
        self.live = listening.station.state == StationState::Live;
        self.last_sound = now;
    }

    /// Plays what is due; answers how the session ended when it did so without a word.
    async fn tick(&mut self, connection: &mut Connection) -> Option<Ended> {
        if let Connection::Up(session, events) = &*connection {
            // Everything that came before the block begins is to be considered for it.
            while let Some(arrived) = events.try_datagram() {
                self.handle_datagram(&arrived);
            }
            if let Some(estimate) = session.estimate() {
                self.playout.set_clock_offset(estimate.offset_us);
                self.playout.set_round_trip(Some(estimate.round_trip));
            }
        }
        let now = self.connector.clock().now();
        if now.saturating_sub(self.next_block) > BEHIND_MAX {
            self.next_block = now;
        }
        while self.next_block <= now {
            let (block, due) = self.playout.pull(self.next_block);
            self.next_block += BLOCK;
            self.repairer.handle_block(&block);
            if let Some(chooser) = &mut self.chooser {
                chooser.handle_block(&block);
            }
            for (position, metadata) in due {
                self.tell(Event::Metadata { metadata, position }).await;
            }
            if self.events.try_send(Event::Sound(block)).is_err() {
                self.stats.overruns += 1;
            }
        }
        self.repair(connection);
        self.choose(now, connection);
        let watchdog = match self.playout.behind() {
            Duration::ZERO => WATCHDOG,
            _ => WATCHDOG_BEHIND,
        };
        let silent = now.saturating_sub(self.last_sound) > watchdog;
        let up = matches!(connection, Connection::Up(..));
        (up && silent && self.live && self.playout.track().is_some()).then(|| Ended {
            code: None,
            reason: format!("no sound for {} s", watchdog.as_secs()),
            reconnect_after: None,
        })
    }

    fn handle_datagram(&mut self, arrived: &crate::link::Arrived) {
        match self.playout.handle_datagram(arrived.at, &arrived.bytes) {
            Heard::Sound => self.last_sound = arrived.at,
            Heard::Foreign => self.stats.foreign += 1,
        }
    }

    /// Asks for what is missing, and tells now and then how sound arrives.
    fn repair(&mut self, connection: &Connection) {
        if let Connection::Up(session, _) = connection {
            let now = self.connector.clock().now();
            let level = &mut self.params.redundancy;
            self.repairer.run(now, session, &mut self.playout, level);
        }
    }

    async fn handle_push(&mut self, push: &Push) {
        if push.channel != self.params.station.channel() {
            return;
        }
        let now = self.connector.clock().now();
        match push.kind.as_str() {
            "started" => {
                if let Ok(Started { track }) = read(&push.data) {
                    self.playout
                        .set_track(Some(track.clone()), Duration::ZERO, false);
                    if let Some(chooser) = &mut self.chooser {
                        chooser.flows(&self.renditions, &track);
                    }
                    self.live = true;
                    self.last_sound = now;
                    self.tell(Event::Started(track)).await;
                }
            }
            "interrupted" => {
                self.live = false;
                self.tell(Event::Interrupted).await;
            }
            "resumed" => {
                self.live = true;
                self.last_sound = now;
                self.tell(Event::Resumed).await;
            }
            "stopped" => {
                self.live = false;
                self.playout.forget_metadata();
                self.tell(Event::Stopped).await;
            }
            "metadata" => {
                if let Ok(metadata) = read::<Metadata>(&push.data) {
                    self.playout.handle_metadata(metadata);
                }
            }
            "listeners" => {
                if let Ok(counts) = read::<Counts>(&push.data) {
                    self.tell(Event::Listeners(counts)).await;
                }
            }
            _ => {}
        }
    }

    /// Begins to seek the connection anew. What was received still plays.
    async fn lost(&mut self, connection: Connection, ended: Ended) -> Connection {
        tracing::info!(reason = ended.reason, "connection lost, reconnecting");
        drop(connection);
        if let Some((.., waiting)) = self.switching.take() {
            let _ = waiting.send(Err(ended.error()));
        }
        self.tell(Event::Lost(ended.reason.clone())).await;
        let (connector, params) = (self.connector.clone(), self.params.clone());
        Connection::Down(Box::pin(async move {
            let attempt = || tune_in(&connector, &params);
            connector.reconnect(&ended, attempt).await
        }))
    }

    async fn finish(&mut self, connection: Connection, done: oneshot::Sender<Stats>) {
        let stats = self.stats(&connection);
        if let Connection::Up(session, _events) = connection {
            // `not_listening` is as good.
            let unlisten = session.request::<_, Empty>("unlisten", &Empty {});
            let _ = tokio::time::timeout(Duration::from_secs(2), unlisten).await;
            session.close().await;
        }
        let _ = done.send(stats);
    }

    fn stats(&self, connection: &Connection) -> Stats {
        let estimate = match connection {
            Connection::Up(session, _) => session.estimate(),
            Connection::Down(_) => None,
        };
        Stats {
            receiver: self.playout.stats(),
            round_trip: estimate.map(|estimate| estimate.round_trip),
            redundancy: self.params.redundancy,
            behind: self.playout.behind(),
            ..self.stats
        }
    }

    /// Tells what must not get lost; waits for room, but not for ever.
    async fn tell(&mut self, event: Event) {
        let told = self
            .events
            .send_timeout(event, Duration::from_millis(500))
            .await;
        if told.is_err() {
            tracing::debug!("an event was not taken in time");
        }
    }
}

async fn received(events: &mut Events) -> Step {
    // Two ways into one value: the datagram queue is shared, the pushes are not.
    let datagrams = events.datagrams();
    tokio::select! {
        arrived = datagrams.pop() => Step::Datagram(arrived),
        push = events.next() => Step::Push(push),
    }
}
