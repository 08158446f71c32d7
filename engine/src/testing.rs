//! Clients without sockets, for tests and load: thousands on one thread.
//!
//! They speak HTTP/3 by `wtransport-proto` where the engine speaks it by itself, so that
//! a misreading on one side does not hide on both.

mod clients;
mod hostile;
mod pair;
mod udp;

pub use clients::{ClientEvent, Clients, HandedOver, client_config, handed_over_config};
pub use hostile::hostile;
pub use pair::{Pair, Traffic, client_tls, first_packets, server_tls, tls_pair};
pub use udp::Udp;
