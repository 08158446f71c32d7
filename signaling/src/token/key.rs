//! Keys tokens are verified with, each pinned to one algorithm.

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};

/// The fewest bytes of a shared secret: those of the hash (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// Bytes of an uncompressed point on P-256.
const P256_POINT_BYTES: usize = 65;

/// A key and the one algorithm it may be used with.
#[derive(Clone)]
pub struct Key {
    /// The key's id in a JWKS; tokens that name another are not tried with it.
    pub(super) id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// A shared secret below 32 bytes.
    #[error("the secret has {0} bytes; HS256 needs at least 32")]
    ShortSecret(usize),
    /// The text is no PEM of a public key.
    #[error("no PEM of an RSA, P-256 or Ed25519 public key")]
    Pem,
    /// The text is no JWKS.
    #[error("no JWKS: {0}")]
    Jwks(String),
    /// The JWKS holds no key that can be used.
    #[error("the JWKS holds no RSA, P-256 or Ed25519 key for signatures")]
    NoUsableKey,
}

impl Key {
    /// A shared secret for HS256, at least 32 bytes.
    pub fn secret(secret: &[u8]) -> Result<Self, InvalidKey> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(InvalidKey::ShortSecret(secret.len()));
        }
        Ok(Self {
            id: None,
            algorithm: Algorithm::HS256,
            key: DecodingKey::from_secret(secret),
        })
    }

    /// A public key in PEM: RSA for RS256, P-256 for ES256, Ed25519 for EdDSA.
    pub fn public_pem(pem: &str) -> Result<Self, InvalidKey> {
        let pem = pem.trim().as_bytes();
        // What holds a private key is refused: a server that only verifies must not have it.
        if pem.windows(7).any(|part| part == b"PRIVATE") {
            return Err(InvalidKey::Pem);
        }
        let pinned = |algorithm| {
            move |key| Self {
                id: None,
                algorithm,
                key,
            }
        };
        let rsa = DecodingKey::from_rsa_pem(pem).map(pinned(Algorithm::RS256));
        let ec = || {
            let key = DecodingKey::from_ec_pem(pem).map(pinned(Algorithm::ES256));
            key.ok().filter(Self::is_p256)
        };
        let ed = || {
            DecodingKey::from_ed_pem(pem)
                .map(pinned(Algorithm::EdDSA))
                .ok()
        };
        rsa.ok().or_else(ec).or_else(ed).ok_or(InvalidKey::Pem)
    }

    /// Every usable key of a JWKS (RFC 7517); keys for other ends or of other kinds are passed over.
    pub fn jwks(json: &str) -> Result<Vec<Self>, InvalidKey> {
        let set: JwkSet =
            serde_json::from_str(json).map_err(|error| InvalidKey::Jwks(error.to_string()))?;
        let keys: Vec<_> = set.keys.iter().filter_map(Self::from_jwk).collect();
        if keys.is_empty() {
            return Err(InvalidKey::NoUsableKey);
        }
        Ok(keys)
    }

    fn from_jwk(jwk: &Jwk) -> Option<Self> {
        let (algorithm, named) = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, KeyAlgorithm::ES256)
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
            }
            // A shared secret has no place in a file of public keys.
            _ => return None,
        };
        let signs = jwk.common.public_key_use.as_ref();
        if signs.is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
            return None;
        }
        if jwk.common.key_algorithm.is_some_and(|alg| alg != named) {
            return None;
        }
        let key = DecodingKey::from_jwk(jwk).ok()?;
        let key = Self {
            id: jwk.common.key_id.clone(),
            algorithm,
            key,
        };
        (algorithm != Algorithm::ES256 || key.is_p256()).then_some(key)
    }

    fn is_p256(&self) -> bool {
        let point = self.key.try_get_as_bytes();
        point.is_ok_and(|point| point.len() == P256_POINT_BYTES)
    }
}
