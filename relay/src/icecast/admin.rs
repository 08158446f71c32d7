//! Titles by HTTP: `/admin/metadata`, and `/admin.cgi` as SHOUTcast has it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use icecast::shoutcast::Greeting;
use icecast::text::{self, Raw, Song};
use tokio::time::timeout;
use wire::StationId;
use wire::message::Metadata;

use super::{Sources, station_of};
use crate::gate::SourceDenied;

/// For the password to be checked.
const CHECK: Duration = Duration::from_secs(5);

/// What a query asks for.
#[derive(Debug, Default)]
struct Update {
    mode: String,
    mount: String,
    pass: String,
    charset: Option<String>,
    song: Option<Raw>,
    title: Option<Raw>,
    artist: Option<Raw>,
    album: Option<Raw>,
    url: Option<Raw>,
}

impl Update {
    fn parse(query: &str) -> Self {
        let mut update = Self::default();
        for (name, value) in text::query(query) {
            match &*name {
                "mode" => update.mode = value.into_text(None),
                "mount" => update.mount = value.into_text(None),
                "pass" => update.pass = value.into_text(None),
                "charset" => update.charset = Some(value.into_text(None)),
                "song" => update.song = Some(value),
                "title" => update.title = Some(value),
                "artist" => update.artist = Some(value),
                "album" => update.album = Some(value),
                "url" => update.url = Some(value),
                _ => {}
            }
        }
        update
    }

    /// What is to be shown; `None` when it names nothing.
    fn metadata(self) -> Option<Metadata> {
        let charset = self.charset.as_deref();
        let told = |raw: Option<Raw>| {
            let text = raw.map(|raw| raw.into_text(charset));
            text.filter(|text| !text.trim().is_empty())
        };
        let song = match (told(self.song), told(self.title), told(self.artist)) {
            (_, Some(title), artist) => Song { title, artist },
            (Some(song), None, _) => Song::from_line(&song),
            // Of all things an artist alone is a title to some encoders.
            (None, None, Some(artist)) => Song {
                title: artist,
                artist: None,
            },
            (None, None, None) => return None,
        };
        Some(Metadata {
            title: song.title,
            artist: song.artist,
            album: told(self.album),
            url: told(self.url),
            ..Metadata::default()
        })
    }
}

/// `GET /admin/metadata?mode=updinfo&mount=/ID&song=...`.
pub(crate) async fn metadata(
    State(sources): State<Arc<Sources>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let update = Update::parse(&query.unwrap_or_default());
    let Some(station) = station_of(&update.mount) else {
        return answer(StatusCode::BAD_REQUEST, "Missing parameter: mount", false);
    };
    let authorization = headers.get(header::AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok());
    let Some((user, password)) = authorization.and_then(icecast::head::basic) else {
        return unauthorized();
    };
    apply(&sources, station, &user, &password, update).await
}

/// `GET /admin.cgi?mode=updinfo&pass=...&song=...`.
pub(crate) async fn shoutcast(
    State(sources): State<Arc<Sources>>,
    RawQuery(query): RawQuery,
) -> Response {
    let mut update = Update::parse(&query.unwrap_or_default());
    let pass = std::mem::take(&mut update.pass);
    let configured = sources.config().shoutcast_station.as_ref();
    // A password may hold a colon, so that it is tried whole first.
    if let Some(station) = configured {
        let gate = &sources.host().shared().gate;
        let whole = gate.authenticate_source(station, "source", &pass);
        if matches!(timeout(CHECK, whole).await, Ok(Ok(_))) {
            return perform(&sources, station, update);
        }
    }
    let named = Greeting::from_line(pass).named();
    let Some((station, password)) = named.and_then(|(id, rest)| Some((id.parse().ok()?, rest)))
    else {
        return unauthorized();
    };
    apply(&sources, station, "source", &password, update).await
}

async fn apply(
    sources: &Sources,
    station: StationId,
    user: &str,
    password: &str,
    update: Update,
) -> Response {
    let gate = &sources.host().shared().gate;
    match timeout(CHECK, gate.authenticate_source(&station, user, password)).await {
        Ok(Ok(_)) => {}
        Ok(Err(SourceDenied::Unknown)) => return unauthorized(),
        Ok(Err(SourceDenied::Forbidden)) => {
            return answer(StatusCode::FORBIDDEN, "this is another's mountpoint", false);
        }
        Ok(Err(SourceDenied::Busy)) | Err(_) => {
            return answer(StatusCode::SERVICE_UNAVAILABLE, "try again", false);
        }
    }
    perform(sources, &station, update)
}

fn perform(sources: &Sources, station: &StationId, update: Update) -> Response {
    if update.mode != "updinfo" {
        return answer(StatusCode::BAD_REQUEST, "Unrecognised command", false);
    }
    let Some(metadata) = update.metadata() else {
        return answer(StatusCode::BAD_REQUEST, "Missing parameter: song", false);
    };
    match sources.set_title(station, metadata) {
        Ok(()) => answer(StatusCode::OK, "Metadata update successful", true),
        Err(_) => answer(StatusCode::BAD_REQUEST, "Source does not exist", false),
    }
}

/// As Icecast words and shapes it.
fn answer(status: StatusCode, message: &str, done: bool) -> Response {
    let body = format!(
        "<?xml version=\"1.0\"?>\n<iceresponse><message>{message}</message>\
         <return>{}</return></iceresponse>\n",
        u8::from(done)
    );
    (status, [(header::CONTENT_TYPE, "text/xml")], body).into_response()
}

fn unauthorized() -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"Skywave\"")];
    let message = "You need to authenticate\n";
    (StatusCode::UNAUTHORIZED, challenge, message).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_taken_in_every_form_encoders_use() {
        let said = |query: &str| {
            let metadata = Update::parse(query).metadata();
            metadata.map(|told| (told.title, told.artist.unwrap_or_default()))
        };
        let pair = |title: &str, artist: &str| Some((title.to_owned(), artist.to_owned()));
        assert_eq!(said("song=A%20-%20B"), pair("B", "A"));
        assert_eq!(said("song=B"), pair("B", ""));
        assert_eq!(said("title=B+-+C&artist=A"), pair("B - C", "A"));
        assert_eq!(said("title=%E9&charset=latin1"), pair("é", ""));
        assert_eq!(said("artist=A"), pair("A", ""));
        assert_eq!(said("song=&title=+"), None);
    }
}
