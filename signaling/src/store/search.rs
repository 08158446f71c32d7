//! Full-text search, only through what one may read.

use wire::message::chat::Hit;

use super::Fail;
use super::connection::Connection;
use super::messages::{message_columns, read};
use super::standing::{Asking, judged, kind_of, wire_name};
use crate::access::Action;

/// Words to look for.
#[derive(Debug)]
pub(crate) struct SearchQuery {
    pub(crate) asking: Asking,
    /// All of which a message must hold; none of them is empty.
    pub(crate) words: Vec<String>,
    pub(crate) room: Option<String>,
    /// The id of the last hit of the page before.
    pub(crate) before: Option<u64>,
    pub(crate) limit: u32,
}

/// Hits with their cursors, newest first.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) hits: Vec<(u64, Hit)>,
    pub(crate) more: bool,
}

/// `$3` names the room, or is empty for all one is a member of and not banned from.
macro_rules! found {
    ($from:literal, $condition:literal) => {
        concat!(
            "SELECT x.id, r.kind AS room_kind, ",
            message_columns!(),
            " FROM ",
            $from,
            " JOIN rooms r ON r.id = x.room WHERE ",
            $condition,
            " AND x.deleted = 0 AND x.id < $4 AND (x.room = $3 OR ($3 = ''
                AND EXISTS (SELECT 1 FROM members m WHERE m.room = x.room AND m.sub = $2)
                AND NOT EXISTS (SELECT 1 FROM sanctions s WHERE s.room IN ('', x.room)
                    AND s.kind = 'ban' AND (s.until IS NULL OR s.until > $6)
                    AND (s.sub = $2 OR (s.first_address <= $7 AND s.last_address >= $7)))))
             ORDER BY x.id DESC LIMIT $5"
        )
    };
}

const SQLITE: &str = found!(
    "message_words w JOIN messages x ON x.id = w.rowid",
    "message_words MATCH $1"
);
const POSTGRES: &str = found!("messages x", "x.search @@ to_tsquery('simple', $1)");

pub(crate) async fn search(
    connection: &mut Connection,
    query: &SearchQuery,
) -> Result<Found, Fail> {
    if let Some(room) = &query.room {
        judged(connection, &query.asking, room, Action::Search).await?;
    }
    // Letters and digits only: nothing of either query language gets through.
    let sqlite: Vec<_> = query
        .words
        .iter()
        .map(|word| format!("\"{word}\""))
        .collect();
    let words = match connection.is_remote() {
        false => sqlite.join(" "),
        true => query.words.join(" & "),
    };
    let caller = &query.asking.caller;
    let address = caller.address_hex();
    let before = query
        .before
        .and_then(|id| i64::try_from(id).ok())
        .unwrap_or(i64::MAX);
    let sql = connection.dialect(SQLITE, POSTGRES);
    let rows = connection
        .rows(
            sql,
            &[
                (&words).into(),
                caller.sub().into(),
                query.room.as_deref().unwrap_or_default().into(),
                before.into(),
                (i64::from(query.limit) + 1).into(),
                query.asking.now.into(),
                (&address).into(),
            ],
        )
        .await?;
    let limit = query.limit as usize;
    let mut hits = Vec::new();
    for row in rows.iter().take(limit) {
        let kind = kind_of(&row.text("room_kind")?);
        let hit = Hit {
            channel: wire_name(kind, &row.text("room")?),
            message: read(row)?,
        };
        hits.push((row.count("id")?, hit));
    }
    Ok(Found {
        hits,
        more: rows.len() > limit,
    })
}
