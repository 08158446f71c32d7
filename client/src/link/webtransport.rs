//! A link over WebTransport. The one module here that names a QUIC crate.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use url::Url;
use wire::code::CloseCode;
use wire::frame::{Splitter, write_framed};
use wire::message::CertificateHash;
use wtransport::config::{DnsLookupFuture, DnsResolver, IpBindConfig};
use wtransport::endpoint::endpoint_side::Client;
use wtransport::error::ConnectionError;
use wtransport::tls::Sha256Digest;
use wtransport::tls::client::{ServerHashVerification, build_default_tls_config};
use wtransport::{ClientConfig, Connection, Endpoint, RecvStream, SendStream, VarInt};

use super::{Audio, Ends, Incoming, Link, OUTGOING_MAX, Sender, Transport};
use crate::clock::LocalClock;
use crate::{Error, net};

/// Bytes of datagrams that may wait for the network: about 200 ms at the highest bitrate;
/// QUIC then drops the oldest.
const DATAGRAM_BUFFER_BYTES: usize = 16 * 1024;

/// Without a word from the relay for so long the connection is dead.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Streams the relay may open: `metadata` and `listeners`, and some for later versions.
const RELAY_STREAMS_MAX: u32 = 8;

/// Bytes read from a stream at once.
const READ_BYTES: usize = 16 * 1024;

pub(super) async fn connect(
    url: &Url,
    hashes: &[CertificateHash],
    clock: LocalClock,
) -> Result<Link, Error> {
    let unreachable = |reason: String| Error::unreachable(format!("{url} (WebTransport)"), reason);
    let tls = tls_config(hashes).map_err(&unreachable)?;
    let addresses = net::resolve(url).await;
    let addresses = addresses.map_err(|error| unreachable(error.to_string()))?;
    let attempt = |address| attempt(url.clone(), address, tls.clone());
    let connected = tokio::time::timeout(net::CONNECT_TIMEOUT, net::first(addresses, attempt));
    let (endpoint, connection) = match connected.await {
        Ok(result) => result.map_err(|Failed(reason)| unreachable(reason))?,
        Err(_) => return Err(unreachable("no answer in time".into())),
    };
    let opened = async {
        let stream = connection.open_bi().await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(stream.await?)
    };
    let opened = tokio::time::timeout(net::CONNECT_TIMEOUT, opened).await;
    let (outgoing, incoming) = match opened {
        Ok(result) => result.map_err(|error| unreachable(error.to_string()))?,
        Err(_) => return Err(unreachable("no stream in time".into())),
    };
    Ok(link(endpoint, connection, outgoing, incoming, clock))
}

fn link(
    endpoint: Endpoint<Client>,
    connection: Connection,
    outgoing: SendStream,
    incoming: RecvStream,
    clock: LocalClock,
) -> Link {
    let connection = Arc::new(connection);
    let (ends, frames) = Ends::new(clock);
    let (control, control_queue) = mpsc::channel(OUTGOING_MAX);
    let mut tasks = JoinSet::new();
    tasks.spawn(write(outgoing, control_queue));
    tasks.spawn(read_all(connection.clone(), incoming, ends.frames.clone()));
    let datagrams = ends.datagrams.clone();
    tasks.spawn(read_datagrams(connection.clone(), ends));
    Link {
        transport: Transport::WebTransport,
        frames,
        datagrams,
        sender: Sender {
            control,
            audio: Audio::WebTransport(Datagrams(connection.clone())),
        },
        tasks,
        closer: super::Closer::WebTransport(Closer {
            endpoint,
            connection,
        }),
    }
}

struct Failed(String);

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Connects to one of the host's addresses.
async fn attempt(
    url: Url,
    address: SocketAddr,
    tls: rustls::ClientConfig,
) -> Result<(Endpoint<Client>, Connection), Failed> {
    let bind = match address {
        SocketAddr::V4(_) => IpBindConfig::InAddrAnyV4,
        SocketAddr::V6(_) => IpBindConfig::InAddrAnyV6,
    };
    let config = ClientConfig::builder()
        .with_bind_config(bind)
        .with_custom_tls_and_transport(tls, transport_config())
        .dns_resolver(Resolved(address))
        .build();
    let endpoint = Endpoint::client(config)?;
    let connection = endpoint.connect(url.as_str()).await;
    let connection = connection.map_err(|error| Failed(error.to_string()))?;
    Ok((endpoint, connection))
}

/// Answers every name with the address that was resolved before.
#[derive(Debug)]
struct Resolved(SocketAddr);

impl DnsResolver for Resolved {
    fn resolve(&self, _host: &str) -> Pin<Box<dyn DnsLookupFuture>> {
        let address = self.0;
        Box::pin(async move { Ok(Some(address)) })
    }
}

