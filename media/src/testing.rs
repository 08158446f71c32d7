//! A network in virtual time: delay, jitter, loss, reordering, duplication, all from a seed.

mod link;

pub use link::{Link, LinkConfig, Rng};
