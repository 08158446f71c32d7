//! Receivers are real HTTP servers on loopback.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::delivery::Effort;
use super::*;

const SECRET: &str = "a secret of some length";

/// What a request held.
type Request = (HeaderMap, String);

/// A receiver that answers as told, the last answer for ever; none never answers.
#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<VecDeque<Option<u16>>>>,
    requests: mpsc::UnboundedSender<Request>,
}

async fn answer(State(script): State<Script>, headers: HeaderMap, body: String) -> StatusCode {
    script.requests.send((headers, body)).unwrap();
    let answer = {
        let mut answers = script.answers.lock().unwrap();
        match answers.len() {
            0 | 1 => answers.front().copied(),
            _ => answers.pop_front(),
        }
    };
    match answer.flatten() {
        Some(status) => StatusCode::from_u16(status).unwrap(),
        None => std::future::pending().await,
    }
}

struct Scene {
    hooks: Arc<Hooks>,
    metrics: Arc<Metrics>,
    requests: mpsc::UnboundedReceiver<Request>,
    tasks: tokio::task::JoinSet<()>,
}

impl Scene {
    async fn new(answers: &[Option<u16>], events: &[WebhookEvent]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        let script = Script {
            answers: Arc::new(Mutex::new(answers.iter().copied().collect())),
            requests: sender,
        };
        let router = Router::new()
            .route("/hook", post(answer))
            .with_state(script);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async { axum::serve(listener, router).await.unwrap() });
        let config = Webhook {
            url: format!("http://{address}/hook").parse().unwrap(),
            secret: SECRET.to_owned().into(),
            events: events.to_vec(),
        };
        let metrics = Arc::<Metrics>::default();
        let hooks = Hooks::new(&[config], &metrics);
        Self {
            hooks,
            metrics,
            requests,
            tasks,
        }
    }

    fn start(&mut self) {
        let effort = Effort {
            attempt: Duration::from_millis(300),
            attempts: 4,
            wait: Duration::from_millis(5),
            wait_max: Duration::from_millis(20),
        };
        let receiver = Arc::clone(&self.hooks.receivers()[0]);
        self.tasks
            .spawn(deliver(receiver, client().unwrap(), effort));
    }

    fn peak(&self, listeners: u64) {
        let station = "jazz".parse().unwrap();
        self.hooks
            .tell(&station, &Event::ListenersPeak { listeners });
    }

    /// The next request: its headers and what its body says.
    async fn request(&mut self) -> (HeaderMap, String, serde_json::Value) {
        let request = timeout(Duration::from_secs(20), self.requests.recv()).await;
        let (headers, body) = request.expect("a request comes").unwrap();
        let json = serde_json::from_str(&body).unwrap();
        (headers, body, json)
    }

    fn dropped(&self, reason: &'static str) -> u64 {
        let label = HookLabel { reason };
        self.metrics.webhooks_dropped.get_or_create(&label).get()
    }
}

#[tokio::test]
async fn events_are_told_signed_and_in_order() {
    let mut scene = Scene::new(&[Some(204)], &[]).await;
    scene.start();
    let station = "jazz".parse().unwrap();
    let metadata = Metadata {
        title: "Ä \"song\"".into(),
        ..Metadata::default()
    };
    scene.hooks.tell(&station, &Event::StationStarted);
    scene.hooks.tell(
        &station,
        &Event::Metadata {
            metadata: &metadata,
        },
    );
    let (headers, body, json) = scene.request().await;
    assert_eq!(
        (&json["event"], &json["station"]),
        (&"station_started".into(), &"jazz".into())
    );
    assert!(json["at"].as_u64().unwrap() > 1_700_000_000_000_000);
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let timestamp: u64 = text("skywave-timestamp").parse().unwrap();
    assert!(Now::read().unix_s().abs_diff(timestamp) < 60);
    assert_eq!(
        text("skywave-signature"),
        signature::sign(SECRET, timestamp, &body)
    );
    assert_eq!(text("content-type"), "application/json");
    let (_, _, json) = scene.request().await;
    assert_eq!(json["metadata"]["title"], metadata.title);
    let config = format!("{:?}", scene.hooks);
    assert!(!config.contains(SECRET), "{config}");
}

#[tokio::test]
async fn a_receiver_that_fails_is_asked_again_with_the_same_event() {
    let mut scene = Scene::new(&[Some(500), Some(429), None, Some(200)], &[]).await;
    scene.start();
    scene.peak(1);
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(scene.request().await.2["id"].clone());
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    scene.peak(2);
    assert_eq!(scene.request().await.2["listeners"], 2);
    assert_eq!(scene.dropped("failed"), 0);
    assert_eq!(scene.metrics.webhooks_delivered.get(), 1);
}

#[tokio::test]
async fn an_event_is_given_up_after_its_last_attempt_and_the_next_is_told() {
    let failing = [Some(503); 4];
    let answers: Vec<_> = failing.into_iter().chain([Some(404), Some(200)]).collect();
    let mut scene = Scene::new(&answers, &[]).await;
    scene.start();
    for listeners in [1, 2, 3] {
        scene.peak(listeners);
    }
    let mut told = Vec::new();
    for _ in 0..6 {
        told.push(scene.request().await.2["listeners"].as_u64().unwrap());
    }
    assert_eq!(told, [1, 1, 1, 1, 2, 3]);
    assert_eq!(scene.dropped("failed"), 2);
}

#[tokio::test]
async fn a_queue_that_is_full_drops_its_oldest() {
    let mut scene = Scene::new(&[Some(200)], &[]).await;
    for listeners in 0..300 {
        scene.peak(listeners);
    }
    assert_eq!(scene.dropped("overflow"), 300 - WAITING_MAX as u64);
    scene.start();
    assert_eq!(
        scene.request().await.2["listeners"],
        300 - WAITING_MAX as u64
    );
}

#[tokio::test]
async fn only_what_is_wanted_is_told() {
    let wanted = [WebhookEvent::ListenersPeak, WebhookEvent::SourceLost];
    let mut scene = Scene::new(&[Some(200)], &wanted).await;
    scene.start();
    let station = "jazz".parse().unwrap();
    scene.hooks.tell(&station, &Event::StationStopped);
    scene
        .hooks
        .tell(&station, &Event::SourceLost { reason: "vanished" });
    assert_eq!(scene.request().await.2["reason"], "vanished");
}
