//! The fan-out engine: a WebTransport server made for one thing, to send every frame of
//! a station to thousands of listeners, near the cost of the packets alone.
//!
//! It drives `quinn-proto`, QUIC without I/O, by itself: one thread per core owns a UDP
//! socket and its sessions. There is no task, no lock and no wake-up per session, and a
//! frame is encoded once, whoever hears it.
//!
//! Two layers:
//!
//! * [`Core`] has no socket, no thread and no clock. Datagrams, commands and the time go
//!   in; packets and events come out. Tests and fuzzers drive it in virtual time.
//! * [`Engine`] runs a core per thread on real sockets, and is reached from elsewhere by
//!   two bounded queues: [`Handle`] takes commands and frames, [`Events`] gives events.
//!
//! # The contract
//!
//! A session begins with [`Event::Opened`] and ends with one [`Event::Closed`]. In between
//! [`Event::Control`] carries the client's first bidirectional stream and
//! [`Event::Datagram`] its datagrams, unless an [`Uplink`] takes them. [`Command`]s write, join tracks and close;
//! [`Handle::frame`] sends to everybody who joined, in the encoding of their level. Nothing a session asks for is lost
//! silently: what overflows is named at each limit in [`Config`].
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod batch;
mod cid;
mod config;
mod congestion;
mod core;
mod engine;
mod h3;
mod message;
mod queue;
mod socket;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use batch::{Batch, Packet, Way};
pub use config::{Config, ConfigError, Secrets, Uplink};
pub use core::{Core, Stats};
pub use engine::{Engine, Handle, Port, StartError, ThreadStats};
pub use fastpath::ACK_DELAY;
pub use message::{
    Cause, Command, Event, Frame, Frames, LEVELS, Lane, Opened, SessionId, Summary, UNI_LANES,
};
pub use queue::{Events, Overloaded};
