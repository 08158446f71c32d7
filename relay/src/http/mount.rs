//! `GET /{mount}`: a station for any player, and the playlists that point to it.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use icecast::icy::INTERVAL;
use icecast::text;
use tower::ServiceExt;
use wire::StationId;
use wire::message::Station;

use super::App;
use super::connect::base_url;
use crate::metrics::{EndLabel, Metrics, TransportLabel};
use crate::mount::{Ended, Kind, Sound, Wanted};
use crate::session::SessionId;
use crate::session::host::{Host, Seat};
use crate::station::{Found, NothingToPlay};

/// What is said about a mount to players, and what pages may read of it.
const EXPOSED: &str = "icy-br, icy-description, icy-genre, icy-metaint, icy-name, icy-pub, \
     icy-url, ice-audio-info, content-type";

/// What pages may ask with.
const ALLOWED: &str = "accept, authorization, cache-control, content-type, icy-metadata, \
     origin, range, x-requested-with";

const METHODS: &str = "GET, HEAD, OPTIONS";

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    station: StationId,
    wanted: Wanted,
    list: Option<List>,
}

/// A file that points to a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    M3u,
    Pls,
}

/// Answers what names a station; everything else is the site's.
pub(super) async fn mount(
    State(app): State<App>,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let stations = &app.host.shared().stations;
    let is_known = |id: &StationId| stations.station(id).is_some();
    let method = request.method().clone();
    let known = names(&path).find(|name| is_known(&name.station));
    let Some(mut name) =
        known.filter(|_| matches!(method, Method::GET | Method::HEAD | Method::OPTIONS))
    else {
        // Its error type has no values.
        return app.site.oneshot(request).await.into_response();
    };
    if method == Method::OPTIONS {
        return options();
    }
    if let Some(rendition) = rendition(query.as_deref()) {
        if let Wanted::Carried(_) = name.wanted {
            let told = "renditions are Opus: leave the extension out, or write .opus";
            return plain(StatusCode::BAD_REQUEST, told);
        }
        name.wanted = Wanted::Opus(rendition);
    }
    let headers = request.headers();
    if let Some(list) = name.list {
        let path = path.rsplit_once('.').map_or(&*path, |(mount, _)| mount);
        let station = stations.station(&name.station);
        let station = station.map_or_else(|| name.station.to_string(), |station| station.name);
        return playlist(&app, headers, list, path, query.as_deref(), &station);
    }
    let titles = headers
        .get("icy-metadata")
        .is_some_and(|value| value.as_bytes().trim_ascii() == b"1");
    match method {
        Method::HEAD => match stations.find(&name.station, &name.wanted) {
            Ok(found) => {
                let mut response = head(&found, titles);
                // Of an empty body the length would be told, and a stream has none.
                let none = stream::empty::<Result<Bytes, std::io::Error>>();
                *response.body_mut() = Body::from_stream(none);
                response
            }
            Err(error) => nothing(&error),
        },
        _ => play(&app, &name, titles),
    }
}

/// The stations a path may name, the likelier first: an id may end like an extension.
fn names(path: &str) -> impl Iterator<Item = Name> {
    let name = |text: &str, wanted, list| {
        let station = text.parse().ok()?;
        Some(Name {
            station,
            wanted,
            list,
        })
    };
    let streams = |text: &str, list: Option<List>| {
        let extended = text.rsplit_once('.').and_then(|(stem, extension)| {
            let wanted = match extension {
                "opus" | "ogg" => Wanted::Opus(wire::message::SOURCE_RENDITION.to_owned()),
                "mp3" => Wanted::Carried(Kind::Mp3),
                "aac" => Wanted::Carried(Kind::Aac),
                _ => return None,
            };
            name(stem, wanted, list)
        });
        [name(text, Wanted::AsSent, list), extended]
    };
    let lists = path.rsplit_once('.').and_then(|(stem, extension)| {
        let list = match extension {
            "m3u" => List::M3u,
            "pls" => List::Pls,
            _ => return None,
        };
        Some(streams(stem, Some(list)))
    });
    let all = streams(path, None).into_iter();
    all.chain(lists.into_iter().flatten()).flatten()
}

