//! Runs one session: brings frames and time to its core and carries out what it asks.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wire::code::{CloseCode, ErrorCode};
use wire::frame::{Error, Push, Reply, Request};
use wire::message::{
    AuthenticateParams, AuthenticateResult, Empty, HelloParams, HelloResult, PublishParams,
    STATIONS_CHANNEL, SourceReport, SubscribeParams, Subscribed,
};

use super::SessionId;
use super::core::{Ask, Core, Due, End, Verdict, limits, user};
use super::gated::{Done, Gated, Job};
use super::host::{Inbound, Shared, bye};
use super::ingress::Ingress;
use super::outbox::{Frame, Outbox};
use crate::clock::Now;
use crate::gate::{Pushes, SessionEnd, Visitor};
use crate::metrics::{MethodLabel, TransportLabel};
use crate::station::{Lane, Publication, REPLY_BYTES_MAX, not_listening};

/// Bytes of the state of `stations` in a `hello` that subscribes the gate's channels, too.
pub(super) const STATIONS_BYTES: usize = 24 * 1024;

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
    pub(super) transport: TransportLabel,
    /// What the client says it is.
    pub(super) client: Option<String>,
    /// From where it comes.
    pub(super) address: IpAddr,
    /// The gate's side of the session, from `hello` on.
    pub(super) gated: Option<Gated>,
    /// Whether the client said goodbye.
    pub(super) orderly: bool,
}

