//! The handshake of SHOUTcast v1: a password alone, `OK2`, then headers and sound.

use crate::head::{self, Details, Error};

/// The longest password line, in bytes.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// What the server says to a password that is right.
pub const WELCOME: &[u8] = b"OK2\r\nicy-caps:11\r\n\r\n";

/// What it says to one that is wrong.
pub const INVALID_PASSWORD: &[u8] = b"invalid password\r\n";

/// The line a source begins with: a password, or `station:password`. A password may hold
/// colons, so that only who knows the passwords can tell which it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Greeting {
    line: String,
}

impl std::fmt::Debug for Greeting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Greeting").finish_non_exhaustive()
    }
}

impl Greeting {
    /// Reads the line from the front of `bytes`: it, and how long it was.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Error> {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            let too_long = bytes.len() > LINE_BYTES_MAX;
            return if too_long {
                Err(Error::TooLong)
            } else {
                Ok(None)
            };
        };
        if end > LINE_BYTES_MAX {
            return Err(Error::TooLong);
        }
        let line = head::lines(&bytes[..end]).next().unwrap_or_default();
        Ok(Some((Self { line }, end + 1)))
    }

    /// What that line would say.
    #[must_use]
    pub fn from_line(line: String) -> Self {
        Self { line }
    }

    /// All of it as the password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.line
    }

    /// The station (without a leading slash) and the password, if it may name both.
    #[must_use]
    pub fn named(&self) -> Option<(String, String)> {
        let (station, password) = self.line.split_once(':')?;
        let station = station.trim_start_matches('/');
        Some((station.to_owned(), password.to_owned()))
    }
}

/// What comes between `OK2` and the sound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// About the station.
    pub details: Details,
    /// The type of the sound; MP3 when it is not told.
    pub content_type: Option<String>,
}

impl Headers {
    /// Reads the headers from the front of `bytes`: them, and how long they were.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Error> {
        let Some(end) = head::head_end(bytes)? else {
            return Ok(None);
        };
        let headers = head::headers(head::lines(&bytes[..end]))?;
        let content_type = headers.iter().find(|(name, _)| name == "content-type");
        let content_type = content_type.map(|(_, value)| value.clone());
        let details = head::details(&headers);
        let headers = Self {
            details,
            content_type,
        };
        Ok(Some((headers, end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_may_name_its_station() {
        let greeting = |line: &[u8]| Greeting::parse(line).unwrap().unwrap().0;
        assert_eq!(greeting(b"hackme\r\n").named(), None);
        let named = greeting(b"/jazz:hack:me\n");
        assert_eq!(named.named(), Some(("jazz".into(), "hack:me".into())));
        assert_eq!(named.password(), "/jazz:hack:me");
        assert!(!format!("{named:?}").contains("hack"));
        assert_eq!(Greeting::parse(b"hack").unwrap(), None);
        assert_eq!(Greeting::parse(&[b'x'; 9000]), Err(Error::TooLong));
    }

    #[test]
    fn headers_end_where_the_sound_begins() {
        let bytes = b"icy-name:Jazz\r\nicy-br:64\r\ncontent-type:audio/aacp\r\n\r\n\xff\xf1";
        let (headers, used) = Headers::parse(bytes).unwrap().unwrap();
        assert_eq!(&bytes[used..], b"\xff\xf1");
        assert_eq!(headers.details.name.as_deref(), Some("Jazz"));
        assert_eq!(headers.details.bitrate_kbps, Some(64));
        assert_eq!(headers.content_type.as_deref(), Some("audio/aacp"));
    }
}
