//! The key that says who pushes: made once and kept, or configured.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;

use crate::secret_file::place;

/// The file in the data folder.
const FILE: &str = "push.pem";

/// How long a push service may believe one signature: RFC 8292 allows a day.
const HOLDS_S: u64 = 12 * 3_600;

/// A private key of P-256. Browsers subscribe with its public half, so another key
/// makes all their subscriptions worthless.
#[derive(Clone)]
pub struct PushKey(Arc<EcdsaKeyPair>);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is none.
    #[error("not a private key of P-256 as PKCS#8 in PEM")]
    Malformed,
    /// None can be made.
    #[error("this machine has no randomness")]
    Random,
    /// The file cannot be read or made.
    #[error("{FILE}: {0}")]
    File(#[from] io::Error),
}

impl PushKey {
    /// Reads a private key: PKCS#8 in PEM, as `openssl genpkey -algorithm EC
    /// -pkeyopt ec_paramgen_curve:P-256` writes it.
    pub fn parse(pem: &str) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes());
        let der = der.map_err(|_| KeyError::Malformed)?;
        let (method, der) = (&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der());
        let key = EcdsaKeyPair::from_pkcs8(method, der, &SystemRandom::new());
        key.map(|key| Self(Arc::new(key)))
            .map_err(|_| KeyError::Malformed)
    }

    /// Reads the key of a data folder, or makes one there that only its owner can read.
    pub fn load_or_create(folder: &Path) -> Result<Self, KeyError> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let method = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let made = EcdsaKeyPair::generate_pkcs8(method, &SystemRandom::new());
                let made = made.map_err(|_| KeyError::Random)?;
                place(folder, FILE, pem(made.as_ref()).as_bytes())?;
                fs::read_to_string(&path)?
            }
            other => other?,
        };
        Self::parse(&text)
    }

    /// The public half, uncompressed, base64url without padding.
    #[must_use]
    pub fn public_base64(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.public_key())
    }

    /// The header `Authorization` for a push service at that origin; none when the machine
    /// has no randomness.
    pub(super) fn authorization(&self, origin: &str, contact: &str, now_s: u64) -> Option<String> {
        let claims = json!({ "aud": origin, "exp": now_s + HOLDS_S, "sub": contact });
        let head = json!({ "typ": "JWT", "alg": "ES256" });
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&head), encode(&claims));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        let public = self.public_base64();
        Some(format!("vapid t={signed}.{signature}, k={public}"))
    }
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let lines: Vec<_> = lines.collect();
    let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
    format!("{begin}\n{}\n{end}\n", lines.join("\n"))
}

// The private half must not show.
impl std::fmt::Debug for PushKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PushKey")
            .field(&self.public_base64())
            .finish()
    }
}
