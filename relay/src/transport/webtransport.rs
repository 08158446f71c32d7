//! WebTransport over HTTP/3 (draft-ietf-webtrans-http3), served by the engine.
//!
//! The engine's threads own the connections and do the fan-out. On them datagrams of sources go
//! straight into the station ([`Arrivals`]). One thread takes all other events, and brings
//! control bytes to the task of their session.

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::{Cause, Command, Engine, Event, Events, Handle, Opened, SessionId};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::oneshot;
use wire::code::CloseCode;
use wire::message::Bye;

use crate::config::Limits;
use crate::fanout::{Listener, Tuned};
use crate::metrics::{Metrics, TransportLabel};
use crate::session::core::End;
use crate::session::host::{Host, Peer, bye};

use super::quic::Endpoint;

mod arrivals;
mod carry;
mod line;
mod sink;

use arrivals::Arrivals;
use line::{Line, Link};
use sink::{EngineCrowd, EngineSink};

/// The path of protocol version 1.
const PATH: &str = "/v1";

/// How often the engine's counters are read.
const COUNTED_EVERY: Duration = Duration::from_millis(250);

/// A served port. Dropping it ends every connection that is left.
#[derive(Debug)]
pub(crate) struct Server {
    engine: Engine,
}

/// Counts for the metrics, until the engine's events end, which they never should by themselves.
#[derive(Debug)]
pub(crate) struct Watch {
    handle: Handle,
    metrics: Arc<Metrics>,
    ended: oneshot::Receiver<()>,
}

impl Server {
    /// Starts serving; call it within the runtime that runs the sessions.
    pub(crate) fn start(
        endpoint: Endpoint,
        limits: &Limits,
        host: Arc<Host>,
    ) -> io::Result<(Self, Watch)> {
        let runtime = tokio::runtime::Handle::current();
        let arrivals = Arc::new(Arrivals::new(runtime.clone()));
        let uplink = Arc::clone(&arrivals);
        let (engine, events) = endpoint.serve(limits, uplink).map_err(io::Error::other)?;
        let (end, ended) = oneshot::channel();
        let watch = Watch {
            handle: engine.handle(),
            metrics: Arc::clone(&host.shared().metrics),
            ended,
        };
        let pump = Pump {
            crowd: EngineCrowd::new(engine.handle()),
            host,
            arrivals,
            clients: HashMap::new(),
        };
        std::thread::Builder::new()
            .name("engine-events".into())
            .spawn(move || {
                runtime.block_on(pump.run(events));
                drop(end);
            })?;
        Ok((Self { engine }, watch))
    }

    /// Ends every connection that is left, and the engine's threads.
    pub(crate) async fn stop(self) {
        // Joining threads blocks, for milliseconds.
        let _ = tokio::task::spawn_blocking(move || drop(self.engine)).await;
    }
}

impl Watch {
    pub(crate) async fn run(mut self) {
        let mut counted = Counted::default();
        let mut pace = tokio::time::interval(COUNTED_EVERY);
        loop {
            tokio::select! {
                _ = pace.tick() => counted.update(&self.handle, &self.metrics),
                _ = &mut self.ended => return,
            }
        }
    }
}

/// What the metrics have of the engine's counters already.
#[derive(Debug, Default)]
struct Counted {
    dropped: u64,
    failed: u64,
    retried: u64,
    unsent: u64,
    unreceived: u64,
    restarts: u64,
}

impl Counted {
    fn update(&mut self, handle: &Handle, metrics: &Metrics) {
        let mut now = Self {
            dropped: handle.frames_pushed_out(),
            ..Self::default()
        };
        let mut full = 0;
        for thread in handle.stats() {
            full += i64::from(thread.is_full);
            now.dropped += thread.core.frames_dropped + thread.core.frames_behind;
            now.failed += thread.core.handshakes_failed + thread.core.refused;
            now.retried += thread.core.retried;
            now.unsent += thread.packets_unsent;
            now.unreceived += thread.receives_failed;
            now.restarts += thread.restarts;
        }
        metrics.transport_threads_full.set(full);
        let failures = &metrics.handshake_failures;
        let failures = failures.get_or_create_owned(&TransportLabel::WEBTRANSPORT);
        // A core that starts anew counts from zero.
        let count = |metric: &Counter, now: u64, before: u64| {
            metric.inc_by(now.saturating_sub(before));
        };
        count(&metrics.datagrams_dropped, now.dropped, self.dropped);
        count(&failures, now.failed, self.failed);
        count(&metrics.handshakes_retried, now.retried, self.retried);
        count(&metrics.packets_unsent, now.unsent, self.unsent);
        count(&metrics.receive_failures, now.unreceived, self.unreceived);
        count(&metrics.transport_restarts, now.restarts, self.restarts);
        *self = now;
    }
}

