//! Parameters, results and push data of every method: `docs/protocol.md`, sections 4, 5 and 9.
//!
//! What is said beside the sound is in modules of its own: [`room`], [`chat`],
//! [`conversation`], [`presence`], [`notification`], [`moderation`], [`interaction`].

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::StationId;
use crate::code::CloseCode;
use crate::frame::{Error, Push};

pub mod chat;
pub mod conversation;
pub mod interaction;
pub mod moderation;
pub mod notification;
pub mod presence;
pub mod push;
mod reception;
pub mod room;
mod station;

pub use reception::{InvalidReport, Percentiles, ReceptionReport};
pub use station::{
    Codec, Counts, InvalidTrack, Metadata, Station, StationState, Track, TrackParams, clean_text,
};

/// The name of the channel that carries `bye`.
pub const SESSION_CHANNEL: &str = "session";

/// The name of the channel that tells which stations are on air.
pub const STATIONS_CHANNEL: &str = "stations";

/// The rendition a station sends itself.
pub const SOURCE_RENDITION: &str = "source";

/// Parameters of `hello`.
#[derive(Clone, Serialize, Deserialize)]
pub struct HelloParams {
    /// The protocol version the client speaks.
    pub protocol: u32,
    /// A JWT; without one the session is anonymous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What program the client is, for logs and statistics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientInfo>,
    /// Channels to subscribe, or to resume.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subscriptions: Vec<SubscribeParams>,
}

impl std::fmt::Debug for HelloParams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HelloParams")
            .field("protocol", &self.protocol)
            .field("token", &self.token.as_ref().map(|_| ".."))
            .field("client", &self.client)
            .field("subscriptions", &self.subscriptions)
            .finish()
    }
}

/// What program a client is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClientInfo {
    /// The program's name.
    pub name: String,
    /// The program's version.
    pub version: String,
}

/// Result of `hello`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HelloResult {
    /// The protocol version the relay speaks in this session.
    pub protocol: u32,
    /// The session's id, for logs and support.
    pub session: String,
    /// Who the token says the user is; none for anonymous sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// What the relay allows the session.
    pub limits: Limits,
    /// The longest a client may stay silent, in milliseconds.
    pub ping_interval_ms: u64,
    /// Microseconds since the Unix epoch by the relay's clock.
    pub server_time: u64,
    /// One entry for each subscription asked for, in order.
    #[serde(default)]
    pub subscriptions: Vec<Subscribed>,
}

/// The user of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The token's subject.
    pub sub: String,
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When the token expires, in seconds since the Unix epoch.
    pub expires_at: u64,
}

/// What the relay allows a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest control frame in bytes.
    pub frame_bytes: usize,
    /// Largest datagram in bytes.
    pub datagram_bytes: usize,
    /// Most subscriptions at once.
    pub subscriptions: usize,
    /// Requests per second over any longer time.
    pub requests_per_second: u32,
}

/// Parameters of `subscribe`, and one entry of `hello`'s subscriptions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscribeParams {
    /// The channel.
    pub channel: String,
    /// The epoch of the offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// The last offset the client has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// Parameters of `unsubscribe`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsubscribeParams {
    /// The channel.
    pub channel: String,
}

/// Result of a subscription: where the channel stands, and the state or what was missed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Subscribed {
    /// The channel.
    pub channel: String,
    /// The series the offset belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// The channel's newest offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Whether `events` are all the client missed; else `state` replaces what it had.
    #[serde(default)]
    pub recovered: bool,
    /// What happened after the offset asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Push>,
    /// The channel's state as of `offset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Box<RawValue>>,
    /// Why there is no subscription; only inside `hello`'s result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
}

/// State of the channel `stations`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StationsState {
    /// The stations that are live or interrupted.
    pub stations: Vec<Station>,
}

/// Parameters of `ping`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PingParams {
    /// Anything; it comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<serde_json::Number>,
}

/// Result of `ping`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PingResult {
    /// What the request held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<serde_json::Number>,
    /// Microseconds since the Unix epoch by the relay's clock.
    pub server_time: u64,
}

/// Parameters of `authenticate`.
#[derive(Clone, Serialize, Deserialize)]
pub struct AuthenticateParams {
    /// The JWT that takes the present one's place.
    pub token: String,
}

impl std::fmt::Debug for AuthenticateParams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthenticateParams { token: .. }")
    }
}

/// Result of `authenticate`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuthenticateResult {
    /// The user as the new token has it.
    pub user: User,
}

/// Parameters of `listen`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListenParams {
    /// The station to hear.
    pub station: StationId,
    /// In which rendition.
    #[serde(default = "source_rendition")]
    pub rendition: String,
    /// What travels along against loss, a level from 0 to [`REDUNDANCY_MAX`].
    #[serde(default)]
    pub redundancy: u8,
    /// How many packets share a datagram, from 1 to [`BUNDLE_MAX`]: fewer datagrams for more
    /// delay. Above 1 nothing travels along against loss.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub bundle: u8,
    /// How far back to begin, in milliseconds; 0 is live.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rewind_ms: u64,
}

