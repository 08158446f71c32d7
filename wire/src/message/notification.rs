//! The personal inbox, and announcements.

use serde::{Deserialize, Serialize};

use super::chat::Author;
use super::room::Room;
use crate::StationId;

/// The name of the channel of one's own inbox.
pub const INBOX_CHANNEL: &str = "inbox";

/// The name of the channel of the presence of others.
pub const PRESENCE_CHANNEL: &str = "presence";

/// Something a user should know. `seq` is its offset in the channel `inbox`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// The notification's number.
    pub seq: u64,
    /// When, in microseconds since the Unix epoch.
    pub at: u64,
    /// Whether it was read.
    pub read: bool,
    /// What happened.
    #[serde(flatten)]
    pub event: NotificationEvent,
}

/// What a notification tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NotificationEvent {
    /// Somebody mentioned one.
    Mention {
        /// Where.
        channel: String,
        /// In which message.
        message: u64,
        /// Who.
        from: Author,
        /// How it begins.
        preview: String,
    },
    /// Somebody wrote in a conversation one had read to the end.
    Message {
        /// Where.
        channel: String,
        /// The first unread message.
        message: u64,
        /// Who.
        from: Author,
        /// How it begins.
        preview: String,
    },
    /// Somebody asks one into a room.
    Invitation {
        /// The room's channel.
        channel: String,
        /// The room's name.
        name: String,
        /// Who.
        from: Author,
    },
    /// A station one follows is on air.
    StationLive {
        /// The station.
        station: StationId,
        /// Its name.
        name: String,
    },
    /// The administrators have to say something.
    Announcement {
        /// What.
        text: String,
    },
}

/// State of the channel `inbox`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InboxState {
    /// The newest notifications, newest first.
    pub notifications: Vec<Notification>,
    /// How many are unread, counted up to 1,000.
    pub unread: u64,
    /// The conversations last written to, latest first.
    pub conversations: Vec<Room>,
}

/// Parameters of `notifications`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct NotificationsParams {
    /// Only those with a smaller `seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Only unread ones.
    #[serde(default)]
    pub unread: bool,
    /// Notifications per page, at most 50, the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Result of `notifications`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NotificationsResult {
    /// Newest first.
    pub notifications: Vec<Notification>,
    /// How many are unread, counted up to 1,000.
    pub unread: u64,
    /// Whether there are older ones.
    pub more: bool,
}

/// Parameters of `read_notifications`, and data of the push `notifications_read`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadNotifications {
    /// These, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seqs: Vec<u64>,
    /// And all up to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<u64>,
}

/// Result of `read_notifications`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadResult {
    /// How many are unread still.
    pub unread: u64,
}

/// Parameters of `announce`, for administrators. With neither station nor
/// channel it goes to everybody.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AnnounceParams {
    /// What to say, at most 512 characters.
    pub text: String,
    /// Into the station's room and to its followers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub station: Option<StationId>,
    /// Into this room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}
