//! What a session asks of the gate: answered in order, while the relay goes on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout;
use wire::code::ErrorCode;
use wire::frame::{Error, FRAME_BYTES_MAX, Reply, Request};
use wire::message::{Empty, SubscribeParams, Subscribed};

use super::core::shortened;
use crate::gate::{Identity, SessionEnd, Side};

/// Requests that wait for the gate before the session reads no further.
const WAITING_MAX: usize = 16;

/// How long the gate may take for one request, or for all subscriptions of a `hello`.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of JSON in the reply to one subscription.
const SUBSCRIBED_BYTES: usize = 24 * 1024;

/// Bytes of JSON for all of the gate's subscriptions in one `hello`: with
/// [`super::driver::STATIONS_BYTES`] beside it the reply fits a frame.
const GREETED_BYTES: usize = 34 * 1024;

/// What a refused subscription takes in a reply at worst.
const REFUSED_BYTES: usize = 400;

/// The gate's side of a session and what waits for it.
#[derive(Debug)]
pub(super) struct Gated {
    side: Arc<dyn Side>,
    waiting: VecDeque<Job>,
    running: Option<Running>,
}

/// Something for the gate, in its place among the session's other requests.
#[derive(Debug)]
pub(super) enum Job {
    Request(Request),
    Subscribe(u64, SubscribeParams),
    Unsubscribe(u64, String),
    /// The session's new token.
    Identity(Identity),
}

/// What came of a job.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) reply: Option<Reply>,
    /// Pushes were held back until the reply is queued.
    pub(super) release: bool,
}

/// A job's future; the mutex, which is never locked, lets sessions be shared.
struct Running(Mutex<BoxFuture<'static, Done>>);

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Running")
    }
}

impl Gated {
    pub(super) fn new(side: Arc<dyn Side>) -> Self {
        Self {
            side,
            waiting: VecDeque::new(),
            running: None,
        }
    }

    /// Whether another job may wait.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < WAITING_MAX
    }

    pub(super) fn push(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    /// The next job that is done; for ever pending when there is none. It may be
    /// dropped: the job goes on with the next call.
    pub(super) async fn next(&mut self) -> Done {
        if self.running.is_none() {
            let Some(job) = self.waiting.pop_front() else {
                return std::future::pending().await;
            };
            let side = Arc::clone(&self.side);
            self.running = Some(Running(Mutex::new(run(side, job).boxed())));
        }
        let running = self.running.as_mut().expect("one was started above");
        let job = running.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        let done = job.await;
        self.running = None;
        done
    }

    /// Lets through what was held back for subscriptions.
    pub(super) fn release(&self) {
        self.side.release();
    }

    pub(super) fn end(&self, end: SessionEnd) {
        self.side.end(end);
    }

    /// Subscribes what a `hello` names beside the relay's own channels.
    pub(super) async fn greet(&self, wanted: &[&SubscribeParams]) -> Vec<Subscribed> {
        let until = Instant::now() + PATIENCE;
        let mut bytes = GREETED_BYTES;
        let mut greeted = Vec::new();
        for (number, params) in wanted.iter().enumerate() {
            // Those that follow keep room for a refusal at least.
            let others = wanted.len() - number - 1;
            let mine = bytes.saturating_sub(others * REFUSED_BYTES);
            let share = (mine / (others.min(3) + 1)).min(SUBSCRIBED_BYTES);
            let patience = until.saturating_duration_since(Instant::now());
            let asked = subscribe(&*self.side, params, share, patience).await;
            let mut subscribed = asked.unwrap_or_else(|error| refused(params, error));
            let mut size = json_bytes(&subscribed);
            if size > mine {
                let _ = self.side.unsubscribe(&params.channel);
                let message = "this does not fit into the reply: subscribe it by itself";
                subscribed = refused(params, Error::new(ErrorCode::Overloaded, message));
                size = json_bytes(&subscribed);
            }
            bytes = bytes.saturating_sub(size + 1);
            greeted.push(subscribed);
        }
        greeted
    }
}

async fn run(side: Arc<dyn Side>, job: Job) -> Done {
    let side = &*side;
    match job {
        Job::Request(request) => {
            let asked = timeout(PATIENCE, side.request(&request)).await;
            let result = asked.unwrap_or_else(|_| Err(late()));
            Done::told(Reply {
                id: request.id,
                result: result.map_err(shortened),
            })
        }
        Job::Subscribe(id, params) => {
            let subscribed = subscribe(side, &params, SUBSCRIBED_BYTES, PATIENCE).await;
            Done {
                release: true,
                ..Done::told(Reply::new(id, subscribed.as_ref().map_err(Clone::clone)))
            }
        }
        Job::Unsubscribe(id, channel) => {
            let ended = side.unsubscribe(&channel).map_err(shortened);
            Done::told(Reply::new(id, ended.map(|()| &Empty {})))
        }
        Job::Identity(identity) => {
            let _ = timeout(PATIENCE, side.identity_changed(&identity)).await;
            Done {
                reply: None,
                release: false,
            }
        }
    }
}

impl Done {
    fn told(reply: Reply) -> Self {
        let result = match &reply.result {
            Ok(json) if json.get().len() > FRAME_BYTES_MAX - 64 => {
                let message = "the answer does not fit a frame: ask for less";
                Err(Error::new(ErrorCode::Internal, message))
            }
            _ => reply.result,
        };
        Self {
            reply: Some(Reply {
                id: reply.id,
                result,
            }),
            release: false,
        }
    }
}

/// Subscribes within that time; what is given up leaves no subscription behind.
async fn subscribe(
    side: &dyn Side,
    params: &SubscribeParams,
    bytes_max: usize,
    patience: Duration,
) -> Result<Subscribed, Error> {
    let asked = timeout(patience, side.subscribe(params, bytes_max)).await;
    let subscribed = asked.unwrap_or_else(|_| {
        let _ = side.unsubscribe(&params.channel);
        Err(late())
    });
    subscribed.map_err(shortened)
}

fn late() -> Error {
    Error::new(ErrorCode::Unavailable, "there was no answer in time").retry_after_ms(1_000)
}

fn refused(params: &SubscribeParams, error: Error) -> Subscribed {
    Subscribed::refused(echo(&params.channel), error)
}

/// A channel's name as a refusal repeats it: none of ours is longer, and 64 of them
/// fit a reply.
pub(crate) fn echo(channel: &str) -> String {
    let plain = |char: &char| char.is_ascii_graphic() && !matches!(char, '"' | '\\');
    channel.chars().filter(plain).take(80).collect()
}

fn json_bytes(subscribed: &Subscribed) -> usize {
    serde_json::to_vec(subscribed).map_or(usize::MAX, |json| json.len())
}
