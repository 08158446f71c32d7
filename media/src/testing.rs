//! A network in virtual time: delay, jitter, loss, reordering, duplication and limited rate
//! from a seed, or as a trace has it; and a laboratory that plays music over it.

#[cfg(feature = "native")]
pub mod lab;
mod link;
#[cfg(feature = "native")]
mod scenarios;
mod trace;

pub use link::{Jitter, Link, LinkConfig, Rng};
#[cfg(feature = "native")]
pub use scenarios::scenarios;
pub use trace::{ENTRY, Network, Replay, Trace};
