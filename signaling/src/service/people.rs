//! Requests about conversations, presence, notifications and stations' listeners.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::code::ErrorCode;
use wire::message::Empty;
use wire::message::conversation::{
    ConversationsParams, CreateConversationParams, MarkParams, MarkResult,
};
use wire::message::interaction::{
    FavouritesResult, InteractParams, InteractionsParams, InteractionsResult,
};
use wire::message::notification::{
    AnnounceParams, NotificationEvent, NotificationsParams, NotificationsResult, ReadNotifications,
    UnreadResult,
};
use wire::message::presence::{Presence, PresenceParams, PresenceState, SetPresenceParams, Status};
use wire::message::room::{ChannelParams, RoomResult, RoomsResult};

use super::Shared;
use super::dispatch::Handled;
use super::rooms::{cursor, signed_in, user};
use crate::caller::Caller;
use crate::channel::Channel;
use crate::store::conversations::{self, MarkJob, NewConversation};
use crate::store::inbox::{self, ReadJob, RoomAnnouncement, Target};
use crate::store::interactions::{self, InteractJob};
use crate::store::{presence, refuse};
use crate::text;

const STATUS_CHARS_MAX: usize = 128;
const ANNOUNCEMENT_CHARS_MAX: usize = 512;
const USERS_ASKED_MAX: usize = 100;

impl Shared {
    pub(super) async fn create_conversation(
        &self,
        caller: &Arc<Caller>,
        params: CreateConversationParams,
    ) -> Handled<RoomResult> {
        signed_in(caller)?;
        let mut users = Vec::new();
        for sub in params.users {
            let sub = user(sub)?;
            if sub != caller.sub() && !users.contains(&sub) {
                users.push(sub);
            }
            if users.len() >= USERS_ASKED_MAX {
                return Err(refuse(ErrorCode::BadRequest, "users: at most 99"));
            }
        }
        let name = params
            .name
            .map(|name| text::line("name", &name, 1, 80))
            .transpose()?;
        if users.is_empty() || (users.len() > 1 && name.is_none()) {
            let message = "users: others than yourself; several of them need a name";
            return Err(refuse(ErrorCode::BadRequest, message));
        }
        let new = NewConversation {
            asking: self.asking(caller),
            id: crate::id::random(),
            users,
            name,
        };
        let room = self
            .store
            .write(new, |tx, new| Box::pin(conversations::create(tx, new)));
        let room = room.await?;
        self.remember(caller);
        Ok(RoomResult { room })
    }

    pub(super) async fn conversations(
        &self,
        caller: &Arc<Caller>,
        params: ConversationsParams,
    ) -> Handled<RoomsResult> {
        signed_in(caller)?;
        let after = cursor(params.after)?;
        let after = after.map(|after| {
            let (at, id) = after.split_once(' ')?;
            Some((at.parse().ok()?, id.to_owned()))
        });
        if after == Some(None) {
            return Err(refuse(ErrorCode::BadRequest, "after: no cursor"));
        }
        let limit = params.limit.unwrap_or(50).clamp(1, 50);
        let mut connection = self.store.read().await?;
        conversations::list(
            &mut connection,
            &self.asking(caller),
            after.flatten(),
            limit,
        )
        .await
    }

    pub(super) async fn delete_conversation(
        &self,
        caller: &Arc<Caller>,
        params: ChannelParams,
    ) -> Handled<Empty> {
        let job = self.room_job(caller, &params)?;
        self.store
            .write(job, |tx, job| Box::pin(conversations::delete(tx, job)))
            .await?;
        Ok(Empty {})
    }

    pub(super) async fn mark(
        &self,
        caller: &Arc<Caller>,
        params: MarkParams,
    ) -> Handled<MarkResult> {
        let job = MarkJob {
            asking: self.asking(caller),
            room: Channel::room(&params.channel)?,
            delivered: params.delivered,
            read: params.read,
        };
        self.store
            .write(job, |tx, job| Box::pin(conversations::mark(tx, job)))
            .await
    }

    pub(super) fn set_presence(
        &self,
        caller: &Arc<Caller>,
        params: SetPresenceParams,
    ) -> Handled<Empty> {
        signed_in(caller)?;
        if params.status == Status::Offline {
            return Err(refuse(ErrorCode::BadRequest, "status: online or away"));
        }
        let text = params
            .text
            .map(|text| text::line("text", &text, 0, STATUS_CHARS_MAX));
        let text = text.transpose()?.filter(|text| !text.is_empty());
        let is_away = params.status == Status::Away;
        let change = self
            .cores()
            .presence
            .handle_status(caller.sub(), is_away, text);
        if let Some(change) = change {
            self.tell_presence(&change);
        }
        Ok(Empty {})
    }

