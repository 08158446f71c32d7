//! The relay as a whole: bound, then run.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::StationId;
use wire::frame::Error;

use crate::certificate::Certificates;
use crate::clock::Now;
use crate::config::Config;
use crate::gate::Gate;
use crate::http::{self, App, Site, serve};
use crate::icecast::Sources;
use crate::metrics::Metrics;
use crate::recording;
use crate::session::host::{Host, Shared};
use crate::station::{LocalSource, Publication, StandIn, Stations};
use crate::transport::quic::Endpoint;
use crate::transport::{quic, webtransport};
use crate::webhook;

/// A relay whose sockets are bound and whose certificate is there; it serves in [`Relay::run`].
#[derive(Debug)]
pub struct Relay {
    config: Config,
    certificates: Arc<Certificates>,
    http: TcpListener,
    http_addr: SocketAddr,
    quic: Option<Endpoint>,
    quic_addr: Option<SocketAddr>,
    icecast: Option<TcpListener>,
    icecast_addr: Option<SocketAddr>,
    host: Arc<Host>,
}

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
        source: io::Error,
    },
    /// The certificate's files cannot be read, or its own cannot be minted or kept.
    #[error("there is no certificate to serve")]
    Certificate(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a relay stopped serving before it was told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The certificate cannot be used for TLS on TCP.
    #[error("TLS cannot be served")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The engine cannot be started.
    #[error("WebTransport cannot be served")]
    WebTransport(#[source] io::Error),
    /// A part of the relay ended that never should; a bug.
    #[error("{0} ended by itself")]
    Ended(&'static str),
}

/// A clonable hold on a relay, before and while it runs.
#[derive(Debug, Clone)]
pub struct Handle {
    stations: Arc<Stations>,
}

impl Relay {
    /// Binds the sockets and reads or mints the certificate. Nothing is served yet.
    ///
    /// Call it within a Tokio runtime. Reads a few files without yielding.
    pub async fn bind(config: Config, gate: Arc<dyn Gate>) -> Result<Self, BindError> {
        let certificates = Certificates::open(&config.certificate, &config.data_dir)
            .map_err(|error| BindError::Certificate(error.into()))?;
        let listen = |address| {
            bind(address, |address| {
                let listener = TcpListener::from_std(quic::listen_tcp(address)?)?;
                let bound = listener.local_addr()?;
                Ok((listener, bound))
            })
        };
        let (http, http_addr) = listen(config.http)?;
        let (icecast, icecast_addr) = config.icecast.addr.map(listen).transpose()?.unzip();
        let bound = config.quic.map(|address| {
            bind(address, |address| {
                let endpoint = Endpoint::bind(address, Arc::clone(&certificates) as _)?;
                let bound = endpoint.address();
                Ok((endpoint, bound))
            })
        });
        let (quic, quic_addr) = bound.transpose()?.unzip();
        let metrics = Arc::<Metrics>::default();
        let shared = Arc::new(Shared {
            stations: Stations::new(&config, Arc::clone(&gate), Arc::clone(&metrics)),
            gate,
            metrics,
            timing: Arc::new(config.timing.clone()),
        });
        let host = Host::new(shared, config.limits.sessions);
        Ok(Self {
            config,
            certificates,
            http,
            http_addr,
            quic,
            quic_addr,
            icecast,
            icecast_addr,
            host,
        })
    }

    /// Where HTTP is bound: the port that was free when port 0 was asked for.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where QUIC is bound, if it is.
    #[must_use]
    pub fn quic_addr(&self) -> Option<SocketAddr> {
        self.quic_addr
    }

    /// Where the second port for encoders and players is bound, if it is.
    #[must_use]
    pub fn icecast_addr(&self) -> Option<SocketAddr> {
        self.icecast_addr
    }

    /// A hold on the relay, for local sources.
    #[must_use]
    pub fn handle(&self) -> Handle {
        let stations = Arc::clone(&self.host.shared().stations);
        Handle { stations }
    }

    /// Serves until `shutdown` is cancelled, then tells every session `draining`
    /// and returns when they are gone, or after `timing.drain`. `site` answers
    /// what the relay's own routes do not (it may have a fallback).
    pub async fn run(
        mut self,
        site: impl Into<Site>,
        shutdown: CancellationToken,
    ) -> Result<(), RunError> {
        let site = site.into();
        let host = Arc::clone(&self.host);
        let drain_max = self.config.timing.drain;
        let served = self.quic.take().map(|endpoint| {
            webtransport::Server::start(endpoint, &self.config.limits, Arc::clone(&host))
        });
        let (server, watch) = served.transpose().map_err(RunError::WebTransport)?.unzip();
        let stop_http = CancellationToken::new();
        let http_tasks = TaskTracker::new();
        // Aborts whatever still runs when this returns, in whatever way.
        let mut parts = self.start(site, watch, stop_http.clone(), http_tasks.clone())?;
        let ended = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            Some(ended) = parts.join_next() => {
                Err(RunError::Ended(ended.unwrap_or("a part that panicked")))
            }
        };
        // HTTP goes on for now: it tells load balancers that the relay is not ready.
        host.drain();
        if timeout(drain_max, host.tasks().wait()).await.is_err() {
            tracing::warn!(
                sessions = host.tasks().len(),
                "not every session ended in time"
            );
        }
        host.shared().stations.end_players();
        end_recordings(&host.shared().stations).await;
        stop_http.cancel();
        http_tasks.close();
        let _ = timeout(LAST_ANSWERS, http_tasks.wait()).await;
        if let Some(server) = server {
            let _ = timeout(LAST_ANSWERS, server.stop()).await;
        }
        ended
    }

    fn start(
        self,
        site: Site,
        watch: Option<webtransport::Watch>,
        stop_http: CancellationToken,
        http_tasks: TaskTracker,
    ) -> Result<JoinSet<&'static str>, RunError> {
        let tls = self.certificates.is_from_files();
        let tls = tls
            .then(|| serve::tls(Arc::clone(&self.certificates)))
            .transpose();
        let sources = Sources::new(Arc::clone(&self.host), self.config.icecast.clone());
        let app = App {
            host: Arc::clone(&self.host),
            certificates: Arc::clone(&self.certificates),
            quic_port: self.quic_addr.map(|address| address.port()),
            sources: Arc::clone(&sources),
            burst: self.config.burst.min(crate::config::BURST_MAX),
            started_at: Now::read().unix_us,
            site: axum::Router::new(),
        };
        let router = http::router(app, site);
        let server = |listener, tls, shoutcast| serve::Server {
            listener,
            tls,
            router: router.clone(),
            connections_max: self.config.limits.connections,
            metrics: Arc::clone(&self.host.shared().metrics),
            tasks: http_tasks.clone(),
            sources: Arc::clone(&sources),
            shoutcast,
        };
        let tls = tls.map_err(|error| RunError::Tls(error.into()))?;
        let mut parts = JoinSet::new();
        let http = server(self.http, tls, false);
        let plain = self.icecast.map(|listener| server(listener, None, true));
        for server in [Some(http), plain].into_iter().flatten() {
            let stop = stop_http.clone();
            parts.spawn(async move {
                server.run(stop).await;
                "HTTP"
            });
        }
        let stations = Arc::clone(&self.host.shared().stations);
        parts.spawn(async move {
            stations.run_timers().await;
            "the stations' timers"
        });
        for receiver in self.host.shared().stations.hooks().receivers() {
            let client = webhook::client().map_err(|error| RunError::Tls(error.into()))?;
            let receiver = Arc::clone(receiver);
            parts.spawn(async move {
                webhook::deliver(receiver, client, webhook::Effort::default()).await;
                "a webhook"
            });
        }
        let folder = self.host.shared().stations.recordings();
        let recording = self.config.recording.clone();
        parts.spawn(async move {
            recording::keep_tidy(folder, recording).await;
            "the recordings' care"
        });
        let certificates = self.certificates;
        parts.spawn(async move {
            certificates.run().await;
            "the certificate's care"
        });
        if let Some(watch) = watch {
            parts.spawn(async move {
                watch.run().await;
                "WebTransport"
            });
        }
        Ok(parts)
    }
}

