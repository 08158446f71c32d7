//! One connection to the relay, whatever the transport: frames and datagrams in and out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use url::Url;
use wire::code::CloseCode;
use wire::message::Connect;

use crate::Error;
use crate::clock::LocalClock;
use crate::queue::Queue;

mod websocket;
mod webtransport;

/// Control frames that may wait to be handled; then the relay has to wait.
const FRAMES_MAX: usize = 256;

/// Datagrams that may wait to be handled, ten seconds of 20 ms packets; then the oldest go.
const DATAGRAMS_MAX: usize = 512;

/// Control frames that may wait to be sent.
const OUTGOING_MAX: usize = 64;

/// How much sooner WebTransport begins when either will do.
const HEAD_START: Duration = Duration::from_millis(400);

/// A WebTransport connection that fails sooner is tried once more.
const SECOND_TRY_WITHIN: Duration = Duration::from_secs(1);

/// A transport of the session protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// WebTransport over HTTP/3: datagrams.
    WebTransport,
    /// WebSocket: everything in one ordered stream.
    WebSocket,
}

impl Transport {
    /// `webtransport` or `websocket`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WebTransport => "webtransport",
            Self::WebSocket => "websocket",
        }
    }
}

/// Which transport to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prefer {
    /// WebTransport, and WebSocket when that does not work soon: the default.
    #[default]
    Auto,
    /// This one alone.
    Only(Transport),
}

/// What a link brings.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A control frame's JSON.
    Frame(Bytes),
    /// The end: by the relay with its code, or by the network without.
    Closed {
        code: Option<CloseCode>,
        reason: String,
    },
}

/// A datagram and when it came, by the local clock.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) at: Duration,
    pub(crate) bytes: Bytes,
}

/// An open connection; dropping it closes it without a word.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) transport: Transport,
    /// Ends after [`Incoming::Closed`].
    pub(crate) frames: mpsc::Receiver<Incoming>,
    pub(crate) datagrams: Arc<Queue<Arrived>>,
    pub(crate) sender: Sender,
    /// Readers and writers; aborted when the link is dropped.
    tasks: JoinSet<()>,
    closer: Closer,
}

/// Sends over a link.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    control: mpsc::Sender<String>,
    audio: Audio,
}

#[derive(Debug, Clone)]
enum Audio {
    WebTransport(webtransport::Datagrams),
    WebSocket(Arc<Queue<Bytes>>),
}

#[derive(Debug)]
enum Closer {
    WebTransport(webtransport::Closer),
    WebSocket(websocket::Closer),
}

/// What the transports hand their parts to, and `Link` takes them from.
struct Ends {
    frames: mpsc::Sender<Incoming>,
    datagrams: Arc<Queue<Arrived>>,
    clock: LocalClock,
}

impl Ends {
    fn new(clock: LocalClock) -> (Self, mpsc::Receiver<Incoming>) {
        let (frames, frames_in) = mpsc::channel(FRAMES_MAX);
        let datagrams = Arc::new(Queue::new(DATAGRAMS_MAX));
        let ends = Self {
            frames,
            datagrams,
            clock,
        };
        (ends, frames_in)
    }

    fn handle_datagram(&self, bytes: Bytes) {
        let at = self.clock.now();
        self.datagrams.push(Arrived { at, bytes });
    }
}

impl Link {
    /// Connects by the transport preferred. `last` is the one that worked before.
    pub(crate) async fn open(
        connect: &Connect,
        prefer: Prefer,
        last: Option<Transport>,
        clock: LocalClock,
    ) -> Result<Self, Error> {
        let websocket = async {
            let url = parse(&connect.websocket.url)?;
            websocket::connect(&url, clock).await
        };
        let webtransport = async {
            let Some(found) = &connect.webtransport else {
                let none = "the relay has no WebTransport";
                return Err(Error::unreachable(&connect.http.url, none));
            };
            let (url, hashes) = (parse(&found.url)?, &found.certificate_hashes);
            let began = clock.now();
            let first = webtransport::connect(&url, hashes, clock).await;
            // Streams of a first flight that loss brings in another order make some servers
            // give the connection up. That shows at once; what takes long is unreachable.
            match first {
                Err(_) if clock.now() - began < SECOND_TRY_WITHIN => {
                    webtransport::connect(&url, hashes, clock).await
                }
                result => result,
            }
        };
        match prefer {
            Prefer::Only(Transport::WebTransport) => webtransport.await,
            Prefer::Only(Transport::WebSocket) => websocket.await,
            Prefer::Auto if connect.webtransport.is_none() => websocket.await,
            Prefer::Auto => {
                // Where WebSocket had to be used last, UDP is most likely still blocked.
                let blocked = last == Some(Transport::WebSocket);
                let head_start = if blocked { Duration::ZERO } else { HEAD_START };
                race(webtransport, websocket, head_start).await
            }
        }
    }

    /// Closes in an orderly way; what was sent before still arrives. Takes at most a second.
    pub(crate) async fn close(mut self) {
        let closed = async {
            match self.closer {
                Closer::WebTransport(closer) => closer.close(&mut self.tasks).await,
                Closer::WebSocket(closer) => closer.close(&mut self.tasks).await,
            }
        };
        // A relay that does not answer finds out by itself.
        let _ = tokio::time::timeout(Duration::from_secs(1), closed).await;
    }
}

impl Sender {
    /// Queues a control frame; an error means that the link is dead or stuck.
    pub(crate) fn send_frame(&self, json: String) -> Result<(), Error> {
        let stuck = |_| Error::CutOff("the connection takes no more requests".into());
        self.control.try_send(json).map_err(stuck)
    }

    /// Sends a datagram now or, when the network is behind, drops the oldest that wait.
    /// Answers whether the link can send datagrams at all.
    pub(crate) fn send_datagram(&self, bytes: Bytes) -> bool {
        match &self.audio {
            Audio::WebTransport(datagrams) => datagrams.send(bytes),
            Audio::WebSocket(queue) => {
                queue.push(bytes);
                true
            }
        }
    }
}

fn parse(url: &str) -> Result<Url, Error> {
    Url::parse(url).map_err(|error| Error::unreachable(url, error))
}

/// The first to work of two, the second beginning `head_start` later or when the first fails.
async fn race(
    first: impl Future<Output = Result<Link, Error>>,
    second: impl Future<Output = Result<Link, Error>>,
    head_start: Duration,
) -> Result<Link, Error> {
    tokio::pin!(first, second);
    let early = tokio::time::timeout(head_start, &mut first).await;
    match early {
        Ok(Ok(link)) => Ok(link),
        Ok(Err(_)) => second.await,
        Err(_) => tokio::select! {
            biased;
            link = &mut first => match link {
                Ok(link) => Ok(link),
                Err(_) => second.await,
            },
            link = &mut second => match link {
                Ok(link) => Ok(link),
                Err(_) => first.await,
            },
        },
    }
}
