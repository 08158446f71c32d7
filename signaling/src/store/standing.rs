//! Where a user stands in a room: everything a decision needs, in one query.

use std::sync::Arc;

use wire::message::moderation::SanctionKind;
use wire::message::room::{Membership, Role, Room, RoomKind};

use super::connection::{Connection, Row, StoreError};
use crate::access::{Action, Rights, unknown};
use crate::caller::Caller;

use super::Fail;

/// Who asks, and when: the first part of every change and query.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    pub(crate) caller: Arc<Caller>,
    /// Microseconds since the Unix epoch.
    pub(crate) now: i64,
}

/// A room and somebody's place in it.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) id: String,
    pub(crate) rights: Rights,
    pub(crate) name: String,
    pub(crate) topic: String,
    pub(crate) owner: Option<String>,
    pub(crate) station: Option<String>,
    pub(crate) members: u64,
    pub(crate) slow_mode_s: u32,
    pub(crate) followers_only: bool,
    pub(crate) follows: bool,
    pub(crate) transient: bool,
    pub(crate) version: u64,
    pub(crate) created_at: u64,
    pub(crate) last_at: i64,
    pub(crate) last_message: u64,
    pub(crate) last_sent_at: i64,
    pub(crate) delivered: u64,
    pub(crate) read: u64,
    pub(crate) unread: u64,
}

/// The columns of a [`Standing`], and where they come from. `$1` is the user,
/// `$2` the address, `$3` the time; what is asked for begins at `$4`. `full` counts
/// unread messages of rooms, up to 1,000; `lean` has those of conversations alone,
/// which are kept: counting may cost more than all the rest.
macro_rules! standing {
    (lean, $columns:literal, $joins:literal, $conditions:literal) => {
        standing!(@ "coalesce(m.unread, 0)", $columns, $joins, $conditions)
    };
    (full, $columns:literal, $joins:literal, $conditions:literal) => {
        standing!(
            @ "CASE WHEN m.sub IS NULL THEN 0
                    WHEN r.kind IN ('direct', 'group') THEN m.unread
                    ELSE CAST((SELECT count(*) FROM (SELECT 1 AS one FROM messages x
                        WHERE x.room = r.id AND x.seq > m.read AND x.sender <> m.sub
                            AND x.deleted = 0 LIMIT 1000) AS capped) AS BIGINT)
                END",
            $columns, $joins, $conditions
        )
    };
    (@ $unread:literal, $columns:literal, $joins:literal, $conditions:literal) => {
        concat!(
            "SELECT r.id, r.kind, r.name, r.topic, r.owner, r.station, r.members, r.slow_mode_s,
                r.followers_only, r.transient, r.version, r.created_at, r.last_at,
                m.role, m.delivered, m.read, m.last_sent_at,
                coalesce((SELECT x.seq FROM messages x WHERE x.room = r.id
                    ORDER BY x.seq DESC LIMIT 1), 0) AS last_message,
                ",
            $unread,
            " AS unread,
                CAST((SELECT coalesce(max(CASE s.kind WHEN 'ban' THEN 2 ELSE 1 END), 0)
                    FROM sanctions s WHERE s.room IN ('', r.id)
                        AND (s.until IS NULL OR s.until > $3)
                        AND (s.sub = $1 OR (s.first_address <= $2 AND s.last_address >= $2)))
                    AS BIGINT) AS sanction,
                CAST((SELECT count(*) FROM invitations v WHERE v.room = r.id AND v.sub = $1)
                    AS BIGINT) AS invited,
                CASE WHEN r.followers_only = 0 THEN 1 ELSE CAST((SELECT count(*)
                    FROM interactions f WHERE f.station = r.station AND f.kind = 'follow'
                        AND f.sub = $1) AS BIGINT)
                END AS follows",
            $columns,
            " FROM rooms r LEFT JOIN members m ON m.room = r.id AND m.sub = $1 ",
            $joins,
            " WHERE ",
            $conditions
        )
    };
}
pub(crate) use standing;

const LEAN: &str = standing!(lean, "", "", "r.id = $4");
const FULL: &str = standing!(full, "", "", "r.id = $4");

/// Reads somebody's standing in a room and judges an action by it.
/// Unread messages are told of conversations only.
pub(crate) async fn judged(
    connection: &mut Connection,
    asking: &Asking,
    room: &str,
    action: Action,
) -> Result<Standing, Fail> {
    judged_by(LEAN, connection, asking, room, action).await
}

/// The same with unread messages counted: for showing the room.
pub(crate) async fn viewed(
    connection: &mut Connection,
    asking: &Asking,
    room: &str,
    action: Action,
) -> Result<Standing, Fail> {
    judged_by(FULL, connection, asking, room, action).await
}

