//! Handing out what was committed, in the order of the commits.

use std::net::Ipv6Addr;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use wire::code::{CloseCode, ErrorCode};
use wire::frame::Error;
use wire::message::chat::Message;
use wire::message::conversation::Watermarks;
use wire::message::notification::Notification;
use wire::message::presence::PresenceChanged;

use super::Shared;
use crate::access::Action;
use crate::hub::PRESENCE_PREFIX;
use crate::hub::{Class, Event, SessionId};
use crate::presence::Change;
use crate::store::inbox::inbox_name;
use crate::store::{Effect, Fail, encode, judged, presence};

pub(super) async fn run(shared: Arc<Shared>, mut batches: mpsc::Receiver<Vec<Effect>>) {
    loop {
        let due = shared.hub.poll_timeout();
        tokio::select! {
            // However much is committed, what is due is told.
            biased;
            () = reached(due) => shared.hub.handle_timeout(Instant::now().into_std()),
            batch = batches.recv() => {
                let Some(batch) = batch else {
                    return;
                };
                for effect in batch {
                    shared.handle(effect).await;
                }
                shared.due.notify_one();
            }
        }
    }
}

/// Waits for that time; without one for ever.
async fn reached(time: Option<std::time::Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// [`wire::message::conversation::ConversationUpdated`], borrowed.
#[derive(serde::Serialize)]
struct Updated<'a> {
    channel: &'a str,
    unread: u64,
    read: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a Message>,
}

/// Data of the push `unsubscribed`.
#[derive(serde::Serialize)]
struct Unsubscribed<'a> {
    error: &'a Error,
}

impl Shared {
    async fn handle(&self, effect: Effect) {
        match effect {
            Effect::Event {
                channel,
                seq,
                asked,
                frame,
            } => {
                let now = Instant::now().into_std();
                let event = Event { seq, asked, frame };
                self.hub.publish(&channel, event, now);
            }
            Effect::Volatile {
                channel,
                key,
                frame,
            } => {
                let key = format!("{channel}/{key}").into();
                self.hub.publish_latest(&channel, key, &frame);
            }
            Effect::Notified { sub, notification } => self.push_to_devices(sub, &notification),
            Effect::Conversation {
                sub,
                channel,
                unread,
                read,
                message,
            } => {
                let updated = Updated {
                    channel: &channel,
                    unread,
                    read,
                    message: message.as_deref(),
                };
                self.push_latest(
                    &inbox_name(&sub),
                    "inbox",
                    "conversation",
                    &channel,
                    &updated,
                );
            }
            Effect::Marked {
                room,
                sub,
                delivered,
                read,
            } => {
                let mark = Watermarks { delivered, read };
                let now = self.clock.now();
                self.cores().marks.handle((room, sub), mark, now);
            }
            Effect::Joined {
                room,
                sub,
                members,
                intimate,
            } => {
                self.count_again(&room, Some(members));
                if intimate {
                    self.watch_again(&sub).await;
                }
            }
            Effect::Left {
                room,
                sub,
                wire,
                members,
                closed,
            } => {
                self.left(&room, &sub, &wire, members, closed).await;
            }
            Effect::Gone { room } => {
                self.hub.remove_channel(&room);
                self.cores().members.remove(&room);
            }
            Effect::Unsure => self.hub.close_all(CloseCode::Internal, "resume"),
            Effect::Banned { sub, network, .. } => self.banned(sub.as_deref(), network).await,
        }
    }

    /// Whoever has a session sees the inbox, and needs no message on a device as well.
    fn push_to_devices(&self, sub: String, notification: &Notification) {
        let Some(push) = &self.push else {
            return;
        };
        if push.always || self.hub.sessions_of(&sub).is_empty() {
            push.tell(sub, notification);
        }
    }

    async fn left(&self, room: &Arc<str>, sub: &str, wire: &Arc<str>, members: u64, closed: bool) {
        if self.cores().writers.handle_stopped(room, sub) {
            self.tell_typing(room);
        }
        if closed {
            let error = Error::new(ErrorCode::NotMember, "you are no member any more");
            for id in self.hub.sessions_of(sub) {
                self.end_subscription(id, room, wire, &error);
            }
        }
        self.count_again(room, Some(members));
        self.watch_again(sub).await;
    }

