//! Wire types and codecs of the Skywave session protocol, version 1.
//!
//! Bytes come in, types go out, and the other way round: this crate knows no
//! socket, no clock and no task. `docs/protocol.md` is the text it implements;
//! `vectors/` pins this crate and the TypeScript twin to the same bytes.
//!
//! * [`audio`]: the datagram that carries Opus packets, borrowed from its bytes.
//! * [`repair`]: the datagram that asks for packets once more.
//! * [`frame`]: control frames (request, reply, push) and their stream framing.
//! * [`message`]: the parameters and results of every method and push.
//! * [`code`]: error codes and close codes.
//! * [`varint`]: QUIC's variable-length integers.
//! * [`websocket`]: headers of the messages a server sends on WebSocket.
//!
//! Everything a peer can send decodes to a value or to an error; nothing panics.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod audio;
#[cfg(feature = "control")]
pub mod code;
#[cfg(feature = "control")]
pub mod frame;
mod id;
#[cfg(feature = "control")]
pub mod message;
pub mod repair;
pub mod varint;
pub mod websocket;

pub use id::{InvalidStation, StationId, TrackId};

/// The version of the session protocol this crate speaks.
pub const PROTOCOL: u32 = 1;

/// The WebSocket subprotocol of version 1.
pub const SUBPROTOCOL: &str = "skywave.v1";
