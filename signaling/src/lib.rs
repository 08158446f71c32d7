//! Who may do what, and everything that is said beside the sound.
//!
//! * [`token`]: JWTs: verifying them, minting them, and the rights they carry.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod access;
mod caller;
mod id;
pub mod store;
mod text;
pub mod token;

pub use caller::Caller;
