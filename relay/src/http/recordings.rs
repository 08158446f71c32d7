//! Recordings: which there are, to download and remove, and whether one is made now.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tower_http::services::ServeFile;
use wire::StationId;
use wire::code::ErrorCode;

use super::bearer::{forbidden, identify};
use super::{fresh, refusal};
use crate::recording::{Entry, Name};
use crate::session::host::Host;
use crate::station::Recorded;

#[derive(Serialize)]
struct List {
    /// Whether the station is recorded whenever it is on air.
    enabled: bool,
    recordings: Vec<Entry>,
}

#[derive(Serialize)]
struct Enabled {
    enabled: bool,
    on_air: bool,
}

/// `GET /api/v1/stations/{id}/recordings`
pub(super) async fn list(
    State(host): State<Arc<Host>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let station = allowed(&host, &headers, &id, Right::Hear).await?;
    let folder = host.shared().stations.recordings();
    let listed = station.clone();
    let entries = tokio::task::spawn_blocking(move || folder.list(&listed)).await;
    match entries {
        Ok(Ok(recordings)) => {
            let recorded = host.shared().stations.recorded(&station);
            let enabled = recorded.is_some_and(|recorded| recorded.wanted);
            Ok(fresh(Json(List {
                enabled,
                recordings,
            })))
        }
        Ok(Err(error)) => Err(broken(&error)),
        Err(_) => Err(broken(&"it was not listed")),
    }
}

/// `GET /api/v1/stations/{id}/recordings/{name}`, whole or in ranges.
pub(super) async fn download(
    State(host): State<Arc<Host>>,
    Path((id, name)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Response> {
    let station = allowed(&host, request.headers(), &id, Right::Hear).await?;
    let name: Name = name.parse().map_err(|_| unknown())?;
    let path = host.shared().stations.recordings().path(&station, &name);
    let kind = match name.is_sound() {
        true => "audio/ogg",
        false => "application/x-ndjson",
    };
    let kind = kind.parse().expect("both are media types");
    let served = ServeFile::new_with_mime(path, &kind)
        .try_call(request)
        .await;
    let served = served.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => unknown(),
        _ => broken(&error),
    })?;
    // What is being written grows: nobody may keep a part of it for the whole.
    Ok(([(header::CACHE_CONTROL, "no-cache")], served).into_response())
}

/// `DELETE /api/v1/stations/{id}/recordings/{name}`
pub(super) async fn remove(
    State(host): State<Arc<Host>>,
    Path((id, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let station = allowed(&host, &headers, &id, Right::Manage).await?;
    let name: Name = name.parse().map_err(|_| unknown())?;
    if !name.is_sound() {
        return Err(unknown());
    }
    let folder = host.shared().stations.recordings();
    let removed = tokio::task::spawn_blocking(move || folder.remove(&station, &name)).await;
    match removed {
        Ok(Ok(true)) => Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(Ok(false)) => {
            let message = "this recording is being made";
            Err(refusal(StatusCode::CONFLICT, ErrorCode::Conflict, message))
        }
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Err(unknown()),
        Ok(Err(error)) => Err(broken(&error)),
        Err(_) => Err(broken(&"it was not removed")),
    }
}

/// `PUT /api/v1/stations/{id}/recording`
pub(super) async fn start(
    State(host): State<Arc<Host>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    switch(&host, &id, &headers, true).await
}

/// `DELETE /api/v1/stations/{id}/recording`
pub(super) async fn stop(
    State(host): State<Arc<Host>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    switch(&host, &id, &headers, false).await
}

async fn switch(
    host: &Host,
    id: &str,
    headers: &HeaderMap,
    wanted: bool,
) -> Result<Response, Response> {
    let station = allowed(host, headers, id, Right::Manage).await?;
    let recorded = host.shared().stations.record(&station, wanted);
    let Some(Recorded { wanted, on_air }) = recorded else {
        let message = "there is no such station now";
        let code = ErrorCode::UnknownStation;
        return Err(refusal(StatusCode::NOT_FOUND, code, message));
    };
    tracing::info!(%station, wanted, "an administrator asked whether to record {station}");
    Ok(fresh(Json(Enabled {
        enabled: wanted,
        on_air,
    })))
}

/// What somebody wants to do with recordings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    /// Those who publish or moderate the station, and administrators.
    Hear,
    /// Administrators.
    Manage,
}

/// The station, if the bearer may do that with its recordings.
async fn allowed(
    host: &Host,
    headers: &HeaderMap,
    id: &str,
    right: Right,
) -> Result<StationId, Response> {
    let identity = identify(host.shared(), headers).await?;
    let station: StationId = id.parse().map_err(|_| unknown())?;
    let rights = &identity.rights;
    let theirs = rights.publish.contains(&station) || rights.moderate.contains(&station);
    match right {
        Right::Manage if !rights.admin => Err(forbidden("this is for administrators")),
        Right::Hear if !rights.admin && !theirs => {
            Err(forbidden("the token allows nothing at this station"))
        }
        _ => Ok(station),
    }
}

fn unknown() -> Response {
    let message = "there is no such recording";
    refusal(StatusCode::NOT_FOUND, ErrorCode::NotFound, message)
}

fn broken(error: &dyn std::fmt::Display) -> Response {
    tracing::error!(%error, "recordings cannot be read");
    let message = "the recordings cannot be read now";
    refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Unavailable,
        message,
    )
}
