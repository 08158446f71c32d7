//! How clients reach the relay. The only module that names QUIC, WebTransport or WebSocket.
//!
//! A transport accepts a client, opens a session for it at the
//! [`Host`](crate::session::host::Host), and then moves bytes between the client
//! and the session's [`Port`](crate::session::host::Port) until the outbox ends.
//! Sound goes past all this, from the source's thread into a
//! [`Sink`](crate::fanout::Sink) that never waits.

pub(crate) mod events;
pub(crate) mod quic;
pub(crate) mod websocket;
pub(crate) mod webtransport;
