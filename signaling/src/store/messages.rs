//! Messages: storing one, once.

mod change;
mod history;

use std::sync::Arc;

use wire::code::ErrorCode;
use wire::message::chat::{Author, Content, Message, SendResult};
use wire::message::notification::NotificationEvent;

use super::connection::{Row, StoreError};
use super::standing::{Asking, Standing, standing};
use super::tx::{Channel, MessageRow};
use super::{Effect, Fail, Tx, inbox, refuse, users};
use crate::access::{Action, unknown};
use crate::text;

pub(crate) use change::{EditJob, MessageJob, ReactJob, delete, edit, react};
pub(super) use change::{find, remove};
pub(super) use history::page;
pub(crate) use history::{HistoryQuery, Page, VersionsQuery, history, versions};

/// A message to be stored. Its content is clean and within bounds.
#[derive(Debug)]
pub(crate) struct SendJob {
    pub(crate) asking: Asking,
    pub(crate) room: String,
    pub(crate) client_id: String,
    pub(crate) content: Content,
    pub(crate) reply_to: Option<u64>,
    pub(crate) thread: Option<u64>,
    pub(crate) mentions: Vec<String>,
    /// Whether the author's name is in the store already.
    pub(crate) known: bool,
}

const SENDING: &str = standing!(
    lean,
    ", (SELECT x.room || ' ' || x.seq || ' ' || x.at FROM messages x
        WHERE x.sender = $1 AND x.client_id = $5) AS former",
    "",
    "r.id = $4"
);

/// Stores a message, or finds it stored by an earlier try with the same client id.
///
/// It bears that earlier messages of the transaction are not written yet.
pub(crate) async fn send(tx: &mut Tx, job: &SendJob) -> Result<SendResult, Fail> {
    let asking = &job.asking;
    let caller = &asking.caller;
    if job.reply_to.is_some() || job.thread.is_some() {
        tx.settle().await?;
    }
    let address = caller.address_hex();
    let values = &[
        caller.sub().into(),
        (&address).into(),
        asking.now.into(),
        (&job.room).into(),
        (&job.client_id).into(),
    ];
    let row = tx
        .reading()
        .row(SENDING, values)
        .await?
        .ok_or_else(unknown)?;
    let room = Standing::read(&row, caller)?;
    // First of all: whoever was told too little about a message that was stored
    // is told about it, even if by now they may not write any more.
    if let Some(former) = row.maybe_text("former")? {
        return former_result(&former, &job.room);
    }
    if let Some(former) = tx.unwritten(caller.sub(), &job.client_id) {
        return former_result(
            &format!("{} {} {}", former.room, former.seq, former.at),
            &job.room,
        );
    }
    room.rights.judge(Action::Send)?;
    judge_pace(&room, asking.now)?;
    check_references(tx, job).await?;
    if !job.known {
        users::know(tx, asking).await?;
    }
    let message = Message {
        seq: tx.next_seq(&room.id).await?,
        from: Some(caller.author()),
        client_id: Some(job.client_id.clone()),
        at: u64::try_from(asking.now).unwrap_or(0),
        version: 1,
        content: Some(job.content.clone()),
        reply_to: job.reply_to,
        thread: job.thread,
        replies: 0,
        mentions: mentionable(tx, &room, job).await?,
        reactions: std::collections::BTreeMap::new(),
        mine: Vec::new(),
        edited_at: None,
    };
    insert(tx, &room.id, &room.wire(), &message, asking.now);
    follow_up(tx, &room, job, &message).await?;
    Ok(SendResult {
        seq: message.seq,
        at: message.at,
    })
}

/// What the first try was answered.
fn former_result(former: &str, room: &str) -> Result<SendResult, Fail> {
    let mut parts = former.split(' ');
    let same_room = parts.next() == Some(room);
    let mut number = || parts.next().and_then(|part| part.parse().ok());
    match (number(), number()) {
        (Some(seq), Some(at)) if same_room => Ok(SendResult { seq, at }),
        _ => Err(refuse(
            ErrorCode::Conflict,
            "client_id: you used it for a message elsewhere",
        )),
    }
}

