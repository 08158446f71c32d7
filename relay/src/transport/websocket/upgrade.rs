//! From an HTTP request to a WebSocket on the connection below it.

use std::io;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response;

use super::line::Socket;
use crate::http::patience::Patience;
use crate::http::serve::Seat;
use crate::icecast::Rewind;

/// A request that will become a WebSocket once it is answered.
pub(super) struct Upgrade {
    on_upgrade: OnUpgrade,
    seat: Option<Seat>,
    /// Whether the client offers our subprotocol.
    pub(super) agreed: bool,
}

/// The answer to a request for a WebSocket, and what becomes of it if there is no fault in it.
pub(super) fn answer(mut request: Request) -> (Response, Option<Upgrade>) {
    let on_upgrade = hyper::upgrade::on(&mut request);
    let seat = request.extensions_mut().remove();
    let (head, _) = request.into_parts();
    let protocols = offered(&head.headers);
    let agreed = protocols.contains(&wire::SUBPROTOCOL);
    // Whatever the client offers if not ours: a browser that offers something and is
    // answered nothing fails without hearing why.
    let protocol = if agreed {
        Some(wire::SUBPROTOCOL)
    } else {
        protocols.first().copied()
    };
    let protocol = protocol.and_then(|name| HeaderValue::from_str(name).ok());
    match create_response(&Request::from_parts(head, ())) {
        Ok(response) => {
            let mut response = response.map(|()| Body::empty());
            if let Some(protocol) = protocol {
                let headers = response.headers_mut();
                headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
            }
            let upgrade = Upgrade {
                on_upgrade,
                seat,
                agreed,
            };
            (response, Some(upgrade))
        }
        Err(error) => {
            let refusal = (StatusCode::BAD_REQUEST, error.to_string());
            (refusal.into_response(), None)
        }
    }
}

/// The subprotocols a client offers, in its order.
fn offered(headers: &HeaderMap) -> Vec<&str> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

impl Upgrade {
    /// The connection, once the answer is on its way, and what was read of it too far.
    pub(super) async fn connection(self) -> io::Result<(Socket, Vec<Bytes>)> {
        let upgraded = self.on_upgrade.await.map_err(io::Error::other)?;
        let upgraded = match take::<TcpStream>(upgraded) {
            Ok((tcp, read)) => return Ok((Socket::new(tcp, None, self.seat), read)),
            Err(upgraded) => upgraded,
        };
        match take::<TlsStream<TcpStream>>(upgraded) {
            Ok((stream, read)) => {
                let (tcp, tls) = stream.into_inner();
                Ok((Socket::new(tcp, Some(tls), self.seat), read))
            }
            Err(_) => Err(io::Error::other("a connection of an unknown kind")),
        }
    }
}

/// The stream below an upgraded connection, as [`Server`](crate::http::serve::Server) serves it.
fn take<S>(upgraded: Upgraded) -> Result<(S, Vec<Bytes>), Upgraded>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let parts = upgraded.downcast::<TokioIo<Patience<Rewind<S>>>>()?;
    let (first, stream) = parts.io.into_inner().into_inner().into_parts();
    Ok((stream, vec![parts.read_buf, first]))
}
