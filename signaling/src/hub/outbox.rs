//! The port to whoever owns sessions.

use std::sync::Arc;

use wire::code::CloseCode;
use wire::frame::Batch;

/// Where a session's pushes go. Implemented by whoever owns sessions.
pub trait Outbox: Send + Sync + std::fmt::Debug {
    /// Queues a push, or several told together, in their order. It must neither block nor call
    /// back.
    fn push(&self, batch: Batch, class: Class);

    /// Ends the session, after telling why.
    fn close(&self, code: CloseCode, reason: &str);
}

/// What to do with a push when the session is slow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// It must not be lost: end the session with `slow_consumer` instead, and it resumes.
    Durable,
    /// Only the latest with this key matters; a waiting one is replaced.
    Volatile {
        /// Unique within the session.
        key: Arc<str>,
    },
}
