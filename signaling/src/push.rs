//! Web Push (RFC 8030, 8291, 8292): notifications on devices while no session is there.
//!
//! It is an addition that may fail: the inbox has every notification. What is to be
//! told waits in a bounded queue, apart from everything else; a push service that is
//! slow or gone delays nobody. Payloads are encrypted for the device, so a push
//! service learns when somebody is told something and how long it is, not what.

mod delivery;
mod encryption;
mod endpoint;
mod key;
mod services;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use wire::code::ErrorCode;
use wire::message::notification::{Notification, NotificationEvent};
use wire::message::push::PushSubscribeParams;

use crate::store::push::Device;
use crate::store::{Fail, Store, refuse};

use encryption::Recipient;
pub use key::{KeyError, PushKey};

/// Notifications that wait; further ones are dropped, and told by the inbox alone. It
/// holds what one station tells its followers when it goes live.
const QUEUE_MAX: usize = 16_384;

/// Bytes of a payload: with the head of its encryption it fits the 4,096 that every
/// push service takes.
const PAYLOAD_BYTES_MAX: usize = 3_900;

/// How to push.
#[derive(Debug, Clone)]
pub struct Config {
    /// Signs that messages come from here.
    pub key: PushKey,
    /// Whom push services may write to: `mailto:` or `https:`.
    pub contact: String,
    /// Whether users who have a session are pushed to as well. Default no.
    pub always: bool,
    /// Allows endpoints without TLS, at any port, and at addresses that are not public:
    /// for tests and for push services of one's own. Default no.
    pub any_endpoint: bool,
    /// How hard is tried.
    pub effort: Effort,
}

impl Config {
    /// The defaults with that key and contact.
    pub fn new(key: PushKey, contact: impl Into<String>) -> Self {
        Self {
            key,
            contact: contact.into(),
            always: false,
            any_endpoint: false,
            effort: Effort::default(),
        }
    }
}

pub use delivery::Effort;

/// What became of pushes since the start.
#[derive(Debug, Default)]
pub struct Counts {
    delivered: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    gone: AtomicU64,
}

impl Counts {
    /// Messages push services took.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Messages given up.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Notifications that found the queue full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Devices forgotten because their push service knows them no more.
    pub fn gone(&self) -> u64 {
        self.gone.load(Ordering::Relaxed)
    }
}

/// A notification on its way to a user's devices.
#[derive(Debug)]
struct Told {
    sub: String,
    payload: String,
    /// Whether it is worth waking a device that saves power.
    is_urgent: bool,
}

/// Where notifications go that devices are to be told.
#[derive(Debug)]
pub(crate) struct Push {
    queue: mpsc::Sender<Told>,
    pub(crate) always: bool,
    any_endpoint: bool,
    public_key: String,
    pub(crate) counts: Arc<Counts>,
}

/// Notifications that wait for [`run`].
#[derive(Debug)]
pub(crate) struct Waiting(mpsc::Receiver<Told>);

impl Push {
    pub(crate) fn new(config: &Config) -> (Self, Waiting) {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let push = Self {
            queue,
            always: config.always,
            any_endpoint: config.any_endpoint,
            public_key: config.key.public_base64(),
            counts: Arc::default(),
        };
        (push, Waiting(waiting))
    }

    /// The key browsers subscribe with.
    pub(crate) fn public_key(&self) -> &str {
        &self.public_key
    }

    /// Has a user's devices told of a notification. Never waits.
    pub(crate) fn tell(&self, sub: String, notification: &Notification) {
        let told = Told {
            sub,
            payload: payload(notification),
            is_urgent: matches!(
                notification.event,
                NotificationEvent::Message { .. } | NotificationEvent::Mention { .. }
            ),
        };
        if self.queue.try_send(told).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A device as it may be kept, or what is wrong with it.
    pub(crate) fn device(&self, params: PushSubscribeParams) -> Result<Device, Fail> {
        let bad = |why: &str| refuse(ErrorCode::BadRequest, why);
        endpoint::check(&params.endpoint, self.any_endpoint).map_err(bad)?;
        // Encrypting is what tells whether the key is a point of the curve.
        let probe = Recipient::read(&params.keys).and_then(|keys| keys.encrypt(b"").ok());
        probe.ok_or_else(|| bad("keys: not those of a subscription"))?;
        Ok(Device {
            endpoint: params.endpoint,
            keys: params.keys,
        })
    }
}

/// Tells devices what waits, until it is dropped.
pub(crate) async fn run(store: Store, config: Config, counts: Arc<Counts>, waiting: Waiting) {
    match delivery::Courier::new(store, config, counts) {
        Ok(courier) => Arc::new(courier).deliver_all(waiting.0).await,
        Err(error) => tracing::error!(%error, "Web Push is off: no roots of trust"),
    }
}

/// The notification as JSON; what is too long leaves its particulars to the inbox.
fn payload(notification: &Notification) -> String {
    let json = serde_json::to_value(notification).expect("wire types serialize");
    let text = json.to_string();
    if text.len() <= PAYLOAD_BYTES_MAX {
        return text;
    }
    let (seq, at, kind) = (&json["seq"], &json["at"], &json["kind"]);
    serde_json::json!({ "seq": seq, "at": at, "read": false, "kind": kind }).to_string()
}
