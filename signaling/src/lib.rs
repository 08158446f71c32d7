//! Who may do what, and everything that is said beside the sound.
//!
//! * [`token`]: JWTs: verifying them, minting them, and the rights they carry.
//! * [`Service`]: rooms, messages, conversations, presence, notifications,
//!   moderation: `docs/protocol.md`, section 9.
//! * [`push`]: notifications on devices while no session is there.
//! * [`store`]: what is kept, in SQLite or PostgreSQL.
//!
//! A session is begun with [`Service::connect`] and an [`Outbox`] for its pushes.
//! Its frames go to [`Service::request`], its subscriptions to [`Service::subscribe`];
//! once the reply to a subscription is queued, [`Service::release`] lets its pushes
//! through, so that none overtakes the reply. A reply to a change means that it is
//! committed.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod access;
mod address;
mod batch;
mod caller;
mod channel;
mod hub;
mod id;
mod limits;
mod presence;
pub mod push;
mod secret_file;
mod service;
pub mod store;
#[cfg(test)]
mod testing;
mod text;
pub mod token;
mod typing;

pub use caller::Caller;
pub use hub::{Class, Outbox};
pub use limits::{Rate, Rates};
pub use service::{Config, End, Service, SessionHandle};
pub use text::clean_line;
