//! The maps behind the hub: sessions, channels, users.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use wire::code::CloseCode;

use super::SessionId;
use super::outbox::{Class, Outbox};
use crate::caller::Caller;

/// The most pushes held for one subscription until its reply is out.
pub(super) const HELD_MAX: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) sessions: HashMap<SessionId, Session>,
    pub(super) channels: HashMap<Arc<str>, HashMap<SessionId, Subscription>>,
    pub(super) users: HashMap<String, BTreeSet<SessionId>>,
    /// Sessions that watch the presence of others.
    pub(super) watchers: BTreeSet<SessionId>,
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
    pub(super) frame: Arc<str>,
    pub(super) class: Class,
}

impl State {
    pub(super) fn subscription(
        &mut self,
        id: SessionId,
        channel: &str,
    ) -> Option<&mut Subscription> {
        self.channels.get_mut(channel)?.get_mut(&id)
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
            .insert(id, subscription);
    }

    pub(super) fn unsubscribe(&mut self, id: SessionId, channel: &str) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else {
            return false;
        };
        let was = session.channels.remove(channel).is_some();
        self.forget_subscriber(channel, id);
        was
    }

    pub(super) fn forget_subscriber(&mut self, channel: &str, id: SessionId) {
        if let Some(subscribers) = self.channels.get_mut(channel) {
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

    pub(super) fn push_all(
        &mut self,
        channel: &str,
        seq: Option<u64>,
        frame: &Arc<str>,
        class: &Class,
    ) {
        let Some(subscribers) = self.channels.get_mut(channel) else {
            return;
        };
        for (id, subscription) in subscribers {
            let Some(session) = self.sessions.get(id) else {
                continue;
            };
            match subscription {
                Subscription::Live { after } => {
                    if seq.is_none_or(|seq| seq > *after) {
                        *after = seq.unwrap_or(*after);
                        session.outbox.push(frame.clone(), class.clone());
                    }
                }
                Subscription::Held { pushes, .. } if pushes.len() < HELD_MAX => {
                    pushes.push(Held {
                        seq,
                        frame: frame.clone(),
                        class: class.clone(),
                    });
                }
                Subscription::Held { .. } => {
                    session.outbox.close(CloseCode::SlowConsumer, "resume");
                }
            }
        }
    }
}
