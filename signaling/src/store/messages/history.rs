//! Reading back through a room, in either direction.

use wire::code::ErrorCode;
use wire::message::chat::{Message, Version, VersionsResult};
use wire::message::room::Role;

use super::super::connection::{Connection, StoreError};
use super::super::standing::{Asking, judged};
use super::super::{Fail, refuse};
use super::{message_columns, read};
use crate::access::Action;

/// A page of a room's messages.
#[derive(Debug)]
pub(crate) struct HistoryQuery {
    pub(crate) asking: Asking,
    pub(crate) room: String,
    pub(crate) before: Option<u64>,
    pub(crate) after: Option<u64>,
    pub(crate) thread: Option<u64>,
    pub(crate) limit: u32,
    /// The most bytes of JSON the messages may have together; at least one is given.
    pub(crate) bytes_max: usize,
}

/// Messages, oldest first.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) messages: Vec<Message>,
    /// Whether there are more in the direction asked for.
    pub(crate) more: bool,
}

/// Texts for both directions, with the thread or without: the conditions are
/// spelled out so that each finds its index.
macro_rules! page {
    ($condition:literal, $order:literal) => {
        concat!(
            "SELECT ",
            message_columns!(),
            " FROM messages x WHERE x.room = $1 AND x.seq > $2 AND x.seq < $3 AND ",
            $condition,
            " ORDER BY x.seq ",
            $order,
            " LIMIT $5"
        )
    };
}

pub(crate) async fn history(
    connection: &mut Connection,
    query: &HistoryQuery,
) -> Result<Page, Fail> {
    judged(connection, &query.asking, &query.room, Action::History).await?;
    Ok(page(connection, query).await?)
}

/// Reads a page for somebody who may.
pub(in crate::store) async fn page(
    connection: &mut Connection,
    query: &HistoryQuery,
) -> Result<Page, StoreError> {
    // Forward only when asked for what comes after; else the newest, or those before.
    let forward = query.after.is_some() && query.before.is_none();
    let sql = match (forward, query.thread.is_some()) {
        (true, false) => page!("$4 = -1", "ASC"),
        (true, true) => page!("x.thread = $4", "ASC"),
        (false, false) => page!("$4 = -1", "DESC"),
        (false, true) => page!("x.thread = $4", "DESC"),
    };
    let after = query
        .after
        .and_then(|seq| i64::try_from(seq).ok())
        .unwrap_or(0);
    let before = query
        .before
        .and_then(|seq| i64::try_from(seq).ok())
        .unwrap_or(i64::MAX);
    let thread = query
        .thread
        .and_then(|seq| i64::try_from(seq).ok())
        .unwrap_or(-1);
    let rows = connection
        .rows(
            sql,
            &[
                (&query.room).into(),
                after.into(),
                before.into(),
                thread.into(),
                (i64::from(query.limit) + 1).into(),
            ],
        )
        .await?;
    let mut messages = Vec::new();
    let mut bytes = 0;
    for row in rows.iter().take(query.limit as usize) {
        let message = read(row)?;
        bytes += super::json(&message).len() + 1;
        if bytes > query.bytes_max && !messages.is_empty() {
            break;
        }
        messages.push(message);
    }
    let more = messages.len() < rows.len();
    if !forward {
        messages.reverse();
    }
    add_own_reactions(connection, query, &mut messages).await?;
    Ok(Page { messages, more })
}

async fn add_own_reactions(
    connection: &mut Connection,
    query: &HistoryQuery,
    messages: &mut [Message],
) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (messages.first(), messages.last()) else {
        return Ok(());
    };
    let sub = query.asking.caller.sub();
    if sub.is_empty() || messages.iter().all(|message| message.reactions.is_empty()) {
        return Ok(());
    }
    let rows = connection
        .rows(
            "SELECT seq, reaction FROM reactions
             WHERE room = $1 AND seq >= $2 AND seq <= $3 AND sub = $4 ORDER BY seq, reaction",
            &[
                (&query.room).into(),
                first.seq.into(),
                last.seq.into(),
                sub.into(),
            ],
        )
        .await?;
    for row in rows {
        let seq = row.count("seq")?;
        if let Ok(index) = messages.binary_search_by_key(&seq, |message| message.seq) {
            messages[index].mine.push(row.text("reaction")?);
        }
    }
    Ok(())
}

/// What a message said before it was edited or deleted: its author and moderators see it.
#[derive(Debug)]
pub(crate) struct VersionsQuery {
    pub(crate) asking: Asking,
    pub(crate) room: String,
    pub(crate) seq: u64,
    pub(crate) before: Option<u64>,
    /// The most bytes of JSON the versions may have together; at least one is given.
    pub(crate) bytes_max: usize,
}

const VERSIONS_MAX: i64 = 50;

pub(crate) async fn versions(
    connection: &mut Connection,
    query: &VersionsQuery,
) -> Result<VersionsResult, Fail> {
    let asking = &query.asking;
    let room = judged(connection, asking, &query.room, Action::Members).await?;
    let row = connection
        .row(
            "SELECT sender FROM messages WHERE room = $1 AND seq = $2",
            &[(&room.id).into(), query.seq.into()],
        )
        .await?
        .ok_or_else(|| refuse(ErrorCode::UnknownMessage, "no such message"))?;
    if row.text("sender")? != asking.caller.sub() && room.rights.rank() < Some(Role::Moderator) {
        let message = "only its author and moderators see what a message said";
        return Err(refuse(ErrorCode::Forbidden, message));
    }
    let rows = connection
        .rows(
            "SELECT version, content, by, at FROM message_versions
             WHERE room = $1 AND seq = $2 AND version < $3 ORDER BY version DESC LIMIT $4",
            &[
                (&room.id).into(),
                query.seq.into(),
                query
                    .before
                    .and_then(|version| i64::try_from(version).ok())
                    .unwrap_or(i64::MAX)
                    .into(),
                (VERSIONS_MAX + 1).into(),
            ],
        )
        .await?;
    let mut versions = Vec::new();
    let mut bytes = 0;
    for row in rows.iter().take(VERSIONS_MAX as usize) {
        let version = Version {
            version: row.count("version")?,
            content: row.json("content")?,
            by: row.text("by")?,
            at: row.count("at")?,
        };
        bytes += super::json(&version).len() + 1;
        if bytes > query.bytes_max && !versions.is_empty() {
            break;
        }
        versions.push(version);
    }
    let more = versions.len() < rows.len();
    Ok(VersionsResult { versions, more })
}
