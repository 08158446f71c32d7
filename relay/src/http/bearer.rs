//! Who asks: the bearer token of an API request.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wire::code::ErrorCode;

use super::refusal;
use crate::gate::Identity;
use crate::session::host::Shared;

/// The head names who asks in another way than by a bearer token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the authorization is no bearer token")]
pub struct NoBearer;

/// The token of a request (RFC 6750, 2.1); `None` when it has no authorization at all.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, NoBearer> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| NoBearer)?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(NoBearer),
    }
}

/// The identity behind the request's token, or the answer that refuses it.
pub(super) async fn identify(shared: &Shared, headers: &HeaderMap) -> Result<Identity, Response> {
    let Ok(Some(token)) = bearer(headers) else {
        return Err(unauthorized("this needs a bearer token"));
    };
    shared
        .identify(token)
        .await
        .map_err(|error| match error.code {
            ErrorCode::Unauthorized => unauthorized(&error.message),
            code => refusal(StatusCode::SERVICE_UNAVAILABLE, code, &error.message),
        })
}

fn unauthorized(message: &str) -> Response {
    let refused = refusal(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, message);
    ([(header::WWW_AUTHENTICATE, "Bearer")], refused).into_response()
}

/// The token is good and does not allow this.
pub(super) fn forbidden(message: &str) -> Response {
    refusal(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message)
}
