//! Asking a relay where its transports are: `GET /api/v1/connect`.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::header::{HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use url::Url;
use wire::message::Connect;

use crate::{Error, net};

/// How long the relay may take to answer.
const TIMEOUT: Duration = Duration::from_secs(8);

/// The most bytes of an answer: fifty times what it takes.
const ANSWER_BYTES_MAX: usize = 65_536;

/// The server's address as users give it: `http://HOST:PORT`, `https://HOST`.
pub(crate) fn parse_server(text: &str) -> Result<Url, Error> {
    let bad = |why: &str| Error::BadArguments(format!("'{text}' is no server address: {why}"));
    let url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("it must begin with http:// or https://"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(bad("it names no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("user and password do not belong there"));
    }
    if url.path() != "/" || url.query().is_some() {
        return Err(bad("it must end with the host and port"));
    }
    Ok(url)
}

/// Where the relay's transports are.
pub(crate) async fn discover(server: &Url) -> Result<Connect, Error> {
    let unreachable = |reason: String| Error::unreachable(server.as_str(), reason);
    let answer = tokio::time::timeout(TIMEOUT, get(server, "/api/v1/connect"));
    let body = match answer.await {
        Ok(result) => result.map_err(|error| unreachable(error.to_string()))?,
        Err(_) => return Err(unreachable("no answer in time".into())),
    };
    let connect: Connect = serde_json::from_slice(&body)
        .map_err(|_| unreachable("what answers there is no Skywave server".into()))?;
    if connect.protocol != wire::PROTOCOL {
        let versions = format!("it speaks protocol {}", connect.protocol);
        return Err(unreachable(versions));
    }
    Ok(connect)
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

async fn get(server: &Url, path: &str) -> Result<Bytes, AnyError> {
    let stream = net::open(server).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(HOST, authority(server))
        .header(USER_AGENT, concat!("skywave/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        if !response.status().is_success() {
            return Err(format!("it answers {}", response.status()).into());
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
        Ok(body.collect().await?.to_bytes())
    };
    tokio::pin!(exchange, connection);
    tokio::select! {
        // The exchange first: a connection that ends with the answer is no failure.
        biased;
        answer = &mut exchange => answer,
        ended = &mut connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(error.into()),
        },
    }
}

/// Host and port as the `Host` header has them.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_none_are_named() {
        for good in [
            "http://localhost:8080",
            "https://radio.example",
            "http://[::1]:80/",
        ] {
            assert!(parse_server(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "localhost:8080",
            "ftp://a",
            "http://",
            "http://a/b",
            "http://a?x",
            "http://u:p@a",
        ] {
            let refused = parse_server(bad);
            assert!(
                matches!(refused, Err(Error::BadArguments(_))),
                "{bad}: {refused:?}"
            );
        }
    }
}
