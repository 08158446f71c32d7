use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use axum::routing::get;
use tower::ServiceExt;

use super::*;
use crate::config::Config;
use crate::gate::NoGate;
use crate::metrics::Metrics;
use crate::session::host::Shared;
use crate::station::Stations;

fn app() -> App {
    let folder = std::env::temp_dir().join(format!("skywave-{:x}", rand::random::<u64>()));
    let config = Config::default();
    let metrics = Arc::<Metrics>::default();
    let shared = Shared {
        gate: Arc::new(NoGate),
        stations: Stations::new(&config, Arc::new(NoGate), Arc::clone(&metrics)),
        metrics,
        timing: Arc::new(config.timing.clone()),
    };
    let host = Host::new(Arc::new(shared), 10);
    let app = App {
        host: Arc::clone(&host),
        certificates: Certificates::open(&config.certificate, &folder).unwrap(),
        quic_port: None,
        sources: Sources::new(Arc::clone(&host), config.icecast.clone()),
        burst: config.burst,
        started_at: 0,
        site: Router::new(),
    };
    std::fs::remove_dir_all(&folder).unwrap();
    app
}

async fn status(router: &Router, method: Method, path: &str) -> StatusCode {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost");
    let request = request.body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn the_description_and_the_routes_agree() {
    let router = router(app(), Router::new().into());
    let described: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
    let paths = described["paths"].as_object().unwrap();
    for (path, methods) in paths {
        let served = path
            .replace("{id}", "nowhere")
            .replace("{name}", "20261124T180000Z.opus");
        for (method, described) in methods.as_object().unwrap() {
            let expected = match () {
                () if described.get("security").is_some() => 401,
                () if served.ends_with("nowhere") => 404,
                () => 200,
            };
            let method: Method = method.to_uppercase().parse().unwrap();
            let found = status(&router, method, &served).await;
            assert_eq!(found, expected, "{path}");
        }
        assert_eq!(status(&router, Method::POST, &served).await, 405, "{path}");
    }
    // What is served under /api is described: the source of this module names every route.
    let routes = include_str!("../http.rs")
        .match_indices("\"/api/v1/")
        .count();
    assert_eq!(routes, paths.len());
}

#[tokio::test]
async fn a_schema_names_every_field_of_a_station() {
    let described: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
    let station = serde_json::json!({
        "id": "a", "name": "", "description": "", "genre": "", "url": "", "bitrate": 1,
        "state": "live", "started_at": 1, "listeners": 0, "listeners_peak": 0, "renditions": [],
        "rewind_ms": 1,
        "metadata": { "timestamp": 1, "title": "", "artist": "", "album": "", "url": "", "artwork_url": "" },
    });
    let station: wire::message::Station = serde_json::from_value(station).unwrap();
    let station = serde_json::to_value(station).unwrap();
    for (schema, value) in [("Station", &station), ("Metadata", &station["metadata"])] {
        let properties = &described["components"]["schemas"][schema]["properties"];
        let keys = |value: &serde_json::Value| {
            let keys = value.as_object().unwrap().keys().cloned();
            keys.collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(keys(properties), keys(value), "{schema}");
    }
}

#[tokio::test]
async fn the_site_answers_what_the_relay_does_not() {
    let site = Router::new()
        .route("/station", get(|| async { "site" }))
        .fallback(|| async { (StatusCode::IM_A_TEAPOT, "elsewhere") });
    let router = router(app(), site.into());
    assert_eq!(status(&router, Method::GET, "/station").await, 200);
    assert_eq!(status(&router, Method::GET, "/api/v1/stations").await, 200);
    assert_eq!(status(&router, Method::GET, "/somewhere").await, 418);
}

#[tokio::test]
async fn a_relay_that_drains_is_not_ready() {
    let app = app();
    let router = router(app.clone(), Router::new().into());
    assert_eq!(status(&router, Method::GET, "/readyz").await, 200);
    app.host.drain();
    assert_eq!(status(&router, Method::GET, "/readyz").await, 503);
    assert_eq!(status(&router, Method::GET, "/healthz").await, 200);
}

#[tokio::test]
async fn without_a_quic_port_there_is_no_webtransport() {
    let request = Request::get("/api/v1/connect").header("host", "radio.example");
    let secure = request
        .header("x-forwarded-proto", "https")
        .body(Body::empty())
        .unwrap();
    let answer = router(app(), Router::new().into())
        .oneshot(secure)
        .await
        .unwrap();
    let body = axum::body::to_bytes(answer.into_body(), 10_000)
        .await
        .unwrap();
    let connect: wire::message::Connect = serde_json::from_slice(&body).unwrap();
    assert!(connect.webtransport.is_none());
    assert_eq!(connect.websocket.url, "wss://radio.example/v1");
    assert_eq!(connect.http.url, "https://radio.example");
}

#[tokio::test]
async fn pages_of_other_origins_may_ask_with_a_token() {
    let router = router(app(), Router::new().into());
    let preflight = Request::builder()
        .method(Method::OPTIONS)
        .uri("/api/v1/stations/demo/recordings")
        .header("origin", "https://example.org")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "authorization")
        .body(Body::empty())
        .unwrap();
    let answer = router.oneshot(preflight).await.unwrap();
    assert!(answer.status().is_success());
    let allowed = &answer.headers()["access-control-allow-headers"];
    assert_eq!(allowed, "authorization");
}
