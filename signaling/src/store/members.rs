//! Members of rooms: joining, leaving, inviting, kicking, roles.

use wire::code::ErrorCode;
use wire::message::notification::NotificationEvent;
use wire::message::room::{Member, MemberParams, MembersResult, Role, Room, RoomKind};

use super::connection::{Connection, StoreError};
use super::rooms::{self, RoomJob, audit, insert_member, publish};
use super::standing::{Asking, Standing, judged, role_number, role_of, viewed};
use super::{Effect, Fail, Tx, conversations, inbox, refuse, users};
use crate::access::Action;

/// Up to so many members a room tells every joining and leaving, and its
/// members see each other's presence; above, it tells counts.
pub(crate) const INTIMATE_MAX: u64 = 200;

/// The most members of a group conversation.
pub(crate) const GROUP_MEMBERS_MAX: u64 = 100;

/// Something about one member.
#[derive(Debug)]
pub(crate) struct MemberJob {
    pub(crate) asking: Asking,
    pub(crate) room: String,
    pub(crate) user: String,
}

/// A change of a member's role.
#[derive(Debug)]
pub(crate) struct RoleJob {
    pub(crate) asking: Asking,
    pub(crate) room: String,
    pub(crate) user: String,
    pub(crate) role: Role,
}

pub(crate) async fn join(tx: &mut Tx, job: &RoomJob) -> Result<Room, Fail> {
    let asking = &job.asking;
    let room = viewed(tx.reading(), asking, &job.room, Action::Join).await?;
    if room.rights.role.is_some() {
        return Ok(room.room());
    }
    users::know(tx, asking).await?;
    let sub = asking.caller.sub();
    // Whoever made a room and left it comes back as its owner.
    let role = if room.owner.as_deref() == Some(sub) {
        Role::Owner
    } else {
        Role::Member
    };
    let member = Member {
        sub: sub.to_owned(),
        name: asking.caller.name().map(str::to_owned),
        role,
        delivered: None,
        read: None,
    };
    admit(tx, &room, &member, asking.now).await?;
    Ok(judged(tx.reading(), asking, &job.room, Action::Subscribe)
        .await?
        .room())
}

/// Makes somebody a member and tells the others.
pub(super) async fn admit(
    tx: &mut Tx,
    room: &Standing,
    member: &Member,
    now: i64,
) -> Result<(), Fail> {
    let seen = room.last_message;
    if !insert_member(tx, &room.id, &member.sub, member.role, seen, now).await? {
        return Ok(());
    }
    tx.execute(
        "DELETE FROM invitations WHERE room = $1 AND sub = $2",
        &[(&room.id).into(), (&member.sub).into()],
    )
    .await?;
    let members = count(tx, &room.id, 1).await?;
    if members <= INTIMATE_MAX {
        publish(tx, room, "member_joined", member, now).await?;
    }
    tx.then(Effect::Joined {
        room: room.id.as_str().into(),
        sub: member.sub.clone(),
        members,
        intimate: members <= INTIMATE_MAX,
    });
    Ok(())
}

async fn count(tx: &mut Tx, room: &str, change: i64) -> Result<u64, StoreError> {
    let rows = tx
        .returning(
            "UPDATE rooms SET members = members + $2 WHERE id = $1 RETURNING members",
            &[room.into(), change.into()],
        )
        .await?;
    rows.first().map_or(Ok(0), |row| row.count("members"))
}

pub(crate) async fn leave(tx: &mut Tx, job: &RoomJob) -> Result<(), Fail> {
    let room = judged(tx.reading(), &job.asking, &job.room, Action::Leave).await?;
    if room.kind() == RoomKind::Direct {
        return Err(refuse(
            ErrorCode::BadRequest,
            "delete a direct conversation instead",
        ));
    }
    dismiss(tx, &room, job.asking.caller.sub(), job.asking.now).await
}

