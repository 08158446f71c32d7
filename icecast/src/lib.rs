//! What Icecast and SHOUTcast encoders and players say, without any I/O.
//!
//! Bytes come in as slices and go out as values; whatever a peer sends is a value or an
//! error. The relay owns the sockets and decides what to make of it.
//!
//! * [`head`]: the request of a source (`PUT`, `SOURCE`), as lenient as encoders need it;
//! * [`body`]: the sound behind it, with or without a length or in chunks;
//! * [`shoutcast`]: the handshake of SHOUTcast v1;
//! * [`text`]: queries in any charset, and titles cut into artist and title;
//! * [`icy`]: titles between the bytes of an MP3 or AAC stream.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod body;
pub mod head;
pub mod icy;
pub mod shoutcast;
pub mod text;
