//! Subscribing and resuming.

use serde::Serialize;
use serde_json::value::RawValue;
use wire::code::ErrorCode;
use wire::frame::Error;
use wire::message::notification::InboxState;
use wire::message::presence::PresenceState;
use wire::message::room::RoomState;
use wire::message::{SubscribeParams, Subscribed};

use super::{Service, SessionHandle, Shared};
use crate::access::{Action, unknown};
use crate::caller::Caller;
use crate::channel::Channel;
use crate::hub::{PRESENCE_PREFIX, SessionId};
use crate::limits::Kind;
use crate::store::channels::{self, Position, Replay};
use crate::store::{Asking, Connection, Fail, conversations, inbox, presence, viewed};

/// What an inbox that nothing ever came to is told as: its first event begins an epoch.
const NO_EPOCH: &str = "none";

impl Service {
    /// Subscribes a channel, or resumes it; none when it is no channel of this crate.
    ///
    /// `bytes_max` bounds the JSON of what comes back, so that several fit into one
    /// reply; 24 KiB is plenty. Pushes are held back until [`Self::release`], which
    /// is called once the reply is queued. Costs one query for a resume.
    pub async fn subscribe(
        &self,
        session: SessionHandle,
        params: &SubscribeParams,
        bytes_max: usize,
    ) -> Option<Result<Subscribed, Error>> {
        let channel = Channel::parse(&params.channel)?;
        let shared = &self.shared;
        let Some(caller) = shared.hub.caller(session.0) else {
            return Some(Err(Error::new(
                ErrorCode::Internal,
                "the session has ended",
            )));
        };
        if let Err(error) = shared.limit(&caller, Kind::Subscribe) {
            return Some(Err(error));
        }
        let name = match &channel {
            Channel::Room(room) => room.clone(),
            Channel::Inbox => inbox::inbox_name(caller.sub()),
            Channel::Presence => String::new(),
        };
        if channel != Channel::Presence && !shared.hub.has_room(session.0, &name) {
            let message = "unsubscribe another channel first";
            return Some(Err(Error::new(ErrorCode::TooManySubscriptions, message)));
        }
        let position = params.epoch.clone().zip(params.offset);
        let position = position.map(|(epoch, offset)| Position { epoch, offset });
        let wanted = Wanted {
            id: session.0,
            wire: &params.channel,
            asking: shared.asking(&caller),
            position,
            bytes_max,
        };
        let subscribed = match channel {
            Channel::Room(room) => shared.subscribe_room(&wanted, &room).await,
            Channel::Inbox => shared.subscribe_inbox(&wanted).await,
            Channel::Presence => shared.subscribe_presence(&wanted).await,
        };
        Some(subscribed.map_err(Fail::into_wire))
    }

    /// Lets through what was held back for subscriptions whose reply is queued by now.
    pub fn release(&self, session: SessionHandle) {
        self.shared.hub.release(session.0);
    }

    /// Ends a subscription; none when it is no channel of this crate, false when there was none.
    pub fn unsubscribe(&self, session: SessionHandle, channel: &str) -> Option<bool> {
        let hub = &self.shared.hub;
        Some(match Channel::parse(channel)? {
            Channel::Room(room) => {
                let was = hub.unsubscribe(session.0, &room);
                self.shared.count_again(&room.into(), None);
                was
            }
            Channel::Inbox => {
                let caller = hub.caller(session.0)?;
                hub.unsubscribe(session.0, &inbox::inbox_name(caller.sub()))
            }
            Channel::Presence => {
                hub.unwatch(session.0, PRESENCE_PREFIX);
                true
            }
        })
    }
}

/// A subscription that is asked for.
struct Wanted<'a> {
    id: SessionId,
    wire: &'a str,
    asking: Asking,
    position: Option<Position>,
    bytes_max: usize,
}

impl Shared {
    async fn subscribe_room(&self, wanted: &Wanted<'_>, room: &str) -> Result<Subscribed, Fail> {
        // Held before it is read: nothing is committed unseen between the two.
        self.hub.hold(wanted.id, room, wanted.wire);
        let read = self.read_room(wanted, room).await;
        match read {
            Ok(subscribed) => {
                let offset = subscribed.offset.unwrap_or(0);
                // Gone, when the member was kicked while it was read.
                if !self.hub.start_from(wanted.id, room, offset) {
                    return Err(unknown().into());
                }
                Ok(subscribed)
            }
            Err(error) => {
                self.hub.unsubscribe(wanted.id, room);
                Err(error)
            }
        }
    }

