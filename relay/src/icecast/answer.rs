//! What a source is told.

use super::Unclaimed;

/// An answer other than the welcome, after which the connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    BadRequest(String),
    Unauthorized,
    Forbidden(String),
    Unavailable(String),
}

impl From<Unclaimed> for Refusal {
    fn from(unclaimed: Unclaimed) -> Self {
        Self::Forbidden(unclaimed.to_string())
    }
}

impl Refusal {
    /// Why, for logs and people.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Unauthorized => "You need to authenticate",
            Self::BadRequest(reason) | Self::Forbidden(reason) | Self::Unavailable(reason) => {
                reason
            }
        }
    }

    /// The answer as bytes.
    pub(super) fn encode(&self, is_http_11: bool) -> Vec<u8> {
        let status = match self {
            Self::BadRequest(_) => "400 Bad Request",
            Self::Unauthorized => "401 Unauthorized",
            Self::Forbidden(_) => "403 Forbidden",
            Self::Unavailable(_) => "503 Service Unavailable",
        };
        let challenge = match self {
            Self::Unauthorized => "WWW-Authenticate: Basic realm=\"Skywave\"\r\n",
            _ => "",
        };
        let body = format!("{}\n", self.reason());
        let (version, length) = (version(is_http_11), body.len());
        format!(
            "{version} {status}\r\n{challenge}Content-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

/// The welcome, before the sound. `continues` goes first where the source waits for it.
///
/// It names no length and does not say that the connection will close: curl would take
/// the exchange for done, and stop sending.
pub(super) fn welcome(is_http_11: bool, continues: bool) -> Vec<u8> {
    let go_on = if continues {
        "HTTP/1.1 100 Continue\r\n\r\n"
    } else {
        ""
    };
    let version = version(is_http_11);
    format!("{go_on}{version} 200 OK\r\n\r\n").into_bytes()
}

fn version(is_http_11: bool) -> &'static str {
    if is_http_11 { "HTTP/1.1" } else { "HTTP/1.0" }
}
