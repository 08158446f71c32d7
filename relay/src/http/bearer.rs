//! Who asks: the bearer token of an API request.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wire::code::ErrorCode;

use super::refusal;
use crate::gate::Identity;
use crate::session::host::Shared;

/// The identity behind the request's token, or the answer that refuses it.
pub(super) async fn identify(shared: &Shared, headers: &HeaderMap) -> Result<Identity, Response> {
    let value = headers.get(header::AUTHORIZATION);
    let token = value.and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        let bearer = scheme.eq_ignore_ascii_case("bearer");
        bearer.then_some(token.trim())
    });
    let Some(token) = token else {
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
