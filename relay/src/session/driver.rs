//! Runs one session: brings frames and time to its core and carries out what it asks.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wire::code::{CloseCode, ErrorCode};
use wire::frame::{Error, Push, Reply};
use wire::message::{
    AuthenticateParams, AuthenticateResult, Empty, HelloParams, HelloResult, PublishParams,
    SourceReport,
};

use super::SessionId;
use super::core::{Ask, Core, Due, End, Verdict, limits, user};
use super::host::{Inbound, Shared};
use super::ingress::Ingress;
use super::outbox::{Frame, Outbox};
use crate::clock::Now;
use crate::gate::Identity;
use crate::metrics::MethodLabel;
use crate::station::{Lane, Publication};

/// How long the gate may think about a token.
const GATE_WAIT: Duration = Duration::from_secs(5);

/// One session's task.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(super) id: SessionId,
    /// The id the client is told, random so that it says nothing about the relay.
    pub(super) name: String,
    pub(super) core: Core,
    pub(super) outbox: Arc<Outbox>,
    pub(super) ingress: Arc<Ingress>,
    pub(super) shared: Arc<Shared>,
    /// What the client says it is.
    pub(super) client: Option<String>,
}

impl Driver {
    /// Runs until the session has a reason to end, or the transport is gone (`done`).
    pub(super) async fn run(
        &mut self,
        mut frames: mpsc::Receiver<Inbound>,
        drain: &CancellationToken,
    ) -> End {
        loop {
            let deadline = self.core.poll_timeout(Now::read());
            let ended = tokio::select! {
                biased;
                code = self.outbox.distress() => Some(End::new(code, distress_reason(code))),
                () = drain.cancelled() => Some(End::new(CloseCode::Draining, "the relay shuts down")),
                inbound = frames.recv() => match inbound {
                    Some(Inbound::Frame(json)) => self.handle_frame(&json).await,
                    Some(Inbound::Broken(end)) => Some(end),
                    None => Some(End::new(CloseCode::Done, "the client is gone")),
                },
                () = tokio::time::sleep_until(deadline.into()) => self.handle_timeout(),
            };
            if let Some(end) = ended {
                return end;
            }
        }
    }

    fn handle_timeout(&mut self) -> Option<End> {
        match self.core.handle_timeout(Now::read())? {
            Due::End(end) => Some(end),
            Due::Report => {
                self.report();
                None
            }
        }
    }

    async fn handle_frame(&mut self, json: &[u8]) -> Option<End> {
        match self.core.handle_frame(json, Now::read()) {
            Verdict::Reply(reply) => self.reply(&reply),
            Verdict::End(end) => return Some(end),
            Verdict::Refuse(reply, end) => {
                self.reply(&reply);
                return Some(end);
            }
            Verdict::Ask(id, ask) => return self.carry_out(id, ask).await,
        }
        None
    }

    async fn carry_out(&mut self, id: u64, ask: Ask) -> Option<End> {
        let method = ask.method();
        self.shared
            .metrics
            .requests
            .get_or_create(&MethodLabel { method })
            .inc();
        let stations = &self.shared.stations;
        match ask {
            Ask::Hello(params) => return self.greet(id, params).await,
            Ask::Authenticate(params) => self.authenticate(id, params).await,
            Ask::Subscribe(params) => stations.subscribe(self.id, id, &params),
            Ask::Unsubscribe(params) => stations.unsubscribe(self.id, id, &params.channel),
            Ask::Listen(params) => stations.listen(self.id, id, &params),
            Ask::Unlisten => stations.unlisten(self.id, id),
            Ask::Publish(params) => self.publish(id, *params),
            Ask::Unpublish => self.unpublish(id),
            Ask::UpdateMetadata(params) => {
                let result = match self.ingress.source() {
                    Some(source) => stations.update_metadata(source, params.metadata),
                    None => Err(not_publishing()),
                };
                self.reply(&Reply::new(id, result.map(|()| &Empty {})));
            }
        }
        None
    }

