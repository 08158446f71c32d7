//! The personal inbox: notifications, read here or elsewhere.

use wire::code::ErrorCode;
use wire::message::notification::{
    Notification, NotificationEvent, NotificationsResult, ReadNotifications,
};

use super::connection::{Connection, Row, StoreError};
use super::rooms::{audit, say, station_room};
use super::standing::{Asking, judged};
use super::tx::Channel;
use super::{Effect, Fail, Tx, refuse};
use crate::access::Action;

/// The key in the store of a user's inbox; no room's id has a colon.
pub(crate) fn inbox_name(sub: &str) -> String {
    format!("inbox:{sub}")
}

/// Puts something into a user's inbox. `about` is the room whose reading marks it read.
pub(super) async fn notify(
    tx: &mut Tx,
    sub: &str,
    event: &NotificationEvent,
    about: Option<&str>,
    now: i64,
) -> Result<(), StoreError> {
    let name = inbox_name(sub);
    tx.open_channel(&name).await?;
    let seq = tx.next_seq(&name).await?;
    let json = serde_json::to_string(event).expect("wire types have string keys and serialize");
    tx.execute(
        "INSERT INTO notifications (sub, seq, event, about, at) VALUES ($1, $2, $3, $4, $5)",
        &[
            sub.into(),
            seq.into(),
            (&json).into(),
            about.into(),
            now.into(),
        ],
    )
    .await?;
    let notification = Notification {
        seq,
        at: u64::try_from(now).unwrap_or(0),
        read: false,
        event: event.clone(),
    };
    let channel = Channel {
        name: &name,
        wire: "inbox",
    };
    tx.record(channel, seq, "notification", &notification, now);
    tx.then(Effect::Notified {
        sub: sub.to_owned(),
        notification,
    });
    Ok(())
}

/// Marks what is about a room as read: whoever reads the room has seen it.
pub(super) async fn read_about(
    tx: &mut Tx,
    sub: &str,
    about: &str,
    now: i64,
) -> Result<(), StoreError> {
    let rows = tx
        .returning(
            "UPDATE notifications SET read = 1 WHERE sub = $1 AND about = $2 AND read = 0
             RETURNING seq",
            &[sub.into(), about.into()],
        )
        .await?;
    let seqs = rows
        .iter()
        .map(|row| row.count("seq"))
        .collect::<Result<Vec<_>, _>>()?;
    if seqs.is_empty() {
        return Ok(());
    }
    tell_read(tx, sub, &ReadNotifications { seqs, up_to: None }, now).await
}

async fn tell_read(
    tx: &mut Tx,
    sub: &str,
    read: &ReadNotifications,
    now: i64,
) -> Result<(), StoreError> {
    let name = inbox_name(sub);
    let channel = Channel {
        name: &name,
        wire: "inbox",
    };
    tx.append(channel, "notifications_read", read, now).await?;
    Ok(())
}

/// Notifications to be marked read.
#[derive(Debug)]
pub(crate) struct ReadJob {
    pub(crate) asking: Asking,
    pub(crate) read: ReadNotifications,
}

pub(crate) async fn read_notifications(tx: &mut Tx, job: &ReadJob) -> Result<u64, Fail> {
    let sub = job.asking.caller.sub();
    let mut changed = 0;
    if let Some(up_to) = job.read.up_to {
        changed += tx
            .execute(
                "UPDATE notifications SET read = 1 WHERE sub = $1 AND seq <= $2 AND read = 0",
                &[sub.into(), up_to.into()],
            )
            .await?;
    }
    for seq in &job.read.seqs {
        changed += tx
            .execute(
                "UPDATE notifications SET read = 1 WHERE sub = $1 AND seq = $2 AND read = 0",
                &[sub.into(), (*seq).into()],
            )
            .await?;
    }
    if changed > 0 {
        tell_read(tx, sub, &job.read, job.asking.now).await?;
    }
    Ok(unread(tx.reading(), sub).await?)
}

