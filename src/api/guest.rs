//! `POST /api/v1/guest`: a token for somebody who only says a name.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use signaling::token::{Grants, Order};
use wire::code::ErrorCode;
use wire::message::User;

use super::{Api, Refusal};

/// How long a guest's token holds. A page fetches another before it ends.
const TTL: Duration = Duration::from_secs(2 * 3_600);

/// What guests' ids begin with; no other token should.
const PREFIX: &str = "guest-";

/// The most characters of a guest's name.
const NAME_CHARS_MAX: usize = 40;

#[derive(Debug, Deserialize)]
pub(super) struct Params {
    name: String,
}

#[derive(Serialize)]
struct Guest {
    token: String,
    user: User,
}

/// Gives a token without rights beyond a user's own. Whoever shows a guest's token
/// that still holds gets one for the same guest.
pub(super) async fn sign_in(
    State(api): State<Arc<Api>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    params: Result<Json<Params>, JsonRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Some(mint) = &api.mint else {
        let message = "guests do not sign in here";
        return Err(Refusal::new(ErrorCode::NotFound, message));
    };
    let Json(params) = params.map_err(|error| {
        let message = format!("the body is no {{\"name\"}}: {}", error.body_text());
        Refusal::new(ErrorCode::BadRequest, message)
    })?;
    let name = signaling::clean_line(&params.name);
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    if !(1..=NAME_CHARS_MAX).contains(&name.chars().count()) {
        let message = format!("name: not 1 to {NAME_CHARS_MAX} characters");
        return Err(Refusal::new(ErrorCode::BadRequest, message));
    }
    api.gate.service().admit_guest(address.ip())?;
    let before = relay::bearer(&headers)?.map(|token| api.gate.identify(token));
    let sub = match before {
        Some(Ok(identity)) if identity.sub.starts_with(PREFIX) => identity.sub,
        // A token that ran out is a guest nobody can prove to be.
        _ => format!("{PREFIX}{:024x}", rand::random::<u128>() >> 32),
    };
    let order = Order {
        sub: sub.clone(),
        name: Some(name.clone()),
        grants: Grants::default(),
        ttl: TTL,
    };
    let token = mint.mint(order).map_err(|error| {
        tracing::error!(%error, "no guest's token can be made");
        Refusal::new(ErrorCode::Internal, "no token can be made now")
    })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let user = User {
        sub,
        name: Some(name),
        expires_at: now.unwrap_or_default().as_secs() + TTL.as_secs(),
    };
    let fresh = [(header::CACHE_CONTROL, "no-store")];
    Ok((fresh, Json(Guest { token, user })))
}
