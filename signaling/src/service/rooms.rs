//! Requests about rooms and their members.

use std::sync::Arc;

use wire::code::ErrorCode;
use wire::message::Empty;
use wire::message::room::{
    ChannelParams, CreateRoomParams, MemberParams, MembersParams, MembersResult, RoomResult,
    RoomsParams, RoomsResult, SetRoleParams, UpdateRoomParams,
};

use super::Shared;
use super::dispatch::Handled;
use crate::caller::Caller;
use crate::channel::Channel;
use crate::store::members::{self, MemberJob, MembersQuery, RoleJob};
use crate::store::refuse;
use crate::store::rooms::{self, NewRoom, RoomChange, RoomJob, RoomsQuery};
use crate::text;

const NAME_CHARS_MAX: usize = 80;
const TOPIC_CHARS_MAX: usize = 512;
const SLOW_MODE_S_MAX: u32 = 3_600;

/// What a user's id may have, as in tokens.
const SUB_CHARS_MAX: usize = 128;

impl Shared {
    pub(super) async fn create_room(
        &self,
        caller: &Arc<Caller>,
        params: CreateRoomParams,
    ) -> Handled<RoomResult> {
        signed_in(caller)?;
        let new = NewRoom {
            asking: self.asking(caller),
            id: crate::id::random(),
            name: text::line("name", &params.name, 1, NAME_CHARS_MAX)?,
            topic: text::line("topic", &params.topic, 0, TOPIC_CHARS_MAX)?,
            private: params.private,
            transient: params.transient,
        };
        let room = self
            .store
            .write(new, |tx, new| Box::pin(rooms::create(tx, new)))
            .await?;
        self.remember(caller);
        Ok(RoomResult { room })
    }

    pub(super) async fn update_room(
        &self,
        caller: &Arc<Caller>,
        params: UpdateRoomParams,
    ) -> Handled<RoomResult> {
        let name = params
            .name
            .map(|name| text::line("name", &name, 1, NAME_CHARS_MAX));
        let topic = params
            .topic
            .map(|topic| text::line("topic", &topic, 0, TOPIC_CHARS_MAX));
        if params
            .slow_mode_s
            .is_some_and(|seconds| seconds > SLOW_MODE_S_MAX)
        {
            return Err(refuse(ErrorCode::BadRequest, "slow_mode_s: at most 3600"));
        }
        let change = RoomChange {
            asking: self.asking(caller),
            room: Channel::room(&params.channel)?,
            name: name.transpose()?,
            topic: topic.transpose()?,
            slow_mode_s: params.slow_mode_s,
            followers_only: params.followers_only,
        };
        let change = self
            .store
            .write(change, |tx, change| Box::pin(rooms::update(tx, change)));
        Ok(RoomResult {
            room: change.await?,
        })
    }

    pub(super) fn room_job(
        &self,
        caller: &Arc<Caller>,
        params: &ChannelParams,
    ) -> Handled<RoomJob> {
        Ok(RoomJob {
            asking: self.asking(caller),
            room: Channel::room(&params.channel)?,
        })
    }

    pub(super) async fn delete_room(
        &self,
        caller: &Arc<Caller>,
        params: ChannelParams,
    ) -> Handled<Empty> {
        let job = self.room_job(caller, &params)?;
        self.store
            .write(job, |tx, job| Box::pin(rooms::delete(tx, job)))
            .await?;
        Ok(Empty {})
    }

    pub(super) async fn join_room(
        &self,
        caller: &Arc<Caller>,
        params: ChannelParams,
    ) -> Handled<RoomResult> {
        let job = self.room_job(caller, &params)?;
        let room = self
            .store
            .write(job, |tx, job| Box::pin(members::join(tx, job)))
            .await?;
        self.remember(caller);
        Ok(RoomResult { room })
    }

    pub(super) async fn leave_room(
        &self,
        caller: &Arc<Caller>,
        params: ChannelParams,
    ) -> Handled<Empty> {
        let job = self.room_job(caller, &params)?;
        self.store
            .write(job, |tx, job| Box::pin(members::leave(tx, job)))
            .await?;
        Ok(Empty {})
    }

    fn member_job(&self, caller: &Arc<Caller>, params: MemberParams) -> Handled<MemberJob> {
        Ok(MemberJob {
            asking: self.asking(caller),
            room: Channel::room(&params.channel)?,
            user: user(params.user)?,
        })
    }

