//! The request line and headers of a source.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::body::Body;
use crate::text;

/// The largest head read, in bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Header lines read at most.
const HEADERS_MAX: usize = 100;

/// What a connection's first bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    /// The request of a source.
    Source,
    /// Another HTTP request.
    Http,
    /// No HTTP: the password line of SHOUTcast v1.
    Shoutcast,
    /// Too few bytes to tell; never more than ten are needed.
    Incomplete,
}

/// Tells who speaks from the first bytes. Without `shoutcast` whatever is no source is HTTP.
///
/// A `PUT` below `/api/` is the API's, not a source's.
#[must_use]
pub fn sniff(bytes: &[u8], shoutcast: bool) -> Sniffed {
    let begins = |name: &[u8]| {
        let shared = name.len().min(bytes.len());
        (bytes[..shared] == name[..shared]).then_some(bytes.len() >= name.len())
    };
    match (begins(b"SOURCE "), begins(b"PUT "), begins(b"PUT /api/")) {
        (Some(true), ..) => Sniffed::Source,
        (_, _, Some(true)) => Sniffed::Http,
        (_, Some(true), None) => Sniffed::Source,
        (Some(false), ..) | (_, Some(false), _) | (_, _, Some(false)) => Sniffed::Incomplete,
        _ if shoutcast => sniff_method(bytes),
        _ => Sniffed::Http,
    }
}

/// An HTTP request begins with a few capitals, a space and a path.
fn sniff_method(bytes: &[u8]) -> Sniffed {
    let capitals = bytes.iter().take_while(|byte| byte.is_ascii_uppercase());
    let length = capitals.count();
    match (bytes.get(length), bytes.get(length + 1)) {
        _ if length > 8 => Sniffed::Shoutcast,
        (None, _) | (Some(b' '), None) => Sniffed::Incomplete,
        (Some(b' '), Some(b'/' | b'*')) if length >= 3 => Sniffed::Http,
        _ => Sniffed::Shoutcast,
    }
}

/// How a source asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// HTTP's own.
    Put,
    /// Icecast's older one.
    Source,
}

/// The request of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// How it asks.
    pub method: Method,
    /// The path, decoded, without a query.
    pub path: String,
    /// Whether it speaks HTTP/1.1; otherwise HTTP/1.0 or `ICE/1.0`.
    pub is_http_11: bool,
    /// Names in lower case, and values, in order.
    headers: Vec<(String, String)>,
}

/// What a source says about its station. Texts are as they were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// The station's name.
    pub name: Option<String>,
    /// A sentence about it.
    pub description: Option<String>,
    /// What kind of music it plays.
    pub genre: Option<String>,
    /// Its page.
    pub url: Option<String>,
    /// Its bitrate in kb/s.
    pub bitrate_kbps: Option<u32>,
}

/// Why a head is no request of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is longer than [`HEAD_BYTES_MAX`] or has more lines than allowed.
    #[error("the head of the request is too long")]
    TooLong,
    /// Its first line is none of a source.
    #[error("the first line is no request of a source")]
    RequestLine,
    /// A line without a colon, or an unreadable length.
    #[error("a header cannot be read")]
    Header,
    /// Neither chunked nor plain.
    #[error("the transfer encoding is not known")]
    TransferEncoding,
}

