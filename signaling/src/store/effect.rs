//! What a committed change causes outside the database.

use std::sync::Arc;
use std::time::Instant;

use wire::message::chat::Message;
use wire::message::notification::Notification;

/// Something to do once a change is committed. Channels are named by their key
/// in the store: the id of a room, or `inbox:` and a user.
#[derive(Debug, Clone)]
pub enum Effect {
    /// A durable event: to everybody who subscribes the channel.
    Event {
        /// The channel's key.
        channel: Arc<str>,
        /// The event's offset.
        seq: u64,
        /// When it was asked for: the commit took until now.
        asked: Instant,
        /// The push, encoded.
        frame: Arc<str>,
    },
    /// A volatile push, of which only the latest with this key matters.
    Volatile {
        /// The channel's key.
        channel: Arc<str>,
        /// What it replaces.
        key: Arc<str>,
        /// The push, encoded.
        frame: Arc<str>,
    },
    /// Something came into a user's inbox: to the user's devices, if they want it.
    Notified {
        /// The user.
        sub: String,
        /// What came.
        notification: Notification,
    },
    /// A conversation changed for one member: to the member's inbox.
    Conversation {
        /// The member.
        sub: String,
        /// The conversation's channel on the wire.
        channel: Arc<str>,
        /// The member's unread messages.
        unread: u64,
        /// How far the member has read.
        read: u64,
        /// The message that changed it, if one did.
        message: Option<Arc<Message>>,
    },
    /// How far a member of a conversation has received and read.
    Marked {
        /// The conversation's key.
        room: Arc<str>,
        /// The member.
        sub: String,
        /// Delivered up to here.
        delivered: u64,
        /// Read up to here.
        read: u64,
    },
    /// Somebody became a member.
    Joined {
        /// The room's key.
        room: Arc<str>,
        /// Who.
        sub: String,
        /// Members now.
        members: u64,
        /// Whether its members see each other's presence.
        intimate: bool,
    },
    /// Somebody is a member no more.
    Left {
        /// The room's key.
        room: Arc<str>,
        /// Who.
        sub: String,
        /// The room's channel on the wire.
        wire: Arc<str>,
        /// Members now.
        members: u64,
        /// Whether one has to be a member to read the room.
        closed: bool,
    },
    /// The room is gone: all its subscriptions end.
    Gone {
        /// The room's key.
        room: Arc<str>,
    },
    /// It is not known whether a commit took place: whoever subscribes must resume.
    Unsure,
    /// Somebody may read no more: their subscriptions have to be judged again.
    Banned {
        /// The room's key; none is everywhere.
        room: Option<Arc<str>>,
        /// Who; none when it is a range of addresses.
        sub: Option<String>,
        /// The range, first and last.
        network: Option<(std::net::Ipv6Addr, std::net::Ipv6Addr)>,
    },
}