    pub(super) async fn invite(
        &self,
        caller: &Arc<Caller>,
        params: MemberParams,
    ) -> Handled<Empty> {
        let job = self.member_job(caller, params)?;
        self.store
            .write(job, |tx, job| Box::pin(members::invite(tx, job)))
            .await?;
        Ok(Empty {})
    }

    pub(super) async fn decline(
        &self,
        caller: &Arc<Caller>,
        params: ChannelParams,
    ) -> Handled<Empty> {
        signed_in(caller)?;
        let job = self.room_job(caller, &params)?;
        self.store
            .write(job, |tx, job| Box::pin(members::decline(tx, job)))
            .await?;
        Ok(Empty {})
    }

    pub(super) async fn kick(&self, caller: &Arc<Caller>, params: MemberParams) -> Handled<Empty> {
        let job = self.member_job(caller, params)?;
        self.store
            .write(job, |tx, job| Box::pin(members::kick(tx, job)))
            .await?;
        Ok(Empty {})
    }

    pub(super) async fn set_role(
        &self,
        caller: &Arc<Caller>,
        params: SetRoleParams,
    ) -> Handled<RoomResult> {
        let job = RoleJob {
            asking: self.asking(caller),
            room: Channel::room(&params.channel)?,
            user: user(params.user)?,
            role: params.role,
        };
        let room = self
            .store
            .write(job, |tx, job| Box::pin(members::set_role(tx, job)))
            .await?;
        Ok(RoomResult { room })
    }

    pub(super) async fn room(
        &self,
        caller: &Arc<Caller>,
        params: ChannelParams,
    ) -> Handled<RoomResult> {
        let room = Channel::room(&params.channel)?;
        let mut connection = self.store.read().await?;
        let room = rooms::describe(&mut connection, &self.asking(caller), &room).await?;
        Ok(RoomResult { room })
    }

    pub(super) async fn rooms(
        &self,
        caller: &Arc<Caller>,
        params: RoomsParams,
    ) -> Handled<RoomsResult> {
        let query = params
            .query
            .map(|query| text::line("query", &query, 0, NAME_CHARS_MAX));
        let query = RoomsQuery {
            asking: self.asking(caller),
            query: query.transpose()?,
            joined: params.joined,
            after: cursor(params.after)?,
            limit: params.limit.unwrap_or(50).clamp(1, 50),
        };
        let mut connection = self.store.read().await?;
        rooms::list(&mut connection, &query).await
    }

    pub(super) async fn members(
        &self,
        caller: &Arc<Caller>,
        params: MembersParams,
    ) -> Handled<MembersResult> {
        let query = MembersQuery {
            asking: self.asking(caller),
            room: Channel::room(&params.channel)?,
            after: cursor(params.after)?,
            limit: params.limit.unwrap_or(100).clamp(1, 100),
        };
        let mut connection = self.store.read().await?;
        members::list(&mut connection, &query).await
    }

    /// Keeps in mind that a user's name is in the store.
    pub(super) fn remember(&self, caller: &Caller) {
        let mut cores = self.cores();
        if cores.known.len() >= super::REMEMBERED_MAX {
            cores.known.clear();
        }
        let name = caller.name().map(str::to_owned);
        cores.known.insert((caller.sub().to_owned(), name));
    }
}

/// Refuses those without a token.
pub(super) fn signed_in(caller: &Caller) -> Handled<()> {
    if caller.is_anonymous() {
        return Err(refuse(ErrorCode::Unauthorized, "sign in first"));
    }
    Ok(())
}

/// A user's id as a client gives it.
pub(super) fn user(sub: String) -> Handled<String> {
    let is_sub = !sub.is_empty()
        && sub.chars().count() <= SUB_CHARS_MAX
        && !sub.chars().any(char::is_control);
    if is_sub {
        Ok(sub)
    } else {
        Err(refuse(ErrorCode::BadRequest, "user: 1 to 128 characters"))
    }
}

/// A cursor this service gave out, or something a client made up: no longer than those.
/// PostgreSQL takes no NUL in a text.
pub(super) fn cursor(after: Option<String>) -> Handled<Option<String>> {
    match after {
        Some(after) if after.len() > 512 || after.contains('\0') => {
            Err(refuse(ErrorCode::BadRequest, "after: no cursor"))
        }
        after => Ok(after),
    }
}
