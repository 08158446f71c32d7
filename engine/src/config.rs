//! What an engine is told at its start.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn_proto::crypto::rustls::QuicServerConfig;
use quinn_proto::{
    AckFrequencyConfig, EndpointConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt,
};
use rand::{RngCore, SeedableRng, rngs::StdRng};

use crate::cid::{CidKey, ThreadCids};
use crate::congestion::SteadyFactory;
use crate::message::SessionId;

/// How an engine serves. Limits hold per thread unless they say otherwise.
#[derive(Debug, Clone)]
pub struct Config {
    /// Certificates and keys; TLS 1.3 with ALPN `h3`. A resolver inside may change
    /// certificates while the engine runs. Offer AES-128-GCM first: it is the cheapest.
    pub tls: Arc<rustls::ServerConfig>,
    /// Answer 200 to every WebTransport request without asking. Default true: browsers
    /// back off after refusals, so a session is better accepted, told why, and closed.
    pub accept_at_once: bool,
    /// Connections, those in handshake included; further ones are refused. Default 20,000.
    pub sessions_max: usize,
    /// Connections from one IPv4 address or one IPv6 /64, validated ones only. Default 256.
    pub sessions_per_address_max: usize,
    /// Connections in handshake; further first packets are dropped, and a client repeats
    /// them. Default 1,000.
    pub handshakes_max: usize,
    /// Connections in handshake with an address not validated. Above it new ones must
    /// come back with a token (a stateless retry, one more round trip). Default 100.
    pub handshakes_unvalidated_max: usize,
    /// Connections in handshake from one such address, validated ones only; further first
    /// packets are dropped. Default 256.
    pub handshakes_per_address_max: usize,
    /// Handshakes begun in a second, so that a flood leaves the processor to those on air
    /// (one costs about half a millisecond). Above it: retry, then up to 1,000 first packets
    /// wait for 2 s at most, then drop. Default 400.
    pub handshakes_per_second: u32,
    /// From the first packet to the WebTransport request. Default 10 s.
    pub handshake_timeout: Duration,
    /// Without any packet for so long a connection is over. Default 20 s.
    pub idle_timeout: Duration,
    /// After so long without a packet the client is asked for a sign of life, so that a
    /// quiet session stays and middleboxes remember its path. Default 5 s: of the signs
    /// that fit into the idle timeout three may be lost.
    pub keep_alive: Duration,
    /// The longest a [`Close`](crate::Command::Close) waits for what was written. Default 2 s.
    pub close_timeout: Duration,
    /// The code clients see when their thread failed and starts anew. Default 0.
    pub failure_code: u32,
    /// The longest a frame waits for a listener's congestion window; older ones are
    /// dropped for that listener. Default 200 ms.
    pub frame_age_max: Duration,
    /// Frames of one track that wait while the thread is behind; the oldest are dropped.
    /// Default 10.
    pub frames_behind_max: usize,
    /// Writes that wait on one lane of one session; one more ends the session as
    /// [`SlowConsumer`](crate::Cause::SlowConsumer). Default 256.
    pub lane_writes_max: usize,
    /// Bytes that wait likewise. Default 1 MiB.
    pub lane_bytes_max: usize,
    /// Control bytes of one session that were told and not yet
    /// [`Consumed`](crate::Command::Consumed). Above it the session's stream is not read,
    /// and in the end the client cannot write. Default 128 KiB, two of the largest frames.
    pub control_bytes_max: usize,
    /// Control bytes and datagrams that wait to be taken as events. Above it streams are
    /// not read (their senders block) and datagrams drop the oldest. Default 1,024.
    pub events_max: usize,
    /// The largest UDP payload sent; there is no discovery of larger ones. Default 1,232:
    /// IPv6's least MTU, which leaves 1,193 bytes for a datagram.
    pub udp_payload_bytes: u16,
    /// Asks peers that know the ACK frequency extension to acknowledge every so many packets
    /// only; listeners may take [`ACK_DELAY`](fastpath::ACK_DELAY) for it while their frames go
    /// the fast way. Fewer acknowledgements cost less; what is out of order is told at once.
    /// Default 10.
    pub ack_every: Option<u32>,
    /// Sends frames past `quinn-proto` while a listener's path is in order
    /// (see the crate `fastpath`). Default true.
    pub fast_path: bool,
    /// Who takes datagrams where they arrive. Default none: they are events.
    pub uplink: Option<Arc<dyn Uplink>>,
}

/// Takes datagrams of an engine's sessions on the threads they arrive on: no other thread is
/// woken for one.
pub trait Uplink: std::fmt::Debug + Send + Sync {
    /// Takes a datagram without its HTTP/3 prefix, in the order they came. The sound of all
    /// sessions of the thread waits meanwhile, and a panic costs them all.
    fn handle_datagram(&self, session: SessionId, bytes: &Bytes);
}

/// A configuration that cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// ALPN lacks `h3`, without which no client opens a session.
    #[error("the TLS configuration does not offer ALPN \"h3\"")]
    NoAlpn,
    /// QUIC's first packets need TLS_AES_128_GCM_SHA256.
    #[error("the TLS configuration lacks TLS 1.3 with AES-128-GCM")]
    NoInitialCipher,
    /// rustls does not begin a session with it.
    #[error("the TLS configuration is not for QUIC: {0}")]
    Tls(rustls::Error),
    /// A number is out of QUIC's range.
    #[error("{0} is out of range")]
    Range(&'static str),
}