/// Trusts exactly the certificates of `hashes` or, when there are none, what the machine trusts.
fn tls_config(hashes: &[CertificateHash]) -> Result<rustls::ClientConfig, String> {
    if hashes.is_empty() {
        return Ok(build_default_tls_config(
            Arc::new(net::native_roots()),
            None,
        ));
    }
    let mut digests = Vec::new();
    for hash in hashes.iter().filter(|hash| hash.algorithm == "sha-256") {
        let bytes = STANDARD.decode(&hash.value).ok();
        let digest = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        digests.push(Sha256Digest::new(
            digest.ok_or("a certificate hash is no SHA-256")?,
        ));
    }
    let verifier = Arc::new(ServerHashVerification::new(digests));
    let roots = Arc::new(rustls::RootCertStore::empty());
    Ok(build_default_tls_config(roots, Some(verifier)))
}

fn transport_config() -> quinn::TransportConfig {
    let mut config = quinn::TransportConfig::default();
    config.datagram_send_buffer_size(DATAGRAM_BUFFER_BYTES);
    config.keep_alive_interval(Some(Duration::from_secs(4)));
    let idle = IDLE_TIMEOUT.try_into().expect("15 s is a QUIC duration");
    config.max_idle_timeout(Some(idle));
    config.max_concurrent_bidi_streams(1u32.into());
    // Three more are HTTP/3's own.
    config.max_concurrent_uni_streams((RELAY_STREAMS_MAX + 3).into());
    config
}

async fn write(mut stream: SendStream, mut queue: mpsc::Receiver<String>) {
    let mut bytes = Vec::new();
    while let Some(json) = queue.recv().await {
        bytes.clear();
        write_framed(&json, &mut bytes);
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
    // Every sender is gone: the session is closing.
    let _ = stream.finish().await;
}

/// Reads the control stream and every stream the relay opens, until the connection ends.
async fn read_all(
    connection: Arc<Connection>,
    control: RecvStream,
    frames: mpsc::Sender<Incoming>,
) {
    let mut streams = JoinSet::new();
    streams.spawn(read_stream(control, frames.clone()));
    let closed = loop {
        tokio::select! {
            opened = connection.accept_uni(), if streams.len() <= RELAY_STREAMS_MAX as usize => {
                match opened {
                    Ok(stream) => drop(streams.spawn(read_stream(stream, frames.clone()))),
                    Err(error) => break end(&error),
                }
            }
            Some(ended) = streams.join_next() => {
                if let Ok(Err(reason)) = ended {
                    break Incoming::Closed { code: None, reason };
                }
            }
            error = connection.closed() => break end(&error),
        }
    };
    // What was read before the end is to be handled before it: a `bye` tells more than a close.
    let drained = async { while streams.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_millis(200), drained).await;
    let _ = frames.send(closed).await;
}

/// Reads frames until the stream ends; an error is the relay's fault.
async fn read_stream(mut stream: RecvStream, frames: mpsc::Sender<Incoming>) -> Result<(), String> {
    let mut splitter = Splitter::default();
    let mut buffer = vec![0; READ_BYTES];
    // A stream that breaks off is told by the connection.
    while let Ok(Some(count)) = stream.read(&mut buffer).await {
        splitter.handle_bytes(&buffer[..count]);
        while let Some(frame) = splitter.poll_frame().map_err(|error| error.to_string())? {
            let frame = Incoming::Frame(Bytes::copy_from_slice(frame));
            if frames.send(frame).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn read_datagrams(connection: Arc<Connection>, ends: Ends) {
    while let Ok(datagram) = connection.receive_datagram().await {
        ends.handle_datagram(datagram.payload());
    }
}

fn end(error: &ConnectionError) -> Incoming {
    let code = match error {
        ConnectionError::ApplicationClosed(close) => {
            Some(CloseCode::from_number(close.code().into_inner()))
        }
        _ => None,
    };
    Incoming::Closed {
        code,
        reason: error.to_string(),
    }
}

#[derive(Clone)]
pub(super) struct Datagrams(Arc<Connection>);

impl Datagrams {
    pub(super) fn send(&self, bytes: Bytes) -> bool {
        self.0.send_datagram(bytes).is_ok()
    }
}

impl std::fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Datagrams")
    }
}

pub(super) struct Closer {
    endpoint: Endpoint<Client>,
    connection: Arc<Connection>,
}

impl std::fmt::Debug for Closer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Closer")
    }
}

impl Closer {
    pub(super) async fn close(self, _tasks: &mut JoinSet<()>) {
        let code = VarInt::from_u32(u32::from(CloseCode::Done.number()));
        self.connection.close(code, b"done");
        // Returns when the close has been sent and the connection has drained.
        self.endpoint.wait_idle().await;
    }
}
