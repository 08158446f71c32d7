//! Deciding whether a token is to be trusted.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation};

use super::claims::{Claims, Identity, is_grantable};
use super::{Key, crypto};

/// The most bytes of a token: far above what any claims of ours take, and small
/// enough that hashing one costs nothing.
const TOKEN_BYTES_MAX: usize = 8192;

/// How far a token's `nbf` may lie ahead, in seconds, for clocks that differ. `exp`
/// has no such slack: a session never outlives its token.
const LEEWAY_S: f64 = 10.0;

/// What a verifier trusts.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The keys; a token is good when one of them verifies it.
    pub keys: Vec<Key>,
    /// The `iss` a token must have; none asks for nothing.
    pub issuer: Option<String>,
    /// The `aud` a token must have; with none, tokens for any particular audience are refused.
    pub audience: Option<String>,
}

/// Verifies tokens.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: Vec<(Key, Validation)>,
}

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// More than 8,192 bytes.
    #[error("the token has {0} bytes, above 8,192")]
    TooLong(usize),
    /// The text is no signed JWT, or a claim is missing or mis-typed.
    #[error("the token is malformed or unsigned")]
    Malformed,
    /// It is signed with an algorithm no key here is for, or names a key unknown here.
    #[error("no key here is for this token")]
    NoKey,
    /// The signature does not match.
    #[error("the token's signature does not match")]
    Signature,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Somebody else issued it.
    #[error("the token is from another issuer")]
    Issuer,
    /// It is for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// The claim holds what it must not.
    #[error("the token's claim '{0}' is missing or out of range")]
    Claim(&'static str),
}

impl Verifier {
    /// Trusts what `config` says; without keys it refuses every token.
    #[must_use]
    pub fn new(config: Config) -> Self {
        crypto::install();
        let validate = |key: Key| {
            let mut validation = Validation::new(key.algorithm);
            // Times are checked by `verify` against the caller's clock.
            validation.validate_exp = false;
            validation.validate_nbf = false;
            let mut required = vec!["sub"];
            if let Some(issuer) = &config.issuer {
                validation.set_issuer(&[issuer]);
                required.push("iss");
            }
            if let Some(audience) = &config.audience {
                validation.set_audience(&[audience]);
                required.push("aud");
            }
            validation.set_required_spec_claims(&required);
            (key, validation)
        };
        Self {
            keys: config.keys.into_iter().map(validate).collect(),
        }
    }

    /// Who the token says its bearer is, at `now_s` seconds since the Unix epoch.
    pub fn verify(&self, token: &str, now_s: u64) -> Result<Identity, Refused> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refused::TooLong(token.len()));
        }
        let claims = self.trusted_claims(token)?;
        let now = now_s as f64;
        if claims.exp.as_f64().is_none_or(|exp| exp <= now) {
            return Err(Refused::Expired);
        }
        let not_before = claims.nbf.as_ref().and_then(serde_json::Number::as_f64);
        if not_before.is_some_and(|time| time > now + LEEWAY_S) {
            return Err(Refused::NotYetValid);
        }
        let mut identity = claims.identity().map_err(Refused::Claim)?;
        // What names no station grants nothing; it is dropped so that nobody shows it.
        identity.grants.publish.retain(|entry| is_grantable(entry));
        identity.grants.moderate.retain(|entry| is_grantable(entry));
        Ok(identity)
    }

    fn trusted_claims(&self, token: &str) -> Result<Claims, Refused> {
        // `alg: none` fails here already: the parser knows it for no algorithm.
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refused::Malformed)?;
        let mut refused = Refused::NoKey;
        for (key, validation) in &self.keys {
            if !fits(key, &header) {
                continue;
            }
            match jsonwebtoken::decode::<Claims>(token, &key.key, validation) {
                Ok(data) => return Ok(data.claims),
                Err(error) => refused = reason(error.kind()),
            }
            // The signature was good: no other key will say more.
            if refused != Refused::Signature {
                break;
            }
        }
        Err(refused)
    }
}

fn fits(key: &Key, header: &Header) -> bool {
    let named = match (&key.id, &header.kid) {
        (Some(id), Some(kid)) => id == kid,
        _ => true,
    };
    named && key.algorithm == header.alg
}

fn reason(kind: &ErrorKind) -> Refused {
    match kind {
        ErrorKind::InvalidSignature => Refused::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::MissingAlgorithm => Refused::NoKey,
        ErrorKind::InvalidIssuer => Refused::Issuer,
        ErrorKind::InvalidAudience => Refused::Audience,
        ErrorKind::MissingRequiredClaim(claim) => match claim.as_str() {
            "iss" => Refused::Issuer,
            "aud" => Refused::Audience,
            _ => Refused::Claim("sub"),
        },
        _ => Refused::Malformed,
    }
}
