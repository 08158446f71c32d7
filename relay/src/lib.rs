//! Sessions, ingest, fan-out, renditions and HTTP of the Skywave relay.
//!
//! ```no_run
//! # use skywave_relay as relay;
//! # async fn serve(gate: std::sync::Arc<dyn relay::Gate>) -> Result<(), Box<dyn std::error::Error>> {
//! let shutdown = relay::CancellationToken::new();
//! let bound = relay::Relay::bind(relay::Config::default(), gate).await?;
//! let demo = bound.handle();
//! bound.run(axum::Router::new(), shutdown).await?;
//! # Ok(()) }
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod certificate;
mod clock;
pub mod config;
mod dead_air;
mod fanout;
mod gate;
mod http;
mod icecast;
mod metrics;
mod mount;
mod recording;
mod relay;
mod session;
mod station;
mod tags;
mod transport;
mod webhook;

pub use config::Config;
pub use gate::{
    Count, Denied, Gate, Identity, PushClass, Pushes, Rights, SessionEnd, Side, SourceDenied,
    SourceRight, Stations, Visitor,
};
pub use http::{NoBearer, Site, bearer, cors};
pub use relay::{BindError, Handle, Relay, RunError};
pub use station::{LocalSource, OnAir, Publication, PublishEnded, StandIn};
pub use tokio_util::sync::CancellationToken;
