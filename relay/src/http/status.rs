//! `/status-json.xsl`: what plays, in the shape of Icecast's own.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use icecast::text;
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::{Iso8601, Rfc2822};
use wire::message::{Station, StationState};

use super::connect::base_url;
use super::mount::listen_url;
use super::{App, fresh};
use crate::mount::Wanted;

/// One stream, with Icecast's names.
#[derive(Serialize)]
struct Source {
    #[serde(skip_serializing_if = "Option::is_none")]
    audio_info: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bitrate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    genre: Option<String>,
    listener_peak: u64,
    listeners: u64,
    listenurl: String,
    server_description: String,
    server_name: String,
    server_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_url: Option<String>,
    stream_start: String,
    stream_start_iso8601: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    artist: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    dummy: Option<()>,
}

/// `GET /status-json.xsl`, with `?mount=/ID` of one stream alone.
pub(super) async fn status(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let base = base_url(&app, &headers).unwrap_or_default();
    let query = text::query(query.as_deref().unwrap_or_default());
    let mount = query.into_iter().find(|(name, _)| name == "mount");
    let mount = mount.map(|(_, value)| value.into_text(None));
    let wanted = |station: &Station| {
        let mount = mount.as_deref().map(|mount| mount.trim_start_matches('/'));
        station.state != StationState::Offline
            && mount.is_none_or(|mount| mount == station.id.as_str())
    };
    let stations = &app.host.shared().stations;
    let on_air = stations.all().into_iter().filter(wanted);
    let sources: Vec<_> = on_air
        .map(|station| {
            let found = stations.find(&station.id, &Wanted::AsSent).ok();
            let kind = found.map_or("audio/ogg", |found| found.kind.content_type());
            source(&base, kind, station)
        })
        .collect();
    fresh(Json(document(&base, app.started_at, sources)))
}

fn document(base: &str, started_at: u64, sources: Vec<Source>) -> Value {
    let host = base.split("://").nth(1).unwrap_or_default();
    let (start, start_iso) = moment(started_at);
    let mut stats = json!({
        "admin": "", "host": host, "location": "",
        "server_id": concat!("Skywave ", env!("CARGO_PKG_VERSION")),
        "server_start": start, "server_start_iso8601": start_iso,
    });
    // Icecast's own shape: nothing, one object, or a list of several.
    let mut sources: Vec<_> = sources.into_iter().map(|source| json!(source)).collect();
    match sources.len() {
        0 => {}
        1 => stats["source"] = sources.remove(0),
        _ => stats["source"] = Value::Array(sources),
    }
    json!({ "icestats": stats })
}

fn source(base: &str, server_type: &'static str, station: Station) -> Source {
    let listenurl = listen_url(base, &station);
    let (stream_start, stream_start_iso8601) = moment(station.started_at.unwrap_or(0));
    let kbps = station.bitrate.map(|bitrate| bitrate / 1000);
    let title = station.metadata;
    Source {
        audio_info: kbps.map(|kbps| format!("bitrate={kbps}")),
        bitrate: kbps,
        genre: station.genre,
        listener_peak: station.listeners_peak,
        listeners: station.listeners,
        listenurl,
        server_description: station.description,
        server_name: station.name,
        server_type,
        server_url: station.url,
        stream_start,
        stream_start_iso8601,
        artist: title.as_ref().and_then(|title| title.artist.clone()),
        title: title.map(|title| title.title),
        dummy: None,
    }
}

/// A moment in microseconds since the Unix epoch, in both of Icecast's forms.
fn moment(unix_us: u64) -> (String, String) {
    let at = OffsetDateTime::from_unix_timestamp((unix_us / 1_000_000) as i64);
    let at = at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let text = at.format(&Rfc2822).unwrap_or_default();
    let iso = at.format(&Iso8601::DATE_TIME_OFFSET).unwrap_or_default();
    (text, iso)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_both_forms() {
        let (text, iso) = moment(1_795_543_200_000_000);
        assert_eq!(text, "Tue, 24 Nov 2026 18:00:00 +0000");
        assert!(iso.starts_with("2026-11-24T18:00:00"), "{iso}");
    }
}
