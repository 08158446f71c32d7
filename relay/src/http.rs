//! HTTP: where to connect, which stations there are, and how the relay is.
//!
//! All of it is one axum router; the site is merged in from outside. The
//! connections below it are served by [`serve`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRef, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post, put};
use axum::{Json, Router};
use bytes::Bytes;
use serde::Serialize;
use tower_http::cors::{AllowHeaders, CorsLayer};
use tower_http::timeout::TimeoutLayer;
use wire::code::ErrorCode;
use wire::frame::Error;

use crate::certificate::Certificates;
use crate::icecast::{Sources, admin};
use crate::session::host::Host;
use crate::transport::{events, websocket};

mod bearer;
mod connect;
mod mount;
pub(crate) mod patience;
mod recordings;
pub(crate) mod serve;
mod stations;
mod status;
#[cfg(test)]
mod tests;

pub use bearer::{NoBearer, bearer};

/// The largest body of a request to the API.
const BODY_MAX: usize = 64 * 1024;

/// How long an answer of the API may take.
const ANSWER: Duration = Duration::from_secs(10);

/// What is served beside the relay's own routes.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// Answers what the relay's routes do not; it may have a fallback.
    pub router: Router,
    /// Its part of the API's description: the members of an OpenAPI `paths` object.
    pub paths: serde_json::Map<String, serde_json::Value>,
}

impl From<Router> for Site {
    fn from(router: Router) -> Self {
        Self {
            router,
            ..Self::default()
        }
    }
}

/// The API described for machines; a test keeps it to the routes below.
const OPENAPI: &str = include_str!("http/openapi.json");

/// What the routes need.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) host: Arc<Host>,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) quic_port: Option<u16>,
    pub(crate) sources: Arc<Sources>,
    /// Sound an HTTP listener is sent at once.
    pub(crate) burst: Duration,
    /// When the relay began to serve, in microseconds since the Unix epoch.
    pub(crate) started_at: u64,
    /// Answers a path of one segment that names no station.
    pub(crate) site: Router,
}

impl FromRef<App> for Arc<Sources> {
    fn from_ref(app: &App) -> Self {
        Self::clone(&app.sources)
    }
}

impl FromRef<App> for Arc<Host> {
    fn from_ref(app: &App) -> Self {
        Self::clone(&app.host)
    }
}

/// The relay's routes, with the site's for everything else.
pub(crate) fn router(mut app: App, site: Site) -> Router {
    app.site = site.router.clone();
    let description = describe(site.paths);
    let answers = |router: Router<App>| {
        router
            .layer(TimeoutLayer::with_status_code(
                StatusCode::GATEWAY_TIMEOUT,
                ANSWER,
            ))
            .layer(DefaultBodyLimit::max(BODY_MAX))
    };
    let api = Router::new()
        .route("/api/v1/connect", get(connect::connect))
        .route("/api/v1/stations", get(stations::list))
        .route("/api/v1/stations/{id}", get(stations::one))
        .route("/api/v1/stations/{id}/recordings", get(recordings::list))
        .route(
            "/api/v1/stations/{id}/recordings/{name}",
            get(recordings::download).delete(recordings::remove),
        )
        .route(
            "/api/v1/stations/{id}/recording",
            put(recordings::start).delete(recordings::stop),
        )
        .route(
            "/api/v1/openapi.json",
            get(move || openapi(description.clone())),
        )
        .layer(cors());
    let watch = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready));
    let icecast = Router::new()
        .route("/admin/metadata", get(admin::metadata))
        .route("/admin.cgi", get(admin::shoutcast))
        .merge(
            Router::new()
                .route("/status-json.xsl", get(status::status))
                .layer(cors()),
        );
    let frames = Router::new()
        .route("/v1/events", get(open_events))
        .route("/v1/frames", post(post_frames))
        .layer(DefaultBodyLimit::max(2 * BODY_MAX))
        .layer(cors());
    let host = Arc::clone(&app.host);
    answers(api.merge(watch).merge(icecast))
        .route("/v1", get(session))
        .route("/{mount}", any(mount::mount))
        .merge(frames)
        .with_state(app)
        .merge(site.router)
        .layer(from_fn_with_state(host, refuse_other_sockets))
}

/// Pages of any origin may ask the API, with a token of theirs: nothing here looks at cookies.
pub fn cors() -> CorsLayer {
    // A `*` for headers leaves out `Authorization` (Fetch, 4.8): name what is asked for.
    CorsLayer::permissive().allow_headers(AllowHeaders::mirror_request())
}

/// A session over WebSocket.
async fn session(
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    State(host): State<Arc<Host>>,
    request: Request,
) -> Response {
    websocket::accept(request, address, host)
}

/// A session over server-sent events and POST.
async fn open_events(
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    State(host): State<Arc<Host>>,
) -> Response {
    events::open(address, &host)
}

async fn post_frames(
    State(host): State<Arc<Host>>,
    headers: header::HeaderMap,
    body: Bytes,
) -> Response {
    events::post(&host, &headers, &body).await
}

/// Answers upgrades to WebSocket at paths that have none: accepted, told, closed.
async fn refuse_other_sockets(
    State(host): State<Arc<Host>>,
    request: Request,
    next: Next,
) -> Response {
    let upgrade = request.headers().get(header::UPGRADE);
    let websocket =
        upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if websocket && request.uri().path() != "/v1" {
        return websocket::refuse(request, &host);
    }
    next.run(request).await
}

/// The description of the relay's API and the site's.
fn describe(paths: serde_json::Map<String, serde_json::Value>) -> Bytes {
    let mut whole: serde_json::Value =
        serde_json::from_str(OPENAPI).expect("the description is JSON");
    if let Some(known) = whole["paths"].as_object_mut() {
        known.extend(paths);
    }
    whole.to_string().into()
}

async fn openapi(description: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], description).into_response()
}

async fn metrics(State(host): State<Arc<Host>>) -> Response {
    let shared = host.shared();
    let kept = i64::try_from(shared.stations.kept_bytes());
    shared.metrics.kept_bytes.set(kept.unwrap_or(i64::MAX));
    let others = shared.gate.counts();
    let listeners = shared.stations.counts();
    let silent = shared.stations.all_silent();
    let loudness = shared.stations.all_loudness();
    let text = shared.metrics.encode(listeners, silent, loudness, &others);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

async fn ready(State(host): State<Arc<Host>>) -> Response {
    if host.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    if !host.shared().gate.ready().await {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "the store does not answer\n",
        )
            .into_response();
    }
    "ready\n".into_response()
}

/// An answer that holds for this moment alone.
fn fresh(body: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], body).into_response()
}

#[derive(Serialize)]
struct Refusal {
    error: Error,
}

fn refusal(status: StatusCode, code: ErrorCode, message: &str) -> Response {
    let error = Error::new(code, message);
    (status, Json(Refusal { error })).into_response()
}