/// How long connections without a session may take to end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// How long recordings may take to write what they have.
const LAST_PAGES: Duration = Duration::from_secs(2);

/// Ends every recording with its file complete.
async fn end_recordings(stations: &Stations) {
    let threads = stations.stop_recording();
    let ended = tokio::task::spawn_blocking(move || {
        // A panic in one was told already.
        threads.into_iter().for_each(|thread| drop(thread.join()));
    });
    if timeout(LAST_PAGES, ended).await.is_err() {
        tracing::warn!("not every recording was completed in time");
    }
}

/// Binds to an address; one that means every address does without IPv6 where there is none.
fn bind<T>(
    address: SocketAddr,
    bind: impl Fn(SocketAddr) -> io::Result<T>,
) -> Result<T, BindError> {
    let bound = bind(address).or_else(|error| match quic::without_ipv6(address) {
        Some(v4) if error.kind() != io::ErrorKind::AddrInUse => bind(v4),
        _ => Err(error),
    });
    bound.map_err(|source| BindError::Socket { address, source })
}

impl Handle {
    /// Makes the caller the station's source.
    ///
    /// Errors: `station_busy` unless `takeover` is set, `overloaded`, `bad_request`.
    pub fn publish_local(&self, publication: Publication) -> Result<LocalSource, Error> {
        self.stations.publish_local(publication)
    }

    /// Makes the caller what plays on a configured station while no other source is
    /// there: at once when one leaves, `wait` after one vanished, half of the time a
    /// station stays interrupted at most.
    #[must_use]
    pub fn stand_in(&self, station: StationId, wait: Duration) -> StandIn {
        self.stations.stand_in(station, wait)
    }

    /// Tells webhooks of a file of the station's playlist that is left out.
    pub fn playlist_skipped(&self, station: &StationId, file: &str, reason: &str) {
        let event = webhook::Event::PlaylistSkipped { file, reason };
        self.stations.hooks().tell(station, &event);
    }
}
