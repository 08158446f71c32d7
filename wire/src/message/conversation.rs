//! Conversations: direct and group, with how far each has received and read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::chat::Message;

/// Parameters of `create_conversation`. One other user and no name make the
/// direct conversation of the two, of which there is only one ever.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateConversationParams {
    /// The others, 1 to 99.
    pub users: Vec<String>,
    /// Its name; with one it is a group, even of two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Parameters of `conversations`: one's own, the latest written to first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ConversationsParams {
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Conversations per page, at most 50, the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Parameters of `mark`. Marks only rise; a lower one changes nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MarkParams {
    /// The room or conversation.
    pub channel: String,
    /// One's devices have all messages up to this `seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<u64>,
    /// One has read all messages up to this `seq`; it counts as delivered too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<u64>,
}

/// Result of `mark`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkResult {
    /// How far delivered.
    pub delivered: u64,
    /// How far read.
    pub read: u64,
    /// Messages of others after `read`, counted up to 1,000.
    pub unread: u64,
}

/// How far one member has received and read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermarks {
    /// Delivered up to this `seq`.
    pub delivered: u64,
    /// Read up to this `seq`.
    pub read: u64,
}

/// Data of the push `receipts` of a conversation: the members whose marks rose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipts {
    /// By user.
    pub marks: BTreeMap<String, Watermarks>,
}

/// Data of the push `conversation` of the inbox: a conversation one is in, as
/// it is now. The same conversation's former push is void.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConversationUpdated {
    /// The conversation's channel.
    pub channel: String,
    /// One's unread messages in it.
    pub unread: u64,
    /// How far one has read.
    pub read: u64,
    /// Its newest message, when that is what changed; without one, ask for the `room`
    /// when the conversation is new to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
}

/// Data of the push `conversation_deleted` of the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationDeleted {
    /// What its channel was.
    pub channel: String,
}
