//! Webhooks: what happens to stations, told to other servers by signed HTTP requests.
//!
//! Whatever happens is queued without waiting; each receiver has a queue and a task of
//! its own, so that a receiver that is slow or gone costs nobody else anything.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;
use wire::StationId;
use wire::message::Metadata;

use crate::clock::Now;
use crate::config::{Webhook, WebhookEvent};
use crate::metrics::{HookLabel, Metrics};

mod delivery;
mod signature;
#[cfg(test)]
mod tests;

pub(crate) use delivery::{Effort, client, deliver};

/// Events that wait for one receiver; beyond it the oldest is dropped and counted.
const WAITING_MAX: usize = 256;

/// Every receiver's queue.
#[derive(Debug)]
pub(crate) struct Hooks {
    receivers: Vec<Arc<Receiver>>,
}

/// One receiver and the events that wait for it.
#[derive(Debug)]
pub(crate) struct Receiver {
    config: Webhook,
    waiting: Mutex<VecDeque<Arc<str>>>,
    arrived: Notify,
    metrics: Arc<Metrics>,
}

/// What happened, beside its kind and station.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event<'a> {
    StationStarted,
    StationStopped,
    SourceConnected { takeover: bool },
    SourceLost { reason: &'static str },
    Metadata { metadata: &'a Metadata },
    ListenersPeak { listeners: u64 },
    RecordingFailed { reason: String },
    DeadAir,
    DeadAirEnded,
    FallbackStarted,
    FallbackEnded,
    PlaylistSkipped { file: &'a str, reason: &'a str },
}

#[derive(Serialize)]
struct Body<'a> {
    id: String,
    station: &'a StationId,
    /// Microseconds since the Unix epoch.
    at: u64,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

impl Hooks {
    pub(crate) fn new(config: &[Webhook], metrics: &Arc<Metrics>) -> Arc<Self> {
        let receiver = |webhook: &Webhook| {
            Arc::new(Receiver {
                config: webhook.clone(),
                waiting: Mutex::default(),
                arrived: Notify::new(),
                metrics: Arc::clone(metrics),
            })
        };
        let receivers = config.iter().map(receiver).collect();
        Arc::new(Self { receivers })
    }

    pub(crate) fn receivers(&self) -> &[Arc<Receiver>] {
        &self.receivers
    }

    /// Queues an event for all who want it. Never waits.
    pub(crate) fn tell(&self, station: &StationId, event: &Event<'_>) {
        let kind = event.kind();
        let wants = |receiver: &&Arc<Receiver>| receiver.config.wants(kind);
        let mut receivers = self.receivers.iter().filter(wants).peekable();
        if receivers.peek().is_none() {
            return;
        }
        let body = Body {
            id: format!("{:032x}", rand::random::<u128>()),
            station,
            at: Now::read().unix_us,
            event,
        };
        let json: Arc<str> = match serde_json::to_string(&body) {
            Ok(json) => json.into(),
            Err(error) => {
                tracing::error!(%error, "an event cannot be told");
                return;
            }
        };
        receivers.for_each(|receiver| receiver.push(Arc::clone(&json)));
    }
}

impl Event<'_> {
    fn kind(&self) -> WebhookEvent {
        match self {
            Self::StationStarted => WebhookEvent::StationStarted,
            Self::StationStopped => WebhookEvent::StationStopped,
            Self::SourceConnected { .. } => WebhookEvent::SourceConnected,
            Self::SourceLost { .. } => WebhookEvent::SourceLost,
            Self::Metadata { .. } => WebhookEvent::Metadata,
            Self::ListenersPeak { .. } => WebhookEvent::ListenersPeak,
            Self::RecordingFailed { .. } => WebhookEvent::RecordingFailed,
            Self::DeadAir => WebhookEvent::DeadAir,
            Self::DeadAirEnded => WebhookEvent::DeadAirEnded,
            Self::FallbackStarted => WebhookEvent::FallbackStarted,
            Self::FallbackEnded => WebhookEvent::FallbackEnded,
            Self::PlaylistSkipped { .. } => WebhookEvent::PlaylistSkipped,
        }
    }
}

impl Receiver {
    fn push(&self, json: Arc<str>) {
        let mut waiting = self.lock();
        if waiting.len() == WAITING_MAX {
            waiting.pop_front();
            let label = HookLabel { reason: "overflow" };
            self.metrics.webhooks_dropped.get_or_create(&label).inc();
        }
        waiting.push_back(json);
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Waits for the next event.
    async fn next(&self) -> Arc<str> {
        loop {
            let arrived = self.arrived.notified();
            if let Some(json) = self.lock().pop_front() {
                return json;
            }
            arrived.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<str>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
