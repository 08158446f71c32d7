//! Conversations: making them, and how far each member has received and read.

mod list;

use wire::code::ErrorCode;
use wire::message::conversation::MarkResult;
use wire::message::room::{Role, Room, RoomKind};

use super::members::GROUP_MEMBERS_MAX;
use super::rooms::{self, RoomJob, RoomRow, insert_member};
use super::standing::{Asking, Standing, is_conversation, judged, viewed};
use super::{Effect, Fail, Tx, inbox, refuse, users};
use crate::access::Action;

pub(crate) use list::list;

/// A conversation to be made.
#[derive(Debug)]
pub(crate) struct NewConversation {
    pub(crate) asking: Asking,
    /// Its id, should it be new.
    pub(crate) id: String,
    /// The others, without doubles and oneself.
    pub(crate) users: Vec<String>,
    /// A group's name; none is the direct conversation with the one other user.
    pub(crate) name: Option<String>,
}

pub(crate) async fn create(tx: &mut Tx, new: &NewConversation) -> Result<Room, Fail> {
    if new.users.len() as u64 >= GROUP_MEMBERS_MAX {
        return Err(refuse(
            ErrorCode::LimitReached,
            "a group has at most 100 members",
        ));
    }
    for user in &new.users {
        if !users::is_known(tx, user).await? {
            return Err(refuse(
                ErrorCode::NotFound,
                format!("users: no such user: {user}"),
            ));
        }
    }
    users::know(tx, &new.asking).await?;
    let caller = new.asking.caller.sub();
    let now = new.asking.now;
    let pair = match (&new.name, &new.users[..]) {
        (None, [other]) => Some(pair(caller, other)),
        _ => None,
    };
    let kind = if pair.is_some() {
        RoomKind::Direct
    } else {
        RoomKind::Group
    };
    if let Some(room) = find_pair(tx, new, pair.as_deref()).await? {
        return Ok(room);
    }
    let row = RoomRow {
        id: &new.id,
        kind,
        name: new.name.as_deref().unwrap_or_default(),
        topic: "",
        owner: Some(caller).filter(|_| pair.is_none()),
        station: None,
        pair: pair.as_deref(),
        transient: false,
        members: new.users.len() as u64 + 1,
    };
    rooms::insert(tx, &row, now).await?;
    let own_role = if pair.is_some() {
        Role::Member
    } else {
        Role::Owner
    };
    let others = new.users.iter().map(|user| (user.as_str(), Role::Member));
    for (sub, role) in others.chain([(caller, own_role)]) {
        insert_member(tx, &new.id, sub, role, 0, now).await?;
        tx.then(Effect::Joined {
            room: new.id.as_str().into(),
            sub: sub.to_owned(),
            members: row.members,
            intimate: true,
        });
        tx.then(Effect::Conversation {
            sub: sub.to_owned(),
            channel: super::standing::wire_name(kind, &new.id).into(),
            unread: 0,
            read: 0,
            message: None,
        });
    }
    Ok(
        judged(tx.reading(), &new.asking, &new.id, Action::Subscribe)
            .await?
            .room(),
    )
}

/// The same for both. No subject has a line break.
fn pair(one: &str, other: &str) -> String {
    let (low, high) = if one < other {
        (one, other)
    } else {
        (other, one)
    };
    format!("{low}\n{high}")
}

/// The conversation of two that is there already; it comes back into the list of whoever asks.
async fn find_pair(
    tx: &mut Tx,
    new: &NewConversation,
    pair: Option<&str>,
) -> Result<Option<Room>, Fail> {
    let Some(pair) = pair else {
        return Ok(None);
    };
    let row = tx
        .reading()
        .row("SELECT id FROM rooms WHERE pair = $1", &[pair.into()])
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let id = row.text("id")?;
    tx.execute(
        "UPDATE members SET hidden = 0 WHERE room = $1 AND sub = $2",
        &[(&id).into(), new.asking.caller.sub().into()],
    )
    .await?;
    let standing = judged(tx.reading(), &new.asking, &id, Action::Subscribe).await?;
    Ok(Some(standing.room()))
}

