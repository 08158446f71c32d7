//! The port to whoever owns sessions.

use std::sync::Arc;

use wire::code::CloseCode;

/// Where a session's pushes go. Implemented by whoever owns sessions.
pub trait Outbox: Send + Sync + std::fmt::Debug {
    /// Queues a push, the JSON of one frame. It must neither block nor call back.
    fn push(&self, frame: Arc<str>, class: Class);

    /// Queues durable pushes in this order, as [`push`](Self::push) would one by one.
    fn push_all(&self, frames: &[Arc<str>]) {
        for frame in frames {
            self.push(frame.clone(), Class::Durable);
        }
    }

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