impl Driver {
    /// Runs until the session has a reason to end, or the transport is gone (`done`).
    pub(super) async fn run(
        &mut self,
        mut frames: mpsc::Receiver<Box<Inbound>>,
        drain: &CancellationToken,
    ) -> End {
        loop {
            let deadline = self.core.poll_timeout(Now::read());
            // What the gate has not come to stops the reading, as a full queue of frames does.
            let has_room = self.gated.as_ref().is_none_or(Gated::has_room);
            let ended = tokio::select! {
                biased;
                end = self.outbox.distress() => Some(end),
                () = drain.cancelled() => Some(drained()),
                done = next_done(&mut self.gated) => {
                    self.handle_done(done);
                    None
                }
                inbound = frames.recv(), if has_room => match inbound.map(|inbound| *inbound) {
                    // In a box, so that a session that waits is no larger for what it may
                    // have to do.
                    Some(Inbound::Frame(json)) => {
                        Box::pin(self.handle_frame_unless_ended(&json, drain)).await
                    }
                    Some(Inbound::Broken(end)) => Some(end),
                    Some(Inbound::Goodbye) => {
                        self.orderly = true;
                        Some(End::new(CloseCode::Done, "the client closed"))
                    }
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

    /// Handles a frame; while that waits for the gate, the session may be ended all the same.
    async fn handle_frame_unless_ended(
        &mut self,
        json: &[u8],
        drain: &CancellationToken,
    ) -> Option<End> {
        let outbox = Arc::clone(&self.outbox);
        tokio::select! {
            biased;
            ended = self.handle_frame(json) => ended,
            end = outbox.distress() => Some(end),
            () = drain.cancelled() => Some(drained()),
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
        if let Some(method) = ask.method() {
            self.count(method);
        }
        let stations = Arc::clone(&self.shared.stations);
        match ask {
            Ask::Hello(params) => return self.greet(id, params).await,
            Ask::Authenticate(params) => self.authenticate(id, params).await,
            Ask::Subscribe(params) => match self.gate_of(&params.channel) {
                Some(gated) => gated.push(Job::Subscribe(id, params)),
                None => stations.subscribe(self.id, id, &params),
            },
            Ask::Unsubscribe(params) => match self.gate_of(&params.channel) {
                Some(gated) => gated.push(Job::Unsubscribe(id, params.channel)),
                None => stations.unsubscribe(self.id, id, &params.channel),
            },
            Ask::Listen(..) | Ask::Publish(_) if self.transport == TransportLabel::EVENTS => {
                let message = "this transport carries no sound";
                let error = Error::new(ErrorCode::Forbidden, message);
                self.reply(&Reply::new::<Empty>(id, Err(error)));
            }
            Ask::Listen(params, level) => {
                stations.listen(self.id, id, &params, level);
            }
            Ask::SetRedundancy(level) => stations.set_redundancy(self.id, id, level),
            Ask::ReceptionReport(report) => {
                let station = stations.listens_to(self.id);
                let result = station.ok_or_else(not_listening).map(|station| {
                    let reception = &self.shared.metrics.reception;
                    reception.observe(&station, self.transport, &report);
                    &Empty {}
                });
                self.reply(&Reply::new(id, result));
            }
            Ask::Unlisten => stations.unlisten(self.id, id),
            Ask::Publish(params) => {
                // Only for what can be published: a stand-in must not fade out in vain.
                if params.track.validate().is_ok() {
                    stations.ask_aside(&params.station).await;
                }
                self.publish(id, *params);
            }
            Ask::Unpublish => self.unpublish(id),
            Ask::UpdateMetadata(params) => {
                let result = match self.ingress.source() {
                    Some(source) => stations.update_metadata(source, params.metadata),
                    None => Err(not_publishing()),
                };
                self.reply(&Reply::new(id, result.map(|()| &Empty {})));
            }
            Ask::Other(request) => self.ask_gate(request),
        }
        None
    }

    /// Brings a request that is not the relay's own to the gate, if it is the gate's.
    fn ask_gate(&mut self, request: Request) {
        let method = self.shared.gate.method(&request.method);
        if let (Some(method), Some(gated)) = (method, &mut self.gated) {
            gated.push(Job::Request(request));
            self.count(method);
            return;
        }
        self.reply(&super::core::unknown_method(&request));
    }

    /// The gate's side when the channel is not one of the relay's own.
    fn gate_of(&mut self, channel: &str) -> Option<&mut Gated> {
        if is_own(channel) {
            return None;
        }
        self.gated.as_mut()
    }

    fn handle_done(&self, done: Done) {
        if let Some(reply) = &done.reply {
            self.reply(reply);
        }
        if let (true, Some(gated)) = (done.release, &self.gated) {
            gated.release();
        }
    }

    /// Tells everybody that the session is over, the client last.
    pub(super) fn part(&mut self, end: &End) {
        // No datagram is taken from a session that is over.
        self.ingress.stop();
        self.shared.stations.leave(self.id);
        if let Some(gated) = self.gated.take() {
            gated.end(match self.orderly {
                true => SessionEnd::Orderly,
                false => SessionEnd::Abrupt,
            });
        }
        self.outbox.finish(bye(end));
    }

    fn count(&self, method: &'static str) {
        let requests = &self.shared.metrics.requests;
        requests.get_or_create(&MethodLabel { method }).inc();
    }

    async fn greet(&mut self, id: u64, params: HelloParams) -> Option<End> {
        let identity = match &params.token {
            None => None,
            Some(token) => match self.shared.identify(token).await {
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
        let side = self.shared.gate.open(Visitor {
            identity: identity.clone(),
            address: self.address,
            pushes: Pushes(Arc::clone(&self.outbox)),
        });
        self.gated = side.map(Gated::new);
        let wanted = params.subscriptions;
        let foreign = self.greet_gate(&wanted).await;
        let own: Vec<_> = wanted
            .iter()
            .filter(|params| foreign.is_none() || is_own(&params.channel))
            .cloned()
            .collect();
        let bytes_max = match foreign.as_deref() {
            None | Some([]) => REPLY_BYTES_MAX,
            Some(_) => STATIONS_BYTES,
        };
        let session = self.name.clone();
        let ping_interval_ms = self.shared.timing.ping_interval.as_millis() as u64;
        self.shared
            .stations
            .greet(self.id, &own, bytes_max, |subscribed| {
                let subscriptions = in_order(&wanted, subscribed, foreign);
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
        if let Some(gated) = &self.gated {
            gated.release();
        }
        None
    }

    /// Subscribes what is not the relay's own; none without a gate that could.
    async fn greet_gate(&self, wanted: &[SubscribeParams]) -> Option<Vec<Subscribed>> {
        let gated = self.gated.as_ref()?;
        let foreign = wanted.iter().filter(|params| !is_own(&params.channel));
        Some(gated.greet(&foreign.collect::<Vec<_>>()).await)
    }

    async fn authenticate(&mut self, id: u64, params: AuthenticateParams) {
        let result = self
            .shared
            .identify(&params.token)
            .await
            .and_then(|identity| {
                let user = user(&identity);
                let lost = self.core.authenticated(identity.clone())?;
                if let Some(gated) = &mut self.gated {
                    gated.push(Job::Identity(identity));
                }
                if lost {
                    self.core.publishing(None, Now::read());
                    if let Some(ingest) = self.ingress.stop() {
                        self.shared.stations.revoke(ingest.feed().source);
                    }
                }
                Ok(AuthenticateResult { user })
            });
        self.reply(&Reply::new(id, result.as_ref().map_err(Clone::clone)));
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

fn drained() -> End {
    End::new(CloseCode::Draining, "the relay shuts down")
}

/// The gate's next answer; for ever pending when nothing was asked.
async fn next_done(gated: &mut Option<Gated>) -> Done {
    match gated {
        Some(gated) => gated.next().await,
        None => std::future::pending().await,
    }
}

/// Whether a channel is the relay's own, existing or not.
fn is_own(channel: &str) -> bool {
    channel == STATIONS_CHANNEL || channel.starts_with("station:")
}

/// What was subscribed, in the order it was asked for.
fn in_order(
    wanted: &[SubscribeParams],
    own: Vec<Subscribed>,
    foreign: Option<Vec<Subscribed>>,
) -> Vec<Subscribed> {
    let Some(foreign) = foreign else {
        return own;
    };
    let (mut own, mut foreign) = (own.into_iter(), foreign.into_iter());
    let mut next = |params: &SubscribeParams| match is_own(&params.channel) {
        true => own.next(),
        false => foreign.next(),
    };
    wanted.iter().filter_map(&mut next).collect()
}