/// Removes a conversation: a group's owner for all, everybody else for
/// themselves, until somebody writes in it again.
pub(crate) async fn delete(tx: &mut Tx, job: &RoomJob) -> Result<(), Fail> {
    let room = judged(tx.reading(), &job.asking, &job.room, Action::Leave).await?;
    if !room.is_conversation() {
        return Err(refuse(ErrorCode::BadRequest, "channel: this is a room"));
    }
    if room.kind() == RoomKind::Group && room.rights.role == Some(Role::Owner) {
        return Ok(rooms::remove(tx, &room).await?);
    }
    let sub = job.asking.caller.sub();
    tx.execute(
        "UPDATE members SET hidden = 1, unread = 0, read = $3, delivered = $3
         WHERE room = $1 AND sub = $2",
        &[(&room.id).into(), sub.into(), room.last_message.into()],
    )
    .await?;
    inbox::read_about(tx, sub, &room.id, job.asking.now).await?;
    forget(tx, &room, sub);
    Ok(())
}

/// Takes a conversation out of somebody's list on all their devices.
pub(super) fn forget(tx: &mut Tx, room: &Standing, sub: &str) {
    let deleted =
        serde_json::value::to_raw_value(&wire::message::conversation::ConversationDeleted {
            channel: room.wire(),
        })
        .expect("wire types have string keys and serialize");
    tx.then(Effect::Volatile {
        channel: inbox::inbox_name(sub).into(),
        key: room.wire().into(),
        frame: super::tx::encode("inbox", None, "conversation_deleted", deleted),
    });
}

/// How far somebody says to have received and read.
#[derive(Debug)]
pub(crate) struct MarkJob {
    pub(crate) asking: Asking,
    pub(crate) room: String,
    pub(crate) delivered: Option<u64>,
    pub(crate) read: Option<u64>,
}

pub(crate) async fn mark(tx: &mut Tx, job: &MarkJob) -> Result<MarkResult, Fail> {
    let room = viewed(tx.reading(), &job.asking, &job.room, Action::Mark).await?;
    let sub = job.asking.caller.sub();
    // Never down, and never beyond what there is.
    let read = job.read.unwrap_or(0).min(room.last_message).max(room.read);
    let delivered = job.delivered.unwrap_or(0).min(room.last_message);
    let delivered = delivered.max(room.delivered).max(read);
    if read == room.read && delivered == room.delivered {
        return Ok(MarkResult {
            delivered,
            read,
            unread: room.unread,
        });
    }
    tx.execute(
        "UPDATE members SET delivered = $3, read = $4 WHERE room = $1 AND sub = $2",
        &[(&room.id).into(), sub.into(), delivered.into(), read.into()],
    )
    .await?;
    let unread = if read == room.read {
        room.unread
    } else {
        recount(tx, &room, sub, read).await?
    };
    if room.is_conversation() {
        tx.then(Effect::Marked {
            room: room.id.as_str().into(),
            sub: sub.to_owned(),
            delivered,
            read,
        });
    }
    if read != room.read {
        if unread == 0 {
            inbox::read_about(tx, sub, &room.id, job.asking.now).await?;
        }
        tx.then(Effect::Conversation {
            sub: sub.to_owned(),
            channel: room.wire().into(),
            unread,
            read,
            message: None,
        });
    }
    Ok(MarkResult {
        delivered,
        read,
        unread,
    })
}

/// Counts what is unread above a mark, and keeps it when it is a conversation.
async fn recount(tx: &mut Tx, room: &Standing, sub: &str, read: u64) -> Result<u64, Fail> {
    let row = tx
        .reading()
        .row(
            "SELECT CAST(count(*) AS BIGINT) AS unread FROM (SELECT 1 AS one FROM messages
                WHERE room = $1 AND seq > $2 AND sender <> $3 AND deleted = 0 LIMIT 1000) AS capped",
            &[(&room.id).into(), read.into(), sub.into()],
        )
        .await?;
    let unread = row.map_or(Ok(0), |row| row.count("unread"))?;
    if is_conversation(room.kind()) {
        tx.execute(
            "UPDATE members SET unread = $3 WHERE room = $1 AND sub = $2",
            &[(&room.id).into(), sub.into(), unread.into()],
        )
        .await?;
    }
    Ok(unread)
}
