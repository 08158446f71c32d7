//! Finding rooms.

use wire::message::room::RoomsResult;

use super::super::Fail;
use super::super::connection::Connection;
use super::super::standing::{Asking, Standing, standing};

/// A page of rooms.
#[derive(Debug)]
pub(crate) struct RoomsQuery {
    pub(crate) asking: Asking,
    pub(crate) query: Option<String>,
    pub(crate) joined: bool,
    pub(crate) after: Option<String>,
    pub(crate) limit: u32,
}

const PUBLIC_ROOMS: &str = standing!(
    full,
    "",
    "",
    "r.kind IN ('public', 'station') AND r.id > $4 AND lower(r.name) LIKE $5 ESCAPE '\\'
     ORDER BY r.id LIMIT $6"
);

const OWN_ROOMS: &str = standing!(
    full,
    "",
    "",
    "m.sub = $1 AND r.kind NOT IN ('direct', 'group') AND r.id > $4
     AND lower(r.name) LIKE $5 ESCAPE '\\' ORDER BY r.id LIMIT $6"
);

pub(crate) async fn list(
    connection: &mut Connection,
    query: &RoomsQuery,
) -> Result<RoomsResult, Fail> {
    let caller = &query.asking.caller;
    let address = caller.address_hex();
    let mut pattern = String::from("%");
    for char in query
        .query
        .as_deref()
        .unwrap_or_default()
        .to_lowercase()
        .chars()
    {
        if matches!(char, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern.push('%');
    let sql = if query.joined {
        OWN_ROOMS
    } else {
        PUBLIC_ROOMS
    };
    let limit = i64::from(query.limit);
    let rows = connection
        .rows(
            sql,
            &[
                caller.sub().into(),
                (&address).into(),
                query.asking.now.into(),
                query.after.as_deref().unwrap_or_default().into(),
                (&pattern).into(),
                (limit + 1).into(),
            ],
        )
        .await?;
    let mut rooms = Vec::new();
    let mut last = None;
    let more = rows.len() > query.limit as usize;
    for row in rows.iter().take(query.limit as usize) {
        let standing = Standing::read(row, caller)?;
        rooms.push(standing.room());
        last = Some(standing.id);
    }
    let next = last.filter(|_| more);
    Ok(RoomsResult { rooms, next })
}
