//! Sanctions, blocked words and the audit log.

mod reports;

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use wire::code::ErrorCode;
use wire::message::moderation::{AuditEntry, AuditResult, Sanction, SanctionKind, SanctionsResult};
use wire::message::room::RoomKind;

use super::connection::{Connection, Row, StoreError};
use super::members::{dismiss, outranks};
use super::rooms::audit;
use super::standing::{Asking, judged, kind_of, wire_name};
use super::{Effect, Fail, Tx, refuse};
use crate::access::Action;
use crate::caller::hex_address;

pub(crate) use reports::{ReportJob, ResolveJob, report, reports, resolve};

/// A range of addresses, first and last.
pub(crate) type Range = (Ipv6Addr, Ipv6Addr);

/// A sanction to be imposed.
#[derive(Debug)]
pub(crate) struct SanctionJob {
    pub(crate) asking: Asking,
    pub(crate) kind: SanctionKind,
    /// None is everywhere.
    pub(crate) room: Option<String>,
    pub(crate) user: Option<String>,
    /// The range as it was written, and as it is.
    pub(crate) network: Option<(String, Range)>,
    pub(crate) reason: Option<String>,
    pub(crate) until: Option<i64>,
}

/// Rights over a room, or over everything when none is named.
async fn oversee(
    connection: &mut Connection,
    asking: &Asking,
    room: Option<&str>,
    action: Action,
) -> Result<Option<super::Standing>, Fail> {
    match room {
        Some(room) => {
            let standing = judged(connection, asking, room, action).await?;
            if standing.kind() == RoomKind::Direct {
                return Err(refuse(
                    ErrorCode::BadRequest,
                    "not in a direct conversation",
                ));
            }
            Ok(Some(standing))
        }
        None if asking.caller.is_admin() => Ok(None),
        None if asking.caller.is_anonymous() => {
            Err(refuse(ErrorCode::Unauthorized, "sign in first"))
        }
        None => Err(refuse(
            ErrorCode::Forbidden,
            "only administrators may, everywhere",
        )),
    }
}

pub(crate) async fn sanction(tx: &mut Tx, job: &SanctionJob) -> Result<Sanction, Fail> {
    let asking = &job.asking;
    let room = oversee(tx.reading(), asking, job.room.as_deref(), Action::Sanction).await?;
    if job.network.is_some() && !asking.caller.is_admin() {
        return Err(refuse(
            ErrorCode::Forbidden,
            "only administrators see addresses",
        ));
    }
    if let (Some(room), Some(user)) = (&room, &job.user) {
        outranks(tx, room, user).await?;
    }
    let (kind, method) = match job.kind {
        SanctionKind::Ban => ("ban", "ban"),
        SanctionKind::Mute => ("mute", "mute"),
    };
    let network = job.network.as_ref();
    let first = network.map(|(_, range)| hex_address(range.0));
    let last = network.map(|(_, range)| hex_address(range.1));
    let rows = tx
        .returning(
            "INSERT INTO sanctions
                (kind, room, sub, first_address, last_address, network, reason, by, at, until)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id",
            &[
                kind.into(),
                job.room.as_deref().unwrap_or_default().into(),
                job.user.as_deref().into(),
                first.as_deref().into(),
                last.as_deref().into(),
                network.map(|(text, _)| text.as_str()).into(),
                job.reason.as_deref().into(),
                asking.caller.sub().into(),
                asking.now.into(),
                job.until.into(),
            ],
        )
        .await?;
    let id = rows.first().map_or(Ok(0), |row| row.count("id"))?;
    let written = network.map(|(text, _)| text.clone());
    let subject = job.user.clone().or(written.clone()).unwrap_or_default();
    audit(
        tx,
        asking,
        job.room.as_deref().unwrap_or_default(),
        method,
        &subject,
    )
    .await?;
    if job.kind == SanctionKind::Ban {
        if let (Some(room), Some(user)) = (&room, &job.user) {
            expel(tx, room, user, asking.now).await?;
        }
        tx.then(Effect::Banned {
            room: job.room.as_deref().map(Into::into),
            sub: job.user.clone(),
            network: network.map(|(_, range)| *range),
        });
    }
    Ok(Sanction {
        id,
        kind: job.kind,
        channel: room.map(|room| room.wire()),
        user: job.user.clone(),
        network: written,
        reason: job.reason.clone(),
        by: asking.caller.sub().to_owned(),
        at: u64::try_from(asking.now).unwrap_or(0),
        until: job.until.and_then(|until| u64::try_from(until).ok()),
    })
}

