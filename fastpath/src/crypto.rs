//! `quinn-proto`'s cryptography, with the fast path listening.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use quinn_proto::crypto::{
    CryptoError, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, ServerConfig,
    Session, UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
#[cfg(feature = "peer")]
use quinn_proto::{ConnectError, crypto::ClientConfig};
use quinn_proto::{ConnectionId, Side, TransportError};

use crate::keys;
use crate::link::Link;
use crate::state::{HeaderKeys, Phase};
use crate::tls::{ConfigError, ServerSession, Tls};

/// A server's cryptography whose connections have a [`Link`].
///
/// Their connection ids must be eight bytes long. What a session has of TLS goes with the end
/// of its handshake, so it exports no keying material after that.
pub struct Crypto(Arc<Tls>);

impl Crypto {
    /// With rustls's configuration, which must have TLS 1.3 and no early data of a size that
    /// QUIC does not know.
    ///
    /// # Errors
    ///
    /// What of it is not for QUIC.
    pub fn new(tls: Arc<rustls::ServerConfig>) -> Result<Self, ConfigError> {
        Ok(Self(Arc::new(Tls::new(tls)?)))
    }
}

impl fmt::Debug for Crypto {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Crypto").finish_non_exhaustive()
    }
}

impl ServerConfig for Crypto {
    fn initial_keys(
        &self,
        version: u32,
        dst_cid: &ConnectionId,
    ) -> Result<Keys, UnsupportedVersion> {
        self.0.quic().initial_keys(version, dst_cid)
    }

    fn retry_tag(&self, version: u32, orig_dst_cid: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.0.quic().retry_tag(version, orig_dst_cid, packet)
    }

    fn start_session(
        self: Arc<Self>,
        version: u32,
        params: &TransportParameters,
    ) -> Box<dyn Session> {
        let session = Arc::clone(&self.0).session(version, params);
        Box::new(Watched::new(
            Box::new(session),
            ServerSession::take_application,
        ))
    }
}

/// A client's cryptography whose connections have a [`Link`], for peers that only listen.
#[cfg(feature = "peer")]
pub struct ClientCrypto(Arc<dyn ClientConfig>);

#[cfg(feature = "peer")]
impl ClientCrypto {
    /// Around the cryptography to use: `QuicClientConfig` of rustls.
    #[must_use]
    pub fn new(inner: Arc<dyn ClientConfig>) -> Self {
        Self(inner)
    }
}

#[cfg(feature = "peer")]
impl fmt::Debug for ClientCrypto {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientCrypto")
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "peer")]
impl ClientConfig for ClientCrypto {
    fn start_session(
        self: Arc<Self>,
        version: u32,
        server_name: &str,
        params: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        let inner = Arc::clone(&self.0).start_session(version, server_name, params)?;
        Ok(Box::new(Watched::new(inner, |_| None)))
    }
}

/// What [`quinn_proto::crypto::Session::handshake_data`] gives for a connection of [`Crypto`].
#[derive(Debug)]
pub struct Negotiated {
    /// The connection's fast path.
    pub link: Link,
    /// What the inner session gives.
    pub data: Option<Box<dyn Any>>,
}

/// Both directions' keys of the application's space.
pub(crate) struct Application {
    pub(crate) header: HeaderKeys,
    pub(crate) packet: KeyPair<keys::Packet>,
}

impl Application {
    /// As `quinn-proto` takes them.
    pub(crate) fn keys(&self) -> Keys {
        let HeaderKeys { local, remote } = self.header.clone();
        let packet = KeyPair {
            local: self.packet.local.clone(),
            remote: self.packet.remote.clone(),
        };
        Keys {
            header: KeyPair {
                local: Box::new(local),
                remote: Box::new(remote),
            },
            packet: KeyPair {
                local: Box::new(packet.local),
                remote: Box::new(packet.remote),
            },
        }
    }

    /// As any session gives them.
    #[cfg(feature = "peer")]
    fn of(keys: Keys) -> Option<Self> {
        Some(Self {
            header: HeaderKeys {
                local: keys::Header::Other(keys.header.local.into()),
                remote: keys::Header::Other(keys.header.remote.into()),
            },
            packet: KeyPair {
                local: keys::Packet::Other(keys.packet.local.into()),
                remote: keys::Packet::Other(keys.packet.remote.into()),
            },
        })
    }