/// Brings the engine's events to sessions.
struct Pump {
    crowd: EngineCrowd,
    host: Arc<Host>,
    arrivals: Arc<Arrivals>,
    clients: HashMap<SessionId, Client>,
}

struct Client {
    line: Arc<Line>,
    listener: Arc<Listener>,
}

impl Pump {
    async fn run(mut self, mut events: Events) {
        while let Some(event) = events.next().await {
            let session = event.session();
            let handled = catch_unwind(AssertUnwindSafe(|| self.handle_event(event)));
            if handled.is_err() {
                self.give_up(session);
            }
        }
    }

    /// Ends the session alone in which something failed.
    fn give_up(&mut self, session: Option<SessionId>) {
        tracing::error!(?session, "the handling of an event panicked");
        let Some(session) = session else { return };
        self.arrivals.remove(session);
        let line = self.clients.remove(&session).map(|client| client.line);
        let line = line.unwrap_or_default();
        line.close(false);
        let link = Link::new(session, self.crowd.handle(), line);
        link.command(close(&link, CloseCode::Internal));
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Opened(opened) => self.open(&opened),
            // They do not come this way.
            Event::Datagram { .. } => {}
            Event::Control { session, bytes } => {
                if let Some(client) = self.clients.get(&session) {
                    client.line.handle_control(&bytes);
                }
            }
            Event::ControlEnd { session } => {
                if let Some(client) = self.clients.get(&session) {
                    client.line.handle_control_end();
                }
            }
            Event::Written { session, lane } => {
                if let Some(client) = self.clients.get(&session) {
                    client.line.handle_written(lane);
                }
            }
            Event::Closed {
                session,
                cause,
                summary,
            } => {
                tracing::debug!(%session, ?cause, ?summary, "connection over");
                self.arrivals.remove(session);
                if let Some(client) = self.clients.remove(&session) {
                    client.listener.count_dropped(summary.frames_dropped);
                    client.line.close(matches!(cause, Cause::Client { .. }));
                }
            }
            Event::ThreadRestarted { thread } => self.clients.retain(|session, client| {
                let is_lost = session.thread() == thread;
                if is_lost {
                    self.arrivals.remove(*session);
                    client.line.close(false);
                }
                !is_lost
            }),
        }
    }

    /// Begins a session for a client, or tells it why there is none.
    fn open(&mut self, opened: &Opened) {
        let line = Arc::<Line>::default();
        let link = Link::new(opened.session, self.crowd.handle(), Arc::clone(&line));
        if opened.path.split(['?', '#']).next() != Some(PATH) {
            let end = End::new(CloseCode::UnsupportedProtocol, "sessions are at /v1");
            return turn_away(&link, &bye(&end));
        }
        let sink = EngineSink::new(link.clone(), self.crowd.clone());
        let listener = Listener::new(Box::new(sink), Arc::new(Tuned::default()));
        let peer = Peer {
            transport: TransportLabel::WEBTRANSPORT,
            address: opened.remote,
        };
        match self.host.open(peer, Arc::clone(&listener)) {
            Ok(port) => {
                let ingress = Arc::clone(&port.ingress);
                self.arrivals.add(opened.session, ingress);
                let client = Client { line, listener };
                self.clients.insert(opened.session, client);
                let write = self.host.shared().timing.write;
                self.host.tasks().spawn(carry::carry(link, port, write));
            }
            Err(bye) => turn_away(&link, &bye),
        }
    }
}

/// Tells a client why there is no session for it, then closes. The engine waits a while
/// for its control stream.
fn turn_away(link: &Link, bye: &Bye) {
    let mut framed = Vec::new();
    wire::frame::write_framed(&bye.push().encode(), &mut framed);
    link.write(engine::Lane::Control, Bytes::from(framed));
    link.command(close(link, bye.code));
}

fn close(link: &Link, code: CloseCode) -> Command {
    Command::Close {
        session: link.session(),
        code: code.number().into(),
        reason: String::new(),
    }
}

#[cfg(test)]
mod tests;
