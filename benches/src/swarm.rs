//! Thousands of listeners on one processor, each an ordinary QUIC client.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use engine::Batch;
use engine::testing::{ClientEvent, Clients, Udp, client_config};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::process;
use crate::serve::micros;
use crate::stats::Histogram;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    server: SocketAddr,
    #[arg(long)]
    listeners: usize,
    #[arg(long)]
    pin: Option<usize>,
    /// Client sockets, each with its share of the listeners.
    #[arg(long, default_value_t = 8)]
    sockets: usize,
    /// Sessions begun in a second.
    #[arg(long, default_value_t = 500)]
    rate: u32,
}

/// What the listeners have heard, for the thread that answers questions.
#[derive(Debug, Default)]
struct Heard {
    datagrams: AtomicU64,
    lost: AtomicU64,
    delays: std::sync::Mutex<Histogram>,
}

/// One socket and its clients.
struct Home {
    udp: Udp,
    clients: Clients,
    arena: BytesMut,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    process::pin(arguments.pin)?;
    let now = Instant::now();
    let mut homes = Vec::new();
    for _ in 0..arguments.sockets {
        homes.push(Home {
            udp: Udp::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?,
            clients: Clients::new(client_config(trusting()?), rand::random(), now),
            arena: BytesMut::new(),
        });
    }
    let heard = Arc::new(Heard::default());
    let answers = heard.clone();
    process::serve_questions(move |question| {
        let mut delays = answers.delays.lock().ok()?;
        if question == "reset" {
            *delays = Histogram::default();
        }
        Some(format!(
            "{} {} {} {} {}",
            answers.datagrams.load(Ordering::Relaxed),
            answers.lost.load(Ordering::Relaxed),
            delays.quantile(0.5),
            delays.quantile(0.99),
            delays.quantile(1.0),
        ))
    });

    let begun = Instant::now();
    let (mut asked, mut open) = (0, 0);
    let mut batch = Batch::new();
    loop {
        let now = Instant::now();
        let due = (begun.elapsed().as_secs_f64() * f64::from(arguments.rate)) as usize;
        while asked < due.min(arguments.listeners) {
            let home = asked % homes.len();
            homes[home].clients.connect(now, arguments.server, "/v1");
            asked += 1;
        }
        let mut is_idle = true;
        for home in &mut homes {
            is_idle &= !home.turn(&mut batch, &heard, &mut open)?;
        }
        if open == arguments.listeners {
            println!("open");
            open += 1;
        }
        if is_idle {
            let fds = homes.iter();
            let mut fds: Vec<_> = fds
                .map(|home| PollFd::new(home.udp.as_fd(), PollFlags::POLLIN))
                .collect();
            poll(&mut fds, PollTimeout::from(1u8))?;
        }
    }
}

impl Home {
    fn turn(&mut self, batch: &mut Batch, heard: &Heard, open: &mut usize) -> anyhow::Result<bool> {
        let Self {
            udp,
            clients,
            arena,
        } = self;
        let mut is_busy = false;
        let now = Instant::now();
        let more = udp.receive(|remote, bytes| {
            is_busy = true;
            if arena.capacity() < bytes.len() {
                arena.reserve(64 * 1024);
            }
            arena.extend_from_slice(bytes);
            clients.handle_datagram(now, remote, arena.split());
        })?;
        clients.handle_timeouts(now);
        loop {
            batch.clear();
            let more = clients.poll_transmit(now, batch);
            udp.send(batch);
            if !more {
                break;
            }
        }
        let arrived = micros();
        let mut delays = None;
        while let Some(event) = clients.poll_event() {
            match event {
                ClientEvent::Open(_) => *open += 1,
                ClientEvent::Datagram(_, bytes) => {
                    heard.datagrams.fetch_add(1, Ordering::Relaxed);
                    if let Some(sent) = bytes.first_chunk() {
                        let delay = arrived.saturating_sub(u64::from_be_bytes(*sent));
                        delays
                            .get_or_insert_with(|| heard.delays.lock().expect("no panic holds it"))
                            .add(delay);
                    }
                }
                ClientEvent::Lost(_, text) => {
                    heard.lost.fetch_add(1, Ordering::Relaxed);
                    eprintln!("a listener was lost: {text}");
                }
                ClientEvent::Refused(_, status) => anyhow::bail!("refused with {status}"),
                ClientEvent::Control(..) | ClientEvent::Uni(..) | ClientEvent::Capsule(..) => {}
            }
        }
        Ok(more || is_busy)
    }
}

/// TLS that takes any certificate: the server is this machine's, and made its own.
fn trusting() -> anyhow::Result<Arc<rustls::ClientConfig>> {
    let mut provider = rustls::crypto::ring::default_provider();
    let aes = rustls::CipherSuite::TLS13_AES_128_GCM_SHA256;
    provider
        .cipher_suites
        .sort_by_key(|suite| suite.suite() != aes);
    let provider = Arc::new(provider);
    let verifier = Arc::new(Anybody(provider.clone()));
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h3".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Anybody(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &rustls::pki_types::CertificateDer<'_>,
        _intermediates: &[rustls::pki_types::CertificateDer<'_>],
        _name: &rustls::pki_types::ServerName<'_>,
        _ocsp: &[u8],
        _now: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &rustls::pki_types::CertificateDer<'_>,
        _signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("QUIC has TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &rustls::pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// How long a swarm of that size may take to open.
pub(crate) fn patience(listeners: usize, rate: u32) -> Duration {
    Duration::from_secs_f64(10.0 + 3.0 * listeners as f64 / f64::from(rate))
}