/// How many notifications a user has not read, counted up to 1,000.
pub(super) async fn unread(connection: &mut Connection, sub: &str) -> Result<u64, StoreError> {
    let row = connection
        .row(
            "SELECT CAST(count(*) AS BIGINT) AS unread FROM (SELECT 1 AS one FROM notifications
                WHERE sub = $1 AND read = 0 LIMIT 1000) AS capped",
            &[sub.into()],
        )
        .await?;
    row.map_or(Ok(0), |row| row.count("unread"))
}

/// A page of a user's notifications, newest first.
pub(crate) async fn notifications(
    connection: &mut Connection,
    sub: &str,
    before: Option<u64>,
    only_unread: bool,
    limit: u32,
) -> Result<NotificationsResult, StoreError> {
    let rows = connection
        .rows(
            "SELECT seq, event, read, at FROM notifications
             WHERE sub = $1 AND seq < $2 AND read <= $3 ORDER BY seq DESC LIMIT $4",
            &[
                sub.into(),
                before
                    .and_then(|seq| i64::try_from(seq).ok())
                    .unwrap_or(i64::MAX)
                    .into(),
                i64::from(!only_unread).into(),
                (i64::from(limit) + 1).into(),
            ],
        )
        .await?;
    let limit = limit as usize;
    let notifications = rows
        .iter()
        .take(limit)
        .map(read_row)
        .collect::<Result<_, _>>()?;
    Ok(NotificationsResult {
        notifications,
        unread: unread(connection, sub).await?,
        more: rows.len() > limit,
    })
}

fn read_row(row: &Row) -> Result<Notification, StoreError> {
    Ok(Notification {
        seq: row.count("seq")?,
        at: row.count("at")?,
        read: row.flag("read")?,
        event: row.json("event")?,
    })
}

/// Whom something is told to.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// All users the store has heard of.
    Everybody,
    /// The followers of a station.
    Followers(String),
}

/// A page of an announcement: users in order, a few hundred per transaction, so
/// that messages need not wait until the last of a hundred thousand has been told.
#[derive(Debug)]
pub(crate) struct Announcement {
    pub(crate) target: Target,
    pub(crate) event: NotificationEvent,
    pub(crate) now: i64,
    /// Only users above this one.
    pub(crate) after: String,
}

const PAGE: i64 = 200;

/// Tells one page; gives the last user told when there may be more.
pub(crate) async fn tell(tx: &mut Tx, job: &Announcement) -> Result<Option<String>, Fail> {
    let rows = match &job.target {
        Target::Everybody => {
            tx.reading()
                .rows(
                    "SELECT sub FROM users WHERE sub > $1 ORDER BY sub LIMIT $2",
                    &[(&job.after).into(), PAGE.into()],
                )
                .await?
        }
        Target::Followers(station) => {
            tx.reading()
                .rows(
                    "SELECT sub FROM interactions WHERE station = $3 AND kind = 'follow'
                     AND sub > $1 ORDER BY sub LIMIT $2",
                    &[(&job.after).into(), PAGE.into(), station.into()],
                )
                .await?
        }
    };
    let mut last = None;
    for row in &rows {
        let sub = row.text("sub")?;
        notify(tx, &sub, &job.event, None, job.now).await?;
        last = Some(sub);
    }
    Ok(last.filter(|_| rows.len() as i64 == PAGE))
}

/// An announcement into a room, by an administrator.
#[derive(Debug)]
pub(crate) struct RoomAnnouncement {
    pub(crate) asking: Asking,
    pub(crate) room: String,
    pub(crate) text: String,
}

pub(crate) async fn announce_in_room(tx: &mut Tx, job: &RoomAnnouncement) -> Result<(), Fail> {
    if !job.asking.caller.is_admin() {
        return Err(refuse(ErrorCode::Forbidden, "only administrators may"));
    }
    let room = judged(tx.reading(), &job.asking, &job.room, Action::Subscribe).await?;
    audit(tx, &job.asking, &room.id, "announce", &job.text).await?;
    say(tx, &room, &job.text, job.asking.now).await?;
    Ok(())
}

/// The room of a station, for announcements to it.
pub(crate) fn room_of(station: &wire::StationId) -> String {
    station_room(station)
}