/// The highest level of redundancy: copies of packets n-1 and n-4. Level 1 is a copy of n-1.
pub const REDUNDANCY_MAX: u8 = 2;

/// The most packets that may share a datagram.
pub const BUNDLE_MAX: u8 = 4;

/// Parameters of `set_redundancy`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct SetRedundancyParams {
    /// The level from the next packet on, 0 to [`REDUNDANCY_MAX`].
    pub level: u8,
}

fn one() -> u8 {
    1
}

fn is_one(value: &u8) -> bool {
    *value == 1
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

fn source_rendition() -> String {
    SOURCE_RENDITION.to_owned()
}

/// Result of `listen`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListenResult {
    /// The station as it is now.
    pub station: Station,
    /// The track whose datagrams follow; none while nothing flows.
    pub track: Option<Track>,
    /// How much later than live its packets are sent, in milliseconds: as far back as was
    /// asked for and is kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rewind_ms: u64,
    /// The media time it begins at; none while nothing flows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
}

/// Parameters of `publish`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PublishParams {
    /// The station to be the source of.
    pub station: StationId,
    /// What the datagrams will hold.
    pub track: TrackParams,
    /// The station's name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A sentence about the station.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What plays first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Whether to replace a source that is on air.
    #[serde(default)]
    pub takeover: bool,
}

/// Result of `publish`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PublishResult {
    /// The station as it is now.
    pub station: Station,
    /// The track to send.
    pub track: Track,
    /// The number the first packet must have.
    pub sequence: u64,
    /// The timestamp the first packet must have.
    pub timestamp: u64,
}

/// Parameters of `update_metadata`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UpdateMetadataParams {
    /// What plays from its timestamp on.
    pub metadata: Metadata,
}

/// Parameters of methods that take none, and results that say nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Empty {}

/// Data of the push `started`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Started {
    /// The track whose datagrams follow.
    pub track: Track,
}

/// Data of the push `source_report`: totals of this publish.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceReport {
    /// Packets that reached the relay and were passed on.
    pub received: u64,
    /// Sequence numbers that never came.
    pub lost: u64,
    /// Datagrams that were dropped because of what they held.
    pub rejected: u64,
    /// Listeners of the station now.
    pub listeners: u64,
}

/// Data of the push `publish_ended`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PublishEnded {
    /// Why.
    pub code: PublishEndCode,
    /// Why, for people.
    pub reason: String,
}

/// Why a session is a station's source no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PublishEndCode {
    /// Another source asked to take over.
    TakenOver,
    /// The session's new token does not allow it.
    Forbidden,
    /// A code this version does not know.
    #[serde(other)]
    Unknown,
}

/// Data of the push `bye`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bye {
    /// Why the session ends.
    pub code: CloseCode,
    /// Why, for people.
    pub reason: String,
    /// When to come back; none when coming back would not help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconnect_after_ms: Option<u64>,
}

impl Bye {
    /// The push that tells it.
    #[must_use]
    pub fn push(&self) -> Push {
        Push::new(SESSION_CHANNEL, "bye", self)
    }
}

/// Answer of `GET /api/v1/connect`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Connect {
    /// The protocol version the relay speaks.
    pub protocol: u32,
    /// Where WebTransport is, if the relay has a QUIC port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webtransport: Option<ConnectWebTransport>,
    /// Where WebSocket is.
    pub websocket: ConnectUrl,
    /// Where the site and the API are.
    pub http: ConnectUrl,
    /// Microseconds since the Unix epoch by the relay's clock.
    pub server_time: u64,
}

/// The WebTransport part of [`Connect`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectWebTransport {
    /// The address to connect to.
    pub url: String,
    /// Hashes of the certificates the relay minted itself; empty with a certificate from elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificate_hashes: Vec<CertificateHash>,
}

/// A certificate a client should trust, as `serverCertificateHashes` of the W3C's WebTransport takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateHash {
    /// `sha-256`.
    pub algorithm: String,
    /// The hash of the certificate's DER, in base64 (RFC 4648, section 4).
    pub value: String,
}

/// An address.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConnectUrl {
    /// The address.
    pub url: String,
}

impl Subscribed {
    /// A refused subscription inside `hello`'s result.
    #[must_use]
    pub fn refused(channel: String, error: Error) -> Self {
        Self {
            channel,
            epoch: None,
            offset: None,
            recovered: false,
            events: Vec::new(),
            state: None,
            error: Some(error),
        }
    }
}

/// Data of the push `counts` on the channel `stations`.
pub type CountsByStation = std::collections::BTreeMap<StationId, Counts>;
