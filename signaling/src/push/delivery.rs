//! Sending: every device of a user, each until it is told or given up.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rand::Rng;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::endpoint::{Resolver, check, origin};
use super::services::Services;
use super::{Config, Counts, Recipient, Told};
use crate::store::Store;
use crate::store::push::{self, Device};

/// Devices that are being told or wait for their next attempt; the queue waits meanwhile.
pub(super) const UNDER_WAY_MAX: usize = 1_024;

/// How long a push service keeps a message for a device that is away.
const KEPT: Duration = Duration::from_secs(24 * 3_600);

/// How hard is tried to tell a device.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// From connecting to the answer's head. Default 10 s.
    pub attempt: Duration,
    /// Attempts in all. Default 5.
    pub attempts: u32,
    /// The longest wait before the second attempt; it doubles with every further one. Default 2 s.
    pub wait: Duration,
    /// The longest wait, also when a push service asks for more. Default 5 minutes.
    pub wait_max: Duration,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(10),
            attempts: 5,
            wait: Duration::from_secs(2),
            wait_max: Duration::from_secs(300),
        }
    }
}

type Client = legacy::Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Taken,
    /// The push service knows the device no more.
    Gone,
    /// Another attempt may succeed, after that time if one was named.
    Failed(&'static str, Option<Duration>),
    /// It was not made: the push service is down, and not asked for that time.
    Down(Duration),
    /// None will.
    Refused(StatusCode),
}

/// Tells devices.
pub(super) struct Courier {
    store: Store,
    config: Config,
    client: Client,
    services: Services,
    counts: Arc<Counts>,
}

impl Courier {
    pub(super) fn new(store: Store, config: Config, counts: Arc<Counts>) -> io::Result<Self> {
        let resolver = Resolver {
            any: config.any_endpoint,
        };
        let mut http = HttpConnector::new_with_resolver(resolver);
        http.enforce_http(false);
        let provider = rustls::crypto::ring::default_provider();
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Ok(Self {
            store,
            config,
            client: legacy::Client::builder(TokioExecutor::new()).build(connector),
            services: Services::default(),
            counts,
        })
    }

    pub(super) async fn deliver_all(self: Arc<Self>, mut waiting: mpsc::Receiver<Told>) {
        let mut under_way = JoinSet::new();
        while let Some(told) = waiting.recv().await {
            let told = Arc::new(told);
            for device in self.devices(&told.sub).await {
                while under_way.try_join_next().is_some() {}
                if under_way.len() >= UNDER_WAY_MAX {
                    under_way.join_next().await;
                }
                under_way.spawn(Arc::clone(&self).deliver(device, Arc::clone(&told)));
            }
        }
    }

    async fn devices(&self, sub: &str) -> Vec<Device> {
        let found = match self.store.read().await {
            Ok(mut connection) => push::devices(&mut connection, sub).await,
            Err(error) => Err(error),
        };
        found.unwrap_or_else(|error| {
            tracing::warn!(%error, "a user's devices were not found out");
            Vec::new()
        })
    }

    async fn deliver(self: Arc<Self>, device: Device, told: Arc<Told>) {
        // Whoever knows an endpoint can write to the device; its origin tells enough.
        let service = device.endpoint.parse::<Uri>().ok();
        let service = service.as_ref().map(origin).unwrap_or_default();
        let counts = &self.counts;
        match self.attempts(&service, &device, &told).await {
            Outcome::Taken => {
                counts.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Outcome::Gone => {
                let change = self.store.write(device.endpoint.clone(), |tx, endpoint| {
                    Box::pin(push::gone(tx, endpoint))
                });
                match change.await {
                    Ok(_) => _ = counts.gone.fetch_add(1, Ordering::Relaxed),
                    Err(error) => {
                        tracing::warn!(%error, service, "a device that is gone was not forgotten");
                    }
                }
            }
            Outcome::Failed(why, _) => {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(service, why, "a push was given up");
            }
            // That it is down was said once.
            Outcome::Down(_) => {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(service, "a push was given up: its service is down");
            }
            Outcome::Refused(status) => {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(service, %status, "a push was refused");
            }
        }
    }

    async fn attempts(&self, service: &str, device: &Device, told: &Told) -> Outcome {
        let effort = self.config.effort;
        let visit = self.services.visit(service);
        let mut attempt = 0;
        loop {
            let outcome = visit.ask(self.attempt(device, told)).await;
            let asked = match outcome {
                Outcome::Failed(_, asked) => asked,
                Outcome::Down(wait) => Some(wait),
                _ => return outcome,
            };
            attempt += 1;
            let wait = backoff(effort, attempt, asked, &mut rand::rng());
            if attempt >= effort.attempts || !visit.wait(wait).await {
                return outcome;
            }
        }
    }

    async fn attempt(&self, device: &Device, told: &Told) -> Outcome {
        let Some(request) = self.request(device, told) else {
            return Outcome::Refused(StatusCode::BAD_REQUEST);
        };
        match timeout(self.config.effort.attempt, self.client.request(request)).await {
            Err(_) => Outcome::Failed("no answer in time", None),
            Ok(Err(_)) => Outcome::Failed("not reached", None),
            Ok(Ok(answer)) => judge(answer.status(), answer.headers()),
        }
    }

    /// The message, encrypted and signed; none for an endpoint that is allowed no more.
    fn request(&self, device: &Device, told: &Told) -> Option<Request<Full<Bytes>>> {
        check(&device.endpoint, self.config.any_endpoint).ok()?;
        let endpoint: Uri = device.endpoint.parse().ok()?;
        let recipient = Recipient::read(&device.keys)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_s = now.unwrap_or_default().as_secs();
        let (key, contact) = (&self.config.key, &self.config.contact);
        let authorization = key.authorization(&origin(&endpoint), contact, now_s)?;
        let body = recipient.encrypt(told.payload.as_bytes()).ok()?;
        let request = Request::post(endpoint)
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_ENCODING, "aes128gcm")
            .header(CONTENT_TYPE, "application/octet-stream")
            .header("ttl", KEPT.as_secs())
            .header("urgency", if told.is_urgent { "high" } else { "normal" })
            .body(Full::new(Bytes::from(body)));
        request.ok()
    }
}

fn judge(status: StatusCode, headers: &HeaderMap) -> Outcome {
    let asked = headers.get(RETRY_AFTER).and_then(|value| {
        let seconds = value.to_str().ok()?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    });
    match status {
        status if status.is_success() => Outcome::Taken,
        StatusCode::NOT_FOUND | StatusCode::GONE => Outcome::Gone,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Outcome::Failed("not now", asked)
        }
        status if status.is_server_error() => Outcome::Failed("the push service failed", asked),
        // Redirects among them: an endpoint does not choose another one.
        status => Outcome::Refused(status),
    }
}

/// Full jitter up to a bound that doubles with each attempt, or what the service asked for.
fn backoff(
    effort: Effort,
    attempt: u32,
    asked: Option<Duration>,
    random: &mut impl Rng,
) -> Duration {
    let doubled = effort
        .wait
        .saturating_mul(1 << attempt.saturating_sub(1).min(20));
    let jittered = doubled.mul_f64(random.random());
    asked.unwrap_or(jittered).min(effort.wait_max)
}
