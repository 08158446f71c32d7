//! The receiver core as a WebAssembly module for the AudioWorklet.
//!
//! A plain C interface, documented for the TypeScript side in this folder's README: create a
//! player, write datagrams into its input buffer, call `process` for every quantum, read the
//! two planar output buffers. No imports, no bindings generator: the worklet's global scope
//! has neither `fetch` nor `TextDecoder`, and needs neither.
//!
//! [`Player`] is the whole of it, in safe Rust; [`exports`] gives it names.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod exports;
mod player;

pub use player::{Player, STATS_LEN, Status};
