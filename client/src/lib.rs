//! Native Skywave client: publish, listen and talk.
//!
//! * [`Publisher`] puts Opus packets on air and stays there: it reconnects by itself.
//! * [`Listener`] hears a station: 10 ms of sound at a time, with what plays told at the
//!   sample it holds from. It reconnects by itself too.
//! * [`Chat`] keeps rooms and conversations over lost connections: every event once and in order.
//! * [`Session`] is the layer below them: requests, pushes and datagrams of one connection.
//!
//! Every wait in here has a time-out, every queue a bound, and nothing a server sends
//! makes it panic. Needs a Tokio runtime.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod auto;
mod backoff;
pub mod chat;
mod clock;
mod connector;
mod discover;
mod error;
mod link;
pub mod listener;
mod net;
pub mod publisher;
mod queue;
mod session;

pub use chat::{Chat, ChatEvent, ChatEvents};
pub use clock::Estimate;
pub use connector::{Connector, Options};
pub use error::Error;
pub use link::{Prefer, Transport};
pub use listener::Listener;
pub use publisher::Publisher;
pub use session::{Ended, Events, Session};
