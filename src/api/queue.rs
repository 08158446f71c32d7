//! A station's playlist over HTTP: its files, its queue, and listeners' requests.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use media::input::Tags;
use relay::OnAir;
use serde::Deserialize;
use serde_json::{Value, json};
use signaling::token::Identity;
use wire::StationId;
use wire::code::ErrorCode;
use wire::frame::Error;

use super::{Api, Asker, Refusal};
use crate::autodj::{Entry, Order, Program, Refused, Requests, Track, title};

/// Files told at once.
const LIMIT: usize = 200;
const LIMIT_MAX: usize = 1_000;

/// What a request is answered.
type Answer = Result<Response, Refusal>;

pub(super) fn routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/api/v1/stations/{id}/library", get(library))
        .route("/api/v1/stations/{id}/queue", get(queue).post(add))
        .route("/api/v1/stations/{id}/queue/skip", post(skip))
        .route(
            "/api/v1/stations/{id}/queue/{entry}",
            patch(reorder).delete(remove),
        )
        .route(
            "/api/v1/stations/{id}/requests",
            get(requests).post(request),
        )
        .route("/api/v1/stations/{id}/requests/{request}", patch(decide))
}

/// Who may do what with a playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    /// Those who publish or moderate the station, and administrators.
    Manage,
    /// Every user, where the station takes requests.
    Request,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    q: String,
    after: Option<String>,
    limit: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    file: String,
    position: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Moved {
    position: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Requested {
    file: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decided {
    approved: bool,
}

/// `GET /api/v1/stations/{id}/library`
async fn library(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let (program, identity) = api.playlist(&asker, &id, Right::Request)?;
    let manages = may_manage(&identity, program.station());
    let order = program.order();
    let words = wanted.q.to_lowercase();
    let limit = wanted.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let begins = match &wanted.after {
        None => 0,
        Some(file) => {
            let at = order.items().iter().position(|item| item.file == *file);
            at.ok_or_else(|| Refusal::from(Refused::NoFile))? + 1
        }
    };
    // What is broken can be asked for by nobody, and helps those who can repair it.
    let listed = order.items()[begins..]
        .iter()
        .filter(|item| manages || item.broken.is_none())
        .map(|item| {
            let mut told = file(&item.file, item.tags.as_ref());
            if let Some(why) = &item.broken {
                told["broken"] = why.clone().into();
            }
            told
        })
        .filter(|told| words.is_empty() || holds(told, &words));
    let files: Vec<Value> = listed.take(limit).collect();
    let whole = order.items().len();
    drop(order);
    Ok(fresh(json!({ "files": files, "total": whole })))
}

/// `GET /api/v1/stations/{id}/queue`
async fn queue(State(api): State<Arc<Api>>, asker: Asker, Path(id): Path<String>) -> Answer {
    let (program, _) = api.playlist(&asker, &id, Right::Manage)?;
    let on_air = match program.on_air() {
        OnAir::Nobody => "nobody",
        OnAir::Live => "live",
        OnAir::StandIn => "playlist",
    };
    let (playing, cued) = (program.playing(), program.cued());
    let order = program.order();
    let entries: Vec<_> = order.queue().map(|queued| entry(&order, queued)).collect();
    drop(order);
    Ok(fresh(json!({
        "on_air": on_air,
        "playing": playing.as_ref().map(track),
        "next": cued.as_ref().map(track),
        "queue": entries,
    })))
}

/// `POST /api/v1/stations/{id}/queue`
async fn add(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path(id): Path<String>,
    body: Result<Json<Added>, JsonRejection>,
) -> Answer {
    let (program, _) = api.playlist(&asker, &id, Right::Manage)?;
    let added = read(body)?;
    let mut order = program.order();
    let queued = order.add(&added.file, added.position, None)?;
    let told = entry(&order, &queued);
    drop(order);
    Ok((StatusCode::CREATED, fresh(told)).into_response())
}

/// `PATCH /api/v1/stations/{id}/queue/{entry}`
async fn reorder(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path((id, queued)): Path<(String, String)>,
    body: Result<Json<Moved>, JsonRejection>,
) -> Answer {
    let (program, _) = api.playlist(&asker, &id, Right::Manage)?;
    let moved = read(body)?;
    let queued = queued.parse().map_err(|_| Refused::NoEntry)?;
    program.order().move_to(queued, moved.position)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `DELETE /api/v1/stations/{id}/queue/{entry}`
async fn remove(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path((id, queued)): Path<(String, String)>,
) -> Answer {
    let (program, _) = api.playlist(&asker, &id, Right::Manage)?;
    let queued = queued.parse().map_err(|_| Refused::NoEntry)?;
    program.order().remove(queued)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /api/v1/stations/{id}/queue/skip`
async fn skip(State(api): State<Arc<Api>>, asker: Asker, Path(id): Path<String>) -> Answer {
    let (program, _) = api.playlist(&asker, &id, Right::Manage)?;
    if !program.skip() {
        let message = "nothing of the playlist is on air";
        return Err(Refusal::new(ErrorCode::Conflict, message));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /api/v1/stations/{id}/requests`: all of them, or one's own.
async fn requests(State(api): State<Arc<Api>>, asker: Asker, Path(id): Path<String>) -> Answer {
    let (program, identity) = api.playlist(&asker, &id, Right::Request)?;
    let manages = may_manage(&identity, program.station());
    let order = program.order();
    let visible = order
        .requests()
        .filter(|request| manages || request.sub == identity.sub);
    let told: Vec<_> = visible
        .map(|request| {
            let mut told = named(&order, &request.file);
            told["id"] = request.id.into();
            told["by"] = request.by.clone().into();
            told
        })
        .collect();
    drop(order);
    Ok(fresh(json!({ "requests": told })))
}

/// `POST /api/v1/stations/{id}/requests`
async fn request(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path(id): Path<String>,
    body: Result<Json<Requested>, JsonRejection>,
) -> Answer {
    let (program, identity) = api.playlist(&asker, &id, Right::Request)?;
    let wanted = read(body)?;
    let name = identity.name.as_deref().unwrap_or(&identity.sub);
    let address = asker.address.ip().to_canonical().to_string();
    let who = (&*identity.sub, name);
    let requested = program
        .order()
        .request(&wanted.file, who, &address, Instant::now());
    let (id, queued) = requested?;
    let state = if queued { "queued" } else { "waiting" };
    let told = json!({ "id": id, "state": state });
    Ok((StatusCode::CREATED, fresh(told)).into_response())
}

/// `PATCH /api/v1/stations/{id}/requests/{request}`
async fn decide(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path((id, request)): Path<(String, String)>,
    body: Result<Json<Decided>, JsonRejection>,
) -> Answer {
    let (program, _) = api.playlist(&asker, &id, Right::Manage)?;
    let decided = read(body)?;
    let request = request.parse().map_err(|_| Refused::NoRequest)?;
    let mut order = program.order();
    let queued = order.decide(request, decided.approved)?;
    let told = queued.map(|queued| entry(&order, &queued));
    drop(order);
    Ok(fresh(json!({ "queued": told })))
}

impl Api {
    /// The station's playlist, if the asker may do that with it.
    fn playlist(
        &self,
        asker: &Asker,
        id: &str,
        right: Right,
    ) -> Result<(Arc<Program>, Identity), Refusal> {
        let token = relay::bearer(&asker.headers)?.ok_or_else(|| {
            let message = "this needs a token";
            Refusal::new(ErrorCode::Unauthorized, message)
        })?;
        let identity = self.gate.identify(token);
        let identity =
            identity.map_err(|denied| Refusal::new(ErrorCode::Unauthorized, denied.reason))?;
        let station: Option<StationId> = id.parse().ok();
        let program = station.and_then(|station| self.playlists.get(&station));
        let manages = program.is_some_and(|program| may_manage(&identity, program.station()));
        let requests = program.map(|program| program.fallback().requests);
        let allowed = match right {
            Right::Manage => manages,
            Right::Request => manages || requests.is_some_and(|mode| mode != Requests::Off),
        };
        // Whether there is a playlist is nobody's business who may do nothing with it.
        let program = program.filter(|_| allowed).cloned().ok_or_else(|| {
            let may = id
                .parse()
                .is_ok_and(|station| may_manage(&identity, &station));
            match may {
                true => Refusal::new(ErrorCode::NotFound, "this station has no playlist"),
                false => {
                    let message = "the token allows nothing at this station's playlist";
                    Refusal::new(ErrorCode::Forbidden, message)
                }
            }
        })?;
        Ok((program, identity))
    }
}

fn may_manage(identity: &Identity, station: &StationId) -> bool {
    identity.grants.may_publish(station) || identity.grants.may_moderate(station)
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let message = refused.to_string();
        match refused {
            Refused::NoFile | Refused::NoEntry | Refused::NoRequest => {
                Self::new(ErrorCode::NotFound, message)
            }
            Refused::Full => Self::new(ErrorCode::LimitReached, message),
            Refused::Waits => Self::new(ErrorCode::Conflict, message),
            Refused::Off => Self::new(ErrorCode::Forbidden, message),
            Refused::TooMany(wait) => {
                let wait_ms = wait.as_millis() as u64;
                Error::new(ErrorCode::RateLimited, message)
                    .retry_after_ms(wait_ms)
                    .into()
            }
        }
    }
}

fn read<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Refusal> {
    let refused = |error: JsonRejection| Refusal::new(ErrorCode::BadRequest, error.body_text());
    body.map(|Json(body)| body).map_err(refused)
}

/// A file as it is told.
fn file(name: &str, tags: Option<&Tags>) -> Value {
    let tags = tags.cloned().unwrap_or_default();
    json!({
        "file": name,
        "title": title(name, &tags),
        "artist": tags.artist,
        "album": tags.album,
    })
}

/// The same for one that is named.
fn named(order: &Order, name: &str) -> Value {
    file(name, order.item(name).and_then(|item| item.tags.as_ref()))
}

fn entry(order: &Order, queued: &Entry) -> Value {
    let mut told = named(order, &queued.file);
    told["id"] = queued.id.into();
    told["by"] = queued.by.clone().into();
    told
}

fn track(track: &Track) -> Value {
    json!({
        "file": track.file,
        "title": title(&track.file, &track.tags),
        "artist": track.tags.artist,
        "album": track.tags.album,
        "by": track.by,
    })
}

/// Whether what is told of a file has these words.
fn holds(told: &Value, words: &str) -> bool {
    let fields = ["file", "title", "artist", "album"];
    let texts = fields.iter().filter_map(|field| told[field].as_str());
    texts
        .into_iter()
        .any(|text| text.to_lowercase().contains(words))
}

/// An answer that holds for this moment alone.
fn fresh(told: Value) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(told)).into_response()
}
