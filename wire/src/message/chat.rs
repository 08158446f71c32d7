//! Messages in rooms and conversations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The most characters of a message's text.
pub const TEXT_CHARS_MAX: usize = 4_000;

/// Who wrote or did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The user.
    pub sub: String,
    /// The name to show, as it was then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A message. `seq` is the offset its channel had when it was stored: it names
/// the message within the channel, and orders it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The message's number in its channel.
    pub seq: u64,
    /// The author; none for `system` messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Author>,
    /// The id the author's client gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// When it was stored, in microseconds since the Unix epoch.
    pub at: u64,
    /// Rises by one with every edit, with the deletion and with every change of reactions.
    pub version: u64,
    /// What it says; none once deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// The `seq` of the message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<u64>,
    /// The `seq` of the message whose thread it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<u64>,
    /// How many messages its own thread has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replies: u64,
    /// Users it mentions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
    /// How many gave each reaction.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reactions: BTreeMap<String, u64>,
    /// The reactions of whoever asks; only in results, not in pushes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mine: Vec<String>,
    /// When its text was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<u64>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    /// Text, at most [`TEXT_CHARS_MAX`] characters, shown as text and nothing else.
    Text {
        /// The text.
        text: String,
    },
    /// A place on Earth (WGS 84).
    Location {
        /// Degrees north, -90 to 90.
        latitude: f64,
        /// Degrees east, -180 to 180.
        longitude: f64,
        /// What is there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<String>,
    },
    /// An upload of the author's.
    Media {
        /// The upload's id.
        upload: String,
        /// What to show it as.
        kind: MediaKind,
        /// How long it plays, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
        /// A line below it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caption: Option<String>,
    },
    /// Said by the server; clients cannot send it.
    System {
        /// The text.
        text: String,
    },
}

/// What an upload is shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A voice message.
    Voice,
    /// Anything else: something to download.
    File,
}

/// Parameters of `send`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendParams {
    /// Where to.
    pub channel: String,
    /// The client's own id for the message, 1 to 64 characters, never used twice
    /// by one user: a retry with it gets the first reply again.
    pub client_id: String,
    /// What it says.
    pub content: Content,
    /// The `seq` of the message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<u64>,
    /// The `seq` of the message whose thread it joins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<u64>,
    /// Users it mentions, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
}

/// Result of `send`: the message is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendResult {
    /// The message's number.
    pub seq: u64,
    /// When it was stored.
    pub at: u64,
}

/// Parameters of `edit`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EditParams {
    /// The message's channel.
    pub channel: String,
    /// The message.
    pub seq: u64,
    /// Its new text (or caption).
    pub text: String,
    /// The version this edit is of; `conflict` when the message has another by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// Names a message: parameters of `delete`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MessageParams {
    /// The message's channel.
    pub channel: String,
    /// The message.
    pub seq: u64,
}

/// Result of `edit`, `delete` and `react`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionResult {
    /// The message's version now.
    pub version: u64,
}

/// Parameters of `react`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReactParams {
    /// The message's channel.
    pub channel: String,
    /// The message.
    pub seq: u64,
    /// The reaction, 1 to 32 bytes without white space; a message takes 20 different ones.
    pub reaction: String,
    /// Whether to give it or to take it back.
    pub on: bool,
}

/// Data of the push `edited`, and of `deleted` (then without content).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edited {
    /// The message.
    pub seq: u64,
    /// Its version; apply only what is above the one known.
    pub version: u64,
    /// What it says now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Who did it.
    pub by: String,
    /// When.
    pub at: u64,
}

/// Data of the push `reactions`: all counts of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reactions {
    /// The message.
    pub seq: u64,
    /// Its version.
    pub version: u64,
    /// How many gave each.
    pub reactions: BTreeMap<String, u64>,
    /// Whose change this was.
    pub by: String,
}

/// Parameters of `history`: the newest messages, or those before or after a `seq`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct HistoryParams {
    /// The channel.
    pub channel: String,
    /// Only messages with a smaller `seq`, the newest of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Only messages with a larger `seq`, the oldest of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Only the thread of that message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<u64>,
    /// Messages per page, at most 100; 50 by default. A page is cut short to fit a frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Result of `history`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HistoryResult {
    /// The messages, oldest first.
    pub messages: Vec<Message>,
    /// Whether there are more in the direction asked for.
    pub more: bool,
}

/// Parameters of `search`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SearchParams {
    /// Words, all of which a message must hold.
    pub query: String,
    /// Only in that room or conversation; else in all one is a member of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Hits per page, at most 50; 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Result of `search`: newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SearchResult {
    /// The messages found.
    pub hits: Vec<Hit>,
    /// What to give as `before` for the next page; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A message found by `search`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hit {
    /// Where it is.
    pub channel: String,
    /// The message.
    pub message: Message,
}

/// Parameters of `typing`; sent at most every 3 s, it wears off after 6.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TypingParams {
    /// Where.
    pub channel: String,
    /// Whether one writes, or no longer does.
    #[serde(default = "yes")]
    pub on: bool,
}

fn yes() -> bool {
    true
}

/// Data of the push `typing`: everybody who writes now, replacing the former.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typing {
    /// At most 10 of them.
    pub users: Vec<Author>,
}

/// Parameters of `versions`: what a message said before.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VersionsParams {
    /// The message's channel.
    pub channel: String,
    /// The message.
    pub seq: u64,
    /// Only versions below this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
}

/// What a message said until somebody changed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// The message's version at that time.
    pub version: u64,
    /// What it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Who edited or deleted it then.
    pub by: String,
    /// When, in microseconds since the Unix epoch.
    pub at: u64,
}

/// Result of `versions`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VersionsResult {
    /// Newest first, without what it says now.
    pub versions: Vec<Version>,
    /// Whether there are older ones.
    pub more: bool,
}
