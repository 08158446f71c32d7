//! Keys of the application's space, which `quinn-proto` and the fast path share.
//!
//! rustls's are held as rustls gives them, one step from the tables they are made of: these can
//! be fetched before they are needed.

use std::sync::Arc;

use bytes::BytesMut;
use prefetch::prefetch;
use quinn_proto::crypto::{CryptoError, HeaderKey, PacketKey};
use rustls::quic;

/// Seals or opens packets.
#[derive(Clone)]
pub(crate) enum Packet {
    /// The handshake's.
    Tls(Arc<dyn quic::PacketKey>),
    /// Those of an update, and of who has them from elsewhere.
    Other(Arc<dyn PacketKey>),
}

/// Protects headers, or undoes it.
#[derive(Clone)]
pub(crate) enum Header {
    Tls(Arc<dyn quic::HeaderProtectionKey>),
    #[cfg(feature = "peer")]
    Other(Arc<dyn HeaderKey>),
}

impl Packet {
    /// Has the processor fetch the tables.
    pub(crate) fn prefetch(&self) {
        match self {
            Self::Tls(key) => prefetch(&**key),
            Self::Other(key) => prefetch(&**key),
        }
    }
}

impl Header {
    /// Has the processor fetch the tables.
    pub(crate) fn prefetch(&self) {
        match self {
            Self::Tls(key) => prefetch(&**key),
            #[cfg(feature = "peer")]
            Self::Other(key) => prefetch(&**key),
        }
    }
}

impl PacketKey for Packet {
    fn encrypt(&self, packet: u64, buf: &mut [u8], header_len: usize) {
        let key = match self {
            Self::Tls(key) => key,
            Self::Other(key) => return key.encrypt(packet, buf, header_len),
        };
        let (header, payload) = buf.split_at_mut(header_len);
        let (payload, place) = payload.split_at_mut(payload.len() - key.tag_len());
        let tag = key.encrypt_in_place(packet, header, payload);
        place.copy_from_slice(tag.expect("a packet is not too long to seal").as_ref());
    }

    fn decrypt(
        &self,
        packet: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        let key = match self {
            Self::Tls(key) => key,
            Self::Other(key) => return key.decrypt(packet, header, payload),
        };
        let plain = key.decrypt_in_place(packet, header, payload);
        let len = plain.map_err(|_| CryptoError)?.len();
        payload.truncate(len);
        Ok(())
    }

    fn tag_len(&self) -> usize {
        match self {
            Self::Tls(key) => key.tag_len(),
            Self::Other(key) => key.tag_len(),
        }
    }

    fn confidentiality_limit(&self) -> u64 {
        match self {
            Self::Tls(key) => key.confidentiality_limit(),
            Self::Other(key) => key.confidentiality_limit(),
        }
    }

    fn integrity_limit(&self) -> u64 {
        match self {
            Self::Tls(key) => key.integrity_limit(),
            Self::Other(key) => key.integrity_limit(),
        }
    }
}

impl HeaderKey for Header {
    fn decrypt(&self, pn_offset: usize, packet: &mut [u8]) {
        match self {
            Self::Tls(key) => {
                let (sample, first, number) = parts(pn_offset, key.sample_len(), packet);
                key.decrypt_in_place(sample, first, number)
                    .expect("the sample is of the length asked for");
            }
            #[cfg(feature = "peer")]
            Self::Other(key) => key.decrypt(pn_offset, packet),
        }
    }

    fn encrypt(&self, pn_offset: usize, packet: &mut [u8]) {
        match self {
            Self::Tls(key) => {
                let (sample, first, number) = parts(pn_offset, key.sample_len(), packet);
                key.encrypt_in_place(sample, first, number)
                    .expect("the sample is of the length asked for");
            }
            #[cfg(feature = "peer")]
            Self::Other(key) => key.encrypt(pn_offset, packet),
        }
    }

    fn sample_size(&self) -> usize {
        match self {
            Self::Tls(key) => key.sample_len(),
            #[cfg(feature = "peer")]
            Self::Other(key) => key.sample_size(),
        }
    }
}

/// What header protection is about: a sample from 4 bytes behind the packet number's first,
/// the packet's first byte, and the four that the number may take (RFC 9001, section 5.4.2).
fn parts(pn_offset: usize, sample_len: usize, packet: &mut [u8]) -> (&[u8], &mut u8, &mut [u8]) {
    let (header, rest) = packet.split_at_mut(pn_offset + 4);
    let (first, header) = header.split_at_mut(1);
    (
        &rest[..sample_len],
        &mut first[0],
        &mut header[pn_offset - 1..],
    )
}
