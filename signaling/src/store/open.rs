//! Opening a database by its address.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::mpsc;

use super::connection::{PoolKind, Pools, StoreError};
use super::{Effect, QUEUE_JOBS_MAX, Store, migrate, writer};

/// Batches of effects that wait to be handed out; the writer waits when there are more.
const EFFECT_BATCHES_MAX: usize = 1_024;

/// Every statement of this crate fits, so that none is ever prepared twice on a connection.
const STATEMENTS_MAX: usize = 512;

/// How to open the store.
#[derive(Debug, Clone)]
pub struct Options {
    /// `sqlite:PATH`, the file being made when it is missing, or `postgres://USER@HOST/DATABASE`.
    pub url: String,
    /// Connections for reading beside the one for writing. Default 4.
    pub readers: u32,
    /// How long SQLite waits for a lock another process holds, and how long one
    /// waits for a connection. Default 5 s.
    pub busy_timeout: Duration,
    /// The most 4 KiB pages the SQLite file may have; changes beyond fail as on a
    /// full disk. Default none.
    pub sqlite_pages_max: Option<u32>,
}

impl Options {
    /// The defaults for that address.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            readers: 4,
            busy_timeout: Duration::from_secs(5),
            sqlite_pages_max: None,
        }
    }
}

impl Store {
    /// Opens the database, brings it up to date and starts the writer.
    ///
    /// The receiver gives the effects of each commit, in order, and must be read:
    /// the writer waits when 1,024 batches are pending. It must be called within
    /// a tokio runtime; the writer ends by itself when all clones of the store are gone.
    pub async fn open(
        options: &Options,
    ) -> Result<(Self, mpsc::Receiver<Vec<Effect>>), StoreError> {
        let pools = if options.url.starts_with("sqlite:") {
            sqlite(options).await?
        } else if options.url.starts_with("postgres:") || options.url.starts_with("postgresql:") {
            postgres(options).await?
        } else {
            // The address may hold a password: only its scheme is told.
            let scheme = options.url.split(':').next().unwrap_or_default();
            return Err(StoreError::Address(scheme.to_owned()));
        };
        let mut connection = pools.writer().await?;
        migrate::migrate(&mut connection).await?;
        drop(connection);
        let pools = Arc::new(pools);
        let (job_queue, jobs) = mpsc::channel(QUEUE_JOBS_MAX);
        let (effect_batches, effects) = mpsc::channel(EFFECT_BATCHES_MAX);
        tokio::spawn(writer::run(pools.clone(), jobs, effect_batches));
        Ok((Self { pools, job_queue }, effects))
    }
}

async fn sqlite(options: &Options) -> Result<Pools, StoreError> {
    // `synchronous=FULL` flushes the log at every commit: what was acknowledged
    // survives a loss of power, not only of the process.
    let mut base = SqliteConnectOptions::from_str(&options.url)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(options.busy_timeout)
        .statement_cache_capacity(STATEMENTS_MAX);
    if let Some(pages) = options.sqlite_pages_max {
        base = base.pragma("max_page_count", pages.to_string());
    }
    let pool = || SqlitePoolOptions::new().acquire_timeout(options.busy_timeout);
    let writer = pool().max_connections(1).connect_with(base.clone()).await?;
    // Not `read_only`: the last reader to leave must be able to clean up the log.
    let readers = pool()
        .max_connections(options.readers.max(1))
        .connect_lazy_with(base.pragma("query_only", "ON"));
    Ok(Pools::new(PoolKind::Sqlite { writer, readers }))
}

async fn postgres(options: &Options) -> Result<Pools, StoreError> {
    let base = PgConnectOptions::from_str(&options.url)?
        .application_name("skywave")
        .statement_cache_capacity(STATEMENTS_MAX);
    let pool = || PgPoolOptions::new().acquire_timeout(options.busy_timeout);
    let writer = pool().max_connections(1).connect_with(base.clone()).await?;
    let readers = pool()
        .max_connections(options.readers.max(1))
        .connect_lazy_with(base);
    Ok(Pools::new(PoolKind::Postgres { writer, readers }))
}