fn rendition(query: Option<&str>) -> Option<String> {
    let pairs = text::query(query?);
    let named = pairs.into_iter().find(|(name, _)| name == "rendition");
    named.map(|(_, value)| value.into_text(None))
}

/// Begins to send a station to a player.
fn play(app: &App, name: &Name, titles: bool) -> Response {
    let host = &app.host;
    if host.is_draining() {
        return busy("the server shuts down");
    }
    let Some((seat, id)) = host.seat() else {
        return busy("too many listen already");
    };
    let stations = &host.shared().stations;
    let (found, ring) = match stations.play(id, &name.station, &name.wanted) {
        Ok(joined) => joined,
        Err(error) => return nothing(&error),
    };
    let titles = titles && found.kind != Kind::Opus;
    let player = Player::new(Arc::clone(host), id, seat, name.station.clone());
    let sound = Sound::new(&ring, app.burst, titles);
    let pieces = stream::unfold(Some((sound, player)), |playing| async move {
        let (mut sound, mut player) = playing?;
        match sound.next().await {
            Ok(bytes) => Some((Ok(bytes), Some((sound, player)))),
            Err(Ended::Ended) => None,
            Err(Ended::Behind) => {
                player.end = "slow_consumer";
                let error = std::io::Error::other("the listener is too slow");
                Some((Err::<Bytes, _>(error), None))
            }
        }
    });
    let mut response = head(&found, titles);
    *response.body_mut() = Body::from_stream(pieces);
    response
}

/// One HTTP listener, counted until it is dropped.
struct Player {
    host: Arc<Host>,
    id: SessionId,
    station: StationId,
    begun: Instant,
    /// A close code's name.
    end: &'static str,
    _seat: Seat,
}

impl Player {
    fn new(host: Arc<Host>, id: SessionId, seat: Seat, station: StationId) -> Self {
        let metrics = &host.shared().metrics;
        let sessions = metrics.sessions.get_or_create_owned(&TransportLabel::HTTP);
        sessions.inc();
        tracing::info!(%station, transport = "http", "listener begins");
        Self {
            host,
            id,
            station,
            begun: Instant::now(),
            end: "done",
            _seat: seat,
        }
    }

    fn metrics(&self) -> &Metrics {
        &self.host.shared().metrics
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.host.shared().stations.stop_playing(self.id);
        let metrics = self.metrics();
        let sessions = metrics.sessions.get_or_create_owned(&TransportLabel::HTTP);
        sessions.dec();
        let code = self.end.to_owned();
        metrics
            .sessions_ended
            .get_or_create(&EndLabel { code })
            .inc();
        if self.end == "slow_consumer" {
            metrics.players_dropped.inc();
        }
        let (station, seconds) = (&self.station, self.begun.elapsed().as_secs());
        tracing::info!(%station, transport = "http", seconds, code = self.end, "listener ends");
    }
}

/// The head of a stream. It names no length and ends with the connection, on HTTP/1.0: the
/// one way every player knows, and pages of sound without a frame around each.
fn head(found: &Found, titles: bool) -> Response {
    let station = &found.station;
    let mut response = Response::new(Body::empty());
    *response.version_mut() = Version::HTTP_10;
    let headers = response.headers_mut();
    fixed(headers, header::CONTENT_TYPE, found.kind.content_type());
    fixed(headers, header::CACHE_CONTROL, "no-cache, no-store");
    fixed(headers, header::PRAGMA, "no-cache");
    fixed(headers, header::CONNECTION, "close");
    fixed(headers, header::ACCEPT_RANGES, "none");
    cors(headers);
    let mut about = |name: &'static str, value: Option<&str>| {
        let value = value.filter(|value| !value.is_empty());
        // Texts have no control characters: every one is a header's value.
        let value = value.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok());
        if let Some(value) = value {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    about("icy-name", Some(&station.name));
    about("icy-description", Some(&station.description));
    about("icy-genre", station.genre.as_deref());
    about("icy-url", station.url.as_deref());
    about("icy-pub", Some("0"));
    if let Some(bitrate) = station.bitrate {
        let kbps = (bitrate / 1000).to_string();
        about("icy-br", Some(&kbps));
        about("ice-audio-info", Some(&format!("bitrate={kbps}")));
    }
    if titles && found.kind != Kind::Opus {
        about("icy-metaint", Some(&INTERVAL.to_string()));
    }
    response
}