fn judge_pace(room: &Standing, now: i64) -> Result<(), Fail> {
    if room.rights.is_exempt() {
        return Ok(());
    }
    if room.followers_only && !room.follows {
        return Err(refuse(
            ErrorCode::FollowersOnly,
            "only followers of the station write here",
        ));
    }
    let ready_at = room.last_sent_at + i64::from(room.slow_mode_s) * 1_000_000;
    if room.slow_mode_s > 0 && now < ready_at {
        let wait_ms = u64::try_from((ready_at - now).div_euclid(1_000) + 1).unwrap_or(0);
        let error = wire::frame::Error::new(
            ErrorCode::SlowMode,
            format!("one message every {} s", room.slow_mode_s),
        );
        return Err(Fail::Refused(error.retry_after_ms(wait_ms)));
    }
    Ok(())
}

/// What a message points to must be there, and its upload be the author's.
async fn check_references(tx: &mut Tx, job: &SendJob) -> Result<(), Fail> {
    for seq in [job.reply_to, job.thread].into_iter().flatten() {
        let row = tx
            .reading()
            .row(
                "SELECT thread FROM messages WHERE room = $1 AND seq = $2 AND deleted = 0",
                &[(&job.room).into(), seq.into()],
            )
            .await?;
        let Some(row) = row else {
            return Err(refuse(
                ErrorCode::UnknownMessage,
                "no such message to answer",
            ));
        };
        if job.thread == Some(seq) && row.maybe_int("thread")?.is_some() {
            return Err(refuse(
                ErrorCode::BadRequest,
                "thread: a thread begins outside threads",
            ));
        }
    }
    if let Content::Media { upload, .. } = &job.content {
        let row = tx
            .reading()
            .row(
                "SELECT id FROM uploads WHERE id = $1 AND owner = $2",
                &[upload.into(), job.asking.caller.sub().into()],
            )
            .await?;
        if row.is_none() {
            return Err(refuse(
                ErrorCode::NotFound,
                "upload: you have none of that id",
            ));
        }
    }
    Ok(())
}

/// Those of the mentioned who may read the message.
async fn mentionable(
    tx: &mut Tx,
    room: &Standing,
    job: &SendJob,
) -> Result<Vec<String>, StoreError> {
    let mut mentions = Vec::new();
    for sub in &job.mentions {
        if sub == job.asking.caller.sub() || mentions.contains(sub) {
            continue;
        }
        let sql = match room.kind() {
            wire::message::room::RoomKind::Station | wire::message::room::RoomKind::Public => {
                "SELECT sub FROM users WHERE sub = $2 AND $1 <> ''"
            }
            _ => "SELECT sub FROM members WHERE room = $1 AND sub = $2",
        };
        let row = tx
            .reading()
            .row(sql, &[(&room.id).into(), sub.into()])
            .await?;
        if row.is_some() {
            mentions.push(sub.clone());
        }
    }
    Ok(mentions)
}

/// Adds the row and the event of a message.
fn insert(tx: &mut Tx, room: &str, wire: &str, message: &Message, now: i64) {
    let words = message.content.as_ref();
    let from = message.from.as_ref();
    tx.add_message(MessageRow {
        room: room.to_owned(),
        seq: message.seq,
        sender: from.map_or_else(String::new, |from| from.sub.clone()),
        sender_name: from.and_then(|from| from.name.clone()),
        client_id: message.client_id.clone(),
        content: json(&message.content),
        words: words.map_or_else(String::new, text::searchable),
        reply_to: message.reply_to,
        thread: message.thread,
        mentions: json(&message.mentions),
        at: now,
    });
    let channel = Channel { name: room, wire };
    tx.record(channel, message.seq, "message", message, now);
}

/// What a message entails: slow mode, threads, uploads, unread counts, notifications.
async fn follow_up(
    tx: &mut Tx,
    room: &Standing,
    job: &SendJob,
    message: &Message,
) -> Result<(), Fail> {
    let now = job.asking.now;
    if room.slow_mode_s > 0 {
        tx.execute(
            "UPDATE members SET last_sent_at = $3 WHERE room = $1 AND sub = $2",
            &[
                (&room.id).into(),
                job.asking.caller.sub().into(),
                now.into(),
            ],
        )
        .await?;
    }
    if let Some(thread) = message.thread {
        tx.execute(
            "UPDATE messages SET replies = replies + 1 WHERE room = $1 AND seq = $2",
            &[(&room.id).into(), thread.into()],
        )
        .await?;
    }
    if let Content::Media { upload, .. } = &job.content {
        tx.execute(
            "INSERT INTO upload_uses (upload, room, seq) VALUES ($1, $2, $3)",
            &[upload.into(), (&room.id).into(), message.seq.into()],
        )
        .await?;
    }
    for sub in &message.mentions {
        let event = NotificationEvent::Mention {
            channel: room.wire(),
            message: message.seq,
            from: job.asking.caller.author(),
            preview: text::preview(&job.content),
        };
        inbox::notify(tx, sub, &event, None, now).await?;
    }
    if room.is_conversation() {
        tell_members(tx, room, job, message).await?;
    }
    Ok(())
}

