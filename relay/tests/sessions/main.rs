//! Sessions over real sockets on the loopback, on both transports.

mod abuse;
mod ends;
mod flows;
mod http;
mod listening;
mod support;
