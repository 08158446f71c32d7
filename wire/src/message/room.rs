//! Rooms: where people write to each other. Conversations are rooms too, of kind `direct` and `group`.

use serde::{Deserialize, Serialize};

use super::chat::{Author, Message};

/// The room or conversation itself, as one user sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Room {
    /// The channel that carries it, `room:ID` or `conversation:ID`; methods name it by this.
    pub channel: String,
    /// What sort of room it is.
    pub kind: RoomKind,
    /// Its name for people; empty for direct conversations.
    pub name: String,
    /// What it is about.
    pub topic: String,
    /// Who owns it, if somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How many members it has.
    pub members: u64,
    /// Seconds a member waits between two messages; 0 is no wait.
    pub slow_mode_s: u32,
    /// Whether only followers of the station may write.
    pub followers_only: bool,
    /// When it was made, in microseconds since the Unix epoch.
    pub created_at: u64,
    /// Rises by one with every change of the fields above.
    pub version: u64,
    /// The `seq` of its newest message, 0 when there is none.
    pub last_message: u64,
    /// The viewer's part in it; none for visitors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mine: Option<Membership>,
    /// What the viewer's token allows here, a member or not; never in conversations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elevated: Option<Role>,
    /// The newest message with its text cut short; in lists of conversations alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Message>,
    /// The others in it, the first four; in lists of conversations alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Author>,
}

/// A member's own part in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// What the member may do.
    pub role: Role,
    /// The `seq` up to which the member's devices have the messages.
    pub delivered: u64,
    /// The `seq` up to which the member has read.
    pub read: u64,
    /// Messages of others after `read`, counted up to 1,000.
    pub unread: u64,
}

/// What sort of room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomKind {
    /// A station's own room, `room:@STATION`, made with the station and open to all.
    Station,
    /// Made by a user, open to all.
    Public,
    /// Made by a user, entered by invitation.
    Private,
    /// Two users, for ever the same two.
    Direct,
    /// Several users.
    Group,
}

/// What a member may do in a room; each may do what the former may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Read and write.
    Member,
    /// Delete others' messages, mute, ban, invite, kick.
    Moderator,
    /// Change and delete the room, name moderators.
    Owner,
}

/// A member of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The user.
    pub sub: String,
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the member may do.
    pub role: Role,
    /// How far the member's devices have the messages; only in conversations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<u64>,
    /// How far the member has read; only in conversations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<u64>,
}

/// State of the channels `room:ID` and `conversation:ID`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoomState {
    /// The room.
    pub room: Room,
    /// Its newest messages, oldest first.
    pub messages: Vec<Message>,
    /// Whether there are older ones.
    pub more: bool,
    /// All members of a conversation; empty for rooms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<Member>,
}

/// Parameters of `create_room`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateRoomParams {
    /// Its name: 1 to 80 characters.
    pub name: String,
    /// What it is about: at most 512 characters.
    #[serde(default)]
    pub topic: String,
    /// Whether one enters by invitation only.
    #[serde(default)]
    pub private: bool,
    /// Whether it goes away when its last member leaves.
    #[serde(default)]
    pub transient: bool,
}

/// Parameters of `update_room`: what is left out stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct UpdateRoomParams {
    /// The room's channel.
    pub channel: String,
    /// Its new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its new topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Seconds between two messages of a member, at most 3,600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_mode_s: Option<u32>,
    /// Whether only followers of the station write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followers_only: Option<bool>,
}

/// Parameters of methods that name a channel and nothing else.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChannelParams {
    /// The channel.
    pub channel: String,
}

/// Result of the methods that make, change or enter a room.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoomResult {
    /// The room as it is now.
    pub room: Room,
}

/// Parameters of `rooms`: public rooms by name, or one's own.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RoomsParams {
    /// Only those whose name holds this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Only those one is a member of.
    #[serde(default)]
    pub joined: bool,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Rooms per page, at most 50, the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Result of `rooms` and `conversations`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoomsResult {
    /// One page.
    pub rooms: Vec<Room>,
    /// What to give as `after` for the next; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Parameters of `members`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MembersParams {
    /// The room's channel.
    pub channel: String,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Members per page, at most 100, the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Result of `members`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MembersResult {
    /// One page, by user.
    pub members: Vec<Member>,
    /// What to give as `after` for the next; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Parameters of `invite` and `kick`, and data of `member_left`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MemberParams {
    /// The room's channel.
    pub channel: String,
    /// The user.
    pub user: String,
}

/// Parameters of `set_role`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetRoleParams {
    /// The room's channel.
    pub channel: String,
    /// The member.
    pub user: String,
    /// The new role; `owner` hands the room over.
    pub role: Role,
}

/// Data of the push `members` of rooms above 200 members: counts, at most once a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberCounts {
    /// Members.
    pub members: u64,
    /// Sessions that look at the room now.
    pub online: u64,
}