impl Config {
    /// The defaults with these certificates.
    #[must_use]
    pub fn new(tls: Arc<rustls::ServerConfig>) -> Self {
        Self {
            tls,
            accept_at_once: true,
            sessions_max: 20_000,
            sessions_per_address_max: 256,
            handshakes_max: 1_000,
            handshakes_unvalidated_max: 100,
            handshakes_per_address_max: 256,
            handshakes_per_second: 400,
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(20),
            keep_alive: Duration::from_secs(5),
            close_timeout: Duration::from_secs(2),
            failure_code: 0,
            frame_age_max: Duration::from_millis(200),
            frames_behind_max: 10,
            lane_writes_max: 256,
            lane_bytes_max: 1 << 20,
            control_bytes_max: 128 * 1024,
            events_max: 1024,
            udp_payload_bytes: 1232,
            ack_every: Some(10),
            fast_path: true,
            uplink: None,
        }
    }

    fn transport(&self) -> Result<TransportConfig, ConfigError> {
        let idle = IdleTimeout::try_from(self.idle_timeout)
            .map_err(|_| ConfigError::Range("idle_timeout"))?;
        if !(1200..=1472).contains(&self.udp_payload_bytes) {
            return Err(ConfigError::Range("udp_payload_bytes"));
        }
        let mut transport = TransportConfig::default();
        transport
            // The request and the control stream, and a little for clients that retry;
            // every allowed stream costs memory at once.
            .max_concurrent_bidi_streams(VarInt::from_u32(4))
            // Control, QPACK's two, one of grease, and a little.
            .max_concurrent_uni_streams(VarInt::from_u32(6))
            .max_idle_timeout(Some(idle))
            .keep_alive_interval(Some(self.keep_alive))
            // A control frame is at most 64 KiB and four bytes.
            .stream_receive_window(VarInt::from_u32(96 * 1024))
            .receive_window(VarInt::from_u32(192 * 1024))
            .send_window(256 * 1024)
            .initial_mtu(self.udp_payload_bytes)
            .mtu_discovery_config(None)
            .datagram_receive_buffer_size(Some(16 * 1024))
            .datagram_send_buffer_size(self.datagram_buffer_bytes())
            .congestion_controller_factory(Arc::new(SteadyFactory))
            .enable_segmentation_offload(true);
        if let Some(every) = self.ack_every {
            let mut frequency = AckFrequencyConfig::default();
            frequency
                .ack_eliciting_threshold(VarInt::from_u32(every.saturating_sub(1)))
                .reordering_threshold(VarInt::from_u32(2));
            transport.ack_frequency_config(Some(frequency));
        }
        Ok(transport)
    }

    /// Room in quinn's queue for one datagram of the largest size. What does not fit
    /// waits in ours, where it can be dropped by age.
    pub(crate) fn datagram_buffer_bytes(&self) -> usize {
        usize::from(self.udp_payload_bytes) + 64
    }
}

/// What all threads of an engine share, so that any of them can recognise the others'
/// packets, reset connections lost with a thread and honour retry tokens.
#[derive(Clone)]
pub struct Secrets {
    cid: CidKey,
    reset: [u8; 64],
    token: [u8; 64],
}

impl Secrets {
    /// Draws secrets from 32 random bytes.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let cid = CidKey::new(rng.next_u64());
        let (mut reset, mut token) = ([0; 64], [0; 64]);
        rng.fill_bytes(&mut reset);
        rng.fill_bytes(&mut token);
        Self { cid, reset, token }
    }

    pub(crate) fn cid(&self) -> CidKey {
        self.cid
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(..)")
    }
}

/// quinn's side of the configuration.
pub(crate) fn quic(
    config: &Config,
    secrets: &Secrets,
    thread: u8,
    seed: [u8; 32],
) -> Result<(EndpointConfig, ServerConfig), ConfigError> {
    if !config.tls.alpn_protocols.iter().any(|name| name == b"h3") {
        return Err(ConfigError::NoAlpn);
    }
    let reset_key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secrets.reset);
    let token_key = ring::hkdf::Salt::new(ring::hkdf::HKDF_SHA256, &[]).extract(&secrets.token);

    let mut endpoint = EndpointConfig::new(Arc::new(reset_key));
    let key = secrets.cid;
    endpoint
        .cid_generator(move || Box::new(ThreadCids::new(key, thread, seed)))
        .max_udp_payload_size(1472)
        .map_err(|_| ConfigError::Range("max_udp_payload_size"))?
        .rng_seed(Some(seed))
        // After a thread's restart all its listeners should hear of it soon.
        .min_reset_interval(Duration::from_millis(1));

    let mut server = ServerConfig::new(crypto(config)?, Arc::new(token_key));
    server
        .transport_config(Arc::new(config.transport()?))
        .max_incoming(config.handshakes_max)
        .incoming_buffer_size(16 * 1024)
        .incoming_buffer_size_total(4 << 20);
    Ok((endpoint, server))
}

fn crypto(config: &Config) -> Result<Arc<dyn quinn_proto::crypto::ServerConfig>, ConfigError> {
    let tls = Arc::clone(&config.tls);
    if config.fast_path {
        return match fastpath::Crypto::new(tls) {
            Ok(crypto) => Ok(Arc::new(crypto)),
            Err(fastpath::ConfigError::NoInitialCipher) => Err(ConfigError::NoInitialCipher),
            Err(fastpath::ConfigError::Tls(error)) => Err(ConfigError::Tls(error)),
        };
    }
    match QuicServerConfig::try_from(tls) {
        Ok(crypto) => Ok(Arc::new(crypto)),
        Err(_) => Err(ConfigError::NoInitialCipher),
    }
}
