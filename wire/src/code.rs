//! Error codes of replies and close codes of sessions.

use serde::{Deserialize, Serialize};

/// Why a request failed, as `error.code` of its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The parameters are missing, mis-typed or out of range.
    BadRequest,
    /// A request came before `hello`.
    HelloRequired,
    /// There is no such method.
    UnknownMethod,
    /// The peer does not speak that version of the protocol.
    UnsupportedProtocol,
    /// There is no token, or one that is not to be trusted.
    Unauthorized,
    /// The token is good and does not allow this.
    Forbidden,
    /// There is no such channel.
    UnknownChannel,
    /// There is no such station now.
    UnknownStation,
    /// The station has no such rendition.
    UnknownRendition,
    /// Another source is on air.
    StationBusy,
    /// The session listens to nothing.
    NotListening,
    /// The session is no station's source.
    NotPublishing,
    /// The session holds as many subscriptions as it may.
    TooManySubscriptions,
    /// The session asks more often than it may.
    RateLimited,
    /// The relay takes no more of this now.
    Overloaded,
    /// The relay failed.
    Internal,
    /// There is no such room or conversation, or none one may know of.
    UnknownRoom,
    /// There is no such message, or it was deleted.
    UnknownMessage,
    /// There is no such user, member, sanction, report or upload.
    NotFound,
    /// One has to join first.
    NotMember,
    /// One is banned.
    Banned,
    /// One may read and not write.
    Muted,
    /// One wrote too recently for this room.
    SlowMode,
    /// Only followers of the station write here.
    FollowersOnly,
    /// The word filter refused the text.
    BlockedText,
    /// The object has another version by now.
    Conflict,
    /// There are as many of these as there may be.
    LimitReached,
    /// The store cannot take this now; nothing was acknowledged.
    Unavailable,
    /// A code this version does not know.
    #[serde(other)]
    Unknown,
}

impl ErrorCode {
    /// Whether the same request may succeed later without any change to it.
    #[must_use]
    pub fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::StationBusy
                | Self::RateLimited
                | Self::Overloaded
                | Self::Internal
                | Self::SlowMode
                | Self::Unavailable
        )
    }
}

/// Why the relay ended a session: `code` of `bye`, and a number for the transport's close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CloseCode {
    /// The client closed.
    Done,
    /// No `hello` within its time.
    HelloTimeout,
    /// A frame that is no request.
    ProtocolError,
    /// A frame above the limit.
    FrameTooLarge,
    /// Wrong version, path or subprotocol.
    UnsupportedProtocol,
    /// The token in `hello` was refused.
    Unauthorized,
    /// The session's token ran out.
    TokenExpired,
    /// Three ping intervals without a request.
    IdleTimeout,
    /// The session does not read what it is sent.
    SlowConsumer,
    /// Far above a rate limit.
    Flooding,
    /// The relay shuts down.
    Draining,
    /// The relay takes no more sessions now.
    Overloaded,
    /// The relay failed.
    Internal,
    /// A code this version does not know.
    #[serde(other)]
    Unknown,
}

impl CloseCode {
    const NUMBERED: [Self; 13] = [
        Self::Done,
        Self::HelloTimeout,
        Self::ProtocolError,
        Self::FrameTooLarge,
        Self::UnsupportedProtocol,
        Self::Unauthorized,
        Self::TokenExpired,
        Self::IdleTimeout,
        Self::SlowConsumer,
        Self::Flooding,
        Self::Draining,
        Self::Overloaded,
        Self::Internal,
    ];

    /// What WebSocket adds to the number: the range of codes for private use (RFC 6455, 7.4.2).
    pub const WEBSOCKET_BASE: u16 = 4000;

    /// The number in a WebTransport close; [`Self::Unknown`] has none of its own and gives 255.
    #[must_use]
    pub fn number(self) -> u8 {
        let position = Self::NUMBERED.iter().position(|code| *code == self);
        position.map_or(255, |number| number as u8)
    }

    /// The code of that number.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        Self::NUMBERED.get(index).copied().unwrap_or(Self::Unknown)
    }

    /// The WebSocket close code.
    #[must_use]
    pub fn websocket(self) -> u16 {
        Self::WEBSOCKET_BASE + u16::from(self.number())
    }

    /// Whether a client should connect again by itself.
    #[must_use]
    pub fn invites_back(self) -> bool {
        matches!(
            self,
            Self::HelloTimeout
                | Self::IdleTimeout
                | Self::SlowConsumer
                | Self::Flooding
                | Self::Draining
                | Self::Overloaded
                | Self::Internal
                | Self::Unknown
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_codes_keep_their_numbers() {
        for (number, name) in [
            (0, "done"),
            (1, "hello_timeout"),
            (2, "protocol_error"),
            (3, "frame_too_large"),
            (4, "unsupported_protocol"),
            (5, "unauthorized"),
            (6, "token_expired"),
            (7, "idle_timeout"),
            (8, "slow_consumer"),
            (9, "flooding"),
            (10, "draining"),
            (11, "overloaded"),
            (12, "internal"),
        ] {
            let code: CloseCode = serde_json::from_value(name.into()).unwrap();
            assert_eq!(u64::from(code.number()), number);
            assert_eq!(CloseCode::from_number(number), code);
            assert_eq!(u64::from(code.websocket()), 4000 + number);
        }
        assert_eq!(CloseCode::from_number(u64::MAX), CloseCode::Unknown);
    }

    #[test]
    fn codes_of_later_versions_are_unknown_not_errors() {
        assert_eq!(
            serde_json::from_str::<ErrorCode>("\"teapot\"").unwrap(),
            ErrorCode::Unknown
        );
        assert_eq!(
            serde_json::from_str::<CloseCode>("\"teapot\"").unwrap(),
            CloseCode::Unknown
        );
    }
}
