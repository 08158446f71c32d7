//! TCP and TLS.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

/// How long a name may take to resolve, and a handshake to finish.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

/// How long one address of several may stay silent before the next is tried beside it
/// (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// A byte stream, with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens TCP, with TLS for `https` and `wss`.
pub(crate) async fn open(url: &Url) -> io::Result<Box<dyn Stream>> {
    let addresses = resolve(url).await?;
    let tcp = first(addresses, |address| async move {
        tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await?
    })
    .await?;
    // Frames are small and wait for answers.
    tcp.set_nodelay(true)?;
    if !matches!(url.scheme(), "https" | "wss") {
        return Ok(Box::new(tcp));
    }
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let connector = TlsConnector::from(tls_config());
    let tls = tokio::time::timeout(CONNECT_TIMEOUT, connector.connect(name, tcp)).await??;
    Ok(Box::new(tls))
}

/// The addresses of a URL's host, in the resolver's order.
pub(crate) async fn resolve(url: &Url) -> io::Result<Vec<SocketAddr>> {
    let port = url.port_or_known_default().unwrap_or_default();
    let name = match url.host() {
        Some(Host::Ipv4(address)) => return Ok(vec![(address, port).into()]),
        Some(Host::Ipv6(address)) => return Ok(vec![(address, port).into()]),
        Some(Host::Domain(name)) => name.to_owned(),
        None => return Err(io::Error::new(io::ErrorKind::InvalidInput, "no host")),
    };
    let lookup = tokio::net::lookup_host((name, port));
    let found: Vec<_> = tokio::time::timeout(CONNECT_TIMEOUT, lookup)
        .await??
        .collect();
    if found.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the name has no address",
        ));
    }
    Ok(found)
}

/// Tries every address, each next one a moment after the last, and takes the first that
/// works; a host may be up on one of its addresses only.
pub(crate) async fn first<T, E, F>(
    addresses: Vec<SocketAddr>,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<T, E>
where
    T: Send + 'static,
    E: Send + 'static + From<io::Error>,
    F: Future<Output = Result<T, E>> + Send + 'static,
{
    let mut waiting = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut failure = None;
    loop {
        if let Some(address) = waiting.next() {
            attempts.spawn(attempt(address));
        }
        let pause = async {
            match waiting.len() {
                0 => std::future::pending().await,
                _ => tokio::time::sleep(STAGGER).await,
            }
        };
        tokio::select! {
            ended = attempts.join_next() => match ended {
                Some(Ok(Ok(done))) => return Ok(done),
                Some(Ok(Err(error))) => failure = Some(error),
                // A panic inside an attempt counts as a failed attempt.
                Some(Err(_)) => {}
                None => {
                    let none = || io::Error::new(io::ErrorKind::NotFound, "no address").into();
                    return Err(failure.unwrap_or_else(none));
                }
            },
            () = pause => {}
        }
    }
}

/// TLS that trusts what the machine trusts; `SSL_CERT_FILE` names other roots.
fn tls_config() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions")
            .with_root_certificates(native_roots())
            .with_no_client_auth();
        Arc::new(config)
    });
    Arc::clone(config)
}

/// The roots the machine trusts; what cannot be read is left out and told.
pub(crate) fn native_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a root certificate cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    roots
}
