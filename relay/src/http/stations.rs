//! Which stations there are, and what is known of one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use wire::StationId;
use wire::code::ErrorCode;
use wire::message::{Station, StationsState};

use super::{fresh, refusal};
use crate::session::host::Host;

/// A station by itself: what is told of all, and what is heard of its sound.
#[derive(Serialize)]
struct Detail {
    #[serde(flatten)]
    station: Station,
    /// Left out where nobody wants to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_air: Option<bool>,
}

pub(super) async fn list(State(host): State<Arc<Host>>) -> Response {
    let stations = host.shared().stations.all();
    fresh(Json(StationsState { stations }))
}

pub(super) async fn one(State(host): State<Arc<Host>>, Path(id): Path<String>) -> Response {
    let stations = &host.shared().stations;
    let found = id.parse::<StationId>().ok().and_then(|id| {
        Some(Detail {
            station: stations.station(&id)?,
            dead_air: stations.is_silent(&id),
        })
    });
    match found {
        Some(detail) => fresh(Json(detail)),
        None => refusal(
            StatusCode::NOT_FOUND,
            ErrorCode::UnknownStation,
            "there is no such station now",
        ),
    }
}
