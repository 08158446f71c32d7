//! Rooms: making, changing, listing, deleting.

mod list;

use serde::Serialize;
use wire::StationId;
use wire::code::ErrorCode;
use wire::message::room::{ChannelParams, Role, Room, RoomKind};

use super::connection::{Connection, StoreError};
use super::standing::{Asking, Standing, judged, kind_name, role_number, viewed, wire_name};
use super::tx::Channel;
use super::{Effect, Fail, Tx, messages, refuse, users};
use crate::access::Action;

pub(crate) use list::{RoomsQuery, list};

/// The most rooms one user owns.
const OWNED_MAX: i64 = 50;

/// A room to be made.
#[derive(Debug)]
pub(crate) struct NewRoom {
    pub(crate) asking: Asking,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) topic: String,
    pub(crate) private: bool,
    pub(crate) transient: bool,
}

pub(crate) async fn create(tx: &mut Tx, new: &NewRoom) -> Result<Room, Fail> {
    let caller = &new.asking.caller;
    let row = tx
        .reading()
        .row(
            "SELECT CAST(count(*) AS BIGINT) AS owned FROM rooms WHERE owner = $1",
            &[caller.sub().into()],
        )
        .await?;
    let owned = row.map_or(Ok(0), |row| row.int("owned"))?;
    if owned >= OWNED_MAX && !caller.is_admin() {
        return Err(refuse(
            ErrorCode::LimitReached,
            "one user owns at most 50 rooms",
        ));
    }
    users::know(tx, &new.asking).await?;
    let kind = if new.private {
        RoomKind::Private
    } else {
        RoomKind::Public
    };
    let row = RoomRow {
        id: &new.id,
        kind,
        name: &new.name,
        topic: &new.topic,
        owner: Some(caller.sub()),
        station: None,
        pair: None,
        transient: new.transient,
        members: 1,
    };
    insert(tx, &row, new.asking.now).await?;
    insert_member(tx, &new.id, caller.sub(), Role::Owner, 0, new.asking.now).await?;
    tx.then(Effect::Joined {
        room: new.id.as_str().into(),
        sub: caller.sub().to_owned(),
        members: 1,
        intimate: true,
    });
    Ok(
        judged(tx.reading(), &new.asking, &new.id, Action::Subscribe)
            .await?
            .room(),
    )
}

/// The columns of a new room that are not the same for all.
pub(super) struct RoomRow<'a> {
    pub(super) id: &'a str,
    pub(super) kind: RoomKind,
    pub(super) name: &'a str,
    pub(super) topic: &'a str,
    pub(super) owner: Option<&'a str>,
    pub(super) station: Option<&'a str>,
    pub(super) pair: Option<&'a str>,
    pub(super) transient: bool,
    pub(super) members: u64,
}

/// Inserts a room and opens its channel; false when there is one of that id, station or pair.
pub(super) async fn insert(tx: &mut Tx, row: &RoomRow<'_>, now: i64) -> Result<bool, StoreError> {
    let inserted = tx
        .execute(
            "INSERT INTO rooms
                (id, kind, name, topic, owner, station, pair, transient, members, last_at, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) ON CONFLICT DO NOTHING",
            &[
                row.id.into(),
                kind_name(row.kind).into(),
                row.name.into(),
                row.topic.into(),
                row.owner.into(),
                row.station.into(),
                row.pair.into(),
                row.transient.into(),
                row.members.into(),
                now.into(),
            ],
        )
        .await?;
    tx.open_channel(row.id).await?;
    Ok(inserted > 0)
}

/// Inserts a member who has seen everything up to `seen`; false for one who is there.
pub(super) async fn insert_member(
    tx: &mut Tx,
    room: &str,
    sub: &str,
    role: Role,
    seen: u64,
    now: i64,
) -> Result<bool, StoreError> {
    let inserted = tx
        .execute(
            "INSERT INTO members (room, sub, role, delivered, read, joined_at)
             VALUES ($1, $2, $3, $4, $4, $5) ON CONFLICT (room, sub) DO NOTHING",
            &[
                room.into(),
                sub.into(),
                role_number(role).into(),
                seen.into(),
                now.into(),
            ],
        )
        .await?;
    Ok(inserted > 0)
}

/// The id of a station's room; no room of a user's has an `@`.
pub(crate) fn station_room(station: &StationId) -> String {
    format!("@{station}")
}

/// A station that has come on air, or changed its name.
#[derive(Debug)]
pub(crate) struct StationRoom {
    pub(crate) station: StationId,
    pub(crate) name: String,
    pub(crate) now: i64,
}

/// Makes the station's room unless it is there, and gives it the station's name.
pub(crate) async fn ensure_station(tx: &mut Tx, new: &StationRoom) -> Result<(), Fail> {
    let id = station_room(&new.station);
    let row = RoomRow {
        id: &id,
        kind: RoomKind::Station,
        name: &new.name,
        topic: "",
        owner: None,
        station: Some(new.station.as_str()),
        pair: None,
        transient: false,
        members: 0,
    };
    if !insert(tx, &row, new.now).await? {
        tx.execute(
            "UPDATE rooms SET name = $2, version = version + 1 WHERE id = $1 AND name <> $2",
            &[(&id).into(), (&new.name).into()],
        )
        .await?;
    }
    Ok(())
}

/// A change of a room; what is none stays.
#[derive(Debug)]
pub(crate) struct RoomChange {
    pub(crate) asking: Asking,
    pub(crate) room: String,
    pub(crate) name: Option<String>,
    pub(crate) topic: Option<String>,
    pub(crate) slow_mode_s: Option<u32>,
    pub(crate) followers_only: Option<bool>,
}

