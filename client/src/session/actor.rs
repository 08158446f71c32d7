//! The task behind a session: it owns the link, counts requests and asks for the time.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use wire::code::CloseCode;
use wire::frame::{Push, Reply, Request, ServerFrame, read};
use wire::message::{Bye, HelloResult, PingParams, PingResult, SESSION_CHANNEL};

use super::{Answer, Command, Ended, REPLY_TIMEOUT};
use crate::Error;
use crate::clock::{Estimate, Estimator, LocalClock};
use crate::link::{Incoming, Link};

/// Time between pings; shorter when the relay asks for it. Short enough to notice soon
/// that a relay is gone, for a killed one says nothing over UDP.
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// The first few pings follow each other quickly: the clock is wanted soon.
const FIRST_PINGS: u32 = 4;
const FIRST_PING_INTERVAL: Duration = Duration::from_millis(150);

/// A ping unanswered for so long means that the session is dead.
const PING_TIMEOUT: Duration = Duration::from_secs(4);

#[derive(Debug)]
enum Waiting {
    Reply(Answer),
    Ping,
    /// The caller waits for the reply to the first request, whose round trip tells the clock too.
    Hello(Answer),
}

/// Owns the link.
pub(super) struct Actor {
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
    pub(super) fn new(
        link: Link,
        clock: LocalClock,
        commands: mpsc::Receiver<Command>,
        pushes: mpsc::Sender<Push>,
        estimate: watch::Sender<Option<Estimate>>,
        ended: watch::Sender<Option<Ended>>,
    ) -> Self {
        Self {
            link,
            clock,
            commands,
            pushes,
            estimate,
            ended,
            estimator: Estimator::default(),
            waiting: HashMap::new(),
            next_id: 1,
            pings: 0,
            bye: None,
        }
    }

    pub(super) async fn run(mut self) {
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