    /// A server's session gives its own.
    #[cfg(not(feature = "peer"))]
    fn of(_: Keys) -> Option<Self> {
        None
    }
}

/// A handshake that gives its last keys also to the fast path.
struct Watched<S: ?Sized> {
    inner: Box<S>,
    /// The application space's keys as the inner session has them, if it can give them so.
    take_application: fn(&mut S) -> Option<Application>,
    link: Link,
    /// Sets of keys given: the handshake's, then the application's.
    levels: u8,
    /// Key updates prepared.
    generation: u64,
}

impl<S: Session + ?Sized> Watched<S> {
    fn new(inner: Box<S>, take_application: fn(&mut S) -> Option<Application>) -> Self {
        Self {
            inner,
            take_application,
            link: Link::default(),
            levels: 0,
            generation: 0,
        }
    }

    fn watch(&self, pair: KeyPair<keys::Packet>) -> KeyPair<Watcher> {
        let watcher = |key: keys::Packet| Watcher {
            key,
            generation: self.generation,
            link: self.link.clone(),
        };
        KeyPair {
            local: watcher(pair.local),
            remote: watcher(pair.remote),
        }
    }
}

impl<S: Session + ?Sized> Session for Watched<S> {
    fn initial_keys(&self, dst_cid: &ConnectionId, side: Side) -> Keys {
        self.inner.initial_keys(dst_cid, side)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        Some(Box::new(Negotiated {
            link: self.link.clone(),
            data: self.inner.handshake_data(),
        }))
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.inner.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.inner.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.inner.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.inner.is_handshaking()
    }

    fn read_handshake(&mut self, buf: &[u8]) -> Result<bool, TransportError> {
        self.inner.read_handshake(buf)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        self.inner.transport_parameters()
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        let keys = self.inner.write_handshake(buf)?;
        self.levels = self.levels.saturating_add(1);
        if self.levels != 2 {
            return Some(keys);
        }
        let Application { header, packet } =
            (self.take_application)(&mut self.inner).or_else(|| Application::of(keys))?;
        let packet = self.watch(packet);
        self.link
            .state()
            .begin(header.clone(), packet.local.phase(), packet.remote.phase());
        let header = KeyPair {
            local: Box::new(header.local) as Box<dyn HeaderKey>,
            remote: Box::new(header.remote) as Box<dyn HeaderKey>,
        };
        let packet = KeyPair {
            local: Box::new(packet.local) as Box<dyn PacketKey>,
            remote: Box::new(packet.remote) as Box<dyn PacketKey>,
        };
        Some(Keys { header, packet })
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        let keys = self.inner.next_1rtt_keys()?;
        self.generation += 1;
        let keys = self.watch(KeyPair {
            local: keys::Packet::Other(keys.local.into()),
            remote: keys::Packet::Other(keys.remote.into()),
        });
        #[cfg(feature = "peer")]
        self.link
            .state()
            .set_next(keys.local.phase(), keys.remote.phase());
        Some(KeyPair {
            local: Box::new(keys.local),
            remote: Box::new(keys.remote),
        })
    }

    fn is_valid_retry(&self, orig_dst_cid: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.inner.is_valid_retry(orig_dst_cid, header, payload)
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        self.inner.export_keying_material(output, label, context)
    }
}

/// A key of one direction and one phase, under which `quinn-proto`'s packets get their numbers.
struct Watcher {
    key: keys::Packet,
    generation: u64,
    link: Link,
}

impl Watcher {
    fn phase(&self) -> Phase {
        Phase {
            generation: self.generation,
            key: self.key.clone(),
        }
    }
}

impl PacketKey for Watcher {
    fn encrypt(&self, packet: u64, buf: &mut [u8], header_len: usize) {
        let (header, frames) = buf.split_at_mut(header_len);
        let len = frames.len().saturating_sub(self.key.tag_len());
        let frames = &mut frames[..len];
        let mut state = self.link.state();
        let number = state.number(self.phase(), packet, header, frames);
        drop(state);
        self.key.encrypt(number, buf, header_len);
    }

    fn decrypt(
        &self,
        packet: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        self.key.decrypt(packet, header, payload)?;
        self.link.state().renumber(self.phase(), packet, payload);
        Ok(())
    }

    fn tag_len(&self) -> usize {
        self.key.tag_len()
    }

    fn confidentiality_limit(&self) -> u64 {
        self.key.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.key.integrity_limit()
    }
}
