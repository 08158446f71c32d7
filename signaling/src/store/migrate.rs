//! Numbered migrations, built in, applied in order at start.

use sha2::{Digest, Sha256};

use super::connection::{Connection, StoreError};

struct Migration {
    number: i64,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migration {
    ($number:literal, $file:literal) => {
        Migration {
            number: $number,
            sqlite: include_str!(concat!("../../../migrations/sqlite/", $file)),
            postgres: include_str!(concat!("../../../migrations/postgres/", $file)),
        }
    };
}

/// In order; a migration that was ever released is never changed.
const MIGRATIONS: &[Migration] = &[
    migration!(1, "0001_signaling.sql"),
    migration!(2, "0002_push.sql"),
    migration!(3, "0003_unused_files.sql"),
];

/// Any number two starting servers agree on, for PostgreSQL's advisory lock.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7316448311)";

/// Brings the database up to date, in one transaction.
pub(super) async fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    connection
        .script(connection.dialect("BEGIN IMMEDIATE", "BEGIN"))
        .await?;
    match apply(connection).await {
        Ok(()) => connection.script("COMMIT").await,
        Err(error) => {
            connection.script("ROLLBACK").await?;
            Err(error)
        }
    }
}

async fn apply(connection: &mut Connection) -> Result<(), StoreError> {
    connection
        .script(connection.dialect("SELECT 1", LOCK))
        .await?;
    connection
        .script(
            "CREATE TABLE IF NOT EXISTS migrations (
                number BIGINT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL)",
        )
        .await?;
    let rows = connection.rows(
        "SELECT number, checksum FROM migrations ORDER BY number",
        &[],
    );
    let mut applied = Vec::new();
    for row in rows.await? {
        applied.push((row.int("number")?, row.text("checksum")?));
    }
    if let Some((number, _)) = applied.get(MIGRATIONS.len()) {
        return Err(StoreError::Migration(*number));
    }
    for (index, migration) in MIGRATIONS.iter().enumerate() {
        let sql = connection.dialect(migration.sqlite, migration.postgres);
        let checksum = hex::encode(Sha256::digest(sql));
        match applied.get(index) {
            Some(known) if known.0 == migration.number && known.1 == checksum => {}
            Some(_) => return Err(StoreError::Migration(migration.number)),
            None => {
                connection.script(sql).await?;
                let values = &[migration.number.into(), (&checksum).into()];
                connection
                    .execute(
                        "INSERT INTO migrations (number, checksum) VALUES ($1, $2)",
                        values,
                    )
                    .await?;
            }
        }
    }
    Ok(())
}
