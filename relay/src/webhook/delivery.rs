//! One receiver's task: each event is sent until it is taken or given up.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, StatusCode, header};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rand::Rng;
use tokio::time::{sleep, timeout};

use super::Receiver;
use super::signature::sign;
use crate::clock::Now;
use crate::metrics::HookLabel;

/// Sends requests, over TLS by the machine's roots where the URL asks for it.
pub(crate) type Client = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// How hard is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// From connecting to the answer's head.
    pub(super) attempt: Duration,
    pub(super) attempts: u32,
    /// The longest wait before the second attempt; it doubles with every further one.
    pub(super) wait: Duration,
    pub(super) wait_max: Duration,
}

impl Default for Effort {
    /// Eight attempts within five minutes at most, waits included.
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(10),
            attempts: 8,
            wait: Duration::from_secs(1),
            wait_max: Duration::from_secs(60),
        }
    }
}

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Taken,
    /// Another attempt may succeed.
    Failed(&'static str),
    /// None will.
    Refused(StatusCode),
}

/// A client for all receivers. Fails when the machine has no roots of trust.
pub(crate) fn client() -> io::Result<Client> {
    let provider = rustls::crypto::ring::default_provider();
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(provider)?
        .https_or_http()
        .enable_http1()
        .build();
    Ok(legacy::Client::builder(TokioExecutor::new()).build(connector))
}

/// Sends what waits for one receiver, in order, until it is dropped.
pub(crate) async fn deliver(receiver: Arc<Receiver>, client: Client, effort: Effort) {
    let host = receiver.config.url.host().unwrap_or_default().to_owned();
    loop {
        let json = receiver.next().await;
        let metrics = &receiver.metrics;
        match send(&receiver, &client, effort, &json).await {
            Outcome::Taken => {
                metrics.webhooks_delivered.inc();
                continue;
            }
            // The URL may hold a secret; its host tells enough.
            Outcome::Failed(why) => tracing::warn!(host, why, "a webhook was given up"),
            Outcome::Refused(status) => tracing::warn!(host, %status, "a webhook was refused"),
        }
        let label = HookLabel { reason: "failed" };
        metrics.webhooks_dropped.get_or_create(&label).inc();
    }
}

async fn send(receiver: &Receiver, client: &Client, effort: Effort, json: &Arc<str>) -> Outcome {
    let mut outcome = Outcome::Failed("not tried");
    for attempt in 0..effort.attempts {
        if attempt > 0 {
            let wait = backoff(effort, attempt, &mut rand::rng());
            sleep(wait).await;
        }
        outcome = attempt_once(receiver, client, effort.attempt, json).await;
        if !matches!(outcome, Outcome::Failed(_)) {
            break;
        }
    }
    outcome
}

async fn attempt_once(
    receiver: &Receiver,
    client: &Client,
    wait: Duration,
    json: &Arc<str>,
) -> Outcome {
    let timestamp = Now::read().unix_s();
    let signature = sign(receiver.config.secret.expose(), timestamp, json);
    let request = Request::builder()
        .method(Method::POST)
        .uri(receiver.config.url.clone())
        .header(header::CONTENT_TYPE, "application/json")
        .header(
            header::USER_AGENT,
            concat!("skywave/", env!("CARGO_PKG_VERSION")),
        )
        .header("skywave-timestamp", timestamp)
        .header("skywave-signature", signature)
        .body(Full::new(Bytes::copy_from_slice(json.as_bytes())));
    let Ok(request) = request else {
        return Outcome::Failed("it is no request");
    };
    match timeout(wait, client.request(request)).await {
        Err(_) => Outcome::Failed("no answer in time"),
        Ok(Err(_)) => Outcome::Failed("not reached"),
        Ok(Ok(answer)) => judge(answer.status()),
    }
}

fn judge(status: StatusCode) -> Outcome {
    match status {
        status if status.is_success() => Outcome::Taken,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Outcome::Failed("not now")
        }
        status if status.is_server_error() => Outcome::Failed("the receiver failed"),
        // Redirects among them: a receiver does not choose where events go.
        status => Outcome::Refused(status),
    }
}

/// Full jitter: anything up to a bound that doubles with each attempt.
fn backoff(effort: Effort, attempt: u32, random: &mut impl Rng) -> Duration {
    let doubled = effort
        .wait
        .saturating_mul(1 << attempt.saturating_sub(1).min(20));
    doubled.min(effort.wait_max).mul_f64(random.random())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn waits_are_jittered_double_and_are_bounded() {
        let seed = rand::random();
        println!("seed {seed}");
        let (effort, mut random) = (Effort::default(), StdRng::seed_from_u64(seed));
        for (attempt, bound) in [(1, 1), (2, 2), (3, 4), (7, 60), (u32::MAX, 60)] {
            let waits = (0..200).map(|_| backoff(effort, attempt, &mut random));
            let waits: Vec<_> = waits.collect();
            let longest = waits.iter().max().unwrap().as_secs_f64();
            assert!(longest <= f64::from(bound) && longest > f64::from(bound) * 0.9);
            assert!(waits.iter().min().unwrap().as_secs_f64() < f64::from(bound) * 0.1);
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let judged = |status| judge(StatusCode::from_u16(status).unwrap());
        assert_eq!(judged(204), Outcome::Taken);
        for status in [408, 425, 429, 500, 502, 503] {
            assert!(matches!(judged(status), Outcome::Failed(_)), "{status}");
        }
        for status in [301, 400, 401, 404, 410] {
            assert!(matches!(judged(status), Outcome::Refused(_)), "{status}");
        }
    }
}
