//! The relay as a whole: bound, then run.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::gate::Gate;
use crate::station::{LocalSource, Publication};

/// A relay whose sockets are bound and whose certificate is there; it serves in [`Relay::run`].
#[derive(Debug)]
pub struct Relay {}

/// Why a relay cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// A socket is taken or not allowed.
    #[error("cannot bind {address}")]
    Socket {
        /// What was to be bound.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

/// Why a relay stopped serving before it was told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {}

/// A clonable hold on a relay, before and while it runs.
#[derive(Debug, Clone)]
pub struct Handle {}

impl Relay {
    /// Binds the sockets and reads or mints the certificate. Nothing is served yet.
    pub async fn bind(_config: Config, _gate: Arc<dyn Gate>) -> Result<Self, BindError> {
        unimplemented!("the relay is being built")
    }

    /// Where HTTP is bound: the port that was free when port 0 was asked for.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        unimplemented!("the relay is being built")
    }

    /// Where QUIC is bound, if it is.
    #[must_use]
    pub fn quic_addr(&self) -> Option<SocketAddr> {
        unimplemented!("the relay is being built")
    }

    /// A hold on the relay, for local sources.
    #[must_use]
    pub fn handle(&self) -> Handle {
        unimplemented!("the relay is being built")
    }

    /// Serves until `shutdown` is cancelled, then tells every session `draining`
    /// and returns when they are gone, or after `timing.drain`. `site` answers
    /// what the relay's own routes do not (it may have a fallback).
    pub async fn run(self, _site: Router, _shutdown: CancellationToken) -> Result<(), RunError> {
        unimplemented!("the relay is being built")
    }
}

impl Handle {
    /// Makes the caller the station's source.
    ///
    /// Errors: `station_busy`, `overloaded`, `bad_request`.
    pub fn publish_local(
        &self,
        _publication: Publication,
    ) -> Result<LocalSource, wire::frame::Error> {
        unimplemented!("the relay is being built")
    }
}
