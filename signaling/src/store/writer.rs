//! The writer: many changes, one transaction, one flush.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::connection::{Pools, StoreError};
use super::{BATCH_JOBS_MAX, Change, Effect, Fail, Tx};

/// A queued change.
pub(super) type Job = Box<dyn Run>;

/// A change whose types are its own affair.
pub(super) trait Run: Send {
    /// Runs it and keeps the outcome. It may be run again, in another transaction.
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, Step>;
    /// When it was queued.
    fn asked(&self) -> Instant;
    /// Whether it bears that messages of the transaction are not written yet.
    fn bears_unwritten(&self) -> bool;
    /// Tells the outcome to whoever waits: it is committed.
    fn finish(self: Box<Self>);
    /// Tells that the database failed.
    fn fail(self: Box<Self>, error: StoreError);
}

/// How running a change went.
#[derive(Debug)]
pub(super) enum Step {
    /// It wrote what it had to, or nothing.
    Done,
    /// It was refused.
    Refused,
    /// The database failed; the transaction is of no more use.
    Failed(StoreError),
}

struct Pending<A, T> {
    args: A,
    change: Change<A, T>,
    asked: Instant,
    bears_unwritten: bool,
    outcome: Option<Result<T, Fail>>,
    outcome_sender: oneshot::Sender<Result<T, Fail>>,
}

pub(super) fn job<A, T>(
    args: A,
    change: Change<A, T>,
    bears_unwritten: bool,
    outcome_sender: oneshot::Sender<Result<T, Fail>>,
) -> Job
where
    A: Send + Sync + 'static,
    T: Send + 'static,
{
    Box::new(Pending {
        args,
        change,
        asked: Instant::now(),
        bears_unwritten,
        outcome: None,
        outcome_sender,
    })
}

impl<A: Send + Sync, T: Send> Run for Pending<A, T> {
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, Step> {
        Box::pin(async move {
            match (self.change)(tx, &self.args).await {
                Ok(value) => {
                    self.outcome = Some(Ok(value));
                    Step::Done
                }
                Err(Fail::Refused(error)) => {
                    self.outcome = Some(Err(Fail::Refused(error)));
                    Step::Refused
                }
                Err(Fail::Store(error)) => Step::Failed(error),
            }
        })
    }

    fn asked(&self) -> Instant {
        self.asked
    }

    fn bears_unwritten(&self) -> bool {
        self.bears_unwritten
    }

    fn finish(self: Box<Self>) {
        let outcome = self.outcome.unwrap_or(Err(StoreError::Busy.into()));
        // Whoever asked may have gone.
        let _ = self.outcome_sender.send(outcome);
    }

    fn fail(self: Box<Self>, error: StoreError) {
        let _ = self.outcome_sender.send(Err(error.into()));
    }
}

/// Runs until the last store is gone and its queue is empty.
pub(super) async fn run(
    pools: Arc<Pools>,
    mut jobs: mpsc::Receiver<Job>,
    effect_batches: mpsc::Sender<Vec<Effect>>,
) {
    let mut batch = Vec::new();
    while jobs.recv_many(&mut batch, BATCH_JOBS_MAX).await > 0 {
        let together = std::mem::take(&mut batch);
        let Err(alone) = transact(&pools, together, &effect_batches).await else {
            continue;
        };
        // One change spoiled the transaction of all: each gets one of its own.
        for job in alone {
            if let Err(unwritten) = transact(&pools, vec![job], &effect_batches).await {
                for job in unwritten {
                    job.finish();
                }
            }
        }
    }
    pools.close().await;
}

/// Runs the changes in one transaction. `Err` gives them back unwritten: one of
/// several failed or was refused half-way, or a single one was refused.
async fn transact(
    pools: &Pools,
    mut jobs: Vec<Job>,
    effect_batches: &mpsc::Sender<Vec<Effect>>,
) -> Result<(), Vec<Job>> {
    let connection = match pools.writer().await {
        Ok(connection) => connection,
        Err(error) => return single_out(jobs, error),
    };
    let mut tx = Tx::new(connection);
    match attempt(&mut tx, &mut jobs).await {
        Attempt::Committed => {
            let effects = tx.take_effects();
            if !effects.is_empty() {
                // Nobody listens any more when the service is gone: the events are stored.
                let _ = effect_batches.send(effects).await;
            }
            for job in jobs {
                job.finish();
            }
            Ok(())
        }
        Attempt::Refused => {
            undo(tx).await;
            Err(jobs)
        }
        Attempt::Failed(error) => {
            undo(tx).await;
            single_out(jobs, error)
        }
        Attempt::Unsure(error) => {
            tx.into_connection().discard().await;
            // What was stored, if it was, never reached those who are subscribed.
            let _ = effect_batches.send(vec![Effect::Unsure]).await;
            single_out(jobs, error)
        }
    }
}

/// Several changes are worth another try one by one; a single one has failed.
fn single_out(mut jobs: Vec<Job>, error: StoreError) -> Result<(), Vec<Job>> {
    if jobs.len() > 1 {
        tracing::debug!(%error, changes = jobs.len(), "a batch failed, trying its changes one by one");
        return Err(jobs);
    }
    if let Some(job) = jobs.pop() {
        job.fail(error);
    }
    Ok(())
}

#[derive(Debug)]
enum Attempt {
    Committed,
    Refused,
    Failed(StoreError),
    /// The connection was lost while it committed.
    Unsure(StoreError),
}

async fn attempt(tx: &mut Tx, jobs: &mut [Job]) -> Attempt {
    // IMMEDIATE: the lock is taken now, not in the middle, where SQLite could not wait for it.
    let begin = tx.connection().dialect("BEGIN IMMEDIATE", "BEGIN");
    if let Err(error) = tx.connection().execute(begin, &[]).await {
        return Attempt::Failed(error);
    }
    for job in jobs {
        tx.next_change(job.asked());
        if !job.bears_unwritten()
            && let Err(error) = tx.settle().await
        {
            return Attempt::Failed(error);
        }
        match job.run(tx).await {
            Step::Done => {}
            Step::Refused if !tx.wrote() => {}
            Step::Refused => return Attempt::Refused,
            Step::Failed(error) => return Attempt::Failed(error),
        }
    }
    if let Err(error) = tx.flush().await {
        return Attempt::Failed(error);
    }
    match tx.connection().execute("COMMIT", &[]).await {
        Ok(_) => Attempt::Committed,
        Err(error) if tx.connection().is_remote() => Attempt::Unsure(error),
        Err(error) => Attempt::Failed(error),
    }
}

async fn undo(tx: Tx) {
    let mut connection = tx.into_connection();
    if connection.execute("ROLLBACK", &[]).await.is_err() {
        connection.discard().await;
    }
}