/// A ban ends a membership, if there is one.
async fn expel(tx: &mut Tx, room: &super::Standing, user: &str, now: i64) -> Result<(), Fail> {
    let row = tx
        .reading()
        .row(
            "SELECT sub FROM members WHERE room = $1 AND sub = $2",
            &[(&room.id).into(), user.into()],
        )
        .await?;
    match row {
        Some(_) => dismiss(tx, room, user, now).await,
        None => Ok(()),
    }
}

/// A sanction or report, by its number.
#[derive(Debug)]
pub(crate) struct LiftJob {
    pub(crate) asking: Asking,
    pub(crate) id: u64,
}

pub(crate) async fn lift(tx: &mut Tx, job: &LiftJob) -> Result<(), Fail> {
    let row = tx
        .reading()
        .row(
            "SELECT room, sub FROM sanctions WHERE id = $1",
            &[job.id.into()],
        )
        .await?;
    let room = row.as_ref().map(|row| row.text("room")).transpose()?;
    // Whoever may not lift it need not know whether it is there.
    let named = room.as_deref().filter(|room| !room.is_empty());
    oversee(tx.reading(), &job.asking, named, Action::Sanction).await?;
    if row.is_none() {
        return Err(refuse(ErrorCode::NotFound, "no such sanction"));
    }
    tx.execute("DELETE FROM sanctions WHERE id = $1", &[job.id.into()])
        .await?;
    audit(
        tx,
        &job.asking,
        named.unwrap_or_default(),
        "lift",
        &job.id.to_string(),
    )
    .await?;
    Ok(())
}

/// A page of what moderators see: of a room, or of everything.
#[derive(Debug)]
pub(crate) struct LogQuery {
    pub(crate) asking: Asking,
    pub(crate) room: Option<String>,
    pub(crate) before: Option<u64>,
    pub(crate) limit: u32,
}

impl LogQuery {
    async fn rows(&self, connection: &mut Connection, sql: &'static str) -> Result<Vec<Row>, Fail> {
        oversee(
            connection,
            &self.asking,
            self.room.as_deref(),
            Action::Oversee,
        )
        .await?;
        let before = self
            .before
            .and_then(|id| i64::try_from(id).ok())
            .unwrap_or(i64::MAX);
        let values = &[
            self.room.as_deref().into(),
            before.into(),
            i64::from(self.limit).into(),
            self.asking.now.into(),
        ];
        Ok(connection.rows(sql, values).await?)
    }
}

/// The channel of a room that is named in a log, if it is there still.
fn channel(row: &Row) -> Result<Option<String>, StoreError> {
    let room = row.text("room")?;
    let kind = row.maybe_text("room_kind")?;
    Ok((!room.is_empty()).then(|| wire_name(kind_of(kind.as_deref().unwrap_or("public")), &room)))
}

/// Notes what a user is called, by the columns of a row that have sub and name.
fn named(
    names: &mut BTreeMap<String, String>,
    row: &Row,
    columns: [&str; 2],
) -> Result<(), StoreError> {
    let [sub, name] = columns;
    if let (Some(sub), Some(name)) = (row.maybe_text(sub)?, row.maybe_text(name)?) {
        names.insert(sub, name);
    }
    Ok(())
}

