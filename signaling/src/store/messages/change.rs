//! What happens to messages afterwards: edits, deletions, reactions.

use std::collections::BTreeMap;

use wire::code::ErrorCode;
use wire::message::chat::{Content, Edited, Message, Reactions, VersionResult};

use super::super::rooms::{audit, publish};
use super::super::standing::{Asking, Standing, judged};
use super::super::{Fail, Tx, refuse};
use super::{json, message_columns, read};
use crate::access::Action;
use crate::text;

/// The most different reactions a message takes.
const REACTIONS_MAX: usize = 20;

/// A new text for a message.
#[derive(Debug)]
pub(crate) struct EditJob {
    pub(crate) asking: Asking,
    pub(crate) room: String,
    pub(crate) seq: u64,
    pub(crate) text: String,
    pub(crate) version: Option<u64>,
}

/// Something about one message.
#[derive(Debug)]
pub(crate) struct MessageJob {
    pub(crate) asking: Asking,
    pub(crate) room: String,
    pub(crate) seq: u64,
}

/// A reaction given or taken back.
#[derive(Debug)]
pub(crate) struct ReactJob {
    pub(crate) asking: Asking,
    pub(crate) room: String,
    pub(crate) seq: u64,
    pub(crate) reaction: String,
    pub(crate) on: bool,
}

const ONE: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM messages x WHERE x.room = $1 AND x.seq = $2 AND x.deleted = 0"
);

pub(in crate::store) async fn find(tx: &mut Tx, room: &str, seq: u64) -> Result<Message, Fail> {
    let row = tx.reading().row(ONE, &[room.into(), seq.into()]).await?;
    match row {
        Some(row) => Ok(read(&row)?),
        None => Err(refuse(ErrorCode::UnknownMessage, "no such message")),
    }
}

pub(crate) async fn edit(tx: &mut Tx, job: &EditJob) -> Result<VersionResult, Fail> {
    let asking = &job.asking;
    let room = judged(tx.reading(), asking, &job.room, Action::Edit).await?;
    let message = find(tx, &room.id, job.seq).await?;
    if message
        .from
        .as_ref()
        .is_none_or(|from| from.sub != asking.caller.sub())
    {
        return Err(refuse(
            ErrorCode::Forbidden,
            "only its author may edit a message",
        ));
    }
    if job
        .version
        .is_some_and(|version| version != message.version)
    {
        return Err(refuse(
            ErrorCode::Conflict,
            "the message was changed meanwhile",
        ));
    }
    let before = message.content.clone();
    let content = match message.content {
        Some(Content::Text { .. }) => Content::Text {
            text: job.text.clone(),
        },
        Some(Content::Media {
            upload,
            kind,
            duration_ms,
            ..
        }) => Content::Media {
            upload,
            kind,
            duration_ms,
            caption: Some(job.text.clone()).filter(|text| !text.is_empty()),
        },
        _ => return Err(refuse(ErrorCode::BadRequest, "this message has no text")),
    };
    keep_version(tx, asking, &room, job.seq, message.version, &json(&before)).await?;
    let version = message.version + 1;
    tx.execute(
        "UPDATE messages SET content = $3, words = $4, version = $5, edited_at = $6
         WHERE room = $1 AND seq = $2",
        &[
            (&room.id).into(),
            job.seq.into(),
            (&json(&content)).into(),
            (&text::searchable(&content)).into(),
            version.into(),
            asking.now.into(),
        ],
    )
    .await?;
    let edited = Edited {
        seq: job.seq,
        version,
        content: Some(content),
        by: asking.caller.sub().to_owned(),
        at: u64::try_from(asking.now).unwrap_or(0),
    };
    publish(tx, &room, "edited", &edited, asking.now).await?;
    Ok(VersionResult { version })
}

