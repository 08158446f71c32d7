//! Subscribing: where a channel stands, and what was missed, in one query.

use serde_json::value::RawValue;
use wire::frame::Push;
use wire::message::room::Member;

use super::connection::{Connection, Row, StoreError};
use super::messages::{HistoryQuery, Page};
use super::standing::{Asking, Standing, standing};
use super::{Fail, members, messages};
use crate::access::{Action, unknown};

/// The most events a resume gives back; who missed more gets the state.
pub(crate) const REPLAY_EVENTS_MAX: i64 = 500;

/// The position a client says it has.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    pub(crate) epoch: String,
    pub(crate) offset: u64,
}

/// Where a channel stands, and what was missed since a position.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) epoch: String,
    /// Of the newest event at the moment of reading.
    pub(crate) offset: u64,
    /// All events after the position asked for; none when they cannot be given whole.
    pub(crate) events: Option<Vec<Push>>,
}

/// One event more than is given is read: so it shows that there are too many.
const ROOM: &str = standing!(
    lean,
    ", c.epoch, c.last_seq, c.trimmed, e.seq AS event_seq, e.kind AS event_kind, e.data",
    "JOIN channels c ON c.name = r.id
     LEFT JOIN events e ON e.channel = r.id AND c.epoch = $5 AND e.seq > $6",
    "r.id = $4 ORDER BY e.seq LIMIT 501"
);

const INBOX: &str = "SELECT c.epoch, c.last_seq, c.trimmed, e.seq AS event_seq,
        e.kind AS event_kind, e.data
     FROM channels c LEFT JOIN events e ON e.channel = c.name AND c.epoch = $2 AND e.seq > $3
     WHERE c.name = $1 ORDER BY e.seq LIMIT 501";

/// Reads a room for a subscriber. `bytes_max` bounds the JSON of the events.
pub(crate) async fn room(
    connection: &mut Connection,
    asking: &Asking,
    room: &str,
    position: Option<&Position>,
    bytes_max: usize,
) -> Result<(Standing, Replay), Fail> {
    let caller = &asking.caller;
    let address = caller.address_hex();
    let rows = connection
        .rows(
            ROOM,
            &[
                caller.sub().into(),
                (&address).into(),
                asking.now.into(),
                room.into(),
                position.map_or("", |position| &position.epoch).into(),
                position
                    .map_or(i64::MAX, |position| clamp(position.offset))
                    .into(),
            ],
        )
        .await?;
    let standing = Standing::read(rows.first().ok_or_else(unknown)?, caller)?;
    standing.rights.judge(Action::Subscribe)?;
    let replay = replay(&rows, &standing.wire(), position, bytes_max)?;
    Ok((standing, replay))
}

/// Reads a user's inbox; none when nothing ever came.
pub(crate) async fn inbox(
    connection: &mut Connection,
    name: &str,
    position: Option<&Position>,
    bytes_max: usize,
) -> Result<Option<Replay>, StoreError> {
    let rows = connection
        .rows(
            INBOX,
            &[
                name.into(),
                position.map_or("", |position| &position.epoch).into(),
                position
                    .map_or(i64::MAX, |position| clamp(position.offset))
                    .into(),
            ],
        )
        .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    replay(&rows, "inbox", position, bytes_max).map(Some)
}

fn clamp(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

fn replay(
    rows: &[Row],
    wire: &str,
    position: Option<&Position>,
    bytes_max: usize,
) -> Result<Replay, StoreError> {
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let epoch = first.text("epoch")?;
    let offset = first.count("last_seq")?;
    let trimmed = first.count("trimmed")?;
    let known = position.filter(|position| {
        position.epoch == epoch && (trimmed..=offset).contains(&position.offset)
    });
    let Some(known) = known else {
        return Ok(Replay {
            epoch,
            offset,
            events: None,
        });
    };
    let missed = usize::try_from(offset - known.offset).unwrap_or(usize::MAX);
    let mut events = Vec::new();
    let mut bytes = 0;
    for row in rows.iter().take(REPLAY_EVENTS_MAX as usize) {
        let Some(seq) = row.maybe_count("event_seq")? else {
            break;
        };
        let data = row.text("data")?;
        bytes += data.len() + wire.len() + 64;
        let data = RawValue::from_string(data).map_err(|error| StoreError::Stored {
            what: "event",
            error,
        })?;
        events.push(Push {
            channel: wire.to_owned(),
            offset: Some(seq),
            kind: row.text("event_kind")?,
            data,
        });
    }
    // Whole or not at all.
    let whole = events.len() == missed && bytes <= bytes_max;
    Ok(Replay {
        epoch,
        offset,
        events: Some(events).filter(|_| whole),
    })
}

/// What a new subscriber of a room starts from.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) page: Page,
    pub(crate) participants: Vec<Member>,
}

/// Reads a room's newest messages, not above `offset`, and a conversation's members.
pub(crate) async fn fresh(
    connection: &mut Connection,
    asking: &Asking,
    standing: &Standing,
    offset: u64,
    bytes_max: usize,
) -> Result<Fresh, StoreError> {
    let query = HistoryQuery {
        asking: asking.clone(),
        room: standing.id.clone(),
        before: Some(offset + 1),
        after: None,
        thread: None,
        limit: 50,
        bytes_max,
    };
    let page = messages::page(connection, &query).await?;
    let participants = if standing.is_conversation() {
        members::read(connection, standing, "", 200).await?
    } else {
        Vec::new()
    };
    Ok(Fresh { page, participants })
}
