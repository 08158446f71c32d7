//! The HTTP API beside the relay's own: what needs a user or knows one.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;
use tower_http::cors::CorsLayer;
use wire::code::ErrorCode;
use wire::frame::Error;

use crate::config::Settings;
use crate::gate::{self, Gate};

mod guest;

/// The largest body of a request that is no upload.
const BODY_MAX: usize = 64 * 1024;

/// What the routes need.
#[derive(Debug)]
struct Api {
    gate: Arc<Gate>,
    /// Makes guests' tokens; none where there are no guests.
    mint: Option<signaling::token::Mint>,
}

/// The routes of the API. They are merged with the site's.
pub(crate) fn router(settings: &Settings, gate: &Arc<Gate>) -> anyhow::Result<Router> {
    let guests = settings.gives_guests();
    let api = Api {
        gate: Arc::clone(gate),
        mint: guests.then(|| gate::mint(settings)).transpose()?,
    };
    Ok(Router::new()
        .route("/api/v1/guest", post(guest::sign_in))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(CorsLayer::permissive())
        .with_state(Arc::new(api)))
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

/// The token of a request; none is anonymous.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    });
    let refusal = || {
        Refusal::new(
            ErrorCode::Unauthorized,
            "the authorization is no bearer token",
        )
    };
    token.map(Some).ok_or_else(refusal)
}