impl Head {
    /// Reads a head from the front of `bytes`: it, and how long it was. `None` when its end
    /// is not there yet.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Error> {
        let Some(end) = head_end(bytes)? else {
            return Ok(None);
        };
        let mut lines = lines(&bytes[..end]);
        let first = lines.next().ok_or(Error::RequestLine)?;
        let mut words = first.split(' ').filter(|word| !word.is_empty());
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Error::RequestLine);
        };
        let method = match method {
            "PUT" => Method::Put,
            "SOURCE" => Method::Source,
            _ => return Err(Error::RequestLine),
        };
        let is_http_11 = match version {
            "HTTP/1.1" => true,
            "HTTP/1.0" | "ICE/1.0" => false,
            _ => return Err(Error::RequestLine),
        };
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let head = Self {
            method,
            path: text::percent_decoded(path, false).into_text(None),
            is_http_11,
            headers: headers(lines)?,
        };
        Ok(Some((head, end)))
    }

    /// The first header of that name, which is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// User and password, if it names any.
    #[must_use]
    pub fn basic(&self) -> Option<(String, String)> {
        basic(self.header("authorization")?)
    }

    /// Whether it waits for `100 Continue` before it sends.
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        let expected = self.header("expect");
        expected.is_some_and(|what| what.eq_ignore_ascii_case("100-continue"))
    }

    /// How the sound comes.
    pub fn body(&self) -> Result<Body, Error> {
        if let Some(encoding) = self.header("transfer-encoding") {
            return match encoding {
                _ if encoding.eq_ignore_ascii_case("chunked") => Ok(Body::Chunked),
                _ if encoding.eq_ignore_ascii_case("identity") => Ok(Body::Endless),
                _ => Err(Error::TransferEncoding),
            };
        }
        match self.header("content-length") {
            // Encoders that must name a length and have none name 0.
            None | Some("0") => Ok(Body::Endless),
            Some(length) => {
                let length = length.parse().map_err(|_| Error::Header)?;
                Ok(Body::Length(length))
            }
        }
    }

    /// What it says about its station.
    #[must_use]
    pub fn details(&self) -> Details {
        details(&self.headers)
    }
}

/// Decodes an `Authorization` header of the kind `Basic`.
#[must_use]
pub fn basic(authorization: &str) -> Option<(String, String)> {
    let (kind, code) = authorization.split_once(' ')?;
    if !kind.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = BASE64_STANDARD.decode(code.trim()).ok()?;
    let both = text::decode(&bytes, None);
    let (user, password) = both.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

pub(crate) fn details(headers: &[(String, String)]) -> Details {
    let either = |name: &str| {
        let value =
            find(headers, &format!("ice-{name}")).or_else(|| find(headers, &format!("icy-{name}")));
        let value = value.map(str::trim).filter(|value| !value.is_empty());
        value.map(str::to_owned)
    };
    let bitrate = either("bitrate").or_else(|| either("br")).or_else(|| {
        let info = find(headers, "ice-audio-info")?;
        let mut pairs = info.split(';').filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(name, _)| name.trim().ends_with("bitrate"));
        found.map(|(_, value)| value.trim().to_owned())
    });
    Details {
        name: either("name"),
        description: either("description"),
        genre: either("genre"),
        url: either("url"),
        bitrate_kbps: bitrate.and_then(|text| text.parse().ok()),
    }
}

/// Where the empty line ends.
pub(crate) fn head_end(bytes: &[u8]) -> Result<Option<usize>, Error> {
    let seen = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    let mut line_start = 0;
    for (at, _) in seen.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        let line = &seen[line_start..at];
        if line_start > 0 && (line.is_empty() || line == b"\r") {
            return Ok(Some(at + 1));
        }
        line_start = at + 1;
    }
    if bytes.len() >= HEAD_BYTES_MAX {
        return Err(Error::TooLong);
    }
    Ok(None)
}

pub(crate) fn lines(head: &[u8]) -> impl Iterator<Item = String> {
    let lines = head.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines
        .filter(|line| !line.is_empty())
        .map(|line| text::decode(line, None))
}

pub(crate) fn headers(lines: impl Iterator<Item = String>) -> Result<Vec<(String, String)>, Error> {
    let mut headers = Vec::new();
    for line in lines {
        if headers.len() >= HEADERS_MAX {
            return Err(Error::TooLong);
        }
        let (name, value) = line.split_once(':').ok_or(Error::Header)?;
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(headers)
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut found = headers.iter().filter(|(other, _)| other == name);
    found.next().map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests;
