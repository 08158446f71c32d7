//! Where the server listens.

use std::net::{Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cli::value;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Http {
    /// TCP address of site, API and WebSocket.
    pub(crate) addr: SocketAddr,
    /// Sound that listeners by HTTP are sent at once, a time like `1s`; `0s` for none.
    pub(crate) burst: Burst,
}

/// How much sound is sent at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Burst(pub(crate) Duration);

impl TryFrom<String> for Burst {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let burst = value::duration(&text)?;
        match burst <= relay::config::BURST_MAX {
            true => Ok(Self(burst)),
            false => Err("a burst is 30s at most".to_owned()),
        }
    }
}

impl From<Burst> for String {
    fn from(burst: Burst) -> Self {
        format!("{}ms", burst.0.as_millis())
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            addr: (Ipv6Addr::UNSPECIFIED, 8080).into(),
            burst: Burst(relay::Config::default().burst),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Quic {
    /// UDP address of WebTransport, or `off`.
    pub(crate) addr: Listen,
}

impl Default for Quic {
    fn default() -> Self {
        Self {
            addr: Listen::On((Ipv6Addr::UNSPECIFIED, 4433).into()),
        }
    }
}

/// An address to listen on, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Listen {
    On(SocketAddr),
    Off,
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let address = text.parse().map(Self::On);
        address.map_err(|_| format!("'{text}' is neither IP:PORT nor 'off'"))
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> Self {
        match listen {
            Listen::On(address) => address.to_string(),
            Listen::Off => "off".to_owned(),
        }
    }
}
