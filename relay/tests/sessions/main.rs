//! Sessions over real sockets on the loopback, on both transports.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod abuse;
mod allocations;
mod ends;
mod events;
mod flows;
mod http;
mod listening;
mod mounts;
mod renditions;
mod repairing;
mod serving;
mod support;
