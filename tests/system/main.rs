//! Whole-system tests: the real program, serving, publishing and listening on loopback.
//!
//! Each test starts its own server on free ports with a data folder of its own. What
//! is heard is measured, never assumed; no assertion is about tight wall-clock times.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod airing;
mod auto;
mod cli;
mod compat;
mod continuity;
mod crowd;
#[allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "the crate it is of uses more"
)]
#[path = "../../signaling/src/testing.rs"]
mod databases;
mod encoders;
mod faults;
mod files;
mod foreign;
mod harness;
mod hostile;
mod kills;
mod lossy;
mod outage;
mod players;
mod push;
mod recording;
mod rewind;
mod rights;
mod secure;
mod silence;
mod sources;
mod switching;
mod talk;
mod tone;
mod uploads;
