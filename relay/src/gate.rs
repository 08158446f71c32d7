//! The relay's port to whoever knows users: who somebody is, what they may do, and
//! what they say to each other.
//!
//! The relay asks, the composition root answers. Identities are small and held
//! by the session; rights are looked up in them on every request, never cached
//! beside them, so a new token takes effect with the next request.
//!
//! Methods and channels that are not the relay's own go to the gate's [`Side`] of
//! the session. The relay hands them over one after the other and goes on with its
//! own requests meanwhile: sound never waits for a database.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;
use wire::StationId;
use wire::code::CloseCode;
use wire::frame::{Batch, Error, Request};
use wire::message::{Station, SubscribeParams, Subscribed};

use crate::session::outbox::{Frame, Outbox};
use crate::station::Lane;

/// Tells who a token belongs to, and takes what is said beside the sound.
#[async_trait::async_trait]
pub trait Gate: Send + Sync + 'static {
    /// Checks a token. Called for `hello` and `authenticate`, one call per
    /// session at a time; after 5 s without an answer the relay gives up with `internal`.
    async fn authenticate(&self, token: &str) -> Result<Identity, Denied>;

    /// Checks what an encoder of Icecast says: whether it may be the station's source. The
    /// default knows no such user. Called for every source and title update; after 15 s
    /// without an answer the relay gives up.
    async fn authenticate_source(
        &self,
        _station: &StationId,
        _user: &str,
        _password: &str,
    ) -> Result<SourceRight, SourceDenied> {
        Err(SourceDenied::Unknown)
    }

    /// Opens the gate's side of a session whose `hello` is good. None, the default,
    /// when the gate has no methods and channels.
    fn open(&self, visitor: Visitor) -> Option<Arc<dyn Side>> {
        let _ = visitor;
        None
    }

    /// The name of a method the gate's sides answer; none, the default, for any other.
    fn method(&self, name: &str) -> Option<&'static str> {
        let _ = name;
        None
    }

    /// Whether the gate can answer, for readiness checks. Yes by default.
    async fn ready(&self) -> bool {
        true
    }

    /// What the gate counts since it began, for the metrics. Nothing by default.
    fn counts(&self) -> Vec<Count> {
        Vec::new()
    }

    /// A station that was off air is on air. Must not block.
    fn station_started(&self, station: &Station) {
        let _ = station;
    }
}

/// Something counted, as the metrics tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Its name, without the prefix `skywave_` and the suffix `_total`.
    pub name: &'static str,
    /// What it counts, in a few words.
    pub help: &'static str,
    /// How many since the start.
    pub value: u64,
}

/// The gate's side of one session. The relay calls it from one task, one call after
/// the other, and gives up on a call after 10 s with `unavailable`, dropping its future.
#[async_trait::async_trait]
pub trait Side: Send + Sync + std::fmt::Debug + 'static {
    /// Answers a request of a method [`Gate::method`] knows. The result fits a frame.
    async fn request(&self, request: &Request) -> Result<Box<RawValue>, Error>;

    /// Subscribes or resumes a channel that is not the relay's own; `unknown_channel`
    /// when it is not the gate's either. What comes back should have at most
    /// `bytes_max` bytes of JSON. No push of the channel may be told before [`Side::release`].
    async fn subscribe(
        &self,
        params: &SubscribeParams,
        bytes_max: usize,
    ) -> Result<Subscribed, Error>;

    /// The replies to all subscriptions up to now are queued: their pushes may follow.
    fn release(&self);

    /// Ends a subscription, if there is one.
    fn unsubscribe(&self, channel: &str) -> Result<(), Error>;

    /// The session has a new token of the same user.
    async fn identity_changed(&self, identity: &Identity);

    /// The session is over; nothing is called after it.
    fn end(&self, end: SessionEnd);
}

/// How a session ended, as far as others are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// The client said goodbye.
    Orderly,
    /// It vanished or was sent away: it may be back in a moment.
    Abrupt,
}

/// Who a session is opened for.
#[derive(Debug)]
pub struct Visitor {
    /// The token's bearer; none is anonymous.
    pub identity: Option<Identity>,
    /// From where.
    pub address: IpAddr,
    /// What the session is told beside its replies.
    pub pushes: Pushes,
}

/// Where a gate's pushes for one session go.
#[derive(Debug, Clone)]
pub struct Pushes(pub(crate) Arc<Outbox>);

/// What becomes of a push in a session that is slow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushClass {
    /// It must arrive: the session ends with `slow_consumer` instead, and resumes.
    Durable,
    /// Only the latest of that key matters; one that waits is replaced.
    Latest(Arc<str>),
}

impl Pushes {
    /// Queues one push or several, each at most a frame, with one wake-up. The bytes are shared
    /// with other sessions that get the same.
    pub fn push(&self, batch: Batch, class: PushClass) {
        self.0.push(Lane::Control, Frame::shared(batch, class));
    }

    /// Ends the session; the first reason counts.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.0.ask_end(code, reason);
    }
}

/// An encoder's right to be a station's source.
#[derive(Debug, Clone, Default)]
pub struct SourceRight {
    /// When it ends, in seconds since the Unix epoch; none is for as long as it likes.
    pub expires_at: Option<u64>,
    /// Cancelled when the right is taken back: the source's station stops at once.
    pub revoked: CancellationToken,
}

/// Why an encoder may not be a station's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceDenied {
    /// No such user, or the password is wrong.
    #[error("the user or the password is wrong")]
    Unknown,
    /// It is somebody, but may not publish this station.
    #[error("this user may not be the source of this station")]
    Forbidden,
    /// Too many passwords wait to be checked.
    #[error("too many passwords wait to be checked")]
    Busy,
}

/// Who a session acts for, as its present token has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The token's subject.
    pub sub: String,
    /// The name to show.
    pub name: Option<String>,
    /// The token's own id, by which it may be revoked.
    pub token_id: Option<String>,
    /// When the token expires, in seconds since the Unix epoch. The session ends then.
    pub expires_at: u64,
    /// What the token allows.
    pub rights: Rights,
}

/// What a token allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// Stations it may be the source of.
    pub publish: Stations,
    /// Stations it may moderate.
    pub moderate: Stations,
    /// Whether it may do everything.
    pub admin: bool,
}

/// A set of stations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stations {
    /// Every station there is or will be: `"*"`.
    All,
    /// These.
    Only(BTreeSet<StationId>),
}

impl Default for Stations {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

impl Stations {
    /// Whether the set holds that station.
    #[must_use]
    pub fn contains(&self, station: &StationId) -> bool {
        match self {
            Self::All => true,
            Self::Only(stations) => stations.contains(station),
        }
    }
}

impl Identity {
    /// Whether this user may be the station's source.
    #[must_use]
    pub fn may_publish(&self, station: &StationId) -> bool {
        self.rights.admin || self.rights.publish.contains(station)
    }
}

/// The token is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Denied {
    /// Why, for the person whose token it is; it never holds the token.
    pub reason: String,
}

/// A gate that knows nobody.
#[cfg(test)]
pub(crate) struct NoGate;

#[cfg(test)]
#[async_trait::async_trait]
impl Gate for NoGate {
    async fn authenticate(&self, _token: &str) -> Result<Identity, Denied> {
        Err(Denied {
            reason: "nobody".into(),
        })
    }
}