pub(crate) async fn update(tx: &mut Tx, change: &RoomChange) -> Result<Room, Fail> {
    let before = judged(tx.reading(), &change.asking, &change.room, Action::Update).await?;
    if change.followers_only == Some(true) && before.station.is_none() {
        return Err(refuse(
            ErrorCode::BadRequest,
            "followers_only: the room is no station's",
        ));
    }
    if before.kind() == RoomKind::Direct {
        return Err(refuse(
            ErrorCode::BadRequest,
            "a direct conversation has no name or topic",
        ));
    }
    tx.execute(
        "UPDATE rooms SET name = coalesce($2, name), topic = coalesce($3, topic),
            slow_mode_s = coalesce($4, slow_mode_s), followers_only = coalesce($5, followers_only),
            version = version + 1 WHERE id = $1",
        &[
            (&change.room).into(),
            change.name.as_deref().into(),
            change.topic.as_deref().into(),
            change.slow_mode_s.map(i64::from).into(),
            change.followers_only.map(i64::from).into(),
        ],
    )
    .await?;
    audit(
        tx,
        &change.asking,
        &change.room,
        "update_room",
        &change.room,
    )
    .await?;
    announce_change(tx, &change.asking, &change.room).await
}

/// Pushes a room as it is now, and gives it as whoever asked sees it.
pub(super) async fn announce_change(
    tx: &mut Tx,
    asking: &Asking,
    room: &str,
) -> Result<Room, Fail> {
    let after = viewed(tx.reading(), asking, room, Action::Subscribe).await?;
    let shared = Room {
        mine: None,
        elevated: None,
        ..after.room()
    };
    publish(tx, &after, "room_updated", &shared, asking.now).await?;
    Ok(after.room())
}

/// Appends an event to a room's channel.
pub(super) async fn publish<T: Serialize>(
    tx: &mut Tx,
    room: &Standing,
    kind: &str,
    data: &T,
    now: i64,
) -> Result<u64, StoreError> {
    let channel = Channel {
        name: &room.id,
        wire: &room.wire(),
    };
    tx.append(channel, kind, data, now).await
}

/// Deletes a room and who is in it. What was said there goes with the next
/// retention run: it may be much.
pub(super) async fn remove(tx: &mut Tx, room: &Standing) -> Result<(), StoreError> {
    let rows = tx
        .returning(
            "DELETE FROM members WHERE room = $1 RETURNING sub",
            &[(&room.id).into()],
        )
        .await?;
    tx.execute(
        "DELETE FROM invitations WHERE room = $1",
        &[(&room.id).into()],
    )
    .await?;
    tx.execute("DELETE FROM rooms WHERE id = $1", &[(&room.id).into()])
        .await?;
    let wire = room.wire();
    let deleted = serde_json::value::to_raw_value(&ChannelParams {
        channel: wire.clone(),
    })
    .expect("wire types have string keys and serialize");
    let is_conversation = room.is_conversation();
    let kind = if is_conversation {
        "conversation_deleted"
    } else {
        "room_deleted"
    };
    // Its subscribers hear that first, and only then lose it.
    tx.then(Effect::Volatile {
        channel: room.id.as_str().into(),
        key: "deleted".into(),
        frame: super::tx::encode(&wire, None, kind, deleted.clone()),
    });
    tx.then(Effect::Gone {
        room: room.id.as_str().into(),
    });
    for row in rows {
        let sub = row.text("sub")?;
        tx.then(Effect::Volatile {
            channel: format!("inbox:{sub}").into(),
            key: wire.as_str().into(),
            frame: super::tx::encode("inbox", None, kind, deleted.clone()),
        });
        tx.then(Effect::Left {
            room: room.id.as_str().into(),
            sub,
            wire: wire.as_str().into(),
            members: 0,
            closed: true,
        });
    }
    Ok(())
}

/// A method that names a room and nothing else.
#[derive(Debug)]
pub(crate) struct RoomJob {
    pub(crate) asking: Asking,
    pub(crate) room: String,
}

pub(crate) async fn delete(tx: &mut Tx, job: &RoomJob) -> Result<(), Fail> {
    let room = judged(tx.reading(), &job.asking, &job.room, Action::DeleteRoom).await?;
    if matches!(room.kind(), RoomKind::Station | RoomKind::Direct) {
        return Err(refuse(ErrorCode::BadRequest, "this room stays"));
    }
    audit(tx, &job.asking, "", "delete_room", &room.name).await?;
    Ok(remove(tx, &room).await?)
}

/// A line of the audit log.
pub(super) async fn audit(
    tx: &mut Tx,
    asking: &Asking,
    room: &str,
    action: &str,
    subject: &str,
) -> Result<(), StoreError> {
    users::know(tx, asking).await?;
    tx.execute(
        "INSERT INTO audit (room, by, action, subject, at) VALUES ($1, $2, $3, $4, $5)",
        &[
            room.into(),
            asking.caller.sub().into(),
            action.into(),
            subject.into(),
            asking.now.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Says something in a room in the server's name.
pub(super) async fn say(tx: &mut Tx, room: &Standing, text: &str, now: i64) -> Result<u64, Fail> {
    messages::say(tx, &room.id, &wire_name(room.kind(), &room.id), text, now).await
}

/// Reads one room.
pub(crate) async fn describe(
    connection: &mut Connection,
    asking: &Asking,
    room: &str,
) -> Result<Room, Fail> {
    Ok(viewed(connection, asking, room, Action::Subscribe)
        .await?
        .room())
}
