//! The QUIC endpoint: our socket, our limits.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{EndpointConfig, IdleTimeout, ServerConfig, TokioRuntime, TransportConfig, VarInt};
use rustls::server::ResolvesServerCert;
use socket2::{Domain, Protocol, Socket, Type};

use super::congestion::FlooredCubicConfig;

/// How long a client may be silent on the path before it counts as gone. It is
/// asked for a sign of life every [`KEEP_ALIVE`], so three may be lost.
const IDLE: Duration = Duration::from_secs(20);
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Bytes of sound that may wait in quinn for one listener: 200 ms of the most
/// Opus makes, 510 kb/s, in packets with headers. For less than that the sink
/// keeps its own, tighter bound.
pub(super) const DATAGRAMS_OUT_BYTES: usize = 16 * 1024;

/// Bytes of datagrams from one client that may wait to be read: half a second of 510 kb/s.
const DATAGRAMS_IN_BYTES: usize = 32 * 1024;

/// Streams a client may have open: the CONNECT request, the control stream and
/// one of the exercises Chromium sends; HTTP/3's three and some exercises.
const BIDI_STREAMS: u32 = 4;
const UNI_STREAMS: u32 = 8;

/// Bytes of one stream, and of all of a client's, that may wait to be read or acknowledged.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 128 * 1024;
const SEND_WINDOW: u64 = 256 * 1024;

/// First packets of clients that wait to be looked at.
const INCOMING_MAX: usize = 4_096;

/// Kernel buffers: what 2,000 listeners are sent in one go.
const SOCKET_BUFFER: usize = 2 * 1024 * 1024;

/// Our UDP port.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint(pub(super) quinn::Endpoint);

impl Endpoint {
    /// A server endpoint on that address; IPv6 sockets take IPv4 too.
    pub(crate) fn bind(
        address: SocketAddr,
        certificates: Arc<dyn ResolvesServerCert>,
    ) -> io::Result<Self> {
        let socket = udp_socket(address)?;
        let config = EndpointConfig::default();
        let server = Some(server_config(certificates)?);
        let endpoint = quinn::Endpoint::new(config, server, socket, Arc::new(TokioRuntime));
        endpoint.map(Self)
    }

    /// Where it is bound.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Ends every connection that is left.
    pub(crate) fn close(&self) {
        self.0.close(VarInt::from_u32(0), b"");
    }

    /// Waits until every peer has heard that its connection ended.
    pub(crate) async fn idle(&self) {
        self.0.wait_idle().await;
    }
}

fn server_config(certificates: Arc<dyn ResolvesServerCert>) -> io::Result<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let crypto = QuicServerConfig::try_from(tls).map_err(io::Error::other)?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport_config()));
    // They are accepted or refused as they come; this only bounds a moment's flood.
    config.max_incoming(INCOMING_MAX);
    Ok(config)
}

fn transport_config() -> TransportConfig {
    let mut config = TransportConfig::default();
    let idle = IdleTimeout::try_from(IDLE).expect("20 s fit a varint of milliseconds");
    config
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_concurrent_bidi_streams(BIDI_STREAMS.into())
        .max_concurrent_uni_streams(UNI_STREAMS.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(SEND_WINDOW)
        .datagram_send_buffer_size(DATAGRAMS_OUT_BYTES)
        .datagram_receive_buffer_size(Some(DATAGRAMS_IN_BYTES))
        // Datagrams are below the MTU every path has; probing costs each session
        // packets and timers for nothing.
        .mtu_discovery_config(None)
        .congestion_controller_factory(Arc::new(FlooredCubicConfig::default()));
    config
}

fn udp_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // The kernel may grant less; that is no reason not to serve.
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
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