/// Ends a membership, passes on what was owned, and removes a transient room that is empty.
pub(super) async fn dismiss(tx: &mut Tx, room: &Standing, sub: &str, now: i64) -> Result<(), Fail> {
    let rows = tx
        .returning(
            "DELETE FROM members WHERE room = $1 AND sub = $2 RETURNING role",
            &[(&room.id).into(), sub.into()],
        )
        .await?;
    let Some(row) = rows.first() else {
        return Err(refuse(ErrorCode::NotFound, "no such member"));
    };
    let role = role_of(row.int("role")?);
    let members = count(tx, &room.id, -1).await?;
    if members < INTIMATE_MAX {
        let left = MemberParams {
            channel: room.wire(),
            user: sub.to_owned(),
        };
        publish(tx, room, "member_left", &left, now).await?;
    }
    let closed = !matches!(room.kind(), RoomKind::Station | RoomKind::Public);
    tx.then(Effect::Left {
        room: room.id.as_str().into(),
        sub: sub.to_owned(),
        wire: room.wire().into(),
        members,
        closed,
    });
    if room.is_conversation() {
        conversations::forget(tx, room, sub);
    }
    if members == 0 && (room.transient || room.kind() == RoomKind::Group) {
        return Ok(rooms::remove(tx, room).await?);
    }
    if role == Role::Owner && members > 0 {
        let heir = tx
            .reading()
            .row(
                "SELECT sub FROM members WHERE room = $1 ORDER BY role DESC, joined_at, sub LIMIT 1",
                &[(&room.id).into()],
            )
            .await?;
        if let Some(heir) = heir {
            give_role(tx, room, &heir.text("sub")?, Role::Owner, now).await?;
        }
    }
    Ok(())
}

async fn give_role(
    tx: &mut Tx,
    room: &Standing,
    sub: &str,
    role: Role,
    now: i64,
) -> Result<(), Fail> {
    tx.execute(
        "UPDATE members SET role = $3 WHERE room = $1 AND sub = $2",
        &[(&room.id).into(), sub.into(), role_number(role).into()],
    )
    .await?;
    if role == Role::Owner {
        tx.execute(
            "UPDATE rooms SET owner = $2, version = version + 1 WHERE id = $1",
            &[(&room.id).into(), sub.into()],
        )
        .await?;
    }
    let member = Member {
        sub: sub.to_owned(),
        name: None,
        role,
        delivered: None,
        read: None,
    };
    publish(tx, room, "member_changed", &member, now).await?;
    Ok(())
}

async fn role_in(tx: &mut Tx, room: &str, sub: &str) -> Result<Option<Role>, StoreError> {
    let row = tx
        .reading()
        .row(
            "SELECT role FROM members WHERE room = $1 AND sub = $2",
            &[room.into(), sub.into()],
        )
        .await?;
    row.map(|row| row.int("role").map(role_of)).transpose()
}

pub(crate) async fn kick(tx: &mut Tx, job: &MemberJob) -> Result<(), Fail> {
    let room = judged(tx.reading(), &job.asking, &job.room, Action::Kick).await?;
    outranks(tx, &room, &job.user).await?;
    audit(tx, &job.asking, &room.id, "kick", &job.user).await?;
    dismiss(tx, &room, &job.user, job.asking.now).await
}

/// Refuses what moderators would do to their equals and betters.
pub(super) async fn outranks(tx: &mut Tx, room: &Standing, user: &str) -> Result<(), Fail> {
    let theirs = role_in(tx, &room.id, user).await?;
    if theirs >= Some(Role::Moderator) && room.rights.rank() <= theirs {
        return Err(refuse(
            ErrorCode::Forbidden,
            "only somebody of higher rank may",
        ));
    }
    Ok(())
}

pub(crate) async fn set_role(tx: &mut Tx, job: &RoleJob) -> Result<Room, Fail> {
    let asking = &job.asking;
    let room = judged(tx.reading(), asking, &job.room, Action::SetRole).await?;
    let theirs = role_in(tx, &room.id, &job.user).await?;
    if theirs.is_none() || room.kind() == RoomKind::Direct {
        return Err(refuse(ErrorCode::NotFound, "no such member"));
    }
    if theirs == Some(Role::Owner) {
        return Err(refuse(
            ErrorCode::Forbidden,
            "an owner hands the room over instead",
        ));
    }
    if job.role == Role::Owner {
        let before = room.owner.clone().filter(|owner| *owner != job.user);
        if let Some(before) = before
            && role_in(tx, &room.id, &before).await?.is_some()
        {
            give_role(tx, &room, &before, Role::Moderator, asking.now).await?;
        }
    }
    give_role(tx, &room, &job.user, job.role, asking.now).await?;
    audit(tx, asking, &room.id, "set_role", &job.user).await?;
    Ok(viewed(tx.reading(), asking, &job.room, Action::Subscribe)
        .await?
        .room())
}

