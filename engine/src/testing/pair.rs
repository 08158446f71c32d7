//! An engine's core and clients, joined by a network in virtual time.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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

/// A client's TLS configuration that trusts [`server_tls`].
#[must_use]
pub fn client_tls() -> Arc<rustls::ClientConfig> {
    TLS.1.clone()
}

/// First packets of so many clients that are never heard of again.
#[must_use]
pub fn first_packets(count: usize) -> Vec<Vec<u8>> {
    let now = Instant::now();
    let mut clients = Clients::new(client_config(client_tls()), [9; 32], now);
    let mut batch = Batch::new();
    let first = |_| {
        batch.clear();
        clients.connect(now, SERVER_ADDRESS, "/v1");
        clients.poll_transmit(now, &mut batch);
        batch.packets()[0].bytes.clone()
    };
    (0..count).map(first).collect()
}

/// UDP payload from and to one address, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// What the core was handed from there.
    pub received: u64,
    /// What the core sent there.
    pub sent: u64,
}

impl Traffic {
    /// Whether no more was sent than an address not validated may get: three times what came
    /// from it (RFC 9000, section 8.1), and what quinn rounds that up by. While there is any
    /// of it left it sends a whole packet, so that a move can be checked at all, whose
    /// challenge fills 1,200 bytes.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        const PACKET_BYTES: u64 = 1232;
        self.sent <= 3 * self.received + PACKET_BYTES
    }
}

/// A packet on its way: when it arrives, from where, to where.
#[derive(Debug, Clone)]
struct Flight {
    at: Instant,
    from: SocketAddr,
    bytes: Vec<u8>,
}

/// Where the core is.
const SERVER_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 4433);

/// The newest packets to others that are kept.
const STRAYS_MAX: usize = 256;

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
    /// Hold the clients' packets back, until this is false again: then all come at once.
    pub is_holding: bool,
    /// By address, from the start.
    pub traffic: HashMap<SocketAddr, Traffic>,
    /// Packets the core has sent to others than the clients, and nobody took; the newest 256.
    pub strays: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Packets the core has sent, lost ones included.
    pub sent: u64,
    /// Bytes the core has sent.
    pub sent_bytes: u64,
    /// Everything the core told and nobody took.
    pub events: VecDeque<Event>,
    /// Everything the clients told and nobody took.
    pub client_events: VecDeque<ClientEvent>,
    held: Vec<Vec<u8>>,
    to_core: VecDeque<Flight>,
    to_clients: VecDeque<Flight>,
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
            clients: Clients::new(client_config(client_tls()), [4; 32], now),
            client_address: SocketAddr::from(([10, 0, 0, 1], 1000)),
            delay: Duration::from_millis(10),
            loses: |_| false,
            is_mute: false,
            is_holding: false,
            traffic: HashMap::new(),
            strays: VecDeque::new(),
            held: Vec::new(),
            sent: 0,
            sent_bytes: 0,
            events: VecDeque::new(),
            client_events: VecDeque::new(),
            to_core: VecDeque::new(),
            to_clients: VecDeque::new(),
        }
    }

    /// Begins a client's session.
    pub fn connect(&mut self) -> usize {
        self.clients.connect(self.now, SERVER_ADDRESS, "/v1")
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

    /// Where the core is.
    #[must_use]
    pub fn server_address(&self) -> SocketAddr {
        SERVER_ADDRESS
    }

    /// The clients' packets that are held back.
    #[must_use]
    pub fn held(&self) -> Vec<Vec<u8>> {
        self.held.clone()
    }

    /// Delivers a packet of anybody's to the core, now.
    pub fn inject(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.traffic.entry(from).or_default().received += bytes.len() as u64;
        self.core.handle_datagram(self.now, from, None, bytes);
    }

    /// Puts a packet of the core's on its way to the clients.
    pub fn deliver(&mut self, bytes: &[u8]) {
        self.to_clients.push_back(Flight {
            at: self.now + self.delay,
            from: SERVER_ADDRESS,
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
                for bytes in packet.datagrams() {
                    self.sent += 1;
                    self.sent_bytes += bytes.len() as u64;
                    self.traffic.entry(packet.to).or_default().sent += bytes.len() as u64;
                    if packet.to != self.client_address {
                        self.strays.truncate(STRAYS_MAX - 1);
                        self.strays.push_front((packet.to, bytes.to_vec()));
                    } else if !(self.loses)(self.sent) {
                        self.to_clients.push_back(Flight {
                            at,
                            from: SERVER_ADDRESS,
                            bytes: bytes.to_vec(),
                        });
                    }
                }
            }
            if !more {
                break;
            }
        }
        loop {
            batch.clear();
            let more = self.clients.poll_transmit(self.now, &mut batch);
            let packets = batch.packets().iter().filter(|_| !self.is_mute);
            self.held.extend(packets.map(|packet| packet.bytes.clone()));
            if !more {
                break;
            }
        }
        if !self.is_holding {
            let from = self.client_address;
            let flights = self.held.drain(..);
            self.to_core
                .extend(flights.map(|bytes| Flight { at, from, bytes }));
        }
        self.events
            .extend(std::iter::from_fn(|| self.core.poll_event()));
        self.client_events
            .extend(std::iter::from_fn(|| self.clients.poll_event()));
    }

    fn arrive(&mut self) {
        while let Some(flight) = self.to_core.pop_front_if(|flight| flight.at <= self.now) {
            self.inject(flight.from, &flight.bytes);
        }
        while let Some(flight) = self.to_clients.pop_front_if(|flight| flight.at <= self.now) {
            let bytes = BytesMut::from(&flight.bytes[..]);
            self.clients.handle_datagram(self.now, flight.from, bytes);
        }
        self.core.handle_timeouts(self.now);
        self.clients.handle_timeouts(self.now);
    }
}