fn options() -> Response {
    let mut headers = HeaderMap::new();
    fixed(&mut headers, header::ALLOW, METHODS);
    fixed(&mut headers, header::ACCESS_CONTROL_MAX_AGE, "86400");
    cors(&mut headers);
    (StatusCode::NO_CONTENT, headers).into_response()
}

fn playlist(
    app: &App,
    headers: &HeaderMap,
    list: List,
    mount: &str,
    query: Option<&str>,
    name: &str,
) -> Response {
    let Some(base) = base_url(app, headers) else {
        return plain(StatusCode::BAD_REQUEST, "the Host header names no host");
    };
    // A mount is a station's id: it needs no escapes. A query came escaped.
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let url = format!("{base}/{mount}{query}");
    let (kind, text) = match list {
        List::M3u => (
            "audio/x-mpegurl",
            format!("#EXTM3U\r\n#EXTINF:-1,{name}\r\n{url}\r\n"),
        ),
        List::Pls => (
            "audio/x-scpls",
            format!(
                "[playlist]\r\nNumberOfEntries=1\r\nFile1={url}\r\nTitle1={name}\r\n\
                 Length1=-1\r\nVersion=2\r\n"
            ),
        ),
    };
    let mut headers = HeaderMap::new();
    fixed(&mut headers, header::CONTENT_TYPE, kind);
    fixed(&mut headers, header::CACHE_CONTROL, "no-store");
    cors(&mut headers);
    (headers, text).into_response()
}

fn nothing(error: &NothingToPlay) -> Response {
    match error {
        NothingToPlay::Refused(refused) if refused.temporary => busy(&refused.message),
        NothingToPlay::Refused(refused) => plain(StatusCode::NOT_FOUND, &refused.message),
        _ => plain(StatusCode::NOT_FOUND, &error.to_string()),
    }
}

fn busy(why: &str) -> Response {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, why);
    fixed(response.headers_mut(), header::RETRY_AFTER, "5");
    response
}

fn plain(status: StatusCode, why: &str) -> Response {
    let mut headers = HeaderMap::new();
    fixed(&mut headers, header::CACHE_CONTROL, "no-store");
    cors(&mut headers);
    (status, headers, format!("{why}\n")).into_response()
}

/// Pages of any origin may play, and read what players are told.
fn cors(headers: &mut HeaderMap) {
    fixed(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    fixed(headers, header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    fixed(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
    fixed(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

fn fixed(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}

/// The mount of a station, as others are told it.
pub(super) fn listen_url(base: &str, station: &Station) -> String {
    format!("{base}/{}", station.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_name_a_station_in_more_than_one_way() {
        let all = |path: &str| {
            let all = names(path).map(|name| (name.station.to_string(), name.wanted, name.list));
            all.collect::<Vec<_>>()
        };
        let opus = || Wanted::Opus("source".to_owned());
        assert_eq!(all("jazz"), [("jazz".into(), Wanted::AsSent, None)]);
        assert_eq!(
            all("jazz.opus"),
            [
                ("jazz.opus".into(), Wanted::AsSent, None),
                ("jazz".into(), opus(), None),
            ]
        );
        assert_eq!(
            all("jazz.mp3.m3u"),
            [
                ("jazz.mp3.m3u".into(), Wanted::AsSent, None),
                ("jazz.mp3".into(), Wanted::AsSent, Some(List::M3u)),
                ("jazz".into(), Wanted::Carried(Kind::Mp3), Some(List::M3u)),
            ]
        );
        assert_eq!(all("No Station"), []);
        assert_eq!(all("..m3u"), []);
    }
}
