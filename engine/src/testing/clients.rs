//! Many WebTransport clients on one QUIC endpoint.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use fastpath::{ClientCrypto, Link};
use quinn_proto::crypto::rustls::QuicClientConfig;
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, Endpoint, EndpointConfig,
    EndpointEvent, Event as QuicEvent, StreamId, TransportConfig, VarInt,
};
use wire::varint;

use crate::batch::Batch;
use crate::core::Wheel;

mod client;

use client::Client;

/// What happened to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// The session is open: the status was 200 and the control stream can be written.
    Open(usize),
    /// The request was answered with another status.
    Refused(usize, u16),
    /// Bytes on the control stream.
    Control(usize, Bytes),
    /// Bytes on the server's n-th unidirectional stream for the session.
    Uni(usize, usize, Bytes),
    /// A datagram, without its prefix.
    Datagram(usize, Bytes),
    /// The session's close capsule came.
    Capsule(usize, u32, String),
    /// The connection is over; the text tells how.
    Lost(usize, String),
}

/// What is left of a client that was handed over.
#[derive(Debug)]
pub struct HandedOver {
    /// Opens and seals packets.
    pub link: Link,
    /// The stream the session is controlled on, and the bytes written there.
    pub control: StreamId,
    /// See `control`.
    pub control_bytes: u64,
}

/// Clients by number; numbers are used again.
pub struct Clients {
    endpoint: Endpoint,
    config: ClientConfig,
    clients: Vec<Option<Box<Client>>>,
    dirty: VecDeque<usize>,
    wheel: Wheel,
    due: Vec<usize>,
    events: VecDeque<ClientEvent>,
    scratch: Vec<u8>,
    /// Hand out datagrams as events; otherwise they are only counted.
    pub shows_datagrams: bool,
    /// Read streams; otherwise what came stays, and takes the window with it.
    pub reads_streams: bool,
}

/// A client's configuration: quinn's own defaults but for memory, so that the engine
/// meets an ordinary peer, acknowledging every second packet.
#[must_use]
pub fn client_config(tls: Arc<rustls::ClientConfig>) -> ClientConfig {
    configured(Arc::new(quic(tls)))
}

/// The same, for clients that are [handed over](Clients::hand_over).
#[must_use]
pub fn handed_over_config(tls: Arc<rustls::ClientConfig>) -> ClientConfig {
    configured(Arc::new(ClientCrypto::new(Arc::new(quic(tls)))))
}

fn quic(tls: Arc<rustls::ClientConfig>) -> QuicClientConfig {
    QuicClientConfig::try_from(tls).expect("TLS 1.3 with AES-128-GCM")
}

fn configured(crypto: Arc<dyn quinn_proto::crypto::ClientConfig>) -> ClientConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(2))
        .max_concurrent_uni_streams(VarInt::from_u32(8))
        .mtu_discovery_config(None)
        .datagram_receive_buffer_size(Some(64 * 1024))
        .keep_alive_interval(Some(Duration::from_secs(10)))
        .enable_segmentation_offload(false);
    let mut config = ClientConfig::new(crypto);
    config.transport_config(Arc::new(transport));
    config
}