    pub(super) async fn presence(
        &self,
        caller: &Arc<Caller>,
        params: PresenceParams,
    ) -> Handled<PresenceState> {
        signed_in(caller)?;
        if params.users.len() > USERS_ASKED_MAX {
            return Err(refuse(ErrorCode::BadRequest, "users: at most 100"));
        }
        let mut connection = self.store.read().await?;
        let mut asked = presence::peers(&mut connection, caller.sub()).await?;
        asked.retain(|peer| params.users.contains(peer));
        let mut users = BTreeMap::new();
        let here = |sub: &String| self.cores().presence.presence(sub);
        asked.retain(|peer| match here(peer) {
            Some(presence) => {
                users.insert(peer.clone(), presence);
                false
            }
            None => true,
        });
        let seen = presence::last_seen(&mut connection, &asked).await?;
        for sub in asked {
            let last_seen = seen.get(&sub).copied();
            let offline = Presence {
                status: Status::Offline,
                text: None,
                devices: 0,
                last_seen,
            };
            users.insert(sub, offline);
        }
        Ok(PresenceState { users })
    }

    pub(super) async fn notifications(
        &self,
        caller: &Arc<Caller>,
        params: NotificationsParams,
    ) -> Handled<NotificationsResult> {
        signed_in(caller)?;
        let limit = params.limit.unwrap_or(50).clamp(1, 50);
        let mut connection = self.store.read().await?;
        let sub = caller.sub();
        let page =
            inbox::notifications(&mut connection, sub, params.before, params.unread, limit).await?;
        Ok(page)
    }

    pub(super) async fn read_inbox_to(
        &self,
        caller: &Arc<Caller>,
        params: ReadNotifications,
    ) -> Handled<UnreadResult> {
        signed_in(caller)?;
        if params.seqs.len() > USERS_ASKED_MAX {
            return Err(refuse(ErrorCode::BadRequest, "seqs: at most 100"));
        }
        let job = ReadJob {
            asking: self.asking(caller),
            read: params,
        };
        let read = self
            .store
            .write(job, |tx, job| Box::pin(inbox::read_notifications(tx, job)));
        Ok(UnreadResult {
            unread: read.await?,
        })
    }

    pub(super) async fn announce(
        &self,
        caller: &Arc<Caller>,
        params: AnnounceParams,
    ) -> Handled<Empty> {
        signed_in(caller)?;
        if !caller.is_admin() {
            return Err(refuse(ErrorCode::Forbidden, "only administrators may"));
        }
        let text = text::line("text", &params.text, 1, ANNOUNCEMENT_CHARS_MAX)?;
        let room = match (&params.station, &params.channel) {
            (Some(_), Some(_)) => {
                return Err(refuse(
                    ErrorCode::BadRequest,
                    "station, channel: one of them",
                ));
            }
            (Some(station), None) => Some(inbox::room_of(station)),
            (None, Some(channel)) => Some(Channel::room(channel)?),
            (None, None) => None,
        };
        if let Some(room) = room {
            let job = RoomAnnouncement {
                asking: self.asking(caller),
                room,
                text: text.clone(),
            };
            let said = self
                .store
                .write(job, |tx, job| Box::pin(inbox::announce_in_room(tx, job)));
            said.await?;
        }
        let event = NotificationEvent::Announcement { text };
        match params.station {
            Some(station) => {
                self.tell(Target::Followers(station.to_string()), event)
                    .await?;
            }
            None if params.channel.is_none() => self.tell(Target::Everybody, event).await?,
            None => {}
        }
        Ok(Empty {})
    }

    pub(super) async fn interact(
        &self,
        caller: &Arc<Caller>,
        params: InteractParams,
    ) -> Handled<InteractionsResult> {
        let job = InteractJob {
            asking: self.asking(caller),
            station: params.station,
            kind: params.kind,
            on: params.on,
        };
        self.store
            .write(job, |tx, job| Box::pin(interactions::interact(tx, job)))
            .await
    }

    pub(super) async fn interactions(
        &self,
        caller: &Arc<Caller>,
        params: InteractionsParams,
    ) -> Handled<InteractionsResult> {
        let mut connection = self.store.read().await?;
        interactions::read(&mut connection, &self.asking(caller), &params.station).await
    }

    pub(super) async fn favourites(&self, caller: &Arc<Caller>) -> Handled<FavouritesResult> {
        signed_in(caller)?;
        let mut connection = self.store.read().await?;
        Ok(interactions::favourites(&mut connection, caller.sub()).await?)
    }
}
