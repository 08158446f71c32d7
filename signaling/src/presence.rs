//! Who is there: devices counted, a moment's absence forgiven.

use std::collections::HashMap;

use wire::message::presence::{Presence, Status};

/// How long a user counts as there after the last device vanished, and the user's own
/// word is kept for who left properly, in microseconds.
pub(crate) const GRACE: i64 = 15_000_000;

/// Everybody who is there, or was a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Users {
    users: HashMap<String, User>,
}

#[derive(Debug)]
struct User {
    devices: u32,
    is_away: bool,
    text: Option<String>,
    /// Since when there is no device.
    gone_at: Option<i64>,
    /// Whether the others know that there is none.
    is_gone: bool,
}

/// Somebody's presence is another now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) sub: String,
    pub(crate) presence: Presence,
}

impl Users {
    /// A device came. The user's own word holds as long as there is a device, and for a
    /// moment longer: a page that is loaded anew leaves and is back.
    pub(crate) fn handle_connected(&mut self, sub: &str, now: i64) -> Change {
        let user = self.users.entry(sub.to_owned()).or_insert(User {
            devices: 0,
            is_away: false,
            text: None,
            gone_at: None,
            is_gone: false,
        });
        if user.gone_at.is_some_and(|gone_at| gone_at + GRACE <= now) {
            (user.is_away, user.text) = (false, None);
        }
        user.devices += 1;
        (user.gone_at, user.is_gone) = (None, false);
        Change {
            sub: sub.to_owned(),
            presence: user.presence(),
        }
    }

    /// A device went: in an orderly way, or it vanished and may be back in a moment.
    pub(crate) fn handle_disconnected(
        &mut self,
        sub: &str,
        orderly: bool,
        now: i64,
    ) -> Option<Change> {
        let user = self.users.get_mut(sub).filter(|user| user.devices > 0)?;
        user.devices -= 1;
        if user.devices > 0 {
            return Some(Change {
                sub: sub.to_owned(),
                presence: user.presence(),
            });
        }
        (user.gone_at, user.is_gone) = (Some(now), orderly);
        orderly.then(|| gone(sub, now))
    }

    /// The user's own word. None when the user is not there.
    pub(crate) fn handle_status(
        &mut self,
        sub: &str,
        is_away: bool,
        text: Option<String>,
    ) -> Option<Change> {
        let user = self.users.get_mut(sub).filter(|user| !user.is_gone)?;
        user.is_away = is_away;
        user.text = text;
        Some(Change {
            sub: sub.to_owned(),
            presence: user.presence(),
        })
    }

    /// A user's presence; none is offline.
    pub(crate) fn presence(&self, sub: &str) -> Option<Presence> {
        let user = self.users.get(sub).filter(|user| !user.is_gone)?;
        Some(user.presence())
    }

    /// When to call [`Self::handle_timeout`].
    pub(crate) fn poll_timeout(&self) -> Option<i64> {
        let gone = self.users.values().filter_map(|user| user.gone_at);
        gone.min().map(|gone_at| gone_at + GRACE)
    }

    /// Ends the grace of those who did not come back.
    pub(crate) fn handle_timeout(&mut self, now: i64) -> Vec<Change> {
        let mut changes = Vec::new();
        self.users.retain(|sub, user| match user.gone_at {
            Some(gone_at) if gone_at + GRACE <= now => {
                if !user.is_gone {
                    changes.push(gone(sub, gone_at));
                }
                false
            }
            _ => true,
        });
        changes
    }
}

impl User {
    fn presence(&self) -> Presence {
        Presence {
            status: if self.is_away {
                Status::Away
            } else {
                Status::Online
            },
            text: self.text.clone(),
            devices: self.devices,
            last_seen: None,
        }
    }
}

fn gone(sub: &str, at: i64) -> Change {
    Change {
        sub: sub.to_owned(),
        presence: Presence {
            status: Status::Offline,
            text: None,
            devices: 0,
            last_seen: u64::try_from(at).ok(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_counted_and_a_moment_of_absence_is_not_told() {
        let mut users = Users::default();
        assert_eq!(users.handle_connected("ann", 0).presence.devices, 1);
        assert_eq!(users.handle_connected("ann", 1).presence.devices, 2);
        let left = users.handle_disconnected("ann", false, 5).unwrap();
        assert_eq!(
            (left.presence.status, left.presence.devices),
            (Status::Online, 1)
        );
        assert_eq!(users.handle_disconnected("ann", false, 10), None);
        assert_eq!(users.poll_timeout(), Some(10 + GRACE));
        assert!(users.handle_timeout(9 + GRACE).is_empty());
        users.handle_connected("ann", 11);
        assert_eq!(users.poll_timeout(), None);
        assert!(users.handle_timeout(100 * GRACE).is_empty());
        assert_eq!(users.handle_disconnected("ann", false, 100), None);
        let changes = users.handle_timeout(100 + GRACE);
        assert_eq!(changes[0].presence.status, Status::Offline);
        assert_eq!(changes[0].presence.last_seen, Some(100));
        assert_eq!(users.presence("ann"), None);
    }

    #[test]
    fn an_orderly_end_is_told_at_once_and_words_hold_until_changed() {
        let mut users = Users::default();
        users.handle_connected("ann", 0);
        users.handle_status("ann", true, Some("lunch".into()));
        let presence = users.presence("ann").unwrap();
        assert_eq!(
            (presence.status, presence.text.as_deref()),
            (Status::Away, Some("lunch"))
        );
        let change = users.handle_status("ann", false, None).unwrap();
        assert_eq!(change.presence.status, Status::Online);
        let change = users.handle_disconnected("ann", true, 7).unwrap();
        assert_eq!(change.presence.last_seen, Some(7));
        assert_eq!(users.handle_disconnected("ann", true, 8), None);
        assert_eq!(users.handle_status("ann", true, None), None);
        assert_eq!(users.presence("ann"), None);
        users.handle_connected("ann", 8);
        users.handle_status("ann", true, None);
        users.handle_disconnected("ann", true, 9);
        let back = users.handle_connected("ann", 10).presence;
        assert_eq!((back.status, back.devices), (Status::Away, 1));
        users.handle_disconnected("ann", true, 20);
        assert!(users.handle_timeout(20 + GRACE).is_empty(), "it was told");
        users.handle_connected("ann", 21 + GRACE);
        users.handle_status("ann", true, None);
        users.handle_disconnected("ann", true, 22 + GRACE);
        let late = users.handle_connected("ann", 22 + 2 * GRACE).presence;
        assert_eq!(
            late.status,
            Status::Online,
            "nobody ended its grace in time"
        );
    }
}
