//! Whoever asks.

use std::net::{IpAddr, Ipv6Addr};

use wire::StationId;
use wire::message::chat::Author;

use crate::token::{Grants, Identity};

/// Who asks: the session's present token and its address. A new token makes a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user; empty when anonymous, which no token's subject is.
    sub: String,
    name: Option<String>,
    grants: Grants,
    address: Ipv6Addr,
}

impl Caller {
    /// Whoever this token is of, asking from that address.
    #[must_use]
    pub fn new(identity: Option<&Identity>, address: IpAddr) -> Self {
        let address = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        Self {
            sub: identity.map_or_else(String::new, |identity| identity.sub.clone()),
            name: identity.and_then(|identity| identity.name.clone()),
            grants: identity.map_or_else(Grants::default, |identity| identity.grants.clone()),
            address,
        }
    }

    /// The user, empty when there is none.
    #[must_use]
    pub fn sub(&self) -> &str {
        &self.sub
    }

    /// The name to show.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether there is no token.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.sub.is_empty()
    }

    /// Whether the token says that its bearer may do everything.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.grants.admin
    }

    /// The address, IPv4 mapped into IPv6.
    #[must_use]
    pub fn address(&self) -> Ipv6Addr {
        self.address
    }

    /// The address as the store compares it.
    pub(crate) fn address_hex(&self) -> String {
        hex_address(self.address)
    }

    pub(crate) fn may_publish(&self, station: &StationId) -> bool {
        self.grants.may_publish(station)
    }

    pub(crate) fn may_moderate(&self, station: &StationId) -> bool {
        self.grants.may_moderate(station)
    }

    pub(crate) fn author(&self) -> Author {
        Author {
            sub: self.sub.clone(),
            name: self.name.clone(),
        }
    }
}

/// 32 hexadecimal digits, which sort as the addresses do.
pub(crate) fn hex_address(address: Ipv6Addr) -> String {
    hex::encode(address.octets())
}
