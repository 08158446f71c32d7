//! Sans-IO audio: everything between samples and Opus packets, and nothing about sockets.
//!
//! # Contract
//!
//! No module here opens a socket, starts a task or reads a clock. Time comes in as a
//! [`Duration`](std::time::Duration) since an epoch of the caller's choice (any monotonic
//! clock; the same one for all calls to one value), bytes and samples come in and go out as
//! arguments. [`input`] is the one module that blocks: it reads from the reader it is given.
//!
//! Media time is counted in samples at [`SAMPLE_RATE`], whatever the channels, as `u64`.
//! Sound is `f32`, nominally -1 to 1, interleaved unless said otherwise.
//!
//! # Features
//!
//! - `native` (default): libopus, input decoding, resampling of inputs.
//! - `ropus`: the pure-Rust Opus decoder. Without `native` it is what the receiver uses, and
//!   the crate builds for `wasm32-unknown-unknown`.
//! - `testing`: the module of that name, a seeded link model in virtual time.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(not(any(feature = "native", feature = "ropus")))]
compile_error!("the receiver needs a decoder: enable the feature `native` or `ropus`");

pub mod decoder;
#[cfg(feature = "native")]
pub mod encoder;
pub mod frames;
#[cfg(feature = "native")]
pub mod ingest;
#[cfg(feature = "native")]
pub mod input;
#[cfg(feature = "native")]
pub mod loudness;
pub mod measure;
pub mod ogg;
pub mod pacer;
#[cfg(feature = "native")]
pub mod packetizer;
pub mod receiver;
pub mod renumber;
pub mod reorder;
pub mod synth;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod toc;
#[cfg(feature = "native")]
pub mod transcoder;
pub mod wav;

mod packet;

pub use packet::{EncodedPacket, MediaClock, PAYLOAD_BYTES_MAX, Packet, SAMPLE_RATE};
