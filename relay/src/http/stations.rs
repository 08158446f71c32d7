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
    /// Left out while nobody measures it.
    #[serde(skip_serializing_if = "Option::is_none")]
    loudness: Option<Loudness>,
}

/// How loud a station is; nulls before there is enough of it, and in silence.
#[derive(Serialize)]
struct Loudness {
    momentary_lufs: Option<f64>,
    short_term_lufs: Option<f64>,
    integrated_lufs: Option<f64>,
    true_peak_dbtp: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gain_db: Option<f64>,
}

impl From<media::transcoder::Loudness> for Loudness {
    fn from(loudness: media::transcoder::Loudness) -> Self {
        // A hundredth is more than anybody hears.
        let round = |value: f64| (value * 100.0).round() / 100.0;
        let reading = loudness.reading;
        Self {
            momentary_lufs: reading.momentary_lufs.map(round),
            short_term_lufs: reading.short_term_lufs.map(round),
            integrated_lufs: reading.integrated_lufs.map(round),
            true_peak_dbtp: reading.true_peak_dbtp.map(round),
            gain_db: loudness.gain_db.map(round),
        }
    }
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
            loudness: stations.loudness(&id).map(Loudness::from),
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