impl Clients {
    /// No clients yet.
    #[must_use]
    pub fn new(config: ClientConfig, seed: [u8; 32], now: Instant) -> Self {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &seed);
        let endpoint = EndpointConfig::new(Arc::new(key));
        Self {
            endpoint: Endpoint::new(Arc::new(endpoint), None, false, Some(seed)),
            config,
            clients: Vec::new(),
            dirty: VecDeque::new(),
            wheel: Wheel::new(now),
            due: Vec::new(),
            events: VecDeque::new(),
            scratch: Vec::new(),
            shows_datagrams: true,
            reads_streams: true,
        }
    }

    /// Clients that connect from now on have this configuration.
    pub fn configure(&mut self, config: ClientConfig) {
        self.config = config;
    }

    /// Begins a session with `https://localhost` + `path`.
    pub fn connect(&mut self, now: Instant, server: SocketAddr, path: &str) -> usize {
        let (handle, conn) = self
            .endpoint
            .connect(now, self.config.clone(), server, "localhost")
            .expect("a valid address and name");
        let number = handle.0;
        if number >= self.clients.len() {
            self.clients.resize_with(number + 1, || None);
        }
        self.clients[number] = Some(Box::new(Client {
            conn,
            path: path.to_owned(),
            connect: None,
            answer: Vec::new(),
            is_open: false,
            control: None,
            control_bytes: 0,
            unis: Vec::new(),
            is_dirty: false,
            datagrams: 0,
        }));
        self.after_input(number);
        number
    }

    /// Takes a UDP datagram.
    pub fn handle_datagram(&mut self, now: Instant, remote: SocketAddr, bytes: BytesMut) {
        self.scratch.clear();
        let event = self
            .endpoint
            .handle(now, remote, None, None, bytes, &mut self.scratch);
        if let Some(DatagramEvent::ConnectionEvent(handle, event)) = event
            && let Some(Some(client)) = self.clients.get_mut(handle.0)
        {
            client.conn.handle_event(event);
            self.after_input(handle.0);
        }
    }

    /// Fires what is due.
    pub fn handle_timeouts(&mut self, now: Instant) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.expire(now, &mut due);
        for number in due.drain(..) {
            if let Some(Some(client)) = self.clients.get_mut(number) {
                client.conn.handle_timeout(now);
                self.after_input(number);
            }
        }
        self.due = due;
    }

    /// When [`handle_timeouts`](Self::handle_timeouts) wants to be called.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.wheel.next_deadline()
    }

    /// Fills a batch; says whether there is more.
    pub fn poll_transmit(&mut self, now: Instant, batch: &mut Batch) -> bool {
        while !batch.is_full() {
            let Some(number) = self.dirty.pop_front() else {
                return false;
            };
            self.poll_client(now, number, batch);
        }
        !self.dirty.is_empty()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// Writes on the control stream of an open session.
    pub fn write(&mut self, number: usize, bytes: &[u8]) -> usize {
        let Some(client) = self.clients[number].as_mut() else {
            return 0;
        };
        let stream = client.control.expect("the session is open");
        let written = client.conn.send_stream(stream).write(bytes).unwrap_or(0);
        client.control_bytes += written as u64;
        self.after_input(number);
        written
    }

    /// Sends a datagram of an open session.
    pub fn send_datagram(&mut self, number: usize, payload: &[u8]) {
        let Some(client) = self.clients[number].as_mut() else {
            return;
        };
        let mut bytes = Vec::with_capacity(payload.len() + 8);
        let connect = client.connect.expect("the session is open");
        varint::encode(u64::from(connect) / 4, &mut bytes);
        bytes.extend_from_slice(payload);
        let _ = client.conn.datagrams().send(bytes.into(), true);
        self.after_input(number);
    }

    /// Ends quinn's part in an open session: from here on the caller opens and seals its
    /// packets. None without [`handed_over_config`]. The number stays taken until it is
    /// [released](Self::release).
    pub fn hand_over(&mut self, number: usize) -> Option<HandedOver> {
        let client = self.clients.get(number)?.as_ref()?;
        let handed = HandedOver {
            link: Link::of(&client.conn)?,
            control: client.control?,
            control_bytes: client.control_bytes,
        };
        self.clients[number] = None;
        self.wheel.set(number, None);
        Some(handed)
    }

    /// Gives back the number of one that was handed over.
    pub fn release(&mut self, number: usize) {
        let handle = ConnectionHandle(number);
        self.endpoint.handle_event(handle, EndpointEvent::drained());
    }

    /// The connection, to do unusual things with.
    ///
    /// # Panics
    /// When there is no such client.
    pub fn conn(&mut self, number: usize) -> &mut Connection {
        if !self.clients[number].as_ref().expect("a client").is_dirty {
            self.dirty.push_back(number);
        }
        let client = self.clients[number].as_mut().expect("a client");
        client.is_dirty = true;
        &mut client.conn
    }

    /// The stream of the CONNECT request.
    #[must_use]
    pub fn connect_stream(&self, number: usize) -> Option<StreamId> {
        self.clients[number].as_ref()?.connect
    }

    /// The stream the session is controlled on.
    #[must_use]
    pub fn control_stream(&self, number: usize) -> Option<StreamId> {
        self.clients[number].as_ref()?.control
    }

    /// Ends the connection as wtransport does: by QUIC's application close.
    pub fn close(&mut self, now: Instant, number: usize, code: u32, reason: &'static str) {
        let Some(Some(client)) = self.clients.get_mut(number) else {
            return;
        };
        let reason = Bytes::from_static(reason.as_bytes());
        client.conn.close(now, VarInt::from_u32(code), reason);
        self.after_input(number);
    }

    /// Datagrams received by a client.
    #[must_use]
    pub fn datagrams(&self, number: usize) -> u64 {
        self.clients
            .get(number)
            .and_then(|client| client.as_ref())
            .map_or(0, |client| client.datagrams)
    }

    /// Whether that client has not ended.
    #[must_use]
    pub fn has(&self, number: usize) -> bool {
        matches!(self.clients.get(number), Some(Some(_)))
    }

    /// Clients that have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients.iter().flatten().count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn after_input(&mut self, number: usize) {
        let Some(Some(client)) = self.clients.get_mut(number) else {
            return;
        };
        while let Some(event) = client.conn.poll() {
            if self.reads_streams || !matches!(event, QuicEvent::Stream(_)) {
                client.quic_event(number, event, &mut self.events);
            }
        }
        while let Some(bytes) = client.conn.datagrams().recv() {
            client.datagrams += 1;
            if self.shows_datagrams {
                let mut rest = &bytes[..];
                let _ = varint::decode(&mut rest);
                let payload = bytes.slice(bytes.len() - rest.len()..);
                self.events
                    .push_back(ClientEvent::Datagram(number, payload));
            }
        }
        if !std::mem::replace(&mut client.is_dirty, true) {
            self.dirty.push_back(number);
        }
    }

    fn poll_client(&mut self, now: Instant, number: usize, batch: &mut Batch) {
        let Some(Some(client)) = self.clients.get_mut(number) else {
            return;
        };
        let mut more = true;
        while more && !batch.is_full() {
            more = batch.push(|buffer| {
                let transmit = client.conn.poll_transmit(now, 1, buffer)?;
                Some((transmit.destination, None))
            });
        }
        client.is_dirty = more;
        if more {
            self.dirty.push_front(number);
        }
        let mut is_drained = false;
        while let Some(event) = client.conn.poll_endpoint_events() {
            is_drained |= event.is_drained();
            if let Some(event) = self.endpoint.handle_event(ConnectionHandle(number), event) {
                client.conn.handle_event(event);
                if !std::mem::replace(&mut client.is_dirty, true) {
                    self.dirty.push_back(number);
                }
            }
        }
        let deadline = client.conn.poll_timeout().filter(|_| !is_drained);
        self.wheel.set(number, deadline);
        if is_drained {
            self.clients[number] = None;
        }
    }
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clients")
            .field("clients", &self.len())
            .finish_non_exhaustive()
    }
}
