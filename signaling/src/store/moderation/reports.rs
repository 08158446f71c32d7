//! Reports: a queue that waits for moderators.

use std::collections::BTreeMap;

use wire::code::ErrorCode;
use wire::message::moderation::{Report, ReportsResult};

use super::super::connection::Connection;
use super::super::rooms::audit;
use super::super::standing::{Asking, judged};
use super::super::{Fail, Tx, messages, refuse, users};
use super::{LogQuery, channel, named, oversee};
use crate::access::Action;
use crate::text;

pub(crate) async fn reports(
    connection: &mut Connection,
    query: &LogQuery,
) -> Result<ReportsResult, Fail> {
    let sql = "SELECT p.id, p.room, p.seq, p.author, p.words, p.by, p.reason, p.at,
            r.kind AS room_kind, whom.name AS author_name, who.name AS by_name
         FROM reports p LEFT JOIN rooms r ON r.id = p.room
            LEFT JOIN users whom ON whom.sub = p.author LEFT JOIN users who ON who.sub = p.by
         WHERE p.resolved_at IS NULL AND p.room = coalesce($1, p.room) AND p.id < $2 AND $4 > 0
         ORDER BY p.id DESC LIMIT $3";
    let (mut reports, mut names) = (Vec::new(), BTreeMap::new());
    for row in query.rows(connection, sql).await? {
        named(&mut names, &row, ["author", "author_name"])?;
        named(&mut names, &row, ["by", "by_name"])?;
        reports.push(Report {
            id: row.count("id")?,
            channel: channel(&row)?.unwrap_or_default(),
            seq: row.count("seq")?,
            author: row.text("author")?,
            text: row.text("words")?,
            by: row.text("by")?,
            reason: row.text("reason")?,
            at: row.count("at")?,
        });
    }
    Ok(ReportsResult { reports, names })
}

/// A complaint about a message.
#[derive(Debug)]
pub(crate) struct ReportJob {
    pub(crate) asking: Asking,
    pub(crate) room: String,
    pub(crate) seq: u64,
    pub(crate) reason: String,
}

pub(crate) async fn report(tx: &mut Tx, job: &ReportJob) -> Result<(), Fail> {
    let asking = &job.asking;
    let room = judged(tx.reading(), asking, &job.room, Action::Report).await?;
    let message = messages::find(tx, &room.id, job.seq).await?;
    let words = message
        .content
        .as_ref()
        .map_or_else(String::new, text::preview);
    users::know(tx, asking).await?;
    tx.execute(
        "INSERT INTO reports (room, seq, author, words, by, reason, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (room, seq, by) DO NOTHING",
        &[
            (&room.id).into(),
            job.seq.into(),
            message.from.as_ref().map_or("", |from| &from.sub).into(),
            (&words).into(),
            asking.caller.sub().into(),
            (&job.reason).into(),
            asking.now.into(),
        ],
    )
    .await?;
    Ok(())
}

/// A report that is dealt with.
#[derive(Debug)]
pub(crate) struct ResolveJob {
    pub(crate) asking: Asking,
    pub(crate) id: u64,
    pub(crate) delete: bool,
}

pub(crate) async fn resolve(tx: &mut Tx, job: &ResolveJob) -> Result<(), Fail> {
    let asking = &job.asking;
    let row = tx
        .reading()
        .row(
            "SELECT p.room, p.seq, r.kind AS room_kind FROM reports p
             LEFT JOIN rooms r ON r.id = p.room WHERE p.id = $1 AND p.resolved_at IS NULL",
            &[job.id.into()],
        )
        .await?;
    let Some(row) = row else {
        // Whoever moderates nothing learns nothing about numbers.
        oversee(tx.reading(), asking, None, Action::Oversee).await?;
        return Err(refuse(ErrorCode::NotFound, "no such open report"));
    };
    let room = row.text("room")?;
    // Administrators deal with reports from conversations and rooms that are gone, too,
    // but delete only where they have rights.
    if !asking.caller.is_admin() || job.delete {
        let standing = judged(tx.reading(), asking, &room, Action::Oversee).await?;
        if job.delete
            && let Ok(message) = messages::find(tx, &room, row.count("seq")?).await
        {
            messages::remove(tx, asking, &standing, message).await?;
        }
    }
    tx.execute(
        "UPDATE reports SET resolved_by = $2, resolved_at = $3 WHERE id = $1",
        &[job.id.into(), asking.caller.sub().into(), asking.now.into()],
    )
    .await?;
    audit(tx, asking, &room, "resolve_report", &job.id.to_string()).await?;
    Ok(())
}