pub(crate) async fn sanctions(
    connection: &mut Connection,
    query: &LogQuery,
) -> Result<SanctionsResult, Fail> {
    let sql = "SELECT s.id, s.kind, s.room, s.sub, s.network, s.reason, s.by, s.at, s.until,
            r.kind AS room_kind, whom.name AS sub_name, who.name AS by_name
         FROM sanctions s LEFT JOIN rooms r ON r.id = s.room
            LEFT JOIN users whom ON whom.sub = s.sub LEFT JOIN users who ON who.sub = s.by
         WHERE s.room = coalesce($1, s.room) AND s.id < $2 AND (s.until IS NULL OR s.until > $4)
         ORDER BY s.id DESC LIMIT $3";
    let (mut sanctions, mut names) = (Vec::new(), BTreeMap::new());
    for row in query.rows(connection, sql).await? {
        named(&mut names, &row, ["sub", "sub_name"])?;
        named(&mut names, &row, ["by", "by_name"])?;
        let is_ban = row.text("kind")? == "ban";
        sanctions.push(Sanction {
            id: row.count("id")?,
            kind: if is_ban {
                SanctionKind::Ban
            } else {
                SanctionKind::Mute
            },
            channel: channel(&row)?,
            user: row.maybe_text("sub")?,
            network: row
                .maybe_text("network")?
                .filter(|_| query.asking.caller.is_admin()),
            reason: row.maybe_text("reason")?,
            by: row.text("by")?,
            at: row.count("at")?,
            until: row.maybe_count("until")?,
        });
    }
    Ok(SanctionsResult { sanctions, names })
}

pub(crate) async fn audit_log(
    connection: &mut Connection,
    query: &LogQuery,
) -> Result<AuditResult, Fail> {
    let sql = "SELECT a.id, a.room, a.by, a.action, a.subject, a.at, r.kind AS room_kind,
            whom.name AS subject_name, who.name AS by_name
         FROM audit a LEFT JOIN rooms r ON r.id = a.room
            LEFT JOIN users whom ON whom.sub = a.subject LEFT JOIN users who ON who.sub = a.by
         WHERE a.room = coalesce($1, a.room) AND a.id < $2 AND $4 > 0
         ORDER BY a.id DESC LIMIT $3";
    let (mut entries, mut names) = (Vec::new(), BTreeMap::new());
    for row in query.rows(connection, sql).await? {
        named(&mut names, &row, ["subject", "subject_name"])?;
        named(&mut names, &row, ["by", "by_name"])?;
        entries.push(AuditEntry {
            id: row.count("id")?,
            at: row.count("at")?,
            by: row.text("by")?,
            action: row.text("action")?,
            channel: channel(&row)?,
            subject: row.text("subject")?,
        });
    }
    Ok(AuditResult { entries, names })
}

/// Words to be blocked instead of the present ones.
#[derive(Debug)]
pub(crate) struct WordsJob {
    pub(crate) asking: Asking,
    pub(crate) room: Option<String>,
    pub(crate) words: Vec<String>,
}

pub(crate) async fn set_words(tx: &mut Tx, job: &WordsJob) -> Result<(), Fail> {
    oversee(
        tx.reading(),
        &job.asking,
        job.room.as_deref(),
        Action::SetWords,
    )
    .await?;
    let room = job.room.as_deref().unwrap_or_default();
    tx.execute("DELETE FROM blocked_words WHERE room = $1", &[room.into()])
        .await?;
    for word in &job.words {
        tx.execute(
            "INSERT INTO blocked_words (room, word) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &[room.into(), word.into()],
        )
        .await?;
    }
    audit(
        tx,
        &job.asking,
        room,
        "set_words",
        &job.words.len().to_string(),
    )
    .await?;
    Ok(())
}

/// The blocked words of a room as its moderators see them.
pub(crate) async fn words(
    connection: &mut Connection,
    asking: &Asking,
    room: Option<&str>,
) -> Result<Vec<String>, Fail> {
    oversee(connection, asking, room, Action::Oversee).await?;
    Ok(blocked_words(connection, room.unwrap_or_default()).await?)
}

/// The blocked words of a room; those of the empty name hold everywhere.
pub(crate) async fn blocked_words(
    connection: &mut Connection,
    room: &str,
) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT word FROM blocked_words WHERE room = $1 ORDER BY word";
    let rows = connection.rows(sql, &[room.into()]).await?;
    rows.iter().map(|row| row.text("word")).collect()
}
