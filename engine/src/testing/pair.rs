//! An engine's core and clients, joined by a network in virtual time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::clients::{ClientEvent, Clients, client_config};
use crate::batch::Batch;
use crate::config::{Config, Secrets};
use crate::core::Core;
use crate::message::{Event, Opened};

/// TLS configurations that trust each other, with a fresh certificate for `localhost`.
///
/// # Panics
/// When no key can be made: a broken random source.
#[must_use]
pub fn tls_pair() -> (Arc<rustls::ServerConfig>, Arc<rustls::ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a key");
    let certificate = made.cert.der().clone();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .expect("a PKCS#8 key");
    let provider = Arc::new(aes_first());
    let mut server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("a certificate and its key");
    server.alpn_protocols = vec![b"h3".to_vec()];
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h3".to_vec()];
    (Arc::new(server), Arc::new(client))
}

/// ring with AES-128-GCM first, as browsers offer it.
fn aes_first() -> rustls::crypto::CryptoProvider {
    let mut provider = rustls::crypto::ring::default_provider();
    let aes = rustls::CipherSuite::TLS13_AES_128_GCM_SHA256;
    provider
        .cipher_suites
        .sort_by_key(|suite| suite.suite() != aes);
    provider
}

static TLS: LazyLock<(Arc<rustls::ServerConfig>, Arc<rustls::ClientConfig>)> =
    LazyLock::new(tls_pair);

/// A server's TLS configuration made once for all tests.
#[must_use]
pub fn server_tls() -> Arc<rustls::ServerConfig> {
    TLS.0.clone()
}

/// A packet on its way: when it arrives, from where, to where.
#[derive(Debug, Clone)]
struct Flight {
    at: Instant,
    from: SocketAddr,
    bytes: Vec<u8>,
}

/// A core and its clients.
#[derive(Debug)]
pub struct Pair {
    /// The virtual time.
    pub now: Instant,
    /// The engine under test.
    pub core: Core,
    /// Its clients, all on one address.
    pub clients: Clients,
    /// Where the clients seem to be.
    pub client_address: SocketAddr,
    /// One-way delay.
    pub delay: Duration,
    /// Of the packets to the clients, lose those whose number this says so of.
    pub loses: fn(u64) -> bool,
    /// Lose all packets of the clients.
    pub is_mute: bool,
    /// Packets the core has sent, lost ones included.
    pub sent: u64,
    /// Bytes the core has sent.
    pub sent_bytes: u64,
    /// Everything the core told and nobody took.
    pub events: VecDeque<Event>,
    /// Everything the clients told and nobody took.
    pub client_events: VecDeque<ClientEvent>,
    to_core: VecDeque<Flight>,
    to_clients: VecDeque<Flight>,
    server_address: SocketAddr,
}

impl Pair {
    /// A pair with the defaults, changed by `change`.
    ///
    /// # Panics
    /// When the changed configuration is invalid.
    pub fn new(change: impl FnOnce(&mut Config)) -> Self {
        let now = Instant::now();
        let mut config = Config::new(server_tls());
        config.sessions_per_address_max = 10_000;
        change(&mut config);
        let secrets = Secrets::new([1; 32]);
        let core = Core::new(Arc::new(config), &secrets, 3, 0, [2; 32], now).expect("a config");
        Self {
            now,
            core,
            clients: Clients::new(client_config(TLS.1.clone()), [4; 32], now),
            client_address: SocketAddr::from(([10, 0, 0, 1], 1000)),
            delay: Duration::from_millis(10),
            loses: |_| false,
            is_mute: false,
            sent: 0,
            sent_bytes: 0,
            events: VecDeque::new(),
            client_events: VecDeque::new(),
            to_core: VecDeque::new(),
            to_clients: VecDeque::new(),
            server_address: SocketAddr::from(([10, 0, 0, 2], 4433)),
        }
    }

    /// Begins a client's session.
    pub fn connect(&mut self) -> usize {
        self.clients.connect(self.now, self.server_address, "/v1")
    }

    /// A client with an open session, and what the engine told of it.
    ///
    /// # Panics
    /// When the session does not open within two seconds.
    pub fn open(&mut self) -> (usize, Opened) {
        let number = self.connect();
        for _ in 0..200 {
            self.run(Duration::from_millis(10));
            if self.take_client_event(&ClientEvent::Open(number)) {
                let at = self
                    .events
                    .iter()
                    .position(|event| matches!(event, Event::Opened(_)));
                let event = at.and_then(|at| self.events.remove(at));
                let Some(Event::Opened(opened)) = event else {
                    panic!("the client is open and the engine has told nothing");
                };
                return (number, *opened);
            }
        }
        panic!("no session: {:?} {:?}", self.events, self.client_events);
    }

    /// Removes the event when it is there.
    pub fn take_client_event(&mut self, event: &ClientEvent) -> bool {
        let at = self.client_events.iter().position(|told| told == event);
        at.map(|at| self.client_events.remove(at)).is_some()
    }

    /// Lets time pass, packets fly and timers fire.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.exchange();
            let next = [
                self.to_core.front().map(|flight| flight.at),
                self.to_clients.front().map(|flight| flight.at),
                self.core.next_timeout(),
                self.clients.next_timeout(),
            ];
            let Some(next) = next.into_iter().flatten().min().filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            self.arrive();
        }
    }

    /// Delivers a packet of anybody's to the core, now.
    pub fn inject(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.core
            .handle_datagram(self.now, from, None, BytesMut::from(bytes));
    }

    /// Puts a packet of the core's on its way to the clients.
    pub fn deliver(&mut self, bytes: &[u8]) {
        self.to_clients.push_back(Flight {
            at: self.now + self.delay,
            from: self.server_address,
            bytes: bytes.to_vec(),
        });
    }

    /// Sends what is to be sent, and takes what happened.
    pub fn exchange(&mut self) {
        let mut batch = Batch::new();
        let at = self.now + self.delay;
        loop {
            batch.clear();
            let more = self.core.poll_transmit(self.now, &mut batch);
            for packet in batch.packets() {
                self.sent += 1;
                self.sent_bytes += packet.bytes.len() as u64;
                if packet.to == self.client_address && !(self.loses)(self.sent) {
                    self.to_clients.push_back(Flight {
                        at,
                        from: self.server_address,
                        bytes: packet.bytes.clone(),
                    });
                }
            }
            if !more {
                break;
            }
        }
        loop {
            batch.clear();
            let more = self.clients.poll_transmit(self.now, &mut batch);
            for packet in batch.packets().iter().filter(|_| !self.is_mute) {
                self.to_core.push_back(Flight {
                    at,
                    from: self.client_address,
                    bytes: packet.bytes.clone(),
                });
            }
            if !more {
                break;
            }
        }
        self.events
            .extend(std::iter::from_fn(|| self.core.poll_event()));
        self.client_events
            .extend(std::iter::from_fn(|| self.clients.poll_event()));
    }

    fn arrive(&mut self) {
        while let Some(flight) = self.to_core.pop_front_if(|flight| flight.at <= self.now) {
            let bytes = BytesMut::from(&flight.bytes[..]);
            self.core
                .handle_datagram(self.now, flight.from, None, bytes);
        }
        while let Some(flight) = self.to_clients.pop_front_if(|flight| flight.at <= self.now) {
            let bytes = BytesMut::from(&flight.bytes[..]);
            self.clients.handle_datagram(self.now, flight.from, bytes);
        }
        self.core.handle_timeouts(self.now);
        self.clients.handle_timeouts(self.now);
    }
}
