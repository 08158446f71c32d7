//! Datagrams sent past `quinn-proto`'s general path, on its connections and with its keys.
//!
//! A packet of sound bears one datagram, is never sent again and is followed by the next in
//! 20 ms. `quinn-proto` takes it through what a packet may need: streams, three packet number
//! spaces, retransmission, timers set anew at each packet and at each acknowledgement. This
//! crate takes the short way for those and leaves all else to `quinn-proto`: handshake, streams,
//! migration, loss, congestion, key updates, closing.
//!
//! # How
//!
//! `quinn-proto` lets the caller bring the cryptography. [`Crypto`] wraps what rustls gives,
//! which it keeps for no longer than the handshake, and so sees each packet of the application's space just before it is sealed and just after it is
//! opened. There is one sequence of packet numbers on the wire, and the fast path takes numbers
//! out of it: a packet of `quinn-proto`'s gets its number on the wire when it is sealed, and an
//! acknowledgement that was opened is rewritten into the numbers `quinn-proto` knows, with the
//! fast path's left out. To the peer it is one ordinary connection.
//!
//! [`Link::seal`] makes a packet of a datagram; [`Link::open`] takes a packet that holds only
//! acknowledgements, and only of the fast path's packets. Everything else it leaves untouched
//! for `quinn-proto`.
//!
//! # When it steps aside
//!
//! It has no congestion control, as it is for times without congestion: with more than
//! [`OUTSTANDING_MAX`] packets or [`IN_FLIGHT_MAX`] bytes not acknowledged, or when a packet was
//! lost, [`Link::seal`] refuses and the datagram is to go through `quinn-proto`, whose
//! controller then decides. Its caller also sends a datagram that way every now and then, from
//! which `quinn-proto` has its round trip and sees that the connection lives.
//!
//! # What it asks of the peer
//!
//! A peer that has the ACK frequency extension, and was asked by `quinn-proto` for fewer
//! acknowledgements, may take [`ACK_DELAY`] for one while datagrams go this way: of frames of
//! 20 ms it acknowledges every sixth instead of every second. What `quinn-proto` sends in
//! between it is asked to acknowledge at once.
//!
//! # Costs
//!
//! A lock that nobody else holds, one more where memory is fetched ahead
//! ([`Link::prefetch_for_sealing`]), one copy of the datagram, one sealing. The keys it shares with
//! `quinn-proto`; its own are the numbers of what is not acknowledged yet.
//!
//! No sockets, no time: a caller that knows both decides where packets go and when.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod asking;
mod crypto;
mod frames;
mod keys;
mod link;
mod numbers;
mod state;
mod tls;

pub use asking::DELAY as ACK_DELAY;
#[cfg(feature = "peer")]
pub use crypto::ClientCrypto;
pub use crypto::{Crypto, Negotiated};
pub use link::{Counts, Link, Unfit};
pub use state::{IN_FLIGHT_MAX, OUTSTANDING_MAX};
pub use tls::ConfigError;
