//! One session with the relay: requests and replies, pushes, pings, datagrams.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot, watch};
use wire::code::CloseCode;
use wire::frame::{Push, Request, read};

mod actor;

use actor::Actor;

use crate::Error;
use crate::clock::{Estimate, LocalClock};
use crate::link::{Arrived, Link, Sender, Transport};
use crate::queue::Queue;

/// How long a reply may take.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// Pushes that may wait for the application; then the session ends, for what was
/// dropped could not be made up for.
const PUSHES_MAX: usize = 1024;

/// Requests that may wait for their replies.
const REQUESTS_MAX: usize = 64;

/// A session; clones are the same one. It closes when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Session {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    commands: mpsc::Sender<Command>,
    sender: Sender,
    transport: Transport,
    clock: LocalClock,
    estimate: watch::Receiver<Option<Estimate>>,
    ended: watch::Receiver<Option<Ended>>,
}

/// What a session brings by itself.
#[derive(Debug)]
pub struct Events {
    pushes: mpsc::Receiver<Push>,
    datagrams: Arc<Queue<Arrived>>,
    ended: watch::Receiver<Option<Ended>>,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The relay's code for it, when it told one.
    pub code: Option<CloseCode>,
    /// What happened, for people.
    pub reason: String,
    /// When the relay asked to come back.
    pub reconnect_after: Option<Duration>,
}

impl Ended {
    /// Whether connecting again may help.
    #[must_use]
    pub fn invites_back(&self) -> bool {
        match self.code {
            // A close without a word is a network that failed, and 0 is what a QUIC stack
            // says when its program dies.
            None | Some(CloseCode::Done | CloseCode::Unknown) => true,
            Some(code) => code.invites_back() || self.reconnect_after.is_some(),
        }
    }

    /// The same as an error of somebody who relied on the session.
    #[must_use]
    pub fn error(&self) -> Error {
        Error::CutOff(self.reason.clone())
    }
}

impl Session {
    /// Begins to serve an open link. `hello` must be the first request.
    pub(crate) fn start(link: Link, clock: LocalClock) -> (Self, Events) {
        let (commands, command_queue) = mpsc::channel(REQUESTS_MAX);
        let (pushes, push_queue) = mpsc::channel(PUSHES_MAX);
        let (estimate, estimate_seen) = watch::channel(None);
        let (ended, ended_seen) = watch::channel(None);
        let shared = Shared {
            commands,
            sender: link.sender.clone(),
            transport: link.transport,
            clock,
            estimate: estimate_seen,
            ended: ended_seen.clone(),
        };
        let events = Events {
            pushes: push_queue,
            datagrams: link.datagrams.clone(),
            ended: ended_seen,
        };
        let actor = Actor::new(link, clock, command_queue, pushes, estimate, ended);
        // Ends when the last handle is dropped or the link is closed, whatever comes first.
        tokio::spawn(actor.run());
        let shared = Arc::new(shared);
        (Self { shared }, events)
    }

    /// The transport it runs over.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.shared.transport
    }

    /// What is known of the server's clock and distance; nothing before the first reply.
    #[must_use]
    pub fn estimate(&self) -> Option<Estimate> {
        *self.shared.estimate.borrow()
    }

    /// The server's time in microseconds since the Unix epoch, as well as it is known.
    pub(crate) fn server_time_us(&self) -> Option<u64> {
        let estimate = self.estimate()?;
        Some(estimate.server_time_us(self.shared.clock.now()))
    }

    /// Asks the relay and waits for the answer, 10 s at most.
    ///
    /// Errors: [`Error::Refused`] as the relay says; [`Error::CutOff`] when the session
    /// ended or the answer did not come or made no sense.
    pub async fn request<P: Serialize, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &P,
    ) -> Result<R, Error> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Request {
            // The id is put in by the actor, which counts.
            request: Request::new(0, method, params),
            reply,
        };
        let exchange = async {
            let sent = self.shared.commands.send(command).await;
            sent.map_err(|_| self.gone())?;
            answer.await.map_err(|_| self.gone())?
        };
        let result = tokio::time::timeout(REPLY_TIMEOUT, exchange).await;
        let late = |_| Error::CutOff(format!("no reply to '{method}' in time"));
        let result = result.map_err(late)??;
        read(&result).map_err(|error| {
            Error::CutOff(format!("the reply to '{method}' makes no sense: {error}"))
        })
    }

    /// Sends a datagram; never waits. When the network is behind, the oldest that wait are dropped.
    pub fn send_datagram(&self, datagram: Bytes) -> bool {
        self.shared.sender.send_datagram(datagram)
    }

    /// Closes the session in an orderly way, within a second or so.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self
            .shared
            .commands
            .send(Command::Close { done })
            .await
            .is_ok()
        {
            let _ = tokio::time::timeout(Duration::from_secs(2), closed).await;
        }
    }

    /// How the session ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.shared.ended.borrow().clone()
    }

    fn gone(&self) -> Error {
        match self.ended() {
            Some(ended) => ended.error(),
            None => Error::CutOff("the session is closed".into()),
        }
    }
}

impl Events {
    /// The next push, or how the session ended. May be dropped and called anew.
    pub async fn next(&mut self) -> Result<Push, Ended> {
        if let Some(push) = self.pushes.recv().await {
            return Ok(push);
        }
        let ended = self.ended.borrow().clone();
        Err(ended.unwrap_or_else(|| Ended {
            code: Some(CloseCode::Done),
            reason: "closed".into(),
            reconnect_after: None,
        }))
    }

    /// The datagrams, each with the time it came by the session's clock.
    pub(crate) fn datagrams(&self) -> Arc<Queue<Arrived>> {
        Arc::clone(&self.datagrams)
    }

    /// The next datagram that is here already.
    pub(crate) fn try_datagram(&self) -> Option<Arrived> {
        self.datagrams.try_pop()
    }
}

#[derive(Debug)]
enum Command {
    Request { request: Request, reply: Answer },
    Close { done: oneshot::Sender<()> },
}

type Answer = oneshot::Sender<Result<Box<RawValue>, Error>>;
