//! Ogg Opus (RFC 3533, RFC 7845): bytes to packets and packets to bytes, chained streams
//! included.

mod demux;
mod gap;
mod headers;
mod mux;
mod page;

pub use demux::{Demuxer, Event};
pub use gap::{GAP_STEP, Gap};
pub use headers::{Head, HeaderError, Tags};
pub use mux::Muxer;
