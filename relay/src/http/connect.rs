//! `GET /api/v1/connect`: everything a client must know to open a session.

use axum::Json;
use axum::extract::State;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use wire::code::ErrorCode;
use wire::message::{Connect, ConnectUrl, ConnectWebTransport};

use super::{App, fresh, refusal};
use crate::clock::Now;

/// How the client reached this server, as far as it can be told.
struct Reached {
    authority: Authority,
    secure: bool,
}

fn reached(app: &App, headers: &HeaderMap) -> Option<Reached> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let authority = parse_host(host)?;
    // Behind a proxy that ends TLS the page is secure, and so must be what it opens.
    let forwarded = headers
        .get("x-forwarded-proto")
        .is_some_and(|proto| proto == "https");
    let secure = forwarded || app.certificates.is_from_files();
    Some(Reached { authority, secure })
}

/// The server's address as the client knows it, without a slash at the end; none when it
/// named no host.
pub(super) fn base_url(app: &App, headers: &HeaderMap) -> Option<String> {
    let Reached { authority, secure } = reached(app, headers)?;
    let scheme = if secure { "https" } else { "http" };
    Some(format!("{scheme}://{authority}"))
}

pub(super) async fn connect(State(app): State<App>, headers: HeaderMap) -> Response {
    let Some(Reached { authority, secure }) = reached(&app, &headers) else {
        let message = "the Host header names no host";
        return refusal(StatusCode::BAD_REQUEST, ErrorCode::BadRequest, message);
    };
    let (web, socket) = if secure {
        ("https", "wss")
    } else {
        ("http", "ws")
    };
    let webtransport = app.quic_port.map(|port| ConnectWebTransport {
        url: format!("https://{}:{port}/v1", authority.host()),
        certificate_hashes: app.certificates.hashes().to_vec(),
    });
    fresh(Json(Connect {
        protocol: wire::PROTOCOL,
        webtransport,
        websocket: ConnectUrl {
            url: format!("{socket}://{authority}/v1"),
        },
        http: ConnectUrl {
            url: format!("{web}://{authority}"),
        },
        server_time: Now::read().unix_us,
    }))
}

/// A host with or without a port, as URLs hold it: a name, an IPv4 address, or an
/// IPv6 address in brackets, and nothing that could lead a URL elsewhere.
fn parse_host(host: &str) -> Option<Authority> {
    let authority: Authority = host.parse().ok()?;
    let name = authority.host();
    let bracketed = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let good = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let plain =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
            !name.is_empty() && name.len() <= 253 && name.bytes().all(plain)
        }
    };
    let whole = match authority.port() {
        Some(port) => authority.as_str() == format!("{name}:{port}"),
        None => authority.as_str() == name,
    };
    (good && whole).then_some(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_hosts_become_urls() {
        for good in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:1",
            "[::1]:8080",
            "[::1]",
            "a-b.c_d:65535",
        ] {
            assert_eq!(parse_host(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            ":8080",
            "a b",
            "a/b",
            "user@host",
            "user:secret@host:80",
            "host:",
            "host:99999",
            "host:80:80",
            "::1",
            "[::1",
            "[x]:80",
            "<script>",
            "a\"b",
            "a%2fb",
            "evil.example/#",
            &"a".repeat(254),
        ] {
            assert!(parse_host(bad).is_none(), "{bad:?}");
        }
    }
}
