//! TCP connections: accepted, limited, made safe, and handed to the router.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::patience::Patience;
use crate::certificate::Certificates;
use crate::icecast::{Opening, Rewind, Sources, sniffed};
use crate::metrics::{Metrics, TransportLabel};

/// From the first byte of a request to the end of its head, and how long a
/// connection may be idle.
const HEAD: Duration = Duration::from_secs(15);

/// The largest head of a request, in bytes.
const HEAD_BYTES: usize = 32 * 1024;

/// For a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Bytes the kernel may hold that it has not sent: sound that waits there grows old
/// where it cannot be dropped any more.
const UNSENT_MAX: u32 = 16 * 1024;

/// How long a client may take to acknowledge, or to make room for, what it is sent.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// A connection's place among those there may be. Each request on it carries it, so that
/// what a request becomes, a WebSocket, keeps it for as long as it keeps the connection.
#[derive(Debug, Clone)]
pub(crate) struct Seat(#[expect(dead_code, reason = "held")] Arc<OwnedSemaphorePermit>);

/// A TCP port and what to speak on it.
pub(crate) struct Server {
    pub(crate) listener: TcpListener,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) router: Router,
    pub(crate) connections_max: usize,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: TaskTracker,
    pub(crate) sources: Arc<Sources>,
    /// Whether what is no HTTP is SHOUTcast.
    pub(crate) shoutcast: bool,
}

/// TLS with that certificate for HTTP/1.1.
pub(crate) fn tls(certificates: Arc<Certificates>) -> Result<TlsAcceptor, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

impl Server {
    /// Accepts connections until `stop`; those that are open end with their request.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let seats = Arc::new(Semaphore::new(self.connections_max));
        let server = Arc::new(self);
        loop {
            // Above the limit new connections wait in the kernel's queue.
            let seat = Arc::clone(&seats).acquire_owned();
            let accepted = async {
                let seat = seat.await.expect("the semaphore is never closed");
                (server.listener.accept().await, seat)
            };
            let (accepted, seat) = tokio::select! {
                () = stop.cancelled() => return,
                accepted = accepted => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    let (connection, stop) = (Arc::clone(&server), stop.clone());
                    let seat = Seat(Arc::new(seat));
                    server.tasks.spawn(async move {
                        connection.welcome(stream, address, seat, stop).await;
                    });
                }
                Err(error) => survive(&error).await,
            }
        }
    }

    async fn welcome(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        seat: Seat,
        stop: CancellationToken,
    ) {
        // None of this is worth refusing a client for.
        let _ = stream.set_nodelay(true);
        let socket = SockRef::from(&stream);
        let _ = socket.set_tcp_notsent_lowat(UNSENT_MAX);
        let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(UNACKNOWLEDGED));
        let Some(tls) = &self.tls else {
            return self.speak(stream, address, seat, stop).await;
        };
        match timeout(HANDSHAKE, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.speak(stream, address, seat, stop).await,
            Ok(Err(_)) | Err(_) => {
                let failures = &self.metrics.handshake_failures;
                failures.get_or_create(&TransportLabel::WEBSOCKET).inc();
            }
        }
    }

    /// Serves sources and everybody else by what they say first.
    async fn speak<S>(
        &self,
        mut stream: S,
        address: SocketAddr,
        seat: Seat,
        stop: CancellationToken,
    ) where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let Some((opening, first)) = sniffed(&mut stream, self.shoutcast, &stop).await else {
            return;
        };
        if opening == Opening::Http {
            let stream = Rewind::new(first.freeze(), stream);
            let write = self.sources.host().shared().timing.write;
            let stream = Patience::new(stream, write);
            return serve(stream, address, seat, self.router.clone(), stop).await;
        }
        let sources = &self.sources;
        let serving = sources.serve(stream, first, opening, address, stop);
        serving.await;
    }
}

async fn serve<S>(
    stream: S,
    address: SocketAddr,
    seat: Seat,
    router: Router,
    stop: CancellationToken,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(address));
        request.extensions_mut().insert(seat.clone());
        router.clone().oneshot(request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(remote = %address, %error, "HTTP connection failed");
    }
}

/// Out of files or memory, accepting again at once would only spin.
async fn survive(error: &io::Error) {
    let per_connection = matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    );
    if !per_connection {
        tracing::warn!(%error, "cannot accept TCP connections now");
        sleep(Duration::from_millis(500)).await;
    }
}
