//! What is kept: SQLite or PostgreSQL, the same tables, the same behaviour.
//!
//! All changes go through one writer. It takes what has queued up meanwhile,
//! up to [`BATCH_JOBS_MAX`] changes, runs them in one transaction and commits
//! once: so a disk that can flush a few hundred times a second still stores
//! thousands of messages, each acknowledged only after its flush. What a change
//! causes outside the database (pushes, ended subscriptions) is collected as
//! [`Effect`]s and handed out after the commit, in the order of the commits.
//!
//! Reads go to a pool beside it. Only this module names sqlx.

pub(crate) mod channels;
mod connection;
pub(crate) mod conversations;
mod effect;
pub(crate) mod inbox;
pub(crate) mod interactions;
pub(crate) mod members;
pub(crate) mod messages;
mod migrate;
pub(crate) mod moderation;
mod open;
pub(crate) mod presence;
pub(crate) mod push;
pub(crate) mod retention;
pub(crate) mod rooms;
pub(crate) mod search;
mod standing;
mod tx;
pub(crate) mod uploads;
mod users;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use wire::code::ErrorCode;
use wire::message::chat::SendResult;

use messages::SendJob;

pub use connection::StoreError;
pub(crate) use connection::{Connection, Row};
pub use effect::Effect;
pub use open::Options;
pub use retention::Retention;
pub(crate) use standing::{Asking, Standing, judged, viewed};
pub(crate) use tx::{Tx, encode};
pub use uploads::Upload;

/// The most changes one transaction takes.
pub const BATCH_JOBS_MAX: usize = 256;

/// The most changes that wait for the writer; further ones wait outside for up to [`QUEUE_WAIT`].
const QUEUE_JOBS_MAX: usize = 4_096;

/// How long a change waits for its place in the queue before it is refused as `unavailable`.
const QUEUE_WAIT: Duration = Duration::from_secs(5);

/// How long one waits for the outcome of a change in the queue. Whoever gives up
/// does not know it; asking again with the same client id tells.
const OUTCOME_WAIT: Duration = Duration::from_secs(30);

/// The store: cheap to clone, closed when the last clone is gone and the writer has emptied its queue.
#[derive(Debug, Clone)]
pub struct Store {
    pools: Arc<connection::Pools>,
    job_queue: mpsc::Sender<writer::Job>,
}

/// Why an operation on the store failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fail {
    /// What was asked is not allowed or not possible; the error is for whoever asked.
    #[error(transparent)]
    Refused(#[from] wire::frame::Error),
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Fail {
    /// What the one who asked is told. The particulars of a database stay in the log.
    pub(crate) fn into_wire(self) -> wire::frame::Error {
        match self {
            Self::Refused(error) => error,
            Self::Store(error) => {
                tracing::warn!(%error, "the store failed");
                wire::frame::Error::new(ErrorCode::Unavailable, "the store cannot do this now")
                    .retry_after_ms(1_000)
            }
        }
    }
}

/// A refusal.
pub(crate) fn refuse(code: ErrorCode, message: impl Into<String>) -> Fail {
    Fail::Refused(wire::frame::Error::new(code, message))
}

/// What a change does: it must read all it decides by before it writes, or be
/// content to be run again alone, as happens when it refuses after writing.
pub(crate) type Change<A, T> = for<'a> fn(&'a mut Tx, &'a A) -> BoxFuture<'a, Result<T, Fail>>;

impl Store {
    /// Runs a change, and returns once it is committed.
    ///
    /// The future may be dropped: the change then happens or not.
    pub(crate) async fn write<A, T>(&self, args: A, change: Change<A, T>) -> Result<T, Fail>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.queue(args, change, false).await
    }

    /// Stores a message, which bears that those before it are written together with it.
    pub(crate) async fn send(&self, job: SendJob) -> Result<SendResult, Fail> {
        let change: Change<SendJob, SendResult> = |tx, job| Box::pin(messages::send(tx, job));
        self.queue(job, change, true).await
    }

    async fn queue<A, T>(
        &self,
        args: A,
        change: Change<A, T>,
        bears_unwritten: bool,
    ) -> Result<T, Fail>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (outcome_sender, outcome) = oneshot::channel();
        let job = writer::job(args, change, bears_unwritten, outcome_sender);
        let queued = self.job_queue.send_timeout(job, QUEUE_WAIT).await;
        queued.map_err(|_| StoreError::Busy)?;
        match tokio::time::timeout(OUTCOME_WAIT, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(StoreError::Busy.into()),
        }
    }

    /// A connection to read with.
    pub(crate) async fn read(&self) -> Result<Connection, StoreError> {
        self.pools.reader().await
    }

    /// Which database it is: `sqlite` or `postgres`.
    #[must_use]
    pub fn backend(&self) -> &'static str {
        self.pools.name()
    }

    /// Statements run so far, reading and writing.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.pools.statements()
    }

    /// Whether the database answers: for readiness checks.
    pub async fn ready(&self) -> Result<(), StoreError> {
        let mut connection = self.read().await?;
        connection.rows("SELECT 1 AS one", &[]).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
