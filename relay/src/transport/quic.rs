//! The sockets, and the engine on the UDP one.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use engine::{Engine, Events, StartError, Uplink};
use rustls::CipherSuite;
use rustls::server::ResolvesServerCert;
use socket2::{Domain, Protocol, Socket, Type};
use wire::code::CloseCode;

use crate::config::Limits;
use crate::fanout::queue::LISTENER_WAIT;

/// Our UDP port.
#[derive(Debug)]
pub(crate) struct Endpoint {
    port: engine::Port,
    tls: Arc<rustls::ServerConfig>,
}

impl Endpoint {
    /// A port on that address, a socket for each processor; IPv6 sockets take IPv4 too.
    pub(crate) fn bind(
        address: SocketAddr,
        certificates: Arc<dyn ResolvesServerCert>,
    ) -> io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let port = engine::Port::bind(address, threads.min(256)).map_err(|error| match error {
            StartError::Io { source, .. } => source,
            other => io::Error::other(other),
        })?;
        let tls = tls(certificates)?;
        Ok(Self { port, tls })
    }

    /// Where it is bound.
    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Serves on it.
    pub(super) fn serve(
        self,
        limits: &Limits,
        uplink: Arc<dyn Uplink>,
    ) -> Result<(Engine, Events), StartError> {
        let mut config = engine::Config::new(self.tls);
        // Those above the limit are let in to be told so.
        config.sessions_max = limits.sessions.saturating_add(limits.handshakes);
        config.sessions_per_address_max = config.sessions_max;
        config.handshakes_max = limits.handshakes;
        config.handshakes_unvalidated_max = limits.handshakes / 2;
        // Many listeners share an address behind a NAT. What it may take besides is half of
        // all, while its packets' source is not known to be true: a quarter stays for others.
        config.handshakes_per_address_max = (limits.handshakes / 4).max(1);
        config.failure_code = CloseCode::Internal.number().into();
        config.frame_age_max = LISTENER_WAIT;
        config.uplink = Some(uplink);
        Engine::serve(config, self.port, &[])
    }
}

fn tls(certificates: Arc<dyn ResolvesServerCert>) -> io::Result<Arc<rustls::ServerConfig>> {
    let mut provider = rustls::crypto::ring::default_provider();
    // Of what the client offers, too: the cheapest per packet.
    provider
        .cipher_suites
        .sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    tls.alpn_protocols = vec![b"h3".to_vec()];
    Ok(Arc::new(tls))
}

/// A listening TCP socket on that address; IPv6 sockets take IPv4 too.
pub(crate) fn listen_tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// The same address for machines without IPv6, if it means every address.
pub(crate) fn without_ipv6(address: SocketAddr) -> Option<SocketAddr> {
    let any = address.is_ipv6() && address.ip().is_unspecified();
    any.then(|| (Ipv4Addr::UNSPECIFIED, address.port()).into())
}
