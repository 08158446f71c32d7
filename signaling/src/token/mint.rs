//! Minting tokens with a shared secret, for development and for sites without an
//! identity provider of their own.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use wire::StationId;

use super::claims::{Claims, EXPIRES_AT_MAX, is_grantable, is_plain};
use super::{Grants, InvalidKey, Key, crypto};

/// Makes tokens.
pub struct Mint {
    key: EncodingKey,
    issuer: Option<String>,
    audience: Option<String>,
}

impl std::fmt::Debug for Mint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mint").finish_non_exhaustive()
    }
}

/// What a token shall say.
#[derive(Debug, Clone)]
pub struct Order {
    /// The user's id, 1 to 128 characters.
    pub sub: String,
    /// The name to show.
    pub name: Option<String>,
    /// What the bearer may do.
    pub grants: Grants,
    /// How long it holds from now on.
    pub ttl: Duration,
}

/// Why a token cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// The subject or the name is empty, too long or holds control characters.
    #[error("{0} must be 1 to 128 characters without control characters")]
    Text(&'static str),
    /// A grant names no station.
    #[error("'{0}' is no station and not '*'")]
    Station(String),
    /// The token would hold for no time at all.
    #[error("the time to live must be at least a second")]
    Ttl,
}

impl Mint {
    /// Makes tokens with that secret, which [`Key::secret`] must accept, with the issuer
    /// and audience the verifier asks for.
    pub fn new(
        secret: &[u8],
        issuer: Option<String>,
        audience: Option<String>,
    ) -> Result<Self, InvalidKey> {
        crypto::install();
        Key::secret(secret)?;
        Ok(Self {
            key: EncodingKey::from_secret(secret),
            issuer,
            audience,
        })
    }

    /// Makes a token.
    pub fn mint(&self, order: Order) -> Result<String, MintError> {
        if !is_plain(&order.sub) {
            return Err(MintError::Text("sub"));
        }
        if order.name.as_ref().is_some_and(|name| !is_plain(name)) {
            return Err(MintError::Text("name"));
        }
        let listed = order.grants.publish.iter().chain(&order.grants.moderate);
        if let Some(bad) = listed.into_iter().find(|entry| !is_grantable(entry)) {
            return Err(MintError::Station(bad.clone()));
        }
        if order.ttl < Duration::from_secs(1) {
            return Err(MintError::Ttl);
        }
        let now = jsonwebtoken::get_current_timestamp();
        let exp = now.saturating_add(order.ttl.as_secs()).min(EXPIRES_AT_MAX);
        let claims = Claims {
            sub: order.sub,
            name: order.name,
            exp: exp.into(),
            nbf: None,
            iat: Some(now.into()),
            iss: self.issuer.clone().map(Into::into),
            aud: self.audience.clone().map(Into::into),
            jti: Some(crate::id::random()),
            skywave: order.grants,
        };
        let header = Header::new(Algorithm::HS256);
        let token = jsonwebtoken::encode(&header, &claims, &self.key);
        Ok(token.expect("claims are plain JSON and HMAC cannot fail"))
    }
}

impl Grants {
    /// The right to be the source of one station.
    #[must_use]
    pub fn publish(station: &StationId) -> Self {
        Self {
            publish: vec![station.as_str().to_owned()],
            ..Self::default()
        }
    }
}