async fn judged_by(
    sql: &'static str,
    connection: &mut Connection,
    asking: &Asking,
    room: &str,
    action: Action,
) -> Result<Standing, Fail> {
    let caller = &asking.caller;
    let address = caller.address_hex();
    let values = &[
        caller.sub().into(),
        (&address).into(),
        asking.now.into(),
        room.into(),
    ];
    let row = connection.row(sql, values).await?.ok_or_else(unknown)?;
    let standing = Standing::read(&row, caller)?;
    standing.rights.judge(action)?;
    Ok(standing)
}

impl Standing {
    /// Reads the columns that [`standing!`] selects.
    pub(crate) fn read(row: &Row, caller: &Caller) -> Result<Self, StoreError> {
        let kind = kind_of(&row.text("kind")?);
        let station = row.maybe_text("station")?;
        let sanction = match row.int("sanction")? {
            0 => None,
            1 => Some(SanctionKind::Mute),
            _ => Some(SanctionKind::Ban),
        };
        Ok(Self {
            id: row.text("id")?,
            rights: Rights {
                kind,
                signed_in: !caller.is_anonymous(),
                role: row.maybe_int("role")?.map(role_of),
                elevated: elevated(caller, kind, station.as_deref()),
                invited: row.flag("invited")?,
                sanction,
            },
            name: row.text("name")?,
            topic: row.text("topic")?,
            owner: row.maybe_text("owner")?,
            station,
            members: row.count("members")?,
            slow_mode_s: u32::try_from(row.int("slow_mode_s")?).unwrap_or(0),
            followers_only: row.flag("followers_only")?,
            follows: row.flag("follows")?,
            transient: row.flag("transient")?,
            version: row.count("version")?,
            created_at: row.count("created_at")?,
            last_at: row.int("last_at")?,
            last_message: row.count("last_message")?,
            last_sent_at: row.maybe_int("last_sent_at")?.unwrap_or(0),
            delivered: row.maybe_count("delivered")?.unwrap_or(0),
            read: row.maybe_count("read")?.unwrap_or(0),
            unread: row.count("unread")?,
        })
    }

    pub(crate) fn kind(&self) -> RoomKind {
        self.rights.kind
    }

    /// Whether it is a conversation rather than a room.
    pub(crate) fn is_conversation(&self) -> bool {
        is_conversation(self.kind())
    }

    /// The channel's name on the wire.
    pub(crate) fn wire(&self) -> String {
        wire_name(self.kind(), &self.id)
    }

    /// The room as whoever asked sees it.
    pub(crate) fn room(&self) -> Room {
        Room {
            channel: self.wire(),
            kind: self.kind(),
            name: self.name.clone(),
            topic: self.topic.clone(),
            owner: self.owner.clone(),
            members: self.members,
            slow_mode_s: self.slow_mode_s,
            followers_only: self.followers_only,
            created_at: self.created_at,
            version: self.version,
            last_message: self.last_message,
            mine: self.rights.role.map(|role| Membership {
                role,
                delivered: self.delivered,
                read: self.read,
                unread: self.unread,
            }),
            elevated: self.rights.elevated,
            latest: None,
            others: Vec::new(),
        }
    }
}

/// What a token gives somebody in a room. It ends at conversations: what two
/// people say to each other is theirs.
fn elevated(caller: &Caller, kind: RoomKind, station: Option<&str>) -> Option<Role> {
    if is_conversation(kind) {
        return None;
    }
    if caller.is_admin() {
        return Some(Role::Owner);
    }
    let station = station?.parse().ok()?;
    if caller.may_publish(&station) {
        Some(Role::Owner)
    } else if caller.may_moderate(&station) {
        Some(Role::Moderator)
    } else {
        None
    }
}

pub(crate) fn is_conversation(kind: RoomKind) -> bool {
    matches!(kind, RoomKind::Direct | RoomKind::Group)
}

/// The name on the wire of a room's channel.
pub(crate) fn wire_name(kind: RoomKind, id: &str) -> String {
    if is_conversation(kind) {
        format!("conversation:{id}")
    } else {
        format!("room:{id}")
    }
}

pub(crate) fn kind_name(kind: RoomKind) -> &'static str {
    match kind {
        RoomKind::Station => "station",
        RoomKind::Public => "public",
        RoomKind::Private => "private",
        RoomKind::Direct => "direct",
        RoomKind::Group => "group",
    }
}

/// What is unknown counts as closed.
pub(crate) fn kind_of(name: &str) -> RoomKind {
    match name {
        "station" => RoomKind::Station,
        "public" => RoomKind::Public,
        "direct" => RoomKind::Direct,
        "group" => RoomKind::Group,
        _ => RoomKind::Private,
    }
}

pub(crate) fn role_number(role: Role) -> i64 {
    match role {
        Role::Member => 1,
        Role::Moderator => 2,
        Role::Owner => 3,
    }
}

pub(crate) fn role_of(number: i64) -> Role {
    match number {
        3 => Role::Owner,
        2 => Role::Moderator,
        _ => Role::Member,
    }
}
