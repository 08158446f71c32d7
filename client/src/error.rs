//! Why something a client was asked for cannot be had.

use wire::code::{CloseCode, ErrorCode};

/// Why a client failed, in the four ways a caller can act on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What the caller asked for makes no sense; nothing was sent.
    #[error("{0}")]
    BadArguments(String),
    /// The relay answered no.
    #[error("refused: {message} ({code})")]
    Refused {
        /// The relay's word for it: an error code or a close code of the protocol.
        code: String,
        /// The relay's sentence about it.
        message: String,
        /// Whether the same may be granted later.
        temporary: bool,
    },
    /// There is no relay at the address, or none that answers in time.
    #[error("cannot reach {target}: {reason}")]
    Unreachable {
        /// What was tried.
        target: String,
        /// What came of it.
        reason: String,
    },
    /// It worked, and then the connection or the right to it was lost.
    #[error("cut off: {0}")]
    CutOff(String),
}

impl Error {
    pub(crate) fn unreachable(target: impl Into<String>, reason: impl ToString) -> Self {
        Self::Unreachable {
            target: target.into(),
            reason: reason.to_string(),
        }
    }

    /// Whether the refusal has this code.
    #[must_use]
    pub fn is_refusal(&self, wanted: ErrorCode) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == word(&wanted))
    }

    /// Whether trying again by itself makes sense.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::BadArguments(_) => false,
            Self::Refused { temporary, .. } => *temporary,
            Self::Unreachable { .. } | Self::CutOff(_) => true,
        }
    }

    /// A session ended with that code before it was of use.
    pub(crate) fn closed(code: CloseCode, reason: &str) -> Self {
        Self::Refused {
            code: word(&code),
            message: reason.to_owned(),
            temporary: code.invites_back(),
        }
    }
}

impl From<wire::frame::Error> for Error {
    fn from(error: wire::frame::Error) -> Self {
        Self::Refused {
            code: word(&error.code),
            message: error.message,
            temporary: error.temporary,
        }
    }
}

/// A code as the protocol spells it.
fn word<T: serde::Serialize>(code: &T) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_in_the_words_of_the_protocol() {
        let error: Error = wire::frame::Error::new(ErrorCode::StationBusy, "taken").into();
        assert_eq!(error.to_string(), "refused: taken (station_busy)");
        assert!(error.is_refusal(ErrorCode::StationBusy) && error.is_passing());
        let error = Error::closed(CloseCode::Unauthorized, "expired");
        assert_eq!(error.to_string(), "refused: expired (unauthorized)");
        assert!(!error.is_passing());
    }
}
