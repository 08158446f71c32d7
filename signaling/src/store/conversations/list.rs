//! One's conversations as a list shows them: who is in each, and what was said last.

use std::collections::HashMap;

use wire::message::chat::Author;
use wire::message::room::{Room, RoomsResult};

use super::super::Fail;
use super::super::connection::{Connection, StoreError};
use super::super::messages::{message_columns, read};
use super::super::standing::{Asking, Standing, standing};
use crate::text;

const OWN: &str = standing!(
    full,
    "",
    "",
    "m.sub = $1 AND m.hidden = 0 AND r.kind IN ('direct', 'group')
     AND (r.last_at < $4 OR (r.last_at = $4 AND r.id > $5))
     ORDER BY r.last_at DESC, r.id LIMIT $6"
);

/// One's conversations, the last written to first. The cursor is the time and id of the
/// last. Cost: three queries, however many there are.
pub(crate) async fn list(
    connection: &mut Connection,
    asking: &Asking,
    after: Option<(i64, String)>,
    limit: u32,
) -> Result<RoomsResult, Fail> {
    let caller = &asking.caller;
    let address = caller.address_hex();
    let (at, id) = after.unwrap_or((i64::MAX, String::new()));
    let rows = connection
        .rows(
            OWN,
            &[
                caller.sub().into(),
                (&address).into(),
                asking.now.into(),
                at.into(),
                (&id).into(),
                (i64::from(limit) + 1).into(),
            ],
        )
        .await?;
    let mut page = Vec::new();
    for row in rows.iter().take(limit as usize) {
        page.push(Standing::read(row, caller)?);
    }
    let next = page
        .last()
        .filter(|_| rows.len() > limit as usize)
        .map(|last| format!("{} {}", last.last_at, last.id));
    let rooms = described(connection, caller.sub(), &page).await?;
    Ok(RoomsResult { rooms, next })
}

const LATEST: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM members m JOIN rooms r ON r.id = m.room
      JOIN messages x ON x.room = r.id
        AND x.seq = (SELECT max(y.seq) FROM messages y WHERE y.room = r.id)
      WHERE m.sub = $1 AND m.hidden = 0 AND r.kind IN ('direct', 'group')
        AND r.last_at >= $2 AND r.last_at <= $3"
);

const OTHERS: &str = "SELECT room, sub, name FROM (
        SELECT o.room, o.sub, u.name,
            row_number() OVER (PARTITION BY o.room ORDER BY o.joined_at, o.sub) AS place
        FROM members m JOIN rooms r ON r.id = m.room
            JOIN members o ON o.room = m.room AND o.sub <> $1
            LEFT JOIN users u ON u.sub = o.sub
        WHERE m.sub = $1 AND m.hidden = 0 AND r.kind IN ('direct', 'group')
            AND r.last_at >= $2 AND r.last_at <= $3
     ) AS placed WHERE place <= 4 ORDER BY room, place";

/// Adds to conversations, in the order of the list, who is in them and what was said last.
async fn described(
    connection: &mut Connection,
    sub: &str,
    page: &[Standing],
) -> Result<Vec<Room>, StoreError> {
    let (Some(first), Some(last)) = (page.first(), page.last()) else {
        return Ok(Vec::new());
    };
    let span = &[sub.into(), last.last_at.into(), first.last_at.into()];
    let mut latest = HashMap::new();
    for row in connection.rows(LATEST, span).await? {
        let mut message = read(&row)?;
        message.content = message.content.map(text::shortened);
        latest.insert(row.text("room")?, message);
    }
    let mut others: HashMap<String, Vec<Author>> = HashMap::new();
    for row in connection.rows(OTHERS, span).await? {
        others.entry(row.text("room")?).or_default().push(Author {
            sub: row.text("sub")?,
            name: row.maybe_text("name")?,
        });
    }
    Ok(page
        .iter()
        .map(|standing| Room {
            latest: latest.remove(&standing.id),
            others: others.remove(&standing.id).unwrap_or_default(),
            ..standing.room()
        })
        .collect())
}