    async fn banned(&self, sub: Option<&str>, network: Option<(Ipv6Addr, Ipv6Addr)>) {
        for (id, caller) in self.hub.sessions() {
            let by_user = sub.is_some_and(|sub| sub == caller.sub());
            let by_address =
                network.is_some_and(|(first, last)| (first..=last).contains(&caller.address()));
            if by_user || by_address {
                self.judge_subscriptions(id).await;
            }
        }
    }

    /// Ends a session's subscriptions to rooms it may not read any more.
    pub(super) async fn judge_subscriptions(&self, id: SessionId) {
        for (room, wire) in self.hub.rooms_of(id) {
            let Some(caller) = self.hub.caller(id) else {
                return;
            };
            let asking = self.asking(&caller);
            let judgement = match self.store.read().await {
                Ok(mut connection) => judged(&mut connection, &asking, &room, Action::Subscribe)
                    .await
                    .map(|_| ()),
                Err(error) => Err(Fail::Store(error)),
            };
            // When the store cannot tell, the safe answer is no: the client asks again.
            if let Err(fail) = judgement {
                self.end_subscription(id, &room, &wire, &fail.into_wire());
            }
        }
    }

    fn end_subscription(&self, id: SessionId, room: &Arc<str>, wire: &str, error: &Error) {
        if !self.hub.unsubscribe(id, room) {
            return;
        }
        let data = serde_json::value::to_raw_value(&Unsubscribed { error })
            .expect("wire types have string keys and serialize");
        self.hub.push(
            id,
            &encode(wire, None, "unsubscribed", data),
            Class::Durable,
        );
        self.count_again(room, None);
    }

    pub(super) fn tell_presence(&self, change: &Change) {
        let data = PresenceChanged {
            user: change.sub.clone(),
            presence: change.presence.clone(),
        };
        let channel = format!("{PRESENCE_PREFIX}{}", change.sub);
        self.push_latest(&channel, "presence", "presence", &change.sub, &data);
    }

    pub(super) fn tell_typing(&self, room: &str) {
        let typing = self.cores().writers.typing(room);
        // The subscribers know the room by the name they gave.
        let wire = self.hub.wire_of(room);
        if let Some(wire) = wire {
            self.push_latest(room, &wire, "typing", "typing", &typing);
        }
    }

    /// Finds out anew who sees a user's presence, and whose the user sees, when
    /// there is anybody who watches. Sharing is mutual: one query tells both.
    async fn watch_again(&self, sub: &str) {
        if !self.hub.has_watchers() {
            return;
        }
        let peers = match self.store.read().await {
            Ok(mut connection) => presence::peers(&mut connection, sub).await,
            Err(error) => Err(error),
        };
        let peers = match peers {
            Ok(peers) => peers,
            Err(error) => {
                tracing::warn!(%error, "who shares a room was not found out");
                return;
            }
        };
        let own = self.hub.watchers_of(sub);
        let watched = peers.iter().map(String::as_str).chain([sub]);
        let channels: Vec<_> = watched
            .map(|user| format!("{PRESENCE_PREFIX}{user}"))
            .collect();
        for id in &own {
            self.hub.watch(*id, &channels, PRESENCE_PREFIX);
        }
        let channel = format!("{PRESENCE_PREFIX}{sub}");
        for id in self.hub.subscribers(&channel) {
            let sees = self.hub.caller(id).is_some_and(|caller| {
                caller.sub() == sub || peers.iter().any(|peer| peer == caller.sub())
            });
            if !sees {
                self.hub.unsubscribe(id, &channel);
            }
        }
        for peer in &peers {
            let watching = self.hub.watchers_of(peer);
            for id in &watching {
                if !self.hub.subscribes(*id, &channel) {
                    self.hub.watch_one(*id, &channel);
                    self.push_presence(*id, sub);
                }
            }
            for id in &own {
                self.push_presence(*id, peer);
            }
        }
    }

    /// Tells one session about a user who is there.
    fn push_presence(&self, id: SessionId, sub: &str) {
        let Some(presence) = self.cores().presence.presence(sub) else {
            return;
        };
        let data = serde_json::value::to_raw_value(&PresenceChanged {
            user: sub.to_owned(),
            presence,
        })
        .expect("wire types have string keys and serialize");
        let key = format!("presence/{sub}").into();
        self.hub.push(
            id,
            &encode("presence", None, "presence", data),
            Class::Volatile { key },
        );
    }
}
