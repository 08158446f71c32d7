//! The site, embedded when the program was built.

use axum::Router;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// A file of the site.
struct File {
    /// Its path from the site's root, without a leading slash.
    path: &'static str,
    etag: &'static str,
    bytes: &'static [u8],
    gzip: Option<&'static [u8]>,
}

mod embedded {
    use super::File;
    include!(concat!(env!("OUT_DIR"), "/site.rs"));
}

use embedded::FILES;

/// The page of every path the site's own router knows.
const INDEX: &str = "index.html";

/// What stands in for the site when it was not built.
const MISSING: &str = include_str!("site/missing.html");

/// Files whose names hold a hash of their contents never change.
const HASHED_FOLDER: &str = "assets/";

const FOREVER: &str = "public, max-age=31536000, immutable";
const REVALIDATE: &str = "no-cache";

/// WebAssembly needs a word of its own. Workers and worklets are files of this origin. The
/// player connects to relays anywhere and shows artwork from anywhere.
const POLICY: &str = "default-src 'self'; \
     script-src 'self' 'wasm-unsafe-eval'; \
     worker-src 'self'; \
     connect-src * ws: wss:; \
     img-src * data: blob:; media-src 'self' blob:; \
     style-src 'self' 'unsafe-inline'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'self'; object-src 'none'";

/// Whether the program was built with the site.
pub(crate) fn is_built() -> bool {
    find(INDEX).is_some()
}

/// Answers every path the relay does not.
pub(crate) fn router() -> Router {
    Router::new().fallback(answer)
}

async fn answer(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n").into_response();
    }
    let path = uri.path().trim_start_matches('/');
    if path.starts_with("api/") {
        return (StatusCode::NOT_FOUND, "no such path\n").into_response();
    }
    if let Some(file) = find(path) {
        return serve(file, &headers);
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    if last.contains('.') && !is_page(path) {
        return (StatusCode::NOT_FOUND, "no such file\n").into_response();
    }
    // A mount that is not there, to who asks for no page.
    if !path.is_empty() && !path.contains('/') && !takes_html(&headers) {
        return (StatusCode::NOT_FOUND, "no such mount\n").into_response();
    }
    match find(INDEX) {
        Some(index) => serve(index, &headers),
        None => missing(),
    }
}

/// Whether a page is asked for, as browsers do when they go somewhere.
fn takes_html(asked: &HeaderMap) -> bool {
    let accepted = asked.get(ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

/// Whether a path with a dot is a page all the same: station ids may hold dots.
fn is_page(path: &str) -> bool {
    path.starts_with("station/")
}

fn find(path: &str) -> Option<&'static File> {
    let path = if path.is_empty() { INDEX } else { path };
    let at = FILES.binary_search_by(|file| file.path.cmp(path)).ok()?;
    FILES.get(at)
}

fn serve(file: &'static File, asked: &HeaderMap) -> Response {
    let hashed = file.path.starts_with(HASHED_FOLDER);
    let mut headers = common();
    let mut set = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    set(ETAG, file.etag);
    set(CACHE_CONTROL, if hashed { FOREVER } else { REVALIDATE });
    set(VARY, "accept-encoding");
    // The player is embedded in other sites, with all that it loads.
    if !file.path.ends_with(".html") {
        set(ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        set(
            HeaderName::from_static("cross-origin-resource-policy"),
            "cross-origin",
        );
    }
    if is_known(asked, file.etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let mut set = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    set(CONTENT_TYPE, content_type(file.path));
    let gzip = file.gzip.filter(|_| takes_gzip(asked));
    if gzip.is_some() {
        set(CONTENT_ENCODING, "gzip");
    }
    (headers, gzip.unwrap_or(file.bytes)).into_response()
}

fn missing() -> Response {
    let mut headers = common();
    let html = content_type(INDEX);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(html));
    (headers, MISSING).into_response()
}

fn common() -> HeaderMap {
    let pairs = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "strict-origin-when-cross-origin"),
    ];
    let pairs = pairs.map(|(name, value)| (name, HeaderValue::from_static(value)));
    HeaderMap::from_iter(pairs)
}

fn is_known(asked: &HeaderMap, etag: &str) -> bool {
    let known = asked
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    known.is_some_and(|known| {
        known == "*"
            || known
                .split(',')
                .any(|one| one.trim().trim_start_matches("W/") == etag)
    })
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    let accepted = asked
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| {
        accepted.split(',').any(|one| {
            let mut parts = one.split(';').map(str::trim);
            let gzip = matches!(parts.next(), Some("gzip" | "*"));
            gzip && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        })
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
