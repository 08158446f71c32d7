use super::*;

const KINDS: [RoomKind; 5] = [
    RoomKind::Station,
    RoomKind::Public,
    RoomKind::Private,
    RoomKind::Direct,
    RoomKind::Group,
];

fn anonymous(kind: RoomKind) -> Rights {
    Rights {
        kind,
        signed_in: false,
        role: None,
        elevated: None,
        invited: false,
        sanction: None,
    }
}

fn visitor(kind: RoomKind) -> Rights {
    Rights {
        signed_in: true,
        ..anonymous(kind)
    }
}

fn member(kind: RoomKind, role: Role) -> Rights {
    Rights {
        role: Some(role),
        ..visitor(kind)
    }
}

fn code(rights: Rights, action: Action) -> Option<ErrorCode> {
    rights.judge(action).err().map(|error| error.code)
}

fn is_open(kind: RoomKind) -> bool {
    matches!(kind, RoomKind::Station | RoomKind::Public)
}

#[test]
fn anonymous_visitors_read_open_rooms_and_nothing_else() {
    use Action::{FetchUpload, History, Subscribe};
    for kind in KINDS {
        for action in Action::ALL {
            let is_reading = matches!(action, Subscribe | History | FetchUpload);
            let expected = match (is_open(kind), is_reading) {
                (true, true) => None,
                (false, true) => Some(ErrorCode::UnknownRoom),
                (_, false) => Some(ErrorCode::Unauthorized),
            };
            assert_eq!(
                code(anonymous(kind), action),
                expected,
                "{kind:?} {action:?}"
            );
        }
    }
}

#[test]
fn visitors_may_read_and_join_open_rooms_and_do_not_see_closed_ones() {
    use Action::{Delete, Edit, Invite, Leave, Mark, React, Send, Typing};
    use Action::{FetchUpload, History, Join, Members, Report, Search, Subscribe};
    for kind in KINDS {
        for action in Action::ALL {
            let expected = if !is_open(kind) {
                Some(ErrorCode::UnknownRoom)
            } else if matches!(
                action,
                Subscribe | History | FetchUpload | Search | Members | Report | Join
            ) {
                None
            } else if matches!(
                action,
                Send | Edit | Delete | React | Typing | Mark | Leave | Invite
            ) {
                Some(ErrorCode::NotMember)
            } else {
                Some(ErrorCode::Forbidden)
            };
            assert_eq!(code(visitor(kind), action), expected, "{kind:?} {action:?}");
        }
    }
}

#[test]
fn an_invitation_opens_private_rooms_for_joining_alone() {
    for kind in KINDS {
        let invited = Rights {
            invited: true,
            ..visitor(kind)
        };
        let may_join = is_open(kind) || kind == RoomKind::Private;
        assert_eq!(code(invited, Action::Join).is_none(), may_join, "{kind:?}");
        assert_eq!(
            code(invited, Action::History).is_none(),
            is_open(kind),
            "{kind:?}"
        );
    }
}

#[test]
fn the_muted_do_all_but_write() {
    use Action::{Delete, Edit, Invite, React, Send, Typing};
    for kind in KINDS {
        for action in Action::ALL {
            let before = code(member(kind, Role::Member), action);
            let muted = Rights {
                sanction: Some(SanctionKind::Mute),
                ..member(kind, Role::Member)
            };
            let is_writing = matches!(action, Send | Edit | Delete | React | Typing | Invite);
            let expected = if is_writing {
                Some(ErrorCode::Muted)
            } else {
                before
            };
            assert_eq!(code(muted, action), expected, "{kind:?} {action:?}");
        }
    }
}

#[test]
fn the_banned_do_nothing_whoever_they_were() {
    for kind in KINDS {
        for role in [Role::Member, Role::Moderator, Role::Owner] {
            for action in Action::ALL {
                let banned = Rights {
                    sanction: Some(SanctionKind::Ban),
                    ..member(kind, role)
                };
                assert_eq!(
                    code(banned, action),
                    Some(ErrorCode::Banned),
                    "{kind:?} {action:?}"
                );
                let gone = Rights {
                    role: None,
                    ..banned
                };
                let expected = if is_open(kind) {
                    ErrorCode::Banned
                } else {
                    ErrorCode::UnknownRoom
                };
                assert_eq!(code(gone, action), Some(expected), "{kind:?} {action:?}");
            }
        }
        let from_nowhere = Rights {
            sanction: Some(SanctionKind::Ban),
            ..anonymous(kind)
        };
        assert!(code(from_nowhere, Action::History).is_some(), "{kind:?}");
    }
}

#[test]
fn each_rank_may_what_it_is_for() {
    use Action::{DeleteRoom, Kick, Oversee, Sanction, SetRole, SetWords, Update};
    for action in Action::ALL {
        let needed = match action {
            Kick | Sanction | Oversee | SetWords => Role::Moderator,
            Update | SetRole | DeleteRoom => Role::Owner,
            _ => Role::Member,
        };
        for role in [Role::Member, Role::Moderator, Role::Owner] {
            let expected = (role < needed).then_some(ErrorCode::Forbidden);
            assert_eq!(
                code(member(RoomKind::Public, role), action),
                expected,
                "{role:?} {action:?}"
            );
        }
    }
}

#[test]
fn a_token_gives_rank_without_membership_and_outlives_sanctions() {
    let admin = Rights {
        elevated: Some(Role::Owner),
        sanction: Some(SanctionKind::Ban),
        ..visitor(RoomKind::Private)
    };
    assert_eq!(code(admin, Action::Send), None);
    assert_eq!(code(admin, Action::DeleteRoom), None);
    assert_eq!(code(admin, Action::Mark), Some(ErrorCode::NotMember));
}
