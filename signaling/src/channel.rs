//! Names of channels on the wire.

use wire::code::ErrorCode;
use wire::frame::Error;
use wire::message::notification::{INBOX_CHANNEL, PRESENCE_CHANNEL};

/// A channel of this crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Channel {
    /// `room:ID` or `conversation:ID`, by the id.
    Room(String),
    /// One's own inbox.
    Inbox,
    /// The presence of others.
    Presence,
}

/// The most characters of a room's id: `@` and a station's.
const ROOM_CHARS_MAX: usize = 65;

impl Channel {
    /// The channel of that name; none when it is none of this crate's.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        if name == INBOX_CHANNEL {
            return Some(Self::Inbox);
        }
        if name == PRESENCE_CHANNEL {
            return Some(Self::Presence);
        }
        let id = name
            .strip_prefix("room:")
            .or_else(|| name.strip_prefix("conversation:"))?;
        let is_id = (1..=ROOM_CHARS_MAX).contains(&id.len())
            && id.bytes().all(|byte| {
                byte.is_ascii_lowercase()
                    || byte.is_ascii_digit()
                    || matches!(byte, b'@' | b'-' | b'_' | b'.')
            });
        is_id.then(|| Self::Room(id.to_owned()))
    }

    /// The id of the room a request names.
    pub(crate) fn room(name: &str) -> Result<String, Error> {
        match Self::parse(name) {
            Some(Self::Room(id)) => Ok(id),
            _ => Err(Error::new(
                ErrorCode::UnknownChannel,
                "channel: neither room:ID nor conversation:ID",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_names_are_channels() {
        let room = |id: &str| Some(Channel::Room(id.to_owned()));
        assert_eq!(Channel::parse("room:@demo.fm"), room("@demo.fm"));
        assert_eq!(Channel::parse("conversation:abc"), room("abc"));
        assert_eq!(Channel::parse("inbox"), Some(Channel::Inbox));
        assert_eq!(Channel::parse("presence"), Some(Channel::Presence));
        let long = format!("room:{}", "a".repeat(66));
        for name in [
            "",
            "room:",
            "room:A",
            "room:a:b",
            "inbox:ann",
            "stations",
            "room:a b",
            &long,
        ] {
            assert_eq!(Channel::parse(name), None, "{name}");
        }
    }
}
