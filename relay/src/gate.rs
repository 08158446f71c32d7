//! The relay's port to whoever knows users: who somebody is and what they may do.
//!
//! The relay asks, the composition root answers. Identities are small and held
//! by the session; rights are looked up in them on every request, never cached
//! beside them, so a new token takes effect with the next request.

use std::collections::BTreeSet;

use wire::StationId;

/// Tells who a token belongs to.
#[async_trait::async_trait]
pub trait Gate: Send + Sync + 'static {
    /// Checks a token. Called for `hello` and `authenticate`, one call per
    /// session at a time; after 5 s without an answer the relay gives up with `internal`.
    async fn authenticate(&self, token: &str) -> Result<Identity, Denied>;
}

/// Who a session acts for, as its present token has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The token's subject.
    pub sub: String,
    /// The name to show.
    pub name: Option<String>,
    /// When the token expires, in seconds since the Unix epoch. The session ends then.
    pub expires_at: u64,
    /// What the token allows.
    pub rights: Rights,
}

/// What a token allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// Stations it may be the source of.
    pub publish: Stations,
    /// Stations it may moderate.
    pub moderate: Stations,
    /// Whether it may do everything.
    pub admin: bool,
}

/// A set of stations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stations {
    /// Every station there is or will be: `"*"`.
    All,
    /// These.
    Only(BTreeSet<StationId>),
}

impl Default for Stations {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

impl Stations {
    /// Whether the set holds that station.
    #[must_use]
    pub fn contains(&self, station: &StationId) -> bool {
        match self {
            Self::All => true,
            Self::Only(stations) => stations.contains(station),
        }
    }
}

impl Identity {
    /// Whether this user may be the station's source.
    #[must_use]
    pub fn may_publish(&self, station: &StationId) -> bool {
        self.rights.admin || self.rights.publish.contains(station)
    }
}

/// The token is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Denied {
    /// Why, for the person whose token it is; it never holds the token.
    pub reason: String,
}
