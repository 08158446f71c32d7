//! Who may do what in a room: one table, asked on every request.

use wire::code::ErrorCode;
use wire::frame::Error;
use wire::message::moderation::SanctionKind;
use wire::message::room::{Role, RoomKind};

/// What a user wants to do in a room or conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Subscribe,
    History,
    Search,
    Members,
    Mark,
    Typing,
    Send,
    Edit,
    Delete,
    React,
    FetchUpload,
    Report,
    Join,
    Leave,
    Invite,
    Kick,
    Sanction,
    Oversee,
    SetWords,
    Update,
    SetRole,
    DeleteRoom,
}

/// What an action asks of whoever wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// To be let in: open rooms by anybody, closed ones by members; not banned.
    Read,
    /// To be signed in, besides.
    ReadSignedIn,
    /// To be a member who is not banned.
    Belong,
    /// To be a member who is neither banned nor muted.
    Write,
    /// To be signed in and not banned, and invited when the room is private.
    Enter,
    Moderate,
    Own,
}

impl Action {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 22] = [
        Self::Subscribe,
        Self::History,
        Self::Search,
        Self::Members,
        Self::Mark,
        Self::Typing,
        Self::Send,
        Self::Edit,
        Self::Delete,
        Self::React,
        Self::FetchUpload,
        Self::Report,
        Self::Join,
        Self::Leave,
        Self::Invite,
        Self::Kick,
        Self::Sanction,
        Self::Oversee,
        Self::SetWords,
        Self::Update,
        Self::SetRole,
        Self::DeleteRoom,
    ];

    fn need(self) -> Need {
        match self {
            Self::Subscribe | Self::History | Self::FetchUpload => Need::Read,
            Self::Search | Self::Members | Self::Report => Need::ReadSignedIn,
            Self::Mark | Self::Leave => Need::Belong,
            Self::Typing | Self::Send | Self::Edit | Self::Delete | Self::React | Self::Invite => {
                Need::Write
            }
            Self::Join => Need::Enter,
            Self::Kick | Self::Sanction | Self::Oversee | Self::SetWords => Need::Moderate,
            Self::Update | Self::SetRole | Self::DeleteRoom => Need::Own,
        }
    }
}

/// Where somebody stands in a room, as far as rights go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) kind: RoomKind,
    pub(crate) signed_in: bool,
    /// As a member.
    pub(crate) role: Option<Role>,
    /// By the token: administrators, and those who moderate or run the station.
    pub(crate) elevated: Option<Role>,
    pub(crate) invited: bool,
    pub(crate) sanction: Option<SanctionKind>,
}

impl Rights {
    /// What somebody may do as a member or by token, whichever is more.
    pub(crate) fn rank(&self) -> Option<Role> {
        self.role.max(self.elevated)
    }

    fn is_open(&self) -> bool {
        matches!(self.kind, RoomKind::Station | RoomKind::Public)
    }

    /// Whether the room's own rules (slow mode, filters) do not hold.
    pub(crate) fn is_exempt(&self) -> bool {
        self.rank() >= Some(Role::Moderator)
    }

    /// Judges an action.
    pub(crate) fn judge(&self, action: Action) -> Result<(), Error> {
        let need = action.need();
        if !self.signed_in && need != Need::Read {
            return Err(Error::new(ErrorCode::Unauthorized, "sign in first"));
        }
        // Whether a closed room exists is nobody's business but its members'.
        let invited = need == Need::Enter && self.invited && self.kind == RoomKind::Private;
        if !self.is_open() && self.rank().is_none() && !invited {
            return Err(unknown());
        }
        // Those who hold a token for it answer to whoever gave it to them.
        if self.elevated.is_none() {
            self.judge_sanction(need)?;
        }
        let needed = match need {
            Need::Read | Need::ReadSignedIn | Need::Enter => return Ok(()),
            Need::Belong if self.role.is_none() => return Err(not_member()),
            Need::Write if self.rank().is_none() => return Err(not_member()),
            Need::Belong | Need::Write => return Ok(()),
            Need::Moderate => Role::Moderator,
            Need::Own => Role::Owner,
        };
        if self.rank() < Some(needed) {
            let message = match needed {
                Role::Owner => "only the owner may",
                Role::Member | Role::Moderator => "only moderators may",
            };
            return Err(Error::new(ErrorCode::Forbidden, message));
        }
        Ok(())
    }

    fn judge_sanction(&self, need: Need) -> Result<(), Error> {
        match self.sanction {
            Some(SanctionKind::Ban) => {
                Err(Error::new(ErrorCode::Banned, "you are banned from here"))
            }
            Some(SanctionKind::Mute) if need == Need::Write => {
                Err(Error::new(ErrorCode::Muted, "you may read and not write"))
            }
            Some(SanctionKind::Mute) | None => Ok(()),
        }
    }
}

/// There is no such room, as far as whoever asks may know.
pub(crate) fn unknown() -> Error {
    Error::new(ErrorCode::UnknownRoom, "no such room or conversation")
}

fn not_member() -> Error {
    Error::new(ErrorCode::NotMember, "join first")
}

#[cfg(test)]
mod tests;