pub(crate) async fn invite(tx: &mut Tx, job: &MemberJob) -> Result<(), Fail> {
    let asking = &job.asking;
    let room = judged(tx.reading(), asking, &job.room, Action::Invite).await?;
    if room.kind() == RoomKind::Direct {
        return Err(refuse(
            ErrorCode::BadRequest,
            "a direct conversation stays between two",
        ));
    }
    if room.kind() == RoomKind::Private && !room.rights.is_exempt() {
        return Err(refuse(ErrorCode::Forbidden, "only moderators may"));
    }
    if !users::is_known(tx, &job.user).await? {
        return Err(refuse(ErrorCode::NotFound, "no such user"));
    }
    if role_in(tx, &room.id, &job.user).await?.is_some() {
        return Ok(());
    }
    if room.kind() == RoomKind::Group {
        return add_to_group(tx, &room, job).await;
    }
    let invited = tx
        .execute(
            "INSERT INTO invitations (room, sub, by, at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (room, sub) DO NOTHING",
            &[
                (&room.id).into(),
                (&job.user).into(),
                asking.caller.sub().into(),
                asking.now.into(),
            ],
        )
        .await?;
    if invited > 0 {
        let event = NotificationEvent::Invitation {
            channel: room.wire(),
            name: room.name.clone(),
            from: asking.caller.author(),
        };
        inbox::notify(tx, &job.user, &event, Some(&room.id), asking.now).await?;
    }
    Ok(())
}

/// Conversations are entered at once: nobody waits for an answer.
async fn add_to_group(tx: &mut Tx, room: &Standing, job: &MemberJob) -> Result<(), Fail> {
    if room.members >= GROUP_MEMBERS_MAX {
        return Err(refuse(
            ErrorCode::LimitReached,
            "a group has at most 100 members",
        ));
    }
    let name = tx
        .reading()
        .row(
            "SELECT name FROM users WHERE sub = $1",
            &[(&job.user).into()],
        )
        .await?;
    let member = Member {
        sub: job.user.clone(),
        name: name
            .map(|row| row.maybe_text("name"))
            .transpose()?
            .flatten(),
        role: Role::Member,
        delivered: Some(room.last_message),
        read: Some(room.last_message),
    };
    admit(tx, room, &member, job.asking.now).await?;
    tx.then(Effect::Conversation {
        sub: job.user.clone(),
        channel: room.wire().into(),
        unread: 0,
        read: room.last_message,
        message: None,
    });
    Ok(())
}

pub(crate) async fn decline(tx: &mut Tx, job: &RoomJob) -> Result<(), Fail> {
    tx.execute(
        "DELETE FROM invitations WHERE room = $1 AND sub = $2",
        &[(&job.room).into(), job.asking.caller.sub().into()],
    )
    .await?;
    Ok(())
}

/// A page of members.
#[derive(Debug)]
pub(crate) struct MembersQuery {
    pub(crate) asking: Asking,
    pub(crate) room: String,
    pub(crate) after: Option<String>,
    pub(crate) limit: u32,
}

pub(crate) async fn list(
    connection: &mut Connection,
    query: &MembersQuery,
) -> Result<MembersResult, Fail> {
    let room = judged(connection, &query.asking, &query.room, Action::Members).await?;
    let after = query.after.as_deref().unwrap_or_default();
    let mut members = read(connection, &room, after, i64::from(query.limit) + 1).await?;
    let more = members.len() > query.limit as usize;
    members.truncate(query.limit as usize);
    let next = members
        .last()
        .filter(|_| more)
        .map(|member| member.sub.clone());
    Ok(MembersResult { members, next })
}

/// Members in the order of their names on the wire, with marks when it is a conversation.
pub(super) async fn read(
    connection: &mut Connection,
    room: &Standing,
    after: &str,
    limit: i64,
) -> Result<Vec<Member>, StoreError> {
    let rows = connection
        .rows(
            "SELECT m.sub, m.role, m.delivered, m.read, u.name FROM members m
             LEFT JOIN users u ON u.sub = m.sub
             WHERE m.room = $1 AND m.sub > $2 ORDER BY m.sub LIMIT $3",
            &[(&room.id).into(), after.into(), limit.into()],
        )
        .await?;
    let with_marks = room.is_conversation();
    rows.iter()
        .map(|row| {
            Ok(Member {
                sub: row.text("sub")?,
                name: row.maybe_text("name")?,
                role: role_of(row.int("role")?),
                delivered: Some(row.count("delivered")?).filter(|_| with_marks),
                read: Some(row.count("read")?).filter(|_| with_marks),
            })
        })
        .collect()
}
