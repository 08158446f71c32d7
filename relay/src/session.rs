//! One client's session: what it may ask, when, and how it ends.
//!
//! * [`core`]: the protocol as a state machine without I/O or clock.
//! * [`driver`]: the task that runs one session and carries out what it asks.
//! * [`gated`]: what waits for the gate.
//! * [`host`]: where transports bring new clients, and where a shutdown tells them.
//! * [`outbox`]: what waits to be sent, bounded.
//! * [`ingress`]: the way of the client's datagrams.

pub(crate) mod bucket;
pub(crate) mod core;
mod driver;
pub(crate) mod gated;
pub(crate) mod host;
pub(crate) mod ingress;
pub(crate) mod outbox;

/// A session within this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionId(pub(crate) u64);
