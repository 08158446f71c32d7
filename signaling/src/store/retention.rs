//! Forgetting: what is old goes, a piece at a time, so that nobody waits for it.

use std::time::Duration;

use super::{Fail, Store, Tx, uploads};

/// How long things are kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Events for resuming: whoever was away longer starts from the state. Default 7 days.
    pub events: Duration,
    /// Messages in rooms; none, the default, is for ever. Conversations are kept.
    pub messages: Option<Duration>,
    /// Notifications. Default 90 days.
    pub notifications: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Self {
            events: 7 * DAY,
            messages: None,
            notifications: 90 * DAY,
        }
    }
}

/// How long an upload is kept that no message shows, and a file that no upload has.
pub(crate) const UNUSED: Duration = Duration::from_secs(86_400);

/// Rows one transaction removes.
const PIECE: i64 = 500;

struct Piece {
    retention: Retention,
    now: i64,
}

pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Store {
    /// Removes what is older than it may be, and what rooms left behind that are gone.
    /// Gives the number of rows removed.
    pub(crate) async fn forget(&self, retention: Retention, now: i64) -> Result<u64, Fail> {
        let mut total = 0;
        loop {
            let piece = Piece { retention, now };
            let removed = self
                .write(piece, |tx, piece| Box::pin(forget(tx, piece)))
                .await?;
            total += removed;
            if removed == 0 {
                return Ok(total);
            }
            // Between two pieces the writer serves those who wait.
            tokio::task::yield_now().await;
        }
    }
}

async fn forget(tx: &mut Tx, piece: &Piece) -> Result<u64, Fail> {
    let mut removed = forget_events(tx, piece).await?;
    let before = |age| piece.now.saturating_sub(micros(age));
    removed += tx
        .execute(
            "DELETE FROM notifications WHERE at < $1 AND (sub, seq) IN
                (SELECT sub, seq FROM notifications WHERE at < $1 LIMIT $2)",
            &[before(piece.retention.notifications).into(), PIECE.into()],
        )
        .await?;
    if let Some(age) = piece.retention.messages {
        removed += tx
            .execute(
                "DELETE FROM messages WHERE id IN (SELECT x.id FROM messages x
                    JOIN rooms r ON r.id = x.room AND r.kind NOT IN ('direct', 'group')
                    WHERE x.at < $1 ORDER BY x.at LIMIT $2)",
                &[before(age).into(), PIECE.into()],
            )
            .await?;
    }
    for sql in ORPHANS {
        removed += tx.execute(sql, &[PIECE.into()]).await?;
    }
    removed += uploads::forget_unused(tx, before(UNUSED), piece.now, PIECE).await?;
    tx.execute(
        "DELETE FROM sanctions WHERE until IS NOT NULL AND until < $1",
        &[piece.now.into()],
    )
    .await?;
    Ok(removed)
}

/// Events go from the oldest on, and their channel remembers up to where.
async fn forget_events(tx: &mut Tx, piece: &Piece) -> Result<u64, Fail> {
    let before = piece.now.saturating_sub(micros(piece.retention.events));
    let rows = tx
        .reading()
        .rows(
            "SELECT channel, seq FROM events WHERE at < $1 ORDER BY at LIMIT $2",
            &[before.into(), PIECE.into()],
        )
        .await?;
    let mut newest = std::collections::BTreeMap::new();
    for row in rows {
        let seq = row.int("seq")?;
        let entry = newest.entry(row.text("channel")?).or_insert(seq);
        *entry = seq.max(*entry);
    }
    let mut removed = 0;
    for (channel, seq) in newest {
        let values = &[(&channel).into(), seq.into()];
        removed += tx
            .execute(
                "DELETE FROM events WHERE channel = $1 AND seq <= $2",
                values,
            )
            .await?;
        tx.execute(
            "UPDATE channels SET trimmed = $2 WHERE name = $1 AND trimmed < $2",
            values,
        )
        .await?;
    }
    Ok(removed)
}

/// What belongs to rooms that are gone.
const ORPHANS: &[&str] = &[
    "DELETE FROM messages WHERE id IN (SELECT x.id FROM messages x
        WHERE NOT EXISTS (SELECT 1 FROM rooms r WHERE r.id = x.room) LIMIT $1)",
    "DELETE FROM events WHERE (channel, seq) IN (SELECT e.channel, e.seq FROM events e
        WHERE e.channel NOT LIKE 'inbox:%'
            AND NOT EXISTS (SELECT 1 FROM rooms r WHERE r.id = e.channel) LIMIT $1)",
    "DELETE FROM channels WHERE name IN (SELECT c.name FROM channels c
        WHERE c.name NOT LIKE 'inbox:%'
            AND NOT EXISTS (SELECT 1 FROM rooms r WHERE r.id = c.name) LIMIT $1)",
    "DELETE FROM reactions WHERE (room, seq) IN (SELECT x.room, x.seq FROM reactions x
        WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.room = x.room AND m.seq = x.seq)
        LIMIT $1)",
    "DELETE FROM message_versions WHERE (room, seq) IN (SELECT x.room, x.seq
        FROM message_versions x
        WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.room = x.room AND m.seq = x.seq)
        LIMIT $1)",
    "DELETE FROM upload_uses WHERE (room, seq) IN (SELECT x.room, x.seq FROM upload_uses x
        WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.room = x.room AND m.seq = x.seq)
        LIMIT $1)",
];
