//! Where transports bring new clients, and where a shutdown tells them all.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use rand::Rng;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::code::{CloseCode, ErrorCode};
use wire::frame::Error;
use wire::message::Bye;

use super::SessionId;
use super::core::{Core, End};
use super::driver::Driver;
use super::ingress::Ingress;
use super::outbox::Outbox;
use crate::clock::Now;
use crate::config::Timing;
use crate::fanout::Listener;
use crate::gate::{Gate, Identity};
use crate::metrics::{EndLabel, Metrics, TransportLabel};
use crate::station::Stations;
use crate::transport::events::Posts;

/// Requests that wait for their turn in one session before its transport stops reading.
const FRAMES_WAITING: usize = 16;

/// How long the gate may think about a token.
const GATE_WAIT: Duration = Duration::from_secs(5);

/// Everything sessions share.
pub(crate) struct Shared {
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) stations: Arc<Stations>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) timing: Arc<Timing>,
}

/// Opens sessions, counts them and ends them all on shutdown.
#[derive(Debug)]
pub(crate) struct Host {
    shared: Arc<Shared>,
    sessions_max: usize,
    open: AtomicUsize,
    last: AtomicU64,
    drain: CancellationToken,
    tasks: TaskTracker,
    posts: Posts,
}

/// Who is at the other end of a transport.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) transport: TransportLabel,
    pub(crate) address: SocketAddr,
}

/// What a transport reads from a client.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// The JSON of one control frame.
    Frame(Bytes),
    /// Something no client may send; nothing more is read.
    Broken(End),
    /// The client closes the session.
    Goodbye,
}

