//! What happens by itself: things wear off, and what has collected is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use wire::message::conversation::{Receipts, Watermarks};
use wire::message::room::MemberCounts;

use super::{Cores, Shared};
use crate::presence::Change;
use crate::store::encode;
use crate::store::presence::{Seen, keep_seen};

/// Without anything due the ticker looks again after this.
const IDLE: i64 = 60_000_000;

/// A retention run follows the former after this.
const FORGET_INTERVAL: Duration = Duration::from_secs(3_600);

pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        let due_at = shared.cores().poll_timeout();
        let now = shared.clock.now();
        let wait = due_at.map_or(IDLE, |due_at| (due_at - now).clamp(0, IDLE));
        if wait > 0 {
            let wait = Duration::from_micros(u64::try_from(wait).unwrap_or(0));
            // Woken early or not, what is due is looked at anew.
            let _ = tokio::time::timeout(wait, shared.due.notified()).await;
        }
        shared.tick().await;
    }
}

/// Forgets what is old, at start and then every hour.
pub(super) async fn forget(shared: Arc<Shared>) {
    loop {
        match shared
            .store
            .forget(shared.retention, shared.clock.now())
            .await
        {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "old rows forgotten"),
            Err(error) => tracing::warn!(%error, "forgetting old rows failed"),
        }
        tokio::time::sleep(FORGET_INTERVAL).await;
    }
}

impl Cores {
    fn poll_timeout(&self) -> Option<i64> {
        [
            self.presence.poll_timeout(),
            self.writers.poll_timeout(),
            self.marks.poll_timeout(),
            self.counts.poll_timeout(),
            self.seen.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

struct Due {
    presence: Vec<Change>,
    typing: Vec<String>,
    marks: BTreeMap<(Arc<str>, String), Watermarks>,
    counts: BTreeMap<Arc<str>, u64>,
    seen: BTreeMap<String, i64>,
}

impl Shared {
    async fn tick(&self) {
        let due = self.poll_due();
        for change in &due.presence {
            self.tell_presence(change);
        }
        for room in &due.typing {
            self.tell_typing(room);
        }
        self.tell_marks(due.marks);
        for (room, members) in due.counts {
            self.tell_counts(&room, members);
        }
        if !due.seen.is_empty() {
            let seen = Seen(due.seen.into_iter().collect());
            let kept = self
                .store
                .write(seen, |tx, seen| Box::pin(keep_seen(tx, seen)));
            if let Err(error) = kept.await {
                tracing::warn!(%error, "last seen times were not kept");
            }
        }
    }

    fn poll_due(&self) -> Due {
        let now = self.clock.now();
        let mut cores = self.cores();
        Due {
            presence: cores.presence.handle_timeout(now),
            typing: cores.writers.handle_timeout(now),
            marks: cores.marks.poll_due(now),
            counts: cores.counts.poll_due(now),
            seen: cores.seen.poll_due(now),
        }
    }

    fn tell_marks(&self, marks: BTreeMap<(Arc<str>, String), Watermarks>) {
        let mut rooms: BTreeMap<Arc<str>, BTreeMap<String, Watermarks>> = BTreeMap::new();
        for ((room, sub), mark) in marks {
            rooms.entry(room).or_default().insert(sub, mark);
        }
        for (room, marks) in rooms {
            let wire = format!("conversation:{room}");
            for (sub, mark) in marks {
                // A key each: nobody's mark replaces another's in a slow session.
                let key = format!("receipts/{sub}");
                let data = Receipts {
                    marks: BTreeMap::from([(sub, mark)]),
                };
                self.push_latest(&room, &wire, "receipts", &key, &data);
            }
        }
    }

    fn tell_counts(&self, room: &Arc<str>, members: u64) {
        let online = self.hub.count(room);
        if online == 0 {
            self.cores().members.remove(room);
            return;
        }
        let wire = self
            .hub
            .wire_of(room)
            .filter(|wire| wire.starts_with("room:"));
        if let Some(wire) = wire {
            let counts = MemberCounts { members, online };
            self.push_latest(room, &wire, "members", "members", &counts);
        }
    }

    /// Pushes something volatile on a channel.
    pub(super) fn push_latest<T: serde::Serialize>(
        &self,
        channel: &str,
        wire: &str,
        kind: &str,
        key: &str,
        data: &T,
    ) {
        if self.hub.count(channel) == 0 {
            return;
        }
        let data = serde_json::value::to_raw_value(data)
            .expect("wire types have string keys and serialize");
        let frame = encode(wire, None, kind, data);
        self.hub
            .publish_latest(channel, format!("{wire}/{key}").into(), &frame);
    }
}
