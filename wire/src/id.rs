//! Names of stations and tracks.

use std::fmt;

/// A station's name on the wire, in URLs and in SQL: 1 to 64 characters of
/// `a-z`, `0-9`, `-`, `_`, `.`, beginning with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "control", serde(try_from = "String", into = "String"))]
pub struct StationId(Box<str>);

/// The text is no station id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a station id is 1 to 64 characters of a-z, 0-9, '-', '_', '.', beginning with a letter or digit"
)]
pub struct InvalidStation;

impl StationId {
    /// The most characters a station id has.
    pub const CHARS_MAX: usize = 64;

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the channel that tells this station's listeners and source about it.
    #[must_use]
    pub fn channel(&self) -> String {
        format!("station:{}", self.0)
    }
}

impl std::str::FromStr for StationId {
    type Err = InvalidStation;

    fn from_str(text: &str) -> Result<Self, InvalidStation> {
        let first = text.bytes().next().ok_or(InvalidStation)?;
        let good = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
        };
        let begins = first.is_ascii_lowercase() || first.is_ascii_digit();
        if text.len() > Self::CHARS_MAX || !begins || !text.bytes().all(good) {
            return Err(InvalidStation);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for StationId {
    type Error = InvalidStation;

    fn try_from(text: String) -> Result<Self, InvalidStation> {
        text.parse()
    }
}

impl From<StationId> for String {
    fn from(id: StationId) -> Self {
        id.0.into()
    }
}

impl fmt::Display for StationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A track's number, unique within the relay while it runs: 1 to 2^30 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "control", serde(try_from = "u64", into = "u64"))]
pub struct TrackId(u32);

impl TrackId {
    /// The largest track id: four bytes as a varint.
    pub const MAX: u32 = (1 << 30) - 1;

    /// The track id of that number, when it is one.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        match u32::try_from(number) {
            Ok(number @ 1..=Self::MAX) => Some(Self(number)),
            _ => None,
        }
    }

    /// The id's number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

impl TryFrom<u64> for TrackId {
    type Error = &'static str;

    fn try_from(number: u64) -> Result<Self, &'static str> {
        Self::new(number).ok_or("a track id is 1 to 2^30-1")
    }
}

impl From<TrackId> for u64 {
    fn from(id: TrackId) -> Self {
        Self::from(id.0)
    }
}

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn station_ids_are_narrow() {
        for good in ["demo", "a", "0", "bbc-radio.3_hd", &"a".repeat(64)] {
            assert_eq!(good.parse::<StationId>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "-a",
            ".a",
            "_a",
            "A",
            "a b",
            "a/b",
            "é",
            "a\0",
            &"a".repeat(65),
        ] {
            assert_eq!(bad.parse::<StationId>(), Err(InvalidStation), "{bad:?}");
        }
    }

    #[test]
    fn track_ids_fit_four_bytes() {
        assert_eq!(TrackId::new(0), None);
        assert_eq!(TrackId::new(1 << 30), None);
        assert_eq!(TrackId::new(u64::MAX), None);
        assert_eq!(TrackId::new(1).unwrap().number(), 1);
    }
}