/// Raises the unread counts of a conversation's other members.
async fn tell_members(
    tx: &mut Tx,
    room: &Standing,
    job: &SendJob,
    message: &Message,
) -> Result<(), Fail> {
    let now = job.asking.now;
    tx.execute(
        "UPDATE rooms SET last_at = $2 WHERE id = $1",
        &[(&room.id).into(), now.into()],
    )
    .await?;
    let sender = job.asking.caller.sub();
    let rows = tx
        .returning(
            "UPDATE members SET hidden = 0,
                unread = CASE WHEN sub = $2 THEN unread WHEN unread < 1000 THEN unread + 1
                    ELSE 1000 END
             WHERE room = $1 RETURNING sub, unread, read",
            &[(&room.id).into(), sender.into()],
        )
        .await?;
    let shared = Arc::new(message.clone());
    let channel: Arc<str> = room.wire().into();
    for row in rows {
        let sub = row.text("sub")?;
        let unread = row.count("unread")?;
        // One notification for a run of unread messages, not one each.
        if unread == 1 && sub != sender && !message.mentions.contains(&sub) {
            let event = NotificationEvent::Message {
                channel: room.wire(),
                message: message.seq,
                from: job.asking.caller.author(),
                preview: text::preview(&job.content),
            };
            inbox::notify(tx, &sub, &event, Some(&room.id), now).await?;
        }
        tx.then(Effect::Conversation {
            sub,
            channel: channel.clone(),
            unread,
            read: row.count("read")?,
            message: Some(shared.clone()),
        });
    }
    Ok(())
}

/// Stores a message of the server's own.
pub(super) async fn say(
    tx: &mut Tx,
    room: &str,
    wire: &str,
    text: &str,
    now: i64,
) -> Result<u64, Fail> {
    let message = Message {
        seq: tx.next_seq(room).await?,
        from: None,
        client_id: None,
        at: u64::try_from(now).unwrap_or(0),
        version: 1,
        content: Some(Content::System {
            text: text.to_owned(),
        }),
        reply_to: None,
        thread: None,
        replies: 0,
        mentions: Vec::new(),
        reactions: std::collections::BTreeMap::new(),
        mine: Vec::new(),
        edited_at: None,
    };
    insert(tx, room, wire, &message, now);
    Ok(message.seq)
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("wire types have string keys and serialize")
}

/// The columns [`read`] wants, of `messages x`, with `$1` the reader.
macro_rules! message_columns {
    () => {
        "x.room, x.seq, x.sender, x.sender_name, x.client_id, x.content, x.reply_to, x.thread,
            x.replies, x.mentions, x.reactions, x.version, x.at, x.edited_at, x.deleted"
    };
}
pub(super) use message_columns;

/// A message as it is now.
pub(super) fn read(row: &Row) -> Result<Message, StoreError> {
    let sender = row.text("sender")?;
    let name = row.maybe_text("sender_name")?;
    let is_deleted = row.flag("deleted")?;
    Ok(Message {
        seq: row.count("seq")?,
        from: (!sender.is_empty()).then_some(Author { sub: sender, name }),
        client_id: row.maybe_text("client_id")?,
        at: row.count("at")?,
        version: row.count("version")?,
        content: if is_deleted {
            None
        } else {
            row.json("content")?
        },
        reply_to: row.maybe_count("reply_to")?,
        thread: row.maybe_count("thread")?,
        replies: row.count("replies")?,
        mentions: row.json("mentions")?,
        reactions: row.json("reactions")?,
        mine: Vec::new(),
        edited_at: row.maybe_count("edited_at")?,
    })
}
