//! One connection and one row of either database. Statements are written once:
//! both understand `$1`, `ON CONFLICT` and `RETURNING`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Postgres, Row as _, Sqlite};

/// The database did not do its part.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database refused, failed or cannot be reached.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// Too much waits for the writer, or it takes too long.
    #[error("the writer is busy")]
    Busy,
    /// A row holds what this version never writes.
    #[error("the stored {what} cannot be read: {error}")]
    Stored {
        /// What sort of value.
        what: &'static str,
        /// Why not.
        error: serde_json::Error,
    },
    /// The address of the database is none.
    #[error("no database address: {0}; it begins with sqlite: or postgres:")]
    Address(String),
    /// A migration was changed after it had been applied, or comes from a later version.
    #[error("the database was made by another version: migration {0}")]
    Migration(i64),
}

/// A value for `$n`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Int(i64),
    MaybeInt(Option<i64>),
    Text(&'a str),
    MaybeText(Option<&'a str>),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}

/// Numbers on the wire stay below 2^53; what a client makes up above that finds nothing.
impl From<u64> for Value<'_> {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::MaybeInt(value)
    }
}

impl From<Option<u64>> for Value<'_> {
    fn from(value: Option<u64>) -> Self {
        Self::MaybeInt(value.map(|value| i64::try_from(value).unwrap_or(i64::MAX)))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(value: Option<&'a str>) -> Self {
        Self::MaybeText(value)
    }
}

/// Both pools: one writing connection, several reading ones.
#[derive(Debug)]
pub(crate) struct Pools {
    kind: PoolKind,
    statements: Arc<AtomicU64>,
}

/// The pools of either database.
#[derive(Debug)]
pub(super) enum PoolKind {
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres {
        writer: PgPool,
        readers: PgPool,
    },
}

impl Pools {
    pub(super) fn new(kind: PoolKind) -> Self {
        Self {
            kind,
            statements: Arc::default(),
        }
    }

    pub(super) async fn reader(&self) -> Result<Connection, StoreError> {
        Ok(self.counted(match &self.kind {
            PoolKind::Sqlite { readers, .. } => Held::Sqlite(readers.acquire().await?),
            PoolKind::Postgres { readers, .. } => Held::Postgres(readers.acquire().await?),
        }))
    }

    pub(super) async fn writer(&self) -> Result<Connection, StoreError> {
        Ok(self.counted(match &self.kind {
            PoolKind::Sqlite { writer, .. } => Held::Sqlite(writer.acquire().await?),
            PoolKind::Postgres { writer, .. } => Held::Postgres(writer.acquire().await?),
        }))
    }

    fn counted(&self, held: Held) -> Connection {
        Connection {
            held,
            statements: Arc::clone(&self.statements),
        }
    }

    /// Statements run so far.
    pub(super) fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    pub(super) async fn close(&self) {
        match &self.kind {
            PoolKind::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            PoolKind::Postgres { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match &self.kind {
            PoolKind::Sqlite { .. } => "sqlite",
            PoolKind::Postgres { .. } => "postgres",
        }
    }
}

/// A connection of either database.
#[derive(Debug)]
pub(crate) struct Connection {
    held: Held,
    statements: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Held {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

macro_rules! bound {
    ($sql:expr, $values:expr) => {{
        let mut query = sqlx::query($sql);
        for value in $values {
            query = match *value {
                Value::Int(value) => query.bind(value),
                Value::MaybeInt(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::MaybeText(value) => query.bind(value),
            };
        }
        query
    }};
}

impl Connection {
    /// All rows a statement gives.
    pub(crate) async fn rows(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        self.count();
        Ok(match &mut self.held {
            Held::Sqlite(connection) => {
                let rows = bound!(sql, values).fetch_all(&mut **connection).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Held::Postgres(connection) => {
                let rows = bound!(sql, values).fetch_all(&mut **connection).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The first row a statement gives, if any.
    pub(crate) async fn row(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Runs a statement and tells how many rows it changed.
    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StoreError> {
        self.count();
        Ok(match &mut self.held {
            Held::Sqlite(connection) => {
                let done = bound!(sql, values).execute(&mut **connection).await?;
                done.rows_affected()
            }
            Held::Postgres(connection) => {
                let done = bound!(sql, values).execute(&mut **connection).await?;
                done.rows_affected()
            }
        })
    }

    fn count(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs statements that take no values, several in one text.
    pub(crate) async fn script(&mut self, sql: &'static str) -> Result<(), StoreError> {
        match &mut self.held {
            Held::Sqlite(connection) => {
                sqlx::raw_sql(sql).execute(&mut **connection).await?;
            }
            Held::Postgres(connection) => {
                sqlx::raw_sql(sql).execute(&mut **connection).await?;
            }
        }
        Ok(())
    }

    /// The one of two texts that this database understands.
    pub(crate) fn dialect(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self.held {
            Held::Sqlite(_) => sqlite,
            Held::Postgres(_) => postgres,
        }
    }

    /// Whether an error of a commit leaves open if it took place.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.held, Held::Postgres(_))
    }

    /// Ends the connection instead of giving it back: its state is unknown.
    pub(crate) async fn discard(self) {
        // Whether the farewell arrives does not matter.
        let _ = match self.held {
            Held::Sqlite(connection) => connection.close().await,
            Held::Postgres(connection) => connection.close().await,
        };
    }
}

/// A row of either database, read by column name.
#[derive(Debug)]
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub(crate) fn int(&self, column: &str) -> Result<i64, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    pub(crate) fn maybe_int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    pub(crate) fn text(&self, column: &str) -> Result<String, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    pub(crate) fn maybe_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// A number that is never negative in this column.
    pub(crate) fn count(&self, column: &str) -> Result<u64, StoreError> {
        Ok(u64::try_from(self.int(column)?).unwrap_or(0))
    }

    pub(crate) fn maybe_count(&self, column: &str) -> Result<Option<u64>, StoreError> {
        let number = self.maybe_int(column)?;
        Ok(number.map(|number| u64::try_from(number).unwrap_or(0)))
    }

    pub(crate) fn flag(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }

    /// A value kept as JSON.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<T, StoreError> {
        let text = self.text(column)?;
        serde_json::from_str(&text).map_err(|error| StoreError::Stored {
            what: column,
            error,
        })
    }
}
