//! A server's TLS session that gives back what the handshake needed.
//!
//! rustls keeps its buffers, key schedule and what was agreed for as long as a session is there:
//! some 3.4 KiB of which a connection needs 0.3, the secrets of later keys. And `quinn-proto`
//! has the next update's keys made at once, 1.2 KiB of tables, though hardly any connection
//! lives to use them; here that waits for their first use. RFC 9001 allows it (section 6.3): who
//! measures how long a packet takes may learn that keys were updated.

use std::any::Any;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::BytesMut;
use quinn_proto::crypto::rustls::QuicServerConfig;
use quinn_proto::crypto::{
    CryptoError, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, ServerConfig,
    Session,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectionId, Side, TransportError, TransportErrorCode};
use rustls::quic::{self, Connection, KeyChange, PacketKeySet, Secrets, ServerConnection, Version};

use crate::crypto::Application;
use crate::keys;
use crate::state::HeaderKeys;

/// Versions before RFC 9000 whose cryptography was another.
const DRAFTS: std::ops::RangeInclusive<u32> = 0xff00_001d..=0xff00_0020;

/// What is left of TLS once a client has confirmed the handshake: it may say no more.
const UNEXPECTED_MESSAGE: u8 = 10;

/// A configuration whose sessions QUIC cannot have.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// QUIC's first packets need TLS_AES_128_GCM_SHA256.
    #[error("the TLS configuration lacks TLS 1.3 with AES-128-GCM")]
    NoInitialCipher,
    /// rustls does not begin a session with it.
    #[error("the TLS configuration is not for QUIC: {0}")]
    Tls(#[from] rustls::Error),
}

/// A server's TLS configuration, for QUIC.
pub(crate) struct Tls {
    quic: QuicServerConfig,
    tls: Arc<rustls::ServerConfig>,
}

impl Tls {
    pub(crate) fn new(tls: Arc<rustls::ServerConfig>) -> Result<Self, ConfigError> {
        let quic = QuicServerConfig::try_from(Arc::clone(&tls))
            .map_err(|_| ConfigError::NoInitialCipher)?;
        // That none of the sessions to come is refused.
        ServerConnection::new(Arc::clone(&tls), Version::V1, Vec::new())?;
        Ok(Self { quic, tls })
    }

    /// What `quinn-proto` needs before there is a session.
    pub(crate) fn quic(&self) -> &QuicServerConfig {
        &self.quic
    }

    pub(crate) fn session(
        self: Arc<Self>,
        version: u32,
        params: &TransportParameters,
    ) -> ServerSession {
        let mut encoded = Vec::new();
        params.write(&mut encoded);
        let rustls_version = match DRAFTS.contains(&version) {
            true => Version::V1Draft,
            false => Version::V1,
        };
        let handshake = ServerConnection::new(Arc::clone(&self.tls), rustls_version, encoded);
        ServerSession {
            tls: self,
            version,
            handshake: handshake
                .ok()
                .map(|server| Box::new(Connection::Server(server))),
            is_told: false,
            secrets: None,
            application: None,
            update: None,
        }
    }
}

/// The server's side of a handshake, and later keys.
pub(crate) struct ServerSession {
    tls: Arc<Tls>,
    version: u32,
    /// None once it is over.
    handshake: Option<Box<Connection>>,
    /// It was told what the client asks for.
    is_told: bool,
    /// What later keys are made of.
    secrets: Option<Arc<Mutex<Secrets>>>,
    /// The application space's keys, made and not taken.
    application: Option<Application>,
    /// The update that comes next.
    update: Option<Arc<Update>>,
}

impl ServerSession {
    /// The keys of the application's space, once, after they were made.
    pub(crate) fn take_application(&mut self) -> Option<Application> {
        self.application.take()
    }

    /// Gives up what only the handshake needed, when all of it is written.
    fn end_handshake(&mut self) {
        let is_over = |handshake: &Connection| !handshake.is_handshaking();
        if self.secrets.is_some() && self.handshake.as_deref().is_some_and(is_over) {
            self.handshake = None;
        }
    }
}

