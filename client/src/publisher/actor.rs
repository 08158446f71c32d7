//! The task behind a publisher: it keeps the station on air.

use std::sync::Arc;

use media::EncodedPacket;
use tokio::sync::{mpsc, oneshot};
use wire::frame::{Push, read};
use wire::message::{
    Empty, Metadata, PublishEndCode, PublishEnded, PublishParams, PublishResult, SourceReport,
    UpdateMetadataParams,
};

use super::redundancy::Redundancy;
use super::sent::Sent;
use super::timeline::Timeline;
use super::{Command, Config, Shared};
use crate::Error;
use crate::connector::Connector;
use crate::session::{Ended, Events, Session};

/// A session that is the station's source.
pub(super) struct Air {
    session: Session,
    events: Events,
    timeline: Timeline,
    sent: Sent,
    redundancy: Redundancy,
}

/// Connects and publishes.
pub(super) async fn go_on_air(
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
            sent: Sent::new(result.track.id, config.track.frame_us),
            redundancy: Redundancy::new(config.track.frame_us),
        }),
        Err(error) => {
            session.close().await;
            Err(error)
        }
    }
}

/// Keeps the station on air.
pub(super) struct Actor {
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
    pub(super) fn new(
        connector: Connector,
        config: Config,
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        Self {
            connector,
            config,
            shared,
            commands,
            current: None,
            reported: SourceReport::default(),
        }
    }

    pub(super) async fn run(mut self, mut air: Air) -> Error {
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
        let requests = air.events.datagrams();
        loop {
            tokio::select! {
                packet = self.shared.packets.pop() => {
                    self.send(air, &packet);
                    while let Some(update) = air.timeline.poll_metadata() {
                        updates.spawn(tell(air.session.clone(), update));
                    }
                }
                request = requests.pop() => self.resend(air, &request.bytes),
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
        let mut copied = false;
        let sent = datagram.is_some_and(|(sequence, datagram)| {
            air.sent.keep(sequence, datagram.clone());
            let redundant = match air.redundancy.next(now) {
                true => air.sent.with_copy(),
                false => None,
            };
            // What the path has no room for goes alone.
            copied = redundant.is_some_and(|both| air.session.send_datagram(both));
            copied || air.session.send_datagram(datagram)
        });
        let mut status = self.shared.status();
        status.copies += u64::from(copied);
        if sent {
            status.sent += 1;
        } else {
            status.dropped += 1;
        }
        status.round_trip = air.session.estimate().map(|estimate| estimate.round_trip);
    }

    /// Sends again what the relay misses.
    fn resend(&self, air: &mut Air, request: &[u8]) {
        for again in air.sent.again(request) {
            if again.first {
                air.redundancy.handle_asked();
            }
            let sent = air.session.send_datagram(again.bytes);
            self.shared.status().resent += u64::from(sent);
        }
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
