//! The maps behind the hub: sessions, channels, users.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashMap;
use wire::code::CloseCode;
use wire::frame::Batch;

use super::SessionId;
use super::outbox::{Class, Outbox};
use super::pace::{Event, Pace};
use crate::caller::Caller;

/// The most pushes held for one subscription until its reply is out.
pub(super) const HELD_MAX: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) sessions: FxHashMap<SessionId, Session>,
    pub(super) channels: HashMap<Arc<str>, Channel>,
    /// Channels whose events wait, by when they are told; those told earlier among them.
    pub(super) due: BTreeSet<(Instant, Arc<str>)>,
    pub(super) users: HashMap<String, BTreeSet<SessionId>>,
    /// Sessions that watch the presence of others.
    pub(super) watchers: BTreeSet<SessionId>,
}

#[derive(Debug, Default)]
pub(super) struct Channel {
    pub(super) subscribers: FxHashMap<SessionId, Subscription>,
    pub(super) pace: Pace,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) caller: Arc<Caller>,
    /// By key, with the names on the wire.
    pub(super) channels: HashMap<Arc<str>, Arc<str>>,
}

#[derive(Debug)]
pub(super) enum Subscription {
    Held {
        /// Where it starts, once that is known.
        after: Option<u64>,
        pushes: Vec<Held>,
    },
    Live {
        /// The last offset pushed.
        after: u64,
    },
}

#[derive(Debug)]
pub(super) struct Held {
    pub(super) seq: Option<u64>,
    pub(super) batch: Batch,
    pub(super) class: Class,
}

impl State {
    pub(super) fn subscription(
        &mut self,
        id: SessionId,
        channel: &str,
    ) -> Option<&mut Subscription> {
        self.channels.get_mut(channel)?.subscribers.get_mut(&id)
    }

    pub(super) fn subscribe(
        &mut self,
        id: SessionId,
        channel: &str,
        wire: &str,
        subscription: Subscription,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let known = self.channels.get_key_value(channel);
        let name: Arc<str> = known.map_or_else(|| channel.into(), |(name, _)| name.clone());
        session.channels.insert(name.clone(), wire.into());
        self.channels
            .entry(name)
            .or_default()
            .subscribers
            .insert(id, subscription);
    }

    pub(super) fn unsubscribe(&mut self, id: SessionId, channel: &str) -> bool {
        self.tell_one(channel, id);
        let Some(session) = self.sessions.get_mut(&id) else {
            return false;
        };
        let was = session.channels.remove(channel).is_some();
        self.forget_subscriber(channel, id);
        was
    }

    pub(super) fn forget_subscriber(&mut self, channel: &str, id: SessionId) {
        if let Some(Channel { subscribers, .. }) = self.channels.get_mut(channel) {
            subscribers.remove(&id);
            if subscribers.is_empty() {
                self.channels.remove(channel);
            }
        }
    }

    pub(super) fn forget_user(&mut self, id: SessionId, sub: &str) {
        if let Some(sessions) = self.users.get_mut(sub) {
            sessions.remove(&id);
            if sessions.is_empty() {
                self.users.remove(sub);
            }
        }
    }

    /// Takes in what happened in a channel, and tells it as soon as it is due.
    pub(super) fn publish(&mut self, name: &str, event: Event, now: Instant) {
        let Some((key, _)) = self.channels.get_key_value(name) else {
            return;
        };
        let key = Arc::clone(key);
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        let subscribers = channel.subscribers.len();
        let due = channel.pace.handle_event(event, subscribers, now);
        if due <= now {
            self.tell(name);
        } else {
            // Once for all events that wait: they have one time.
            self.due.insert((due, key));
        }
    }

    /// Tells all subscribers what waits in a channel.
    pub(super) fn tell(&mut self, name: &str) {
        let Some(Channel { subscribers, pace }) = self.channels.get_mut(name) else {
            return;
        };
        let events = pace.take();
        if events.is_empty() {
            return;
        }
        let batch = batch(&events);
        for (id, subscription) in subscribers {
            if let Some(session) = self.sessions.get(id) {
                subscription.tell(&events, &batch, &*session.outbox);
            }
        }
    }

    /// Tells one subscriber, who may be none any more when the others are.
    fn tell_one(&mut self, name: &str, id: SessionId) {
        let Some(Channel { subscribers, pace }) = self.channels.get_mut(name) else {
            return;
        };
        let events = pace.waiting();
        if let (Some(subscription), Some(session), false) = (
            subscribers.get_mut(&id),
            self.sessions.get(&id),
            events.is_empty(),
        ) {
            subscription.tell(events, &batch(events), &*session.outbox);
        }
    }

    /// Pushes what has no offset. It overtakes no event: some of it is a channel's last word.
    pub(super) fn push_latest(&mut self, channel: &str, key: &Arc<str>, frame: &str) {
        self.tell(channel);
        let batch = Batch::one(frame);
        let Some(Channel { subscribers, .. }) = self.channels.get_mut(channel) else {
            return;
        };
        for (id, subscription) in subscribers {
            let Some(session) = self.sessions.get(id) else {
                continue;
            };
            let class = Class::Volatile {
                key: Arc::clone(key),
            };
            match subscription {
                Subscription::Live { .. } => session.outbox.push(batch.clone(), class),
                Subscription::Held { pushes, .. } => {
                    let held = Held {
                        seq: None,
                        batch: batch.clone(),
                        class,
                    };
                    hold(pushes, held, &*session.outbox);
                }
            }
        }
    }
}

impl Subscription {
    /// Tells the events that are new to it. They are in order; `all` has every one of them.
    fn tell(&mut self, events: &[Event], all: &Batch, outbox: &dyn Outbox) {
        match self {
            Self::Live { after } => {
                let known = events.partition_point(|event| event.seq <= *after);
                if let [.., last] = &events[known..] {
                    *after = last.seq;
                    let batch = match known {
                        0 => all.clone(),
                        known => batch(&events[known..]),
                    };
                    outbox.push(batch, Class::Durable);
                }
            }
            Self::Held { pushes, .. } => {
                for event in events {
                    let held = Held {
                        seq: Some(event.seq),
                        batch: Batch::one(&event.frame),
                        class: Class::Durable,
                    };
                    hold(pushes, held, outbox);
                }
            }
        }
    }
}

/// Keeps a push until the reply is out; a subscription with too many of them ends its session.
fn hold(pushes: &mut Vec<Held>, held: Held, outbox: &dyn Outbox) {
    if pushes.len() < HELD_MAX {
        pushes.push(held);
    } else {
        outbox.close(CloseCode::SlowConsumer, "resume");
    }
}

fn batch(events: &[Event]) -> Batch {
    let frames: Vec<_> = events.iter().map(|event| &*event.frame).collect();
    Batch::new(&frames)
}