/// Hands what a client sent to its session; breaks when nothing more is to be read.
pub(crate) async fn hand(frames: &mpsc::Sender<Box<Inbound>>, inbound: Inbound) -> ControlFlow<()> {
    let is_last = !matches!(inbound, Inbound::Frame(_));
    let is_gone = match frames.try_send(Box::new(inbound)) {
        Ok(()) => false,
        Err(TrySendError::Closed(_)) => true,
        Err(TrySendError::Full(inbound)) => Box::pin(frames.send(inbound)).await.is_err(),
    };
    match is_gone || is_last {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}

/// A transport's side of a session. Dropping it tells the session that its client is gone.
#[derive(Debug)]
pub(crate) struct Port {
    /// Control frames from the client. Waiting for room stops the reading. In boxes, as the
    /// channel takes room for 32 of them before the first has come.
    pub(crate) frames: mpsc::Sender<Box<Inbound>>,
    /// Datagrams from the client.
    pub(crate) ingress: Arc<Ingress>,
    /// Everything for the client but sound. After its end comes the close.
    pub(crate) outbox: Arc<Outbox>,
}

impl Shared {
    /// Asks the gate whose token it is; an expired one is nobody's.
    pub(crate) async fn identify(&self, token: &str) -> Result<Identity, Error> {
        let asked = self.gate.authenticate(token);
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
}

impl Host {
    pub(crate) fn new(shared: Arc<Shared>, sessions_max: usize) -> Arc<Self> {
        Arc::new(Self {
            shared,
            sessions_max,
            open: AtomicUsize::new(0),
            last: AtomicU64::new(0),
            drain: CancellationToken::new(),
            tasks: TaskTracker::new(),
            posts: Posts::default(),
        })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Sessions whose frames come by POST.
    pub(crate) fn posts(&self) -> &Posts {
        &self.posts
    }

    /// Tasks to wait for before the relay is gone: sessions and what closes their transports.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Begins a session whose sound goes to `listener`, or tells why there is none.
    pub(crate) fn open(self: &Arc<Self>, peer: Peer, listener: Arc<Listener>) -> Result<Port, Bye> {
        if self.is_draining() {
            return Err(bye(&End::new(CloseCode::Draining, "the relay shuts down")));
        }
        let seat = Seat::take(self).ok_or_else(|| {
            bye(&End::new(
                CloseCode::Overloaded,
                "the relay takes no more sessions now",
            ))
        })?;
        let now = Now::read();
        let outbox = Arc::new(Outbox::default());
        let metrics = Arc::clone(&self.shared.metrics);
        let ingress = Ingress::new(Arc::clone(&listener), Arc::clone(&outbox), metrics, now);
        let (frame_sender, frames) = mpsc::channel(FRAMES_WAITING);
        let driver = Driver {
            id: SessionId(self.last.fetch_add(1, Ordering::Relaxed)),
            name: format!("{:032x}", rand::random::<u128>()),
            core: Core::new(Arc::clone(&self.shared.timing), now),
            outbox: Arc::clone(&outbox),
            ingress: Arc::clone(&ingress),
            shared: Arc::clone(&self.shared),
            transport: peer.transport,
            client: None,
            address: peer.address.ip(),
            gated: None,
            orderly: false,
        };
        self.shared.stations.join(driver.id, &outbox, &listener);
        self.tasks.spawn(run(
            driver,
            frames,
            self.drain.clone(),
            peer,
            listener,
            seat,
        ));
        Ok(Port {
            frames: frame_sender,
            ingress,
            outbox,
        })
    }

    /// A place and a number for who listens without a session; none when there are too many.
    pub(crate) fn seat(self: &Arc<Self>) -> Option<(Seat, SessionId)> {
        let seat = Seat::take(self)?;
        let id = SessionId(self.last.fetch_add(1, Ordering::Relaxed));
        Some((seat, id))
    }

    /// Tells every session to come back later, to another relay or this one's next run.
    pub(crate) fn drain(&self) {
        self.drain.cancel();
        self.tasks.close();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }
}

/// A session's place under the limit.
#[derive(Debug)]
pub(crate) struct Seat(Arc<Host>);

impl Seat {
    fn take(host: &Arc<Host>) -> Option<Self> {
        let below = |open: usize| (open < host.sessions_max).then_some(open + 1);
        let taken = host
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, below);
        taken.is_ok().then(|| Self(Arc::clone(host)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs a session from its first to its last moment; a panic in it ends it alone. What an
/// `async fn` is given it would keep twice.
fn run(
    mut driver: Driver,
    frames: mpsc::Receiver<Box<Inbound>>,
    drain: CancellationToken,
    peer: Peer,
    listener: Arc<Listener>,
    seat: Seat,
) -> impl Future<Output = ()> {
    let began = Instant::now();
    let metrics = Arc::clone(&driver.shared.metrics);
    async move {
        let sessions = metrics.sessions.get_or_create_owned(&peer.transport);
        sessions.inc();
        let transport = peer.transport.name();
        tracing::info!(session = driver.name, transport, remote = %peer.address, "session begins");
        let ended = AssertUnwindSafe(driver.run(frames, &drain))
            .catch_unwind()
            .await;
        let end = ended.unwrap_or_else(|_| {
            tracing::error!(session = driver.name, "a session's task panicked");
            End::new(CloseCode::Internal, "the relay failed")
        });
        driver.part(&end);
        sessions.dec();
        let code = code_name(end.code);
        let ended = EndLabel { code: code.clone() };
        metrics.sessions_ended.get_or_create(&ended).inc();
        if end.code == CloseCode::SlowConsumer {
            metrics.control_overflows.inc();
        }
        tracing::info!(
            session = driver.name,
            transport = peer.transport.name(),
            remote = %peer.address,
            client = driver.client,
            code,
            reason = end.reason,
            seconds = began.elapsed().as_secs(),
            dropped = listener.dropped(),
            "session ends"
        );
        drop(seat);
    }
}

/// What a client is told when its session ends, with the time to come back spread at random.
pub(crate) fn bye(end: &End) -> Bye {
    let within = |from: u64, to: u64| Some(rand::rng().random_range(from..to));
    let reconnect_after_ms = match end.code {
        CloseCode::Draining => within(500, 5_000),
        CloseCode::Overloaded => within(2_000, 10_000),
        CloseCode::Flooding => within(10_000, 20_000),
        code if code.invites_back() => within(0, 1_000),
        _ => None,
    };
    Bye {
        code: end.code,
        reason: end.reason.clone(),
        reconnect_after_ms,
    }
}

fn code_name(code: CloseCode) -> String {
    let json = serde_json::to_value(code).ok();
    json.and_then(|json| json.as_str().map(str::to_owned))
        .unwrap_or_default()
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("timing", &self.timing)
            .finish_non_exhaustive()
    }
}

/// How long what is left to say may take before a transport closes anyway.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);
