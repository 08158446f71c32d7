//! Who is there: devices counted, a moment's absence forgiven.

use std::collections::HashMap;

use wire::message::presence::{Presence, Status};

/// How long a user counts as there after the last device vanished, in microseconds.
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
}

/// Somebody's presence is another now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) sub: String,
    pub(crate) presence: Presence,
}

impl Users {
    /// A device came. The user's own word holds as long as there is a device.
    pub(crate) fn handle_connected(&mut self, sub: &str) -> Change {
        let user = self.users.entry(sub.to_owned()).or_insert(User {
            devices: 0,
            is_away: false,
            text: None,
            gone_at: None,
        });
        user.devices += 1;
        user.gone_at = None;
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
        let user = self.users.get_mut(sub)?;
        user.devices = user.devices.saturating_sub(1);
        if user.devices > 0 {
            return Some(Change {
                sub: sub.to_owned(),
                presence: user.presence(),
            });
        }
        if orderly {
            self.users.remove(sub);
            return Some(gone(sub, now));
        }
        user.gone_at = Some(now);
        None
    }

    /// The user's own word. None when the user is not there.
    pub(crate) fn handle_status(
        &mut self,
        sub: &str,
        is_away: bool,
        text: Option<String>,
    ) -> Option<Change> {
        let user = self.users.get_mut(sub)?;
        user.is_away = is_away;
        user.text = text;
        Some(Change {
            sub: sub.to_owned(),
            presence: user.presence(),
        })
    }

    /// A user's presence; none is offline.
    pub(crate) fn presence(&self, sub: &str) -> Option<Presence> {
        self.users.get(sub).map(User::presence)
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
                changes.push(gone(sub, gone_at));
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
        assert_eq!(users.handle_connected("ann").presence.devices, 1);
        assert_eq!(users.handle_connected("ann").presence.devices, 2);
        let left = users.handle_disconnected("ann", false, 5).unwrap();
        assert_eq!(
            (left.presence.status, left.presence.devices),
            (Status::Online, 1)
        );
        assert_eq!(users.handle_disconnected("ann", false, 10), None);
        assert_eq!(users.poll_timeout(), Some(10 + GRACE));
        assert!(users.handle_timeout(9 + GRACE).is_empty());
        users.handle_connected("ann");
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
        users.handle_connected("ann");
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
    }
}