    async fn greet(&mut self, id: u64, params: HelloParams) -> Option<End> {
        let identity = match &params.token {
            None => None,
            Some(token) => match self.identify(token).await {
                Ok(identity) => Some(identity),
                Err(error) => {
                    let code = match error.code {
                        ErrorCode::Unauthorized => CloseCode::Unauthorized,
                        _ => CloseCode::Internal,
                    };
                    let end = End::new(code, error.message.clone());
                    self.reply(&Reply::new::<Empty>(id, Err(error)));
                    return Some(end);
                }
            },
        };
        self.client = params.client.map(|client| {
            let told = format!("{} {}", client.name, client.version);
            told.chars()
                .filter(|char| !char.is_control())
                .take(64)
                .collect()
        });
        self.core.greeted(identity.clone());
        let session = self.name.clone();
        let ping_interval_ms = self.shared.timing.ping_interval.as_millis() as u64;
        self.shared
            .stations
            .greet(self.id, &params.subscriptions, |subscriptions| {
                let result = HelloResult {
                    protocol: wire::PROTOCOL,
                    session,
                    user: identity.as_ref().map(user),
                    limits: limits(),
                    ping_interval_ms,
                    server_time: Now::read().unix_us,
                    subscriptions,
                };
                Reply::new(id, Ok(&result))
            });
        None
    }

    async fn authenticate(&mut self, id: u64, params: AuthenticateParams) {
        let result = self.identify(&params.token).await.and_then(|identity| {
            let user = user(&identity);
            if self.core.authenticated(identity)? {
                self.core.publishing(None, Now::read());
                if let Some(ingest) = self.ingress.stop() {
                    self.shared.stations.revoke(ingest.feed().source);
                }
            }
            Ok(AuthenticateResult { user })
        });
        self.reply(&Reply::new(id, result.as_ref().map_err(Clone::clone)));
    }

    /// Asks the gate whose token it is; an expired one is nobody's.
    async fn identify(&self, token: &str) -> Result<Identity, Error> {
        let asked = self.shared.gate.authenticate(token);
        let Ok(answer) = tokio::time::timeout(GATE_WAIT, asked).await else {
            return Err(Error::new(
                ErrorCode::Internal,
                "tokens cannot be checked now",
            ));
        };
        let unauthorized = |reason: String| Error::new(ErrorCode::Unauthorized, reason);
        let identity = answer.map_err(|denied| unauthorized(denied.reason))?;
        if Now::read().unix_s() >= identity.expires_at {
            return Err(unauthorized("the token has expired".into()));
        }
        Ok(identity)
    }

    fn publish(&mut self, id: u64, params: PublishParams) {
        let station = params.station.clone();
        let publication = Publication {
            station: params.station,
            track: params.track,
            name: params.name,
            description: params.description,
            metadata: params.metadata,
            takeover: params.takeover,
        };
        if self
            .shared
            .stations
            .publish(self.id, id, publication, &self.ingress)
        {
            self.core.publishing(Some(station), Now::read());
        }
    }

    fn unpublish(&mut self, id: u64) {
        let source = self.ingress.source();
        self.ingress.stop();
        self.core.publishing(None, Now::read());
        let result = match source {
            Some(source) => {
                self.shared.stations.unpublish(source);
                Ok(&Empty {})
            }
            None => Err(not_publishing()),
        };
        self.reply(&Reply::new(id, result));
    }

    /// Tells the source what arrived.
    fn report(&self) {
        let station = self
            .core
            .station()
            .and_then(|id| self.shared.stations.station(id));
        if let (Some(station), Some((received, lost, rejected))) = (station, self.ingress.totals())
        {
            let report = SourceReport {
                received,
                lost,
                rejected,
                listeners: station.listeners,
            };
            let push = Push::new(station.id.channel(), "source_report", &report);
            self.outbox
                .push(Lane::Control, Frame::volatile(&push, "source_report"));
        }
    }

    fn reply(&self, reply: &Reply) {
        self.outbox.push(Lane::Control, Frame::from(reply));
    }
}

fn not_publishing() -> Error {
    Error::new(
        ErrorCode::NotPublishing,
        "this session is no station's source",
    )
}

fn distress_reason(code: CloseCode) -> &'static str {
    match code {
        CloseCode::SlowConsumer => "the session does not read what it is sent",
        CloseCode::Flooding => "above 500 datagrams a second that lead nowhere",
        _ => "the session cannot go on",
    }
}
