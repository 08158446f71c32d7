//! Packets and titles on their way from a track to the task that makes pages of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use wire::message::Metadata;

use crate::fanout::queue::PacketQueue;
use crate::fanout::{Packet, Sent, Sink};
use crate::metrics::Metrics;

/// Sound that may wait for the task; beyond it the oldest is dropped and concealed.
const TASK_WAIT: Duration = Duration::from_secs(1);

/// Titles that may wait; beyond it the oldest is dropped.
const TITLES_WAITING: usize = 64;

#[derive(Debug)]
pub(super) struct Intake {
    state: Mutex<State>,
    ready: Notify,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct State {
    packets: PacketQueue,
    titles: VecDeque<(u64, Metadata)>,
    closed: bool,
}

/// What comes next.
pub(super) enum Item {
    Title(u64, Metadata),
    Packet(Packet),
    Closed,
}

impl Intake {
    pub(super) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                packets: PacketQueue::new(TASK_WAIT),
                titles: VecDeque::new(),
                closed: false,
            }),
            ready: Notify::new(),
            metrics,
        })
    }

    pub(super) fn title(&self, timestamp: u64, metadata: Metadata) {
        let mut state = self.lock();
        if state.titles.len() == TITLES_WAITING {
            state.titles.pop_front();
        }
        state.titles.push_back((timestamp, metadata));
        drop(state);
        self.ready.notify_one();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_one();
    }

    /// Waits for the next item. Titles go first: they may hold from the next packet on.
    pub(super) async fn next(&self) -> Item {
        loop {
            if let Some(item) = self.take() {
                return item;
            }
            self.ready.notified().await;
        }
    }

    fn take(&self) -> Option<Item> {
        let mut state = self.lock();
        if let Some((timestamp, metadata)) = state.titles.pop_front() {
            return Some(Item::Title(timestamp, metadata));
        }
        match state.packets.pop() {
            Some(packet) => Some(Item::Packet(packet)),
            None => state.closed.then_some(Item::Closed),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The track's end of it.
pub(super) struct Tap(pub(super) Arc<Intake>);

impl Sink for Tap {
    fn send(&self, packet: &Packet) -> Sent {
        let pushed = self.0.lock().packets.push(packet.clone());
        if let Sent::Displaced(count) = pushed {
            self.0.metrics.mount_overflows.inc_by(count.into());
        }
        self.0.ready.notify_one();
        Sent::Aside
    }
}