    async fn read_room(&self, wanted: &Wanted<'_>, room: &str) -> Result<Subscribed, Fail> {
        let mut connection = self.store.read().await?;
        let (standing, replay) = channels::room(
            &mut connection,
            &wanted.asking,
            room,
            wanted.position.as_ref(),
            wanted.bytes_max,
        )
        .await?;
        if standing.wire() != wanted.wire {
            return Err(unknown().into());
        }
        if !standing.is_conversation() {
            self.count_again(&room.into(), Some(standing.members));
        }
        if replay.events.is_some() {
            return Ok(recovered(wanted.wire, replay));
        }
        let bytes_max = wanted.bytes_max;
        let asking = &wanted.asking;
        let fresh =
            channels::fresh(&mut connection, asking, &standing, replay.offset, bytes_max).await?;
        let seen = viewed(&mut connection, asking, room, Action::Subscribe).await?;
        let state = RoomState {
            room: seen.room(),
            messages: fresh.page.messages,
            more: fresh.page.more,
            participants: fresh.participants,
        };
        Ok(renewed(wanted.wire, replay.epoch, replay.offset, &state))
    }

    async fn subscribe_inbox(&self, wanted: &Wanted<'_>) -> Result<Subscribed, Fail> {
        let caller = &wanted.asking.caller;
        signed_in(caller)?;
        let name = inbox::inbox_name(caller.sub());
        self.hub.hold(wanted.id, &name, wanted.wire);
        let read = self.read_inbox(wanted, &name).await;
        match read {
            Ok(subscribed) => {
                self.hub
                    .start_from(wanted.id, &name, subscribed.offset.unwrap_or(0));
                Ok(subscribed)
            }
            Err(error) => {
                self.hub.unsubscribe(wanted.id, &name);
                Err(error)
            }
        }
    }

    async fn read_inbox(&self, wanted: &Wanted<'_>, name: &str) -> Result<Subscribed, Fail> {
        let mut connection = self.store.read().await?;
        let position = wanted.position.as_ref();
        let replay = channels::inbox(&mut connection, name, position, wanted.bytes_max).await?;
        let (epoch, offset) = match replay {
            Some(replay) if replay.events.is_some() => {
                return Ok(recovered(wanted.wire, replay));
            }
            Some(replay) => (replay.epoch, replay.offset),
            None => (NO_EPOCH.to_owned(), 0),
        };
        let state = inbox_state(&mut connection, &wanted.asking, wanted.bytes_max).await?;
        Ok(renewed(wanted.wire, epoch, offset, &state))
    }

    async fn subscribe_presence(&self, wanted: &Wanted<'_>) -> Result<Subscribed, Fail> {
        let caller = &wanted.asking.caller;
        signed_in(caller)?;
        // Watching first and reading then: a change in between is told twice rather than never.
        let mut connection = self.store.read().await?;
        let mut peers = presence::peers(&mut connection, caller.sub()).await?;
        drop(connection);
        // What one says on one device the others show.
        peers.push(caller.sub().to_owned());
        let channels: Vec<_> = peers
            .iter()
            .map(|peer| format!("{PRESENCE_PREFIX}{peer}"))
            .collect();
        self.hub.watch(wanted.id, &channels, PRESENCE_PREFIX);
        let cores = self.cores();
        let users = peers.into_iter().filter_map(|peer| {
            let presence = cores.presence.presence(&peer)?;
            Some((peer, presence))
        });
        let state = PresenceState {
            users: users.collect(),
        };
        Ok(Subscribed {
            epoch: None,
            offset: None,
            ..renewed(wanted.wire, String::new(), 0, &state)
        })
    }
}

fn signed_in(caller: &Caller) -> Result<(), Fail> {
    if caller.is_anonymous() {
        return Err(Error::new(ErrorCode::Unauthorized, "sign in first").into());
    }
    Ok(())
}

async fn inbox_state(
    connection: &mut Connection,
    asking: &Asking,
    bytes_max: usize,
) -> Result<InboxState, Fail> {
    let sub = asking.caller.sub();
    let page = inbox::notifications(connection, sub, None, false, 20).await?;
    let mut rooms = conversations::list(connection, asking, None, 50)
        .await?
        .rooms;
    let mut state = InboxState {
        notifications: page.notifications,
        unread: page.unread,
        conversations: Vec::new(),
    };
    // What does not fit is asked for by `conversations` and `notifications`.
    let mut bytes = size(&state);
    while bytes > bytes_max && state.notifications.pop().is_some() {
        bytes = size(&state);
    }
    rooms.retain(|room| {
        bytes += size(room) + 1;
        bytes <= bytes_max
    });
    state.conversations = rooms;
    Ok(state)
}

fn size<T: Serialize>(value: &T) -> usize {
    raw(value).get().len()
}

fn raw<T: Serialize>(value: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("wire types have string keys and serialize")
}

fn recovered(wire: &str, replay: Replay) -> Subscribed {
    Subscribed {
        channel: wire.to_owned(),
        epoch: Some(replay.epoch),
        offset: Some(replay.offset),
        recovered: true,
        events: replay.events.unwrap_or_default(),
        state: None,
        error: None,
    }
}

fn renewed<T: Serialize>(wire: &str, epoch: String, offset: u64, state: &T) -> Subscribed {
    Subscribed {
        channel: wire.to_owned(),
        epoch: Some(epoch),
        offset: Some(offset),
        recovered: false,
        events: Vec::new(),
        state: Some(raw(state)),
        error: None,
    }
}
