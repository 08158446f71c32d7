//! What a token says: who its bearer is and what they may do.

use serde::{Deserialize, Serialize};
use wire::StationId;

/// The entry of a grant's list that stands for every station.
const EVERY_STATION: &str = "*";

/// The most characters of `sub` and `name`.
pub(super) const NAME_CHARS_MAX: usize = 128;

/// The latest expiry told, the end of the year 9999: what lies beyond is cut to
/// it, so that nobody downstream overflows a clock.
pub(super) const EXPIRES_AT_MAX: u64 = 253_402_300_799;

/// Who a verified token says its bearer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The token's subject: the user's id, 1 to 128 characters.
    pub sub: String,
    /// The name to show.
    pub name: Option<String>,
    /// The token's own id: the claim `jti`.
    pub token_id: Option<String>,
    /// When the token expires, in seconds since the Unix epoch.
    pub expires_at: u64,
    /// What the bearer may do.
    pub grants: Grants,
}

/// Rights: the claim `skywave`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// Stations one may be the source of; `*` is every station.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<String>,
    /// Stations one may moderate; `*` is every station.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moderate: Vec<String>,
    /// Whether one may do everything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub admin: bool,
}

impl Grants {
    /// Whether these allow to be the station's source.
    #[must_use]
    pub fn may_publish(&self, station: &StationId) -> bool {
        self.admin || names(&self.publish, station)
    }

    /// Whether these allow to moderate the station.
    #[must_use]
    pub fn may_moderate(&self, station: &StationId) -> bool {
        self.admin || names(&self.moderate, station)
    }
}

fn names(list: &[String], station: &StationId) -> bool {
    list.iter()
        .any(|entry| entry == EVERY_STATION || entry == station.as_str())
}

/// Whether `entry` can stand in a list of grants.
pub(super) fn is_grantable(entry: &str) -> bool {
    entry == EVERY_STATION || entry.parse::<StationId>().is_ok()
}

/// The claims as they stand in the token.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// A NumericDate, which may have a fraction (RFC 7519, section 2).
    pub(super) exp: serde_json::Number,
    /// A NumericDate too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<serde_json::Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) iat: Option<serde_json::Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) iss: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) aud: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) jti: Option<String>,
    #[serde(default)]
    pub(super) skywave: Grants,
}

/// A line of text without control characters.
pub(super) fn is_plain(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

impl Claims {
    /// The identity these claims describe, or the claim that is no good.
    pub(super) fn identity(self) -> Result<Identity, &'static str> {
        if !is_plain(&self.sub) {
            return Err("sub");
        }
        let seconds = self.exp.as_f64().unwrap_or(0.0).max(0.0);
        // The cast saturates; years beyond 9999 are cut.
        let expires_at = (seconds as u64).min(EXPIRES_AT_MAX);
        Ok(Identity {
            sub: self.sub,
            name: self.name.filter(|name| is_plain(name)),
            token_id: self.jti.filter(|id| is_plain(id)),
            expires_at,
            grants: self.skywave,
        })
    }
}
