//! What is kept of presence: when somebody was last there.

use std::collections::BTreeMap;

use super::connection::{Connection, StoreError};
use super::members::INTIMATE_MAX;
use super::{Fail, Tx};

/// Users and when they were last there, in microseconds since the Unix epoch.
#[derive(Debug)]
pub(crate) struct Seen(pub(crate) Vec<(String, i64)>);

pub(crate) async fn keep_seen(tx: &mut Tx, seen: &Seen) -> Result<(), Fail> {
    for (sub, at) in &seen.0 {
        tx.execute(
            "UPDATE users SET last_seen = $2 WHERE sub = $1 AND last_seen < $2",
            &[sub.into(), (*at).into()],
        )
        .await?;
    }
    Ok(())
}

/// The most others whose presence one is told.
const PEERS_MAX: i64 = 2_000;

/// Those with whom somebody shares a conversation or a room of at most 200 members.
pub(crate) async fn peers(
    connection: &mut Connection,
    sub: &str,
) -> Result<Vec<String>, StoreError> {
    let rows = connection
        .rows(
            "SELECT DISTINCT p.sub FROM members m
             JOIN rooms r ON r.id = m.room AND r.members <= $2
             JOIN members p ON p.room = m.room AND p.sub <> m.sub
             WHERE m.sub = $1 LIMIT $3",
            &[sub.into(), INTIMATE_MAX.into(), PEERS_MAX.into()],
        )
        .await?;
    rows.iter().map(|row| row.text("sub")).collect()
}

/// When users who are not here now were last here; those never seen are left out.
pub(crate) async fn last_seen(
    connection: &mut Connection,
    subs: &[String],
) -> Result<BTreeMap<String, u64>, StoreError> {
    let mut seen = BTreeMap::new();
    for sub in subs {
        let sql = "SELECT last_seen FROM users WHERE sub = $1 AND last_seen > 0";
        if let Some(row) = connection.row(sql, &[sub.into()]).await? {
            seen.insert(sub.clone(), row.count("last_seen")?);
        }
    }
    Ok(seen)
}