async fn keep_version(
    tx: &mut Tx,
    asking: &Asking,
    room: &Standing,
    seq: u64,
    version: u64,
    content: &str,
) -> Result<(), Fail> {
    tx.execute(
        "INSERT INTO message_versions (room, seq, version, content, by, at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            (&room.id).into(),
            seq.into(),
            version.into(),
            content.into(),
            asking.caller.sub().into(),
            asking.now.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Deletes a message: one's own, or as a moderator anybody's.
pub(crate) async fn delete(tx: &mut Tx, job: &MessageJob) -> Result<VersionResult, Fail> {
    let asking = &job.asking;
    let room = judged(tx.reading(), asking, &job.room, Action::Delete).await?;
    let message = find(tx, &room.id, job.seq).await?;
    let is_own = message
        .from
        .as_ref()
        .is_some_and(|from| from.sub == asking.caller.sub());
    if !is_own {
        let may = room.rights.is_exempt() && !room.is_conversation();
        if !may {
            return Err(refuse(
                ErrorCode::Forbidden,
                "only moderators delete others' messages",
            ));
        }
        audit(tx, asking, &room.id, "delete", &job.seq.to_string()).await?;
    }
    remove(tx, asking, &room, message).await
}

/// Deletes a message without asking whether one may.
pub(in crate::store) async fn remove(
    tx: &mut Tx,
    asking: &Asking,
    room: &Standing,
    message: Message,
) -> Result<VersionResult, Fail> {
    keep_version(
        tx,
        asking,
        room,
        message.seq,
        message.version,
        &json(&message.content),
    )
    .await?;
    let version = message.version + 1;
    let values = &[(&room.id).into(), message.seq.into(), version.into()];
    tx.execute(
        "UPDATE messages SET deleted = 1, content = 'null', words = '', reactions = '{}',
            version = $3 WHERE room = $1 AND seq = $2",
        values,
    )
    .await?;
    tx.execute(
        "DELETE FROM reactions WHERE room = $1 AND seq = $2",
        &values[..2],
    )
    .await?;
    tx.execute(
        "DELETE FROM upload_uses WHERE room = $1 AND seq = $2",
        &values[..2],
    )
    .await?;
    if let Some(thread) = message.thread {
        tx.execute(
            "UPDATE messages SET replies = replies - 1 WHERE room = $1 AND seq = $2",
            &[(&room.id).into(), thread.into()],
        )
        .await?;
    }
    if room.is_conversation() {
        let sender = message.from.map_or_else(String::new, |from| from.sub);
        tx.execute(
            "UPDATE members SET unread = unread - 1
             WHERE room = $1 AND read < $2 AND sub <> $3 AND unread > 0",
            &[(&room.id).into(), message.seq.into(), (&sender).into()],
        )
        .await?;
    }
    let deleted = Edited {
        seq: message.seq,
        version,
        content: None,
        by: asking.caller.sub().to_owned(),
        at: u64::try_from(asking.now).unwrap_or(0),
    };
    publish(tx, room, "deleted", &deleted, asking.now).await?;
    Ok(VersionResult { version })
}

pub(crate) async fn react(tx: &mut Tx, job: &ReactJob) -> Result<VersionResult, Fail> {
    let asking = &job.asking;
    let room = judged(tx.reading(), asking, &job.room, Action::React).await?;
    let message = find(tx, &room.id, job.seq).await?;
    let mut counts: BTreeMap<String, u64> = message.reactions;
    if job.on && !counts.contains_key(&job.reaction) && counts.len() >= REACTIONS_MAX {
        return Err(refuse(
            ErrorCode::LimitReached,
            "a message takes 20 different reactions",
        ));
    }
    let sql = if job.on {
        "INSERT INTO reactions (room, seq, reaction, sub) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING"
    } else {
        "DELETE FROM reactions WHERE room = $1 AND seq = $2 AND reaction = $3 AND sub = $4"
    };
    let values = &[
        (&room.id).into(),
        job.seq.into(),
        (&job.reaction).into(),
        asking.caller.sub().into(),
    ];
    if tx.execute(sql, values).await? == 0 {
        return Ok(VersionResult {
            version: message.version,
        });
    }
    let count = counts.entry(job.reaction.clone()).or_default();
    *count = if job.on {
        *count + 1
    } else {
        count.saturating_sub(1)
    };
    counts.retain(|_, count| *count > 0);
    let version = message.version + 1;
    tx.execute(
        "UPDATE messages SET reactions = $3, version = $4 WHERE room = $1 AND seq = $2",
        &[
            (&room.id).into(),
            job.seq.into(),
            (&json(&counts)).into(),
            version.into(),
        ],
    )
    .await?;
    let reactions = Reactions {
        seq: job.seq,
        version,
        reactions: counts,
        by: asking.caller.sub().to_owned(),
    };
    publish(tx, &room, "reactions", &reactions, asking.now).await?;
    Ok(VersionResult { version })
}
