//! Who gets what: the subscriptions of all sessions, and handing out what was committed.
//!
//! A subscription begins *held*: pushes collect until the client has its reply.
//! Then it knows the offset it starts from, and everything up to it is dropped:
//! so each durable event reaches each subscriber once, in order, however
//! reading, committing and handing out interleave. To many subscribers events
//! are handed out by the handful ([`pace`]).

mod outbox;
mod pace;
mod state;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use wire::code::CloseCode;
use wire::frame::Batch;

use crate::caller::Caller;

pub use outbox::{Class, Outbox};
pub(crate) use pace::Event;
use state::{Session, State, Subscription};

/// Before the name of a user whose presence a session watches.
pub(crate) const PRESENCE_PREFIX: &str = "presence:";

/// Names a session within the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionId(pub(crate) u64);

/// Subscriptions of one session, its presence being one however many it watches.
const SUBSCRIPTIONS_MAX: usize = 64;

/// All subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    state: Mutex<State>,
}

impl Hub {
    // A panic elsewhere leaves the maps as consistent as each step does.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn connect(&self, id: SessionId, caller: Arc<Caller>, outbox: Arc<dyn Outbox>) {
        let mut state = self.lock();
        if !caller.is_anonymous() {
            state
                .users
                .entry(caller.sub().to_owned())
                .or_default()
                .insert(id);
        }
        let session = Session {
            outbox,
            caller,
            channels: HashMap::new(),
        };
        state.sessions.insert(id, session);
    }

    pub(crate) fn set_caller(&self, id: SessionId, caller: Arc<Caller>) {
        let mut state = self.lock();
        let Some(session) = state.sessions.get_mut(&id) else {
            return;
        };
        let before = std::mem::replace(&mut session.caller, caller.clone());
        state.forget_user(id, before.sub());
        if !caller.is_anonymous() {
            state
                .users
                .entry(caller.sub().to_owned())
                .or_default()
                .insert(id);
        }
    }

    /// Ends a session; gives who it was. A second time there is nobody.
    pub(crate) fn disconnect(&self, id: SessionId) -> Option<Arc<Caller>> {
        let mut state = self.lock();
        let session = state.sessions.remove(&id)?;
        for channel in session.channels.keys() {
            state.forget_subscriber(channel, id);
        }
        state.watchers.remove(&id);
        state.forget_user(id, session.caller.sub());
        Some(session.caller)
    }

    pub(crate) fn caller(&self, id: SessionId) -> Option<Arc<Caller>> {
        Some(self.lock().sessions.get(&id)?.caller.clone())
    }

    /// Whether a session may subscribe that channel beside those it has.
    pub(crate) fn has_room(&self, id: SessionId, channel: &str) -> bool {
        let state = self.lock();
        let Some(session) = state.sessions.get(&id) else {
            return true;
        };
        let own = |name: &&Arc<str>| !name.starts_with(PRESENCE_PREFIX);
        session.channels.contains_key(channel)
            || session.channels.len() < SUBSCRIPTIONS_MAX
            || session.channels.keys().filter(own).count() < SUBSCRIPTIONS_MAX
    }

    /// Begins to hold what is pushed on a channel, instead of an earlier subscription to it.
    pub(crate) fn hold(&self, id: SessionId, channel: &str, wire: &str) {
        let held = Subscription::Held {
            after: None,
            pushes: Vec::new(),
        };
        self.lock().subscribe(id, channel, wire, held);
    }

    /// Says from where a held subscription starts; false when it was ended meanwhile.
    pub(crate) fn start_from(&self, id: SessionId, channel: &str, offset: u64) -> bool {
        match self.lock().subscription(id, channel) {
            Some(Subscription::Held { after, .. }) => {
                *after = Some(offset);
                true
            }
            Some(Subscription::Live { .. }) => true,
            None => false,
        }
    }

    /// Subscribes a channel without offsets, at once.
    pub(crate) fn watch(&self, id: SessionId, channels: &[String], keep_prefix: &str) {
        let mut state = self.lock();
        let Some(session) = state.sessions.get(&id) else {
            return;
        };
        let wanted: HashSet<&str> = channels.iter().map(String::as_str).collect();
        let stale: Vec<_> = session
            .channels
            .keys()
            .filter(|name| name.starts_with(keep_prefix) && !wanted.contains(&***name))
            .cloned()
            .collect();
        for channel in stale {
            state.unsubscribe(id, &channel);
        }
        for channel in channels {
            state.subscribe(id, channel, "presence", Subscription::Live { after: 0 });
        }
        state.watchers.insert(id);
    }

    pub(crate) fn unwatch(&self, id: SessionId, prefix: &str) {
        self.watch(id, &[], prefix);
        self.lock().watchers.remove(&id);
    }

    /// The sessions of a user that watch presence.
    pub(crate) fn watchers_of(&self, sub: &str) -> Vec<SessionId> {
        let state = self.lock();
        let sessions = state.users.get(sub).into_iter().flatten();
        sessions
            .filter(|id| state.watchers.contains(id))
            .copied()
            .collect()
    }

    /// Whether anybody watches presence at all.
    pub(crate) fn has_watchers(&self) -> bool {
        !self.lock().watchers.is_empty()
    }

    /// Adds one channel without offsets to a session that watches.
    pub(crate) fn watch_one(&self, id: SessionId, channel: &str) {
        let mut state = self.lock();
        if state.watchers.contains(&id) {
            state.subscribe(id, channel, "presence", Subscription::Live { after: 0 });
        }
    }

    /// The subscribers of a channel.
    pub(crate) fn subscribers(&self, channel: &str) -> Vec<SessionId> {
        let state = self.lock();
        let subscribers = state
            .channels
            .get(channel)
            .into_iter()
            .flat_map(|channel| channel.subscribers.keys());
        subscribers.copied().collect()
    }

    pub(crate) fn count(&self, channel: &str) -> u64 {
        self.lock()
            .channels
            .get(channel)
            .map_or(0, |channel| channel.subscribers.len() as u64)
    }

    /// Whether a session subscribes that channel.
    pub(crate) fn subscribes(&self, id: SessionId, channel: &str) -> bool {
        self.lock().subscription(id, channel).is_some()
    }

    pub(crate) fn unsubscribe(&self, id: SessionId, channel: &str) -> bool {
        self.lock().unsubscribe(id, channel)
    }

    /// Lets through what was held, for all subscriptions that know where they start.
    pub(crate) fn release(&self, id: SessionId) {
        let mut state = self.lock();
        let Some(session) = state.sessions.get(&id) else {
            return;
        };
        let outbox = session.outbox.clone();
        let channels: Vec<_> = session.channels.keys().cloned().collect();
        for channel in channels {
            let Some(subscription) = state.subscription(id, &channel) else {
                continue;
            };
            if let Subscription::Held {
                after: Some(after),
                pushes,
            } = subscription
            {
                let (mut after, pushes) = (*after, std::mem::take(pushes));
                for held in pushes {
                    if held.seq.is_none_or(|seq| seq > after) {
                        after = held.seq.unwrap_or(after);
                        outbox.push(held.batch, held.class);
                    }
                }
                *subscription = Subscription::Live { after };
            }
        }
    }

    /// Tells a durable event to all subscribers of its channel, at once or soon.
    pub(crate) fn publish(&self, channel: &str, event: Event, now: Instant) {
        self.lock().publish(channel, event, now);
    }

    /// When events are to be told that wait for others.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.lock().due.first().map(|(due, _)| *due)
    }

    /// Tells the events that are due.
    pub(crate) fn handle_timeout(&self, now: Instant) {
        let mut state = self.lock();
        while state.due.first().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, channel)) = state.due.pop_first() {
                state.tell(&channel);
            }
        }
    }

    /// Pushes what replaces what was pushed before with the same key.
    pub(crate) fn publish_latest(&self, channel: &str, key: Arc<str>, frame: &str) {
        self.lock().push_latest(channel, &key, frame);
    }

    /// Pushes to one session alone.
    pub(crate) fn push(&self, id: SessionId, frame: &str, class: Class) {
        if let Some(session) = self.lock().sessions.get(&id) {
            session.outbox.push(Batch::one(frame), class);
        }
    }

    /// Ends all subscriptions to a channel.
    pub(crate) fn remove_channel(&self, channel: &str) {
        let mut state = self.lock();
        // That it is gone, among other things.
        state.tell(channel);
        let Some((name, removed)) = state.channels.remove_entry(channel) else {
            return;
        };
        for id in removed.subscribers.keys() {
            if let Some(session) = state.sessions.get_mut(id) {
                session.channels.remove(&name);
            }
        }
    }

    /// All sessions and who they are.
    pub(crate) fn sessions(&self) -> Vec<(SessionId, Arc<Caller>)> {
        let state = self.lock();
        let sessions = state.sessions.iter();
        sessions
            .map(|(id, session)| (*id, session.caller.clone()))
            .collect()
    }

    /// A subscribed channel's name on the wire.
    pub(crate) fn wire_of(&self, channel: &str) -> Option<Arc<str>> {
        let state = self.lock();
        let subscribers = &state.channels.get(channel)?.subscribers;
        let id = subscribers.keys().next()?;
        state.sessions.get(id)?.channels.get(channel).cloned()
    }

    /// The sessions of one user.
    pub(crate) fn sessions_of(&self, sub: &str) -> Vec<SessionId> {
        self.lock()
            .users
            .get(sub)
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    /// The rooms a session subscribes, with their names on the wire.
    pub(crate) fn rooms_of(&self, id: SessionId) -> Vec<(Arc<str>, Arc<str>)> {
        let state = self.lock();
        let channels = state
            .sessions
            .get(&id)
            .into_iter()
            .flat_map(|session| &session.channels);
        // No room's id has a colon.
        let rooms = channels.filter(|(name, _)| !name.contains(':'));
        rooms
            .map(|(name, wire)| (name.clone(), wire.clone()))
            .collect()
    }

    /// Ends all sessions: they come back and resume.
    pub(crate) fn close_all(&self, code: CloseCode, reason: &str) {
        for session in self.lock().sessions.values() {
            session.outbox.close(code, reason);
        }
    }

    /// Ends one session.
    pub(crate) fn close(&self, id: SessionId, code: CloseCode, reason: &str) {
        if let Some(session) = self.lock().sessions.get(&id) {
            session.outbox.close(code, reason);
        }
    }
}

#[cfg(test)]
mod tests;
