//! One session with the relay: requests and replies, pushes, pings, datagrams.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot, watch};
use wire::code::CloseCode;
use wire::frame::{Push, Reply, Request, ServerFrame, read};
use wire::message::{Bye, HelloResult, PingParams, PingResult, SESSION_CHANNEL};

use crate::Error;
use crate::clock::{Estimate, Estimator, LocalClock};
use crate::link::{Arrived, Incoming, Link, Sender, Transport};
use crate::queue::Queue;

/// How long a reply may take.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// Time between pings; shorter when the relay asks for it. Short enough to notice soon
/// that a relay is gone, for a killed one says nothing over UDP.
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// The first few pings follow each other quickly: the clock is wanted soon.
const FIRST_PINGS: u32 = 4;
const FIRST_PING_INTERVAL: Duration = Duration::from_millis(150);

/// A ping unanswered for so long means that the session is dead.
const PING_TIMEOUT: Duration = Duration::from_secs(4);

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
        let actor = Actor {
            link,
            clock,
            commands: command_queue,
            pushes,
            estimate,
            ended,
            estimator: Estimator::default(),
            waiting: HashMap::new(),
            next_id: 1,
            pings: 0,
            bye: None,
        };
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

#[derive(Debug)]
enum Waiting {
    Reply(Answer),
    Ping,
    /// The caller waits for the reply to the first request, whose round trip tells the clock too.
    Hello(Answer),
}

/// Owns the link.
struct Actor {
    link: Link,
    clock: LocalClock,
    commands: mpsc::Receiver<Command>,
    pushes: mpsc::Sender<Push>,
    estimate: watch::Sender<Option<Estimate>>,
    ended: watch::Sender<Option<Ended>>,
    estimator: Estimator,
    /// What was asked, when, and for whom.
    waiting: HashMap<u64, (Duration, Waiting)>,
    next_id: u64,
    pings: u32,
    bye: Option<Bye>,
}

impl Actor {
    async fn run(mut self) {
        let mut next_ping = tokio::time::Instant::now() + FIRST_PING_INTERVAL;
        let ended = loop {
            tokio::select! {
                biased;
                incoming = self.link.frames.recv() => match incoming {
                    Some(Incoming::Frame(json)) => {
                        if let Err(ended) = self.handle_frame(&json) {
                            break ended;
                        }
                    }
                    Some(Incoming::Closed { code, reason }) => break self.closed(code, reason),
                    None => break self.closed(None, "the connection is gone".into()),
                },
                command = self.commands.recv() => match command {
                    Some(Command::Request { request, reply }) => self.send_request(request, reply),
                    Some(Command::Close { done }) => {
                        self.link.close().await;
                        let _ = done.send(());
                        return;
                    }
                    None => return self.link.close().await,
                },
                () = tokio::time::sleep_until(next_ping) => {
                    if let Err(ended) = self.ping() {
                        break ended;
                    }
                    let soon = self.pings < FIRST_PINGS;
                    next_ping += if soon { FIRST_PING_INTERVAL } else { PING_INTERVAL };
                }
            }
        };
        tracing::debug!(code = ?ended.code, reason = ended.reason, "session ended");
        // Told before the pushes end and the waiting requests fail: both look it up.
        self.ended.send_replace(Some(ended));
    }

    fn send_request(&mut self, mut request: Request, reply: Answer) {
        request.id = self.next_id;
        self.next_id += 1;
        let first = request.id == 1;
        let waiting = if first {
            Waiting::Hello(reply)
        } else {
            Waiting::Reply(reply)
        };
        self.waiting.insert(request.id, (self.clock.now(), waiting));
        // A link that takes no more is noticed by the pings and by the caller's time-out.
        let _ = self.link.sender.send_frame(request.encode());
    }

    /// Asks for the time, unless an earlier ping is overdue.
    fn ping(&mut self) -> Result<(), Ended> {
        let now = self.clock.now();
        // Callers that gave up leave their entries behind.
        self.waiting.retain(|_, (asked, waiting)| {
            matches!(waiting, Waiting::Ping) || now.saturating_sub(*asked) < 2 * REPLY_TIMEOUT
        });
        let overdue = |(asked, waiting): &(Duration, Waiting)| {
            matches!(waiting, Waiting::Ping) && now.saturating_sub(*asked) > PING_TIMEOUT
        };
        if self.waiting.values().any(overdue) {
            return Err(self.closed(None, "the relay does not answer".into()));
        }
        if self.next_id > 1 {
            self.pings += 1;
            let request = Request::new(self.next_id, "ping", &PingParams { time: None });
            self.waiting.insert(self.next_id, (now, Waiting::Ping));
            self.next_id += 1;
            let _ = self.link.sender.send_frame(request.encode());
        }
        Ok(())
    }

    fn handle_frame(&mut self, json: &[u8]) -> Result<(), Ended> {
        match ServerFrame::decode(json) {
            Ok(ServerFrame::Reply(reply)) => {
                self.handle_reply(reply);
                Ok(())
            }
            Ok(ServerFrame::Push(push)) => self.handle_push(push),
            Err(error) => Err(self.closed(None, format!("the relay sent {error}"))),
        }
    }

    fn handle_reply(&mut self, reply: Reply) {
        let Some((asked, waiting)) = self.waiting.remove(&reply.id) else {
            return;
        };
        match waiting {
            Waiting::Reply(answer) => {
                // The caller may have given up.
                let _ = answer.send(reply.result.map_err(Error::from));
            }
            Waiting::Hello(answer) => {
                if let Ok(result) = &reply.result
                    && let Ok(hello) = read::<HelloResult>(result)
                {
                    self.note_time(asked, hello.server_time);
                }
                let _ = answer.send(reply.result.map_err(Error::from));
            }
            Waiting::Ping => {
                if let Ok(result) = &reply.result
                    && let Ok(pong) = read::<PingResult>(result)
                {
                    self.note_time(asked, pong.server_time);
                }
            }
        }
    }

    fn note_time(&mut self, asked: Duration, server_time: u64) {
        self.estimator.add(asked, self.clock.now(), server_time);
        self.estimate.send_replace(self.estimator.estimate());
    }

    fn handle_push(&mut self, push: Push) -> Result<(), Ended> {
        if push.channel == SESSION_CHANNEL {
            if push.kind == "bye"
                && let Ok(bye) = read::<Bye>(&push.data)
            {
                // The close that follows may not come through; this says it all.
                let (code, reason) = (bye.code, bye.reason.clone());
                self.bye = Some(bye);
                return Err(self.closed(Some(code), reason));
            }
            return Ok(());
        }
        match self.pushes.try_send(push) {
            // Nobody wants pushes; requests go on.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => {
                Err(self.closed(None, "pushes were not read in time".into()))
            }
        }
    }

    fn closed(&self, code: Option<CloseCode>, reason: String) -> Ended {
        let after = self.bye.as_ref().and_then(|bye| bye.reconnect_after_ms);
        Ended {
            code,
            reason,
            // A relay must not be able to send its listeners away for good.
            reconnect_after: after.map(|ms| Duration::from_millis(ms.min(300_000))),
        }
    }
}
