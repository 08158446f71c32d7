//! What is known about uploads. Their bytes are kept elsewhere.

use wire::code::ErrorCode;

use super::connection::{Connection, StoreError};
use super::standing::{Asking, judged};
use super::{Fail, Tx, refuse, users};
use crate::access::Action;

/// An upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its id, which nobody can guess.
    pub id: String,
    /// Who uploaded it.
    pub owner: String,
    /// What it is, as found by looking into it: never what the client said.
    pub content_type: String,
    /// Its size.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// The name to save it under.
    pub name: String,
}

/// The most bytes one user's uploads have together.
const OWNED_BYTES_MAX: u64 = 1 << 30;

/// An upload to be kept in mind.
#[derive(Debug)]
pub(crate) struct UploadJob {
    pub(crate) asking: Asking,
    pub(crate) upload: Upload,
}

pub(crate) async fn add(tx: &mut Tx, job: &UploadJob) -> Result<(), Fail> {
    let upload = &job.upload;
    let row = tx
        .reading()
        .row(
            "SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) AS bytes FROM uploads WHERE owner = $1",
            &[(&upload.owner).into()],
        )
        .await?;
    let owned = row.map_or(Ok(0), |row| row.count("bytes"))?;
    if owned.saturating_add(upload.bytes) > OWNED_BYTES_MAX {
        return Err(refuse(
            ErrorCode::LimitReached,
            "your uploads have 1 GiB already",
        ));
    }
    users::know(tx, &job.asking).await?;
    tx.execute(
        "INSERT INTO uploads (id, owner, content_type, bytes, sha256, name, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            (&upload.id).into(),
            (&upload.owner).into(),
            (&upload.content_type).into(),
            upload.bytes.into(),
            (&upload.sha256).into(),
            (&upload.name).into(),
            job.asking.now.into(),
        ],
    )
    .await?;
    Ok(())
}

/// The most rooms that are tried for one that shows the upload to whoever asks.
const USES_TRIED_MAX: i64 = 50;

/// An upload, for its owner and for those who may read where it is shown.
pub(crate) async fn find(
    connection: &mut Connection,
    asking: &Asking,
    id: &str,
) -> Result<Upload, Fail> {
    let unknown = || refuse(ErrorCode::NotFound, "no such upload");
    let row = connection
        .row(
            "SELECT id, owner, content_type, bytes, sha256, name FROM uploads WHERE id = $1",
            &[id.into()],
        )
        .await?;
    let row = row.ok_or_else(unknown)?;
    let upload = Upload {
        id: row.text("id")?,
        owner: row.text("owner")?,
        content_type: row.text("content_type")?,
        bytes: row.count("bytes")?,
        sha256: row.text("sha256")?,
        name: row.text("name")?,
    };
    if upload.owner == asking.caller.sub() {
        return Ok(upload);
    }
    let rooms = connection
        .rows(
            "SELECT DISTINCT room FROM upload_uses WHERE upload = $1 LIMIT $2",
            &[id.into(), USES_TRIED_MAX.into()],
        )
        .await?;
    for row in rows_of(&rooms)? {
        match judged(connection, asking, &row, Action::FetchUpload).await {
            Ok(_) => return Ok(upload),
            Err(Fail::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(unknown())
}

/// Forgets uploads from before that time that nothing shows, and notes their files.
pub(super) async fn forget_unused(
    tx: &mut Tx,
    before: i64,
    now: i64,
    most: i64,
) -> Result<u64, StoreError> {
    let rows = tx
        .reading()
        .rows(
            "SELECT u.id, u.sha256 FROM uploads u WHERE u.at < $1
                AND NOT EXISTS (SELECT 1 FROM upload_uses x WHERE x.upload = u.id) LIMIT $2",
            &[before.into(), most.into()],
        )
        .await?;
    for row in &rows {
        let (id, sha256) = (row.text("id")?, row.text("sha256")?);
        tx.execute("DELETE FROM uploads WHERE id = $1", &[(&id).into()])
            .await?;
        tx.execute(
            "INSERT INTO unused_files (sha256, due) VALUES ($1, $2)
             ON CONFLICT (sha256) DO UPDATE SET due = excluded.due",
            &[(&sha256).into(), now.into()],
        )
        .await?;
    }
    Ok(rows.len() as u64)
}

/// Those of these files that no upload has and nobody noted yet.
pub(crate) async fn strays(
    connection: &mut Connection,
    files: &[String],
) -> Result<Vec<String>, StoreError> {
    let mut strays = Vec::new();
    for sha256 in files {
        let known = connection
            .row(
                "SELECT 1 AS known FROM uploads WHERE sha256 = $1
                 UNION ALL SELECT 1 FROM unused_files WHERE sha256 = $1 LIMIT 1",
                &[sha256.into()],
            )
            .await?;
        if known.is_none() {
            strays.push(sha256.clone());
        }
    }
    Ok(strays)
}

/// Files that are to be removed from some time on.
#[derive(Debug)]
pub(crate) struct Strays {
    pub(crate) files: Vec<String>,
    pub(crate) due: i64,
}

pub(crate) async fn note_strays(tx: &mut Tx, strays: &Strays) -> Result<(), Fail> {
    for sha256 in &strays.files {
        tx.execute(
            "INSERT INTO unused_files (sha256, due) VALUES ($1, $2)
             ON CONFLICT (sha256) DO NOTHING",
            &[sha256.into(), strays.due.into()],
        )
        .await?;
    }
    Ok(())
}

/// Files that are due to be removed, each with whether an upload has it all the same.
pub(crate) async fn unused_files(
    connection: &mut Connection,
    now: i64,
    most: i64,
) -> Result<Vec<(String, bool)>, StoreError> {
    let rows = connection
        .rows(
            "SELECT f.sha256, CAST(CASE WHEN EXISTS
                (SELECT 1 FROM uploads u WHERE u.sha256 = f.sha256) THEN 1 ELSE 0 END AS BIGINT)
                AS used
             FROM unused_files f WHERE f.due <= $1 ORDER BY f.due, f.sha256 LIMIT $2",
            &[now.into(), most.into()],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((row.text("sha256")?, row.flag("used")?)))
        .collect()
}

/// Notes that files are removed, or needed again.
pub(crate) async fn files_settled(tx: &mut Tx, files: &Vec<String>) -> Result<(), Fail> {
    for sha256 in files {
        tx.execute(
            "DELETE FROM unused_files WHERE sha256 = $1",
            &[sha256.into()],
        )
        .await?;
    }
    Ok(())
}

fn rows_of(rows: &[super::Row]) -> Result<Vec<String>, Fail> {
    Ok(rows
        .iter()
        .map(|row| row.text("room"))
        .collect::<Result<_, _>>()?)
}
