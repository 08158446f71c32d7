//! The HTTP API beside the relay's own: what needs a user or knows one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, DefaultBodyLimit};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::future::BoxFuture;
use serde::Serialize;
use signaling::Caller;
use tokio::sync::{RwLock, Semaphore};
use tower_http::timeout::TimeoutLayer;
use wire::code::ErrorCode;
use wire::frame::Error;

use crate::autodj::Programs;
use crate::config::Settings;
use crate::gate::{self, Gate};

mod guest;
mod queue;
mod sniff;
mod talk;
mod uploads;

/// The largest body of a request that is no upload.
const BODY_MAX: usize = 64 * 1024;

/// How long an answer may take. A change may be stored all the same: `client_id` tells.
const ANSWER: Duration = Duration::from_secs(15);

/// What the routes need.
#[derive(Debug)]
struct Api {
    gate: Arc<Gate>,
    /// Makes guests' tokens; none where there are no guests.
    mint: Option<signaling::token::Mint>,
    /// Where uploads are kept.
    uploads: PathBuf,
    /// Bounds the uploads under way.
    uploading: Semaphore,
    /// The stations' playlists.
    playlists: Arc<Programs>,
    /// Read while a file gets its row and its place, written while unused ones are removed.
    placing: RwLock<()>,
}

/// The API described for machines; a test keeps it to the routes.
const DESCRIPTION: &str = include_str!("api/openapi.json");

/// The paths of the API, for the description of the whole.
pub(crate) fn described() -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_str(DESCRIPTION).expect("the description is an object")
}

/// The API at work: its routes, and what it does by itself.
pub(crate) struct Running {
    /// They are merged with the site's.
    pub(crate) router: Router,
    /// Removes files nobody needs any more, for ever.
    pub(crate) sweeping: BoxFuture<'static, ()>,
}

/// Starts the API.
pub(crate) fn start(
    settings: &Settings,
    gate: &Arc<Gate>,
    playlists: &Arc<Programs>,
) -> anyhow::Result<Running> {
    let guests = settings.gives_guests();
    let api = Api {
        gate: Arc::clone(gate),
        mint: guests.then(|| gate::mint(settings)).transpose()?,
        uploads: settings.data_dir.join("uploads"),
        uploading: Semaphore::new(uploads::AT_ONCE),
        playlists: Arc::clone(playlists),
        placing: RwLock::new(()),
    };
    uploads::sweep::remove_pieces(&api.uploads);
    let api = Arc::new(api);
    let router = Router::new()
        .route("/api/v1/guest", post(guest::sign_in))
        .merge(talk::routes())
        .merge(queue::routes())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            ANSWER,
        ))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .merge(uploads::routes())
        .layer(relay::cors())
        .with_state(Arc::clone(&api));
    Ok(Running {
        router,
        sweeping: Box::pin(uploads::sweep::run(api)),
    })
}

/// Who asks, by the token in its head.
struct Asker {
    headers: HeaderMap,
    address: SocketAddr,
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Asker {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _state: &S,
    ) -> Result<Self, Self::Rejection> {
        let connected = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        Ok(Self {
            headers: parts.headers.clone(),
            address: connected.map_or(unknown, |connected| connected.0),
        })
    }
}

impl Api {
    /// Who asks; the token is checked here.
    fn caller(&self, asker: &Asker) -> Result<Arc<Caller>, Refusal> {
        let identity = match relay::bearer(&asker.headers)? {
            None => None,
            Some(token) => {
                let refusal =
                    |denied: relay::Denied| Refusal::new(ErrorCode::Unauthorized, denied.reason);
                Some(self.gate.identify(token).map_err(refusal)?)
            }
        };
        Ok(Arc::new(Caller::new(identity.as_ref(), asker.address.ip())))
    }
}

/// Why a request is refused, as it is told: a status and `{ "error": ... }`.
#[derive(Debug)]
struct Refusal(Error);

impl Refusal {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Error::new(code, message))
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<relay::NoBearer> for Refusal {
    fn from(error: relay::NoBearer) -> Self {
        Self::new(ErrorCode::Unauthorized, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: Error,
        }
        let mut headers = HeaderMap::new();
        if let Some(wait_ms) = self.0.retry_after_ms {
            headers.insert(header::RETRY_AFTER, wait_ms.div_ceil(1_000).into());
        }
        if self.0.code == ErrorCode::Unauthorized {
            let scheme = header::HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        (status(self.0.code), headers, Json(Body { error: self.0 })).into_response()
    }
}

/// The status that says the same as an error's code.
fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::Unauthorized => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden
        | ErrorCode::NotMember
        | ErrorCode::Banned
        | ErrorCode::Muted
        | ErrorCode::FollowersOnly => StatusCode::FORBIDDEN,
        ErrorCode::UnknownRoom
        | ErrorCode::UnknownMessage
        | ErrorCode::UnknownStation
        | ErrorCode::UnknownChannel
        | ErrorCode::UnknownMethod
        | ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::Conflict | ErrorCode::LimitReached => StatusCode::CONFLICT,
        ErrorCode::BlockedText => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::RateLimited | ErrorCode::SlowMode => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Unavailable | ErrorCode::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_description_and_the_routes_agree() {
        let sources = [
            include_str!("api.rs").split("mod tests").next().unwrap(),
            include_str!("api/queue.rs"),
            include_str!("api/talk.rs"),
            include_str!("api/uploads.rs"),
        ];
        let quoted = sources.iter().flat_map(|source| source.split('"'));
        let routes: BTreeSet<_> = quoted.filter(|text| text.starts_with("/api/v1/")).collect();
        let described = described();
        let paths: BTreeSet<_> = described.keys().map(String::as_str).collect();
        assert_eq!(routes, paths);
    }
}