impl Session for ServerSession {
    fn initial_keys(&self, dst_cid: &ConnectionId, _: Side) -> Keys {
        // There is no session of a version that has none.
        let keys = self.tls.quic.initial_keys(self.version, dst_cid);
        keys.unwrap_or_else(|_| unreachable!("the version was accepted with the first packet"))
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        let keys = self.handshake.as_deref()?.zero_rtt_keys()?;
        Some((Box::new(keys.header), Box::new(keys.packet)))
    }

    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        self.handshake
            .as_deref()
            .is_some_and(|handshake| handshake.is_handshaking())
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        let Some(handshake) = &mut self.handshake else {
            return Err(TransportError {
                code: TransportErrorCode::crypto(UNEXPECTED_MESSAGE),
                frame: None,
                reason: "the handshake is over".to_owned(),
            });
        };
        if let Err(error) = handshake.read_hs(bytes) {
            let code = match handshake.alert() {
                Some(alert) => TransportErrorCode::crypto(alert.into()),
                None => TransportErrorCode::PROTOCOL_VIOLATION,
            };
            return Err(TransportError {
                code,
                frame: None,
                reason: error.to_string(),
            });
        }
        let is_known = handshake.alpn_protocol().is_some() || !handshake.is_handshaking();
        Ok(is_known && !std::mem::replace(&mut self.is_told, true))
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let handshake = self.handshake.as_deref();
        let Some(encoded) = handshake.and_then(|handshake| handshake.quic_transport_parameters())
        else {
            return Ok(None);
        };
        let params = TransportParameters::read(Side::Server, &mut &*encoded)?;
        Ok(Some(params))
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        let before = buf.len();
        let Some(change) = self.handshake.as_deref_mut()?.write_hs(buf) else {
            if buf.len() == before {
                self.end_handshake();
            }
            return None;
        };
        let keys = match change {
            KeyChange::Handshake { keys } => keys,
            KeyChange::OneRtt { keys, next } => {
                self.secrets = Some(Arc::new(Mutex::new(next)));
                let application = self.application.insert(application(keys));
                return Some(application.keys());
            }
        };
        Some(Keys {
            header: KeyPair {
                local: Box::new(keys.local.header),
                remote: Box::new(keys.remote.header),
            },
            packet: KeyPair {
                local: Box::new(keys.local.packet),
                remote: Box::new(keys.remote.packet),
            },
        })
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        let secrets = Arc::clone(self.secrets.as_ref()?);
        // `quinn-proto` asks for an update as it begins to use the one before: in this order
        // they are made.
        if let Some(begun) = self.update.take() {
            begun.keys();
        }
        let update = Arc::new(Update {
            secrets,
            keys: OnceLock::new(),
        });
        self.update = Some(Arc::clone(&update));
        let key = |is_local| -> Box<dyn PacketKey> {
            let update = Arc::clone(&update);
            Box::new(Later { update, is_local })
        };
        Some(KeyPair {
            local: key(true),
            remote: key(false),
        })
    }

    fn is_valid_retry(&self, _: &ConnectionId, _: &[u8], _: &[u8]) -> bool {
        // Servers are sent none.
        false
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        let handshake = self.handshake.as_deref().ok_or(ExportKeyingMaterialError)?;
        handshake
            .export_keying_material(output, label, Some(context))
            .map_err(|_| ExportKeyingMaterialError)?;
        Ok(())
    }
}

/// Keys in memory of their own.
fn application(keys: quic::Keys) -> Application {
    Application {
        header: HeaderKeys {
            local: keys::Header::Tls(keys.local.header.into()),
            remote: keys::Header::Tls(keys.remote.header.into()),
        },
        packet: KeyPair {
            local: keys::Packet::Tls(keys.local.packet.into()),
            remote: keys::Packet::Tls(keys.remote.packet.into()),
        },
    }
}

/// Both directions' keys after an update, made when first used.
struct Update {
    secrets: Arc<Mutex<Secrets>>,
    keys: OnceLock<PacketKeySet>,
}

impl Update {
    fn keys(&self) -> &PacketKeySet {
        self.keys.get_or_init(|| {
            let secrets = self.secrets.lock();
            let mut secrets = secrets.unwrap_or_else(PoisonError::into_inner);
            secrets.next_packet_keys()
        })
    }
}

/// One direction's key of an update.
struct Later {
    update: Arc<Update>,
    is_local: bool,
}

impl Later {
    fn key(&self) -> &dyn PacketKey {
        let keys = self.update.keys();
        match self.is_local {
            true => &keys.local,
            false => &keys.remote,
        }
    }
}

impl PacketKey for Later {
    fn encrypt(&self, packet: u64, buf: &mut [u8], header_len: usize) {
        self.key().encrypt(packet, buf, header_len);
    }

    fn decrypt(
        &self,
        packet: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        self.key().decrypt(packet, header, payload)
    }

    fn tag_len(&self) -> usize {
        self.key().tag_len()
    }

    fn confidentiality_limit(&self) -> u64 {
        self.key().confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.key().integrity_limit()
    }
}

#[cfg(test)]
mod tests;
