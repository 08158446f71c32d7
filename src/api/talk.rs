//! Rooms, messages and notifications over HTTP: the session's methods by other names.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value};
use wire::code::ErrorCode;
use wire::frame::Request;

use super::{Api, Asker, Refusal};

/// What a request is answered.
type Answer = Result<Response, Refusal>;

/// A request's body, an object of parameters.
type Body = Result<Json<Map<String, Value>>, JsonRejection>;

/// Parameters in a query that are numbers, beside `limit`, where offsets are meant.
const OFFSETS: [&str; 4] = ["before", "after", "thread", "limit"];
const LIMIT: [&str; 1] = ["limit"];

/// Parameters in a query that are true or false.
const SWITCHES: [&str; 2] = ["joined", "unread"];

pub(super) fn routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/api/v1/rooms", get(rooms))
        .route("/api/v1/rooms/{channel}", get(room))
        .route("/api/v1/conversations", get(conversations))
        .route(
            "/api/v1/channels/{channel}/messages",
            get(history).post(send).patch(mark),
        )
        .route("/api/v1/search", get(search))
        .route("/api/v1/push/key", get(push_key))
        .route(
            "/api/v1/push/subscriptions",
            post(push_subscribe).delete(push_unsubscribe),
        )
        .route(
            "/api/v1/notifications",
            get(notifications).patch(read_notifications),
        )
}

type Queried = Query<HashMap<String, String>>;

async fn rooms(State(api): State<Arc<Api>>, asker: Asker, query: Queried) -> Answer {
    api.ask(&asker, "rooms", queried(query, &LIMIT)?).await
}

async fn room(State(api): State<Arc<Api>>, asker: Asker, Path(channel): Path<String>) -> Answer {
    api.ask(&asker, "room", with_channel(Map::new(), channel))
        .await
}

async fn conversations(State(api): State<Arc<Api>>, asker: Asker, query: Queried) -> Answer {
    api.ask(&asker, "conversations", queried(query, &LIMIT)?)
        .await
}

async fn history(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path(channel): Path<String>,
    query: Queried,
) -> Answer {
    let params = with_channel(queried(query, &OFFSETS)?, channel);
    api.ask(&asker, "history", params).await
}

async fn send(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path(channel): Path<String>,
    body: Body,
) -> Answer {
    let params = with_channel(object(body)?, channel);
    let mut answer = api.ask(&asker, "send", params).await?;
    *answer.status_mut() = StatusCode::CREATED;
    Ok(answer)
}

async fn mark(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path(channel): Path<String>,
    body: Body,
) -> Answer {
    let params = with_channel(object(body)?, channel);
    api.ask(&asker, "mark", params).await
}

async fn search(State(api): State<Arc<Api>>, asker: Asker, query: Queried) -> Answer {
    api.ask(&asker, "search", queried(query, &LIMIT)?).await
}

async fn notifications(State(api): State<Arc<Api>>, asker: Asker, query: Queried) -> Answer {
    api.ask(&asker, "notifications", queried(query, &OFFSETS)?)
        .await
}

async fn read_notifications(State(api): State<Arc<Api>>, asker: Asker, body: Body) -> Answer {
    api.ask(&asker, "read_notifications", object(body)?).await
}

async fn push_key(State(api): State<Arc<Api>>, asker: Asker) -> Answer {
    api.ask(&asker, "push_key", Map::new()).await
}

async fn push_subscribe(State(api): State<Arc<Api>>, asker: Asker, body: Body) -> Answer {
    api.ask(&asker, "push_subscribe", object(body)?).await
}

async fn push_unsubscribe(State(api): State<Arc<Api>>, asker: Asker, body: Body) -> Answer {
    api.ask(&asker, "push_unsubscribe", object(body)?).await
}

impl Api {
    async fn ask(&self, asker: &Asker, method: &str, params: Map<String, Value>) -> Answer {
        let caller = self.caller(asker)?;
        let request = Request::new(0, method, &params);
        let service = self.gate.service();
        let answered = service.call(&caller, &request).await;
        let result = answered.expect("the routes name methods there are")?;
        let headers = [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        Ok((headers, String::from(Box::<str>::from(result))).into_response())
    }
}

/// A query as parameters of a method.
fn queried(Query(query): Queried, numbers: &[&str]) -> Result<Map<String, Value>, Refusal> {
    let typed = |(name, text): (String, String)| {
        let bad = |what: &str| {
            let message = format!("{name}: not {what}");
            Refusal::new(ErrorCode::BadRequest, message)
        };
        let value = if numbers.contains(&&*name) {
            let number: u64 = text.parse().map_err(|_| bad("a number"))?;
            number.into()
        } else if SWITCHES.contains(&&*name) {
            let switch: bool = text.parse().map_err(|_| bad("true or false"))?;
            switch.into()
        } else {
            text.into()
        };
        Ok((name, value))
    };
    query.into_iter().map(typed).collect()
}

fn object(body: Body) -> Result<Map<String, Value>, Refusal> {
    let Json(object) =
        body.map_err(|error| Refusal::new(ErrorCode::BadRequest, error.body_text()))?;
    Ok(object)
}

/// The parameters with the channel of the path, whatever they said themselves.
fn with_channel(mut params: Map<String, Value>, channel: String) -> Map<String, Value> {
    params.insert("channel".to_owned(), channel.into());
    params
}
