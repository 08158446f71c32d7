//! Who is there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Whether a user is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// With at least one device, and not away.
    Online,
    /// By the user's own word.
    Away,
    /// With no device, for longer than the grace of 15 s.
    Offline,
}

/// A user's presence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Whether the user is there.
    pub status: Status,
    /// The user's own words about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Sessions the user has.
    #[serde(default)]
    pub devices: u32,
    /// When the user was last there, in microseconds since the Unix epoch; only when offline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<u64>,
}

/// State of the channel `presence`: those with whom one shares a conversation
/// or a room of at most 200 members, and who are not offline; and oneself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PresenceState {
    /// By user.
    pub users: BTreeMap<String, Presence>,
}

/// Data of the push `presence`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceChanged {
    /// The user.
    pub user: String,
    /// How it is now.
    #[serde(flatten)]
    pub presence: Presence,
}

/// Parameters of `set_presence`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetPresenceParams {
    /// `online` or `away`.
    pub status: Status,
    /// One's own words, at most 128 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Parameters of `presence`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PresenceParams {
    /// The users to ask about, at most 100; those one shares nothing with are left out.
    pub users: Vec<String>,
}
